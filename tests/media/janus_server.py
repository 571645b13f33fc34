"""The real Janus of Debian's package, started with the project's own configuration."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.media.aiortc_internals import host_addresses
from server.media.janus import JanusMedia
from server.media.janus_configuration import JanusConfiguration


@dataclass(frozen=True)
class RunningJanus:
    url: str
    secret: str
    admin_key: str
    address: str
    """Where its media is."""

    def media(self, **options: Any) -> JanusMedia:
        return JanusMedia(self.url, self.secret, self.admin_key, **options)


def own_address() -> str:
    """An address of this host that is not loopback: Janus uses no other."""
    return next((address for address in host_addresses(loopback=False) if "." in address), "127.0.0.1")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running_janus(address: str | None = None) -> AsyncIterator[RunningJanus]:
    """Fails where Janus is not installed; skips on loopback alone. ``address``: of its media; several with commas."""
    address = address or own_address()
    if shutil.which("janus") is None:
        pytest.fail("janus is not installed. Debian, Ubuntu: apt-get install janus")
    if address == "127.0.0.1":
        pytest.skip("this host has only loopback, which Janus does not use for media")
    with tempfile.TemporaryDirectory() as folder:
        port = _free_port()
        configuration = JanusConfiguration(address, "secret of the tests", api_port=port)
        configuration.write(Path(folder))
        with (Path(folder) / "log").open("w") as log:
            process = await asyncio.create_subprocess_exec("janus", "-F", folder, stdout=log, stderr=log)
        try:
            async with asyncio.timeout(15):
                while True:
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                    except OSError:
                        await asyncio.sleep(0.1)
                    else:
                        writer.close()
                        await writer.wait_closed()
                        break
            yield RunningJanus(f"ws://127.0.0.1:{port}", "secret of the tests", configuration.admin_key, address)
        finally:
            process.terminate()
            await process.wait()
