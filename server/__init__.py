"""Betpe-bet server: the domain, its use cases, and the adapters round them."""
