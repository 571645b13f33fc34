"""What signalling costs: the service itself beside python-socketio, both told the same by real sockets.

Two things are measured, as processor time of the server's process alone. *A message* is read, validated, handed on and
answered by another, without end: what a page says to be sure that the service is there. *A set-up* is what a browser
says when a call begins: an offer and its candidates, until the answer is there; the service authorises the offer by its
database, while the handlers of python-socketio do nothing but answer, so it is given without a goal. The media engine
is a fake. ``python -m bench.media_signalling product|socketio`` is such a server; it prints what pages need to come in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import socketio
from aiohttp import web

from bench.rows import Row, result_row
from server.api import signalling
from server.event_loop import new_event_loop
from server.telemetry import configure_logging
from tests.api.conftest import house_on
from tests.fakes import FakeMedia, fresh_database

HOW = "make bench ONLY=media"
PAIRS = 12
PATIENCE = 10.0
CANDIDATES = 12
"""About what a telephone with Wi-Fi and a mobile network sends."""
ROUNDS = 10
ROUND_SECONDS = 0.4
RUNS = 5
MESSAGES = 3000
"""Of each page, one after the other."""
OFFER = "v=0\r\n" + "a=candidate:1 1 udp 2122260223 192.0.2.7 54321 typ host generation 0\r\n" * 45
"""About as long as Chromium's offer of one sound and one picture (3 kB)."""
CANDIDATE = {
    "candidate": "candidate:842163049 1 udp 1677729535 192.0.2.7 54321 typ srflx raddr 10.0.0.7 rport 54321",
    "sdpMid": "0",
    "sdpMLineIndex": 0,
}

Say = Callable[[], Awaitable[None]]
Page = tuple[Say, Say]
"""Set a call up; send one message and have its answer."""


class _Answering(FakeMedia):
    """Answers as long as an offer."""

    async def answer(self, call: str, leg: Any, sdp: str) -> str:
        await super().answer(call, leg, sdp)
        return sdp


async def _product() -> None:
    signalling.RATE_MESSAGES = 10**6  # a page that is a load says more than one that is looked at
    signalling.QUEUE_REFRESH_SECONDS = 3600.0  # snapshots come with what changes, not with what is said
    with tempfile.TemporaryDirectory() as folder:
        async with house_on(await fresh_database(Path(folder))) as house:
            house.desk.media = _Answering()
            ends: list[dict[str, Any]] = []
            for number in range(PAIRS):
                applicant, operator = await house.waiting(), await house.operator(f"Operator {number}")
                call = str((await operator.until("matched"))["call_id"])
                for person in (applicant, operator):
                    cookies = {cookie.key: cookie.value for cookie in person.http.cookie_jar}
                    ends.append({"prefix": person.prefix, "cookies": cookies, "call": call})
            print(json.dumps({"base": house.base, "ends": ends}), flush=True)
            await asyncio.Event().wait()


async def _socketio() -> None:
    server = socketio.AsyncServer(async_mode="aiohttp", logger=False, engineio_logger=False)

    async def offer(sid: str, message: dict[str, Any]) -> None:
        answer = {"call": message["call"], "attempt": message["attempt"], "sdp": message["sdp"]}
        await server.emit("answer", answer, to=sid)

    async def candidate(sid: str, message: dict[str, Any]) -> None:
        del sid, message

    async def ping(sid: str) -> None:
        await server.emit("pong", to=sid)

    server.on("ping", ping)
    server.on("offer", offer)
    server.on("candidate", candidate)
    application = web.Application()
    server.attach(application)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    ends = [{"call": f"call {number}"} for number in range(2 * PAIRS)]
    print(json.dumps({"base": f"http://127.0.0.1:{runner.addresses[0][1]}", "ends": ends}), flush=True)
    await asyncio.Event().wait()


@asynccontextmanager
async def _page_of_product(base: str, end: dict[str, Any]) -> AsyncIterator[Page]:
    async with (
        aiohttp.ClientSession(cookies=end["cookies"], cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
        http.ws_connect(f"{base}{end['prefix']}/ws") as socket,
    ):

        async def hear(kind: str) -> None:
            while (message := await socket.receive_json(timeout=PATIENCE))["type"] != kind:
                if message["type"] in ("error", "bye"):
                    raise RuntimeError(str(message))

        async def set_up() -> None:
            await socket.send_json({"type": "offer", "call": end["call"], "sdp": OFFER, "attempt": 1})
            for _ in range(CANDIDATES):
                await socket.send_json({"type": "candidate", "call": end["call"], "candidate": CANDIDATE})
            await hear("answer")

        async def message() -> None:
            await socket.send_json({"type": "ping"})
            await hear("pong")

        yield set_up, message


@asynccontextmanager
async def _page_of_socketio(base: str, end: dict[str, Any]) -> AsyncIterator[Page]:
    client = socketio.AsyncClient()
    answers: asyncio.Queue[Any] = asyncio.Queue()
    client.on("answer", answers.put)
    client.on("pong", lambda: answers.put_nowait(None))
    await client.connect(base, transports=["websocket"])

    async def set_up() -> None:
        await client.emit("offer", {"call": end["call"], "sdp": OFFER, "attempt": 1})
        for _ in range(CANDIDATES):
            await client.emit("candidate", {"call": end["call"], "candidate": CANDIDATE})
        await asyncio.wait_for(answers.get(), PATIENCE)

    async def message() -> None:
        await client.emit("ping")
        await asyncio.wait_for(answers.get(), PATIENCE)

    try:
        yield set_up, message
    finally:
        await client.disconnect()


async def _load(pid: int, base: str, ends: list[dict[str, Any]], page: Any) -> tuple[float, float]:
    """Processor seconds of the server: (a message and its answer, a set-up)."""
    async with contextlib.AsyncExitStack() as stack:
        pages: list[Page] = [await stack.enter_async_context(page(base, end)) for end in ends]
        await asyncio.gather(*(set_up() for set_up, _ in pages))
        await _settle(pid)

        async def messages(message: Say) -> None:
            for _ in range(MESSAGES):
                await message()

        async def set_ups(place: int, set_up: Say) -> None:
            await asyncio.sleep(ROUND_SECONDS * place / len(pages))
            for _ in range(ROUNDS):
                await asyncio.gather(set_up(), asyncio.sleep(ROUND_SECONDS))

        before = _seconds(pid)
        await asyncio.gather(*(messages(message) for _, message in pages))
        between = _seconds(pid)
        await asyncio.gather(*(set_ups(place, set_up) for place, (set_up, _) in enumerate(pages)))
        after = _seconds(pid)
    return (between - before) / (len(pages) * MESSAGES), (after - between) / (len(pages) * ROUNDS)


async def _settle(pid: int) -> None:
    """Wait until every page has what its opening changed for the others: that is no signalling."""
    async with asyncio.timeout(60):
        while True:
            before = _seconds(pid)
            await asyncio.sleep(0.5)
            if _seconds(pid) - before <= 0.02:
                return


def _seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _cost(name: str, page: Any) -> tuple[float, float]:
    command = [sys.executable, "-m", "bench.media_signalling", name]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        started = json.loads(process.stdout.readline())
        with asyncio.Runner(loop_factory=new_event_loop) as load:  # it shall not be the slower one of the two
            return load.run(_load(process.pid, started["base"], started["ends"], page))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def measure() -> list[Row]:
    """Processor time of a message and of a set-up: medians of RUNS runs of each, by turns."""
    runs = [(_cost("product", _page_of_product), _cost("socketio", _page_of_socketio)) for _ in range(RUNS)]
    message, set_up = (round(1e6 * statistics.median(ours[part] for ours, _ in runs), 1) for part in (0, 1))
    their_message, their_set_up = (
        round(1e6 * statistics.median(theirs[part] for _, theirs in runs), 1) for part in (0, 1)
    )
    goal, met = "at least 5 times less than python-socketio", their_message >= 5 * message
    what = f"CPU us: offer, {CANDIDATES} candidates, answer"
    return [
        result_row(HOW, "media_signalling_message", message, "CPU us, with its answer", their_message, goal, met),
        result_row(HOW, "media_signalling_set_up", set_up, what, their_set_up, "", None),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server", choices=("product", "socketio"))
    serve = {"product": _product, "socketio": _socketio}[parser.parse_args().server]
    configure_logging("ERROR")  # and away from standard output
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(serve())
