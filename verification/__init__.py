"""Betpe-bet verification: pure computing on pixels. No asyncio, no server import, no I/O but its own CLI."""

__version__ = "0.1.0"
