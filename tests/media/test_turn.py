"""Browsers whose network lets no media through directly reach the service by TURN over UDP, TCP and TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.parse
from typing import Any

import pytest
from aioice.stun import TransactionFailed
from aioice.turn import create_turn_endpoint

from server.media.embedded import EmbeddedMedia
from server.ports import Leg
from tests.media.chromium import application, browser, first_picture, open_call, served
from tests.media.turn_server import TurnServer, running_turn


def _only(servers: list[dict[str, Any]]) -> str:
    return urllib.parse.quote(json.dumps({"iceServers": servers, "iceTransportPolicy": "relay"}))


@pytest.mark.timeout(120)
async def test_a_call_through_turn_alone(tmp_path):
    """One browser over UDP, the other over TCP; both pictures come, and only by relayed candidates."""
    media = EmbeddedMedia(addresses=["127.0.0.1"])
    app = application(lambda call, leg, sdp: media.answer(call, Leg(leg), sdp))
    try:
        async with running_turn(tmp_path) as turn, served(app) as origin, browser() as chromium:
            ways = {"applicant": turn.servers("turn", "tcp"), "operator": turn.servers("turn", "udp")}
            pages = {
                leg: await open_call(chromium, origin, "c", leg, ice=_only(servers)) for leg, servers in ways.items()
            }
            for page in pages.values():
                await first_picture(page)
            for leg, page in pages.items():
                pair = await page.evaluate("path()")
                assert pair["candidateType"] == "relay"
                assert pair["relayProtocol"] == ("tcp" if leg == "applicant" else "udp")
    finally:
        await media.aclose()


class _Inbox(asyncio.DatagramProtocol):
    """Collects what comes; with ``answers`` it sends it back to where it came from, with a word more."""

    def __init__(self, answers: bool) -> None:
        self._answers = answers
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.came.put_nowait(data)
        if self._answers:
            self._transport.sendto(data + b" to face", addr)  # type: ignore[attr-defined]


async def _relayed(turn: TurnServer, server: dict[str, Any]) -> bytes:
    """Send a datagram by TURN over TLS to a peer, which answers; the answer."""
    peer, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Inbox(answers=True), local_addr=("127.0.0.1", 0)
    )
    try:
        transport, inbox = await create_turn_endpoint(
            lambda: _Inbox(answers=False),
            server_addr=("127.0.0.1", turn.tls_port),
            username=server["username"],
            password=server["credential"],
            ssl=ssl.create_default_context(cafile=turn.certificate),
            transport="tcp",
        )
        try:
            transport.sendto(b"face", peer.get_extra_info("sockname"))
            return await asyncio.wait_for(inbox.came.get(), 10)
        finally:
            transport.close()
    finally:
        peer.close()


@pytest.mark.timeout(60)
async def test_turn_over_tls_takes_the_services_credentials_and_no_others(tmp_path):
    async with running_turn(tmp_path) as turn:
        (server,) = turn.servers("turns", "tcp")
        assert await _relayed(turn, server) == b"face to face"
        (forged,) = turn.servers("turns", "tcp", secret="another")
        with pytest.raises(TransactionFailed):
            await _relayed(turn, forged)
