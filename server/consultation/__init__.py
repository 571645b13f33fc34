"""The use cases, one function a step. They know the domain and the ports; no adapter, no HTTP."""
