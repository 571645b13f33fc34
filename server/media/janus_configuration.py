"""A configuration of the product's own for Janus 1.1 as Debian packages it: nothing listens but what the calls need.

``python -m server.media.janus_configuration FOLDER`` writes it from the environment: JANUS_API_SECRET and
JANUS_ADMIN_KEY (both required), JANUS_ADDRESS (default: this host's own), JANUS_API_ADDRESS, JANUS_API_PORT,
JANUS_PORTS ("from-to"), JANUS_ANNOUNCED.
Standard library only, so that a container with Janus needs nothing else of the product's.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

LIBRARIES = "/usr/lib/x86_64-linux-gnu/janus"
_OTHER_PLUGINS = (
    "audiobridge",
    "duktape",
    "echotest",
    "lua",
    "nosip",
    "recordplay",
    "sip",
    "streaming",
    "textroom",
    "videocall",
    "voicemail",
)
_OTHER_TRANSPORTS = ("http", "mqtt", "nanomsg", "pfunix", "rabbitmq")


@dataclass(frozen=True, slots=True)
class JanusConfiguration:
    """What differs between installations."""

    address: str
    """Address that media uses; Janus takes no loopback one."""
    api_secret: str
    """Every request to the API must carry it."""
    admin_key: str = field(default_factory=secrets.token_urlsafe)
    """Whoever makes a room or has media forwarded must name it too."""
    api_address: str = "127.0.0.1"
    api_port: int = 8188
    ports: tuple[int, int] = (20000, 29999)
    announced: str = ""
    """Address told to browsers instead (1:1 NAT)."""
    libraries: str = LIBRARIES
    event_loops: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    """Threads that carry media, one a core. One a connection, as Janus does of itself, costs half as much again."""

    def write(self, folder: Path) -> None:
        """Write the files of ``janus -F FOLDER``. Raises ValueError for text that cannot stand between quotes."""
        for text in (self.address, self.api_secret, self.admin_key, self.api_address, self.announced, str(folder)):
            if any(letter in text for letter in '"\\\n'):
                raise ValueError("quotes, backslashes and line ends cannot be configured")
        unused_plugins = ",".join(f"libjanus_{name}.so" for name in _OTHER_PLUGINS)
        unused_transports = ",".join(f"libjanus_{name}.so" for name in _OTHER_TRANSPORTS)
        mapping = f'nat_1_1_mapping = "{self.announced}"' if self.announced else ""
        (folder / "janus.jcfg").write_text(
            f"""general: {{
  configs_folder = "{folder}"
  plugins_folder = "{self.libraries}/plugins"
  transports_folder = "{self.libraries}/transports"
  events_folder = "{self.libraries}/events"
  loggers_folder = "{self.libraries}/loggers"
  api_secret = "{self.api_secret}"
  debug_level = 3
  session_timeout = 60
  candidates_timeout = 45
  hide_dependencies = true
  event_loops = {self.event_loops}
}}
nat: {{
  ice_lite = false
  full_trickle = false
  ice_enforce_list = "{self.address}"
  {mapping}
}}
media: {{
  ipv6 = false
  rtp_port_range = "{self.ports[0]}-{self.ports[1]}"
  no_media_timer = 3
  slowlink_threshold = 1
}}
plugins: {{ disable = "{unused_plugins}" }}
transports: {{ disable = "{unused_transports}" }}
"""
        )
        (folder / "janus.transport.websockets.jcfg").write_text(
            f"""general: {{
  json = "compact"
  ws = true
  ws_ip = "{self.api_address}"
  ws_port = {self.api_port}
  wss = false
}}
admin: {{ admin_ws = false }}
"""
        )
        (folder / "janus.plugin.videoroom.jcfg").write_text(
            f"""general: {{
  admin_key = "{self.admin_key}"
  lock_rtp_forward = true
  string_ids = true
}}
"""
        )
        for path in folder.glob("janus*.jcfg"):
            path.chmod(0o600)


def from_environment(given: Mapping[str, str]) -> JanusConfiguration:
    """What the environment says. Raises ValueError, in a sentence, for what cannot be used."""
    secret = given.get("JANUS_API_SECRET", "")
    if not secret:
        raise ValueError("JANUS_API_SECRET has to be set: whoever knows it directs the calls")
    admin_key = given.get("JANUS_ADMIN_KEY", "")
    if not admin_key:
        raise ValueError("JANUS_ADMIN_KEY has to be set: whoever knows it, too, makes rooms and has calls forwarded")
    port, (low, _, high) = given.get("JANUS_API_PORT", "8188"), given.get("JANUS_PORTS", "20000-29999").partition("-")
    if not (port.isdigit() and low.isdigit() and high.isdigit() and int(low) < int(high)):
        raise ValueError('JANUS_API_PORT is a number, JANUS_PORTS is "from-to"')
    return JanusConfiguration(
        address=given.get("JANUS_ADDRESS") or socket.gethostbyname(socket.gethostname()),
        api_secret=secret,
        admin_key=admin_key,
        api_address=given.get("JANUS_API_ADDRESS", "127.0.0.1"),
        api_port=int(port),
        ports=(int(low), int(high)),
        announced=given.get("JANUS_ANNOUNCED", ""),
    )


if __name__ == "__main__":
    try:
        from_environment(os.environ).write(Path(sys.argv[1]))
    except (IndexError, OSError, ValueError) as error:
        sys.exit(f"{error if not isinstance(error, IndexError) else __doc__}")
