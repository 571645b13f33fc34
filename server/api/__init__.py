"""HTTP and WebSocket: one table of routes, thin handlers, coded errors."""
