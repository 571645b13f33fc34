# The service as one image. Build: docker build -t betpe-bet .   Run: docker compose up
# Stage "janus" is Debian's Janus with the product's configuration (docker compose --profile janus).
FROM python:3.11-slim-bookworm AS janus
RUN apt-get update && apt-get install -y --no-install-recommends janus && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/betpe-bet
COPY server server
RUN useradd --system --uid 10002 janus-media && install -d -o janus-media -m 0700 /run/betpe-janus
USER janus-media
ENV JANUS_FOLDER=/run/betpe-janus JANUS_API_ADDRESS=0.0.0.0 JANUS_PORTS=51000-51999
EXPOSE 51000-51999/udp
CMD ["sh", "-c", "python -m server.media.janus_configuration $JANUS_FOLDER && exec janus -F $JANUS_FOLDER"]

FROM python:3.11-slim-bookworm AS service
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/betpe-bet
COPY requirements.lock ./
RUN pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY server server
COPY verification verification
COPY web web
RUN useradd --system --uid 10001 betpe && install -d -o betpe -m 0700 /var/lib/betpe-bet
USER betpe
ENV BETPE_DATA_DIR=/var/lib/betpe-bet BETPE_HOST=0.0.0.0 BETPE_PORT=8080
EXPOSE 8080/tcp 50000-50199/udp
VOLUME /var/lib/betpe-bet
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/readyz', timeout=2)"]
CMD ["python", "-m", "server", "run"]
