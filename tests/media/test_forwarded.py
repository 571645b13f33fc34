"""What Janus forwards is taken with its key alone."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct

import pylibsrtp
import pytest

from server.media.forwarded import Forwarded, ForwardSocket, ForwardTo

PICTURE = bytes((0x10, 0x00, 0x00, 0x9D, 0x01, 0x2A, 0x40, 0x01, 0xF0, 0x00)) + bytes(20)


class Sender:
    """Janus's end of one leg."""

    def __init__(self, forwarded: Forwarded, key: bytes | None = None) -> None:
        self._to = forwarded.destination
        policy = pylibsrtp.Policy(
            key=key or base64.b64decode(self._to.key), ssrc_type=pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        )
        self._session = pylibsrtp.Session(policy)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, sequence: int, kind: str = "video") -> bytes:
        second = 0x80 | self._to.payload_types[kind]
        packet = struct.pack("!BBHLL", 0x80, second, sequence, 3000 * sequence, self._to.ssrcs[kind]) + PICTURE
        protected = self._session.protect(packet)
        self._socket.sendto(protected, (self._to.host, self._to.port))
        return protected

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def forward_socket():
    opened = ForwardSocket(ForwardTo())
    await opened.open()
    yield opened
    opened.close()
    await asyncio.sleep(0)


async def taken(forwarded: Forwarded, packets: int) -> None:
    async with asyncio.timeout(5):
        while forwarded.terminal.incoming["video"].reception.received < packets:
            await asyncio.sleep(0.005)


async def test_each_leg_gets_its_own_and_nothing_that_was_forged(forward_socket):
    asked: list[str] = []
    one = Forwarded(forward_socket, "VP8", lambda: asked.append("one"))
    other = Forwarded(forward_socket, "VP8", lambda: asked.append("other"))
    honest, forger, theirs = Sender(one), Sender(one, bytes(30)), Sender(other)
    forger.send(1)
    honest.send(7)
    theirs.send(9)
    repeated = honest.send(8)
    honest._socket.sendto(repeated, ("127.0.0.1", forward_socket.port))
    honest._socket.sendto(b"", ("127.0.0.1", forward_socket.port))
    honest.send(9)
    await taken(one, 3)
    await taken(other, 1)
    assert one.terminal.incoming["video"].reception.received == 3
    assert one.terminal.incoming["video"].reception.lost == 0
    assert one.terminal.incoming["video"].frames == 3
    assert other.terminal.incoming["video"].reception.highest == 9
    one.terminal.request_key_frame()
    assert asked == ["one"]
    one.close()
    honest.send(10)
    theirs.send(10)
    await taken(other, 2)
    assert one.terminal.incoming["video"].reception.received == 3
    other.close()
    for sender in (honest, forger, theirs):
        sender.close()


async def test_a_socket_says_what_janus_is_to_be_told():
    opened = ForwardSocket(ForwardTo("127.0.0.1", "service.example"))
    await opened.open()
    await opened.open()
    assert opened.port > 0
    leg = Forwarded(opened, "H264", lambda: None)
    assert (leg.destination.host, leg.destination.port) == ("service.example", opened.port)
    assert len(set(leg.destination.ssrcs.values())) == 2
    assert len(base64.b64decode(leg.destination.key)) == 30
    leg.close()
    opened.close()
    await asyncio.sleep(0)
