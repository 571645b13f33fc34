"""The real coturn of the system's package, with the short-lived credentials that the service gives its pages."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.turn import ice_servers

SECRET = "secret of the tests"
REALM = "tests.invalid"
STARTED = 15.0


@dataclass(frozen=True)
class TurnServer:
    """Where it listens. UDP and TCP share ``port``."""

    port: int
    tls_port: int
    certificate: Path

    def servers(self, scheme: str, transport: str, secret: str = SECRET) -> list[dict[str, Any]]:
        """What the service tells its pages for one way to the server."""
        port = self.tls_port if scheme == "turns" else self.port
        return ice_servers([f"{scheme}:127.0.0.1:{port}?transport={transport}"], secret, 5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _certify(folder: Path) -> None:
    """A certificate of its own for 127.0.0.1: ``turn.pem`` and ``turn.key``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "turn.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "turn.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


@asynccontextmanager
async def running_turn(folder: Path) -> AsyncIterator[TurnServer]:
    """Started as docs/operations.md configures it, with what a machine that is alone needs besides."""
    program = shutil.which("turnserver")
    if program is None:
        pytest.fail("coturn is not installed. Debian, Ubuntu: apt-get install coturn")
    _certify(folder)
    server = TurnServer(_free_port(), _free_port(), folder / "turn.pem")
    (folder / "turnserver.conf").write_text(
        f"""use-auth-secret
static-auth-secret={SECRET}
realm={REALM}
no-multicast-peers
no-cli
listening-ip=127.0.0.1
relay-ip=127.0.0.1
allow-loopback-peers
listening-port={server.port}
tls-listening-port={server.tls_port}
cert={folder / "turn.pem"}
pkey={folder / "turn.key"}
pidfile={folder / "turn.pid"}
userdb={folder / "turn.db"}
log-file=stdout
"""
    )
    with (folder / "turn.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            program, "-c", str(folder / "turnserver.conf"), stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(STARTED):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", server.tls_port)
                except OSError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    await writer.wait_closed()
                    break
        yield server
    finally:
        process.terminate()
        await process.wait()
