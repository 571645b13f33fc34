"""Betpe-bet server: the domain, its use cases, and the adapters round them."""

__version__ = "0.1.0"
