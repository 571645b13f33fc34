"""A server of the test's own: the real command line, a fresh data folder, a free port."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
STOP_SECONDS = 15.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Served:
    """``python -m server run`` as a process; it can be killed and started again on the same data."""

    data: Path
    port: int = field(default_factory=free_port)
    host: str = "localhost"
    """The name or address at which the citizen's browser finds it."""
    settings: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    link: str = ""
    log: list[str] = field(default_factory=list)
    _reader: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BETPE_")}
        # A busy machine that tests is no sign of a check that hangs.
        own = {"BETPE_DATA_DIR": str(self.data), "BETPE_PORT": str(self.port), "BETPE_CHECK_SECONDS": "60"}
        return {**kept, **own, **self.settings}

    async def start(self) -> None:
        """Raises RuntimeError with what the server said when it does not start."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "run",
            cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read(started))
        try:
            await asyncio.wait_for(started, START_SECONDS)
        except TimeoutError:
            await self.stop()
            raise RuntimeError("the server did not start:\n" + "\n".join(self.log[-20:])) from None

    async def _read(self, started: asyncio.Future[None]) -> None:
        assert self.process is not None and self.process.stdout is not None
        async for line in self.process.stdout:
            text = line.decode(errors="replace").rstrip()
            self.log.append(text)
            if found := re.search(r"(http\S+#token=\S+)", text):
                self.link = found.group(1)
                if not started.done():
                    started.set_result(None)
        if not started.done():
            started.set_exception(RuntimeError("the server ended at once:\n" + "\n".join(self.log[-20:])))

    async def kill(self) -> None:
        """The power cut: SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        if self._reader:
            await self._reader

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        if self._reader:
            await self._reader

    async def command(self, *words: str, expect: int = 0) -> str:
        """Run ``python -m server words``; its standard output. Raises RuntimeError on another exit code."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", *words,
            cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        if process.returncode != expect:
            raise RuntimeError(f"server {words[0]} exited {process.returncode}: {err.decode()[-800:]}")
        return out.decode()
