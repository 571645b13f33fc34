"""Media engines behind server.ports.Media: embedded (aiortc's ICE and DTLS, own RTP) and Janus."""
