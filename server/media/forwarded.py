"""What Janus forwards to this process: one UDP socket for all, SRTP always, each leg known by its SSRCs.

The key of a leg is made here and told to Janus over its API alone, so the socket may face a network: what is not of
Janus does not authenticate. Packets keep the numbers and times of the browser that sent them; Janus repairs and reports
towards it, so all that goes back is the wish for a key frame.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from server.media import rtcp, srtp
from server.media.janus_room import Destination
from server.media.streams import KINDS, StreamParameters
from server.media.translator import Terminal

MEASURE = 1.0  # seconds between looks at the counters
REPLAY_WINDOW = 1024  # packets; a repaired one may come seconds late
RECEIVE_BUFFER = 4 << 20  # bytes asked of the kernel; key frames of many calls come in bursts
_PAYLOAD_TYPES = {"audio": 111, "video": 96}
_CLOCK_RATES = {"audio": 48000, "video": 90000}


@dataclass(frozen=True, slots=True)
class ForwardTo:
    """Where Janus reaches this process."""

    address: str = "127.0.0.1"
    """Local address to bind."""
    host: str = ""
    """Name or address that Janus sends to, where it is another one."""
    port: int = 0
    """UDP port; 0: any free one."""


class ForwardSocket(asyncio.DatagramProtocol):
    """Hands each packet to the leg that it is of. ``await open()`` first; end it with ``close``."""

    def __init__(self, to: ForwardTo) -> None:
        self._to = to
        self._transport: asyncio.DatagramTransport | None = None
        self._owners: dict[bytes, Forwarded] = {}
        self.port = 0

    async def open(self) -> None:
        """Raises OSError where the address or the port cannot be had. Idempotent."""
        if self._transport is not None:
            return
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, (self._to.address, self._to.port))
        self._transport = transport
        bound: socket.socket = transport.get_extra_info("socket")
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self.port = bound.getsockname()[1]

    @property
    def host(self) -> str:
        return self._to.host or self._to.address

    def own(self, forwarded: Forwarded) -> int:
        """An SSRC of that leg's."""
        while (ssrc := secrets.randbits(31)).to_bytes(4) in self._owners:
            pass
        self._owners[ssrc.to_bytes(4)] = forwarded
        return ssrc

    def disown(self, ssrc: int) -> None:
        self._owners.pop(ssrc.to_bytes(4), None)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        owner = self._owners.get(data[8:12])
        if owner is not None:
            owner.on_packet(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None


class Forwarded:
    """One leg as Janus forwards it. Implements streams.Wire."""

    def __init__(self, socket: ForwardSocket, codec: str, ask_key_frame: Callable[[], None]) -> None:
        self._socket = socket
        self._ask_key_frame = ask_key_frame
        key = secrets.token_bytes(srtp.KEY)
        self._unprotect = srtp.receiving_with(key, REPLAY_WINDOW)
        ssrcs = {kind: socket.own(self) for kind in KINDS}
        self.destination = Destination(socket.host, socket.port, base64.b64encode(key).decode(), ssrcs, _PAYLOAD_TYPES)
        self.terminal = Terminal(
            self,
            {
                kind: StreamParameters(
                    clock_rate=_CLOCK_RATES[kind],
                    payload_type=_PAYLOAD_TYPES[kind],
                    rtx_payload_type=None,
                    abs_send_time=None,
                    transport_cc=None,
                    remote_ssrc=ssrcs[kind],
                    remote_rtx_ssrc=None,
                    local_ssrc=0,
                    local_rtx_ssrc=0,
                    codec=codec,
                )
                for kind in KINDS
            },
        )
        self.frames_per_second = 0.0
        self.packets_per_second = 0.0
        """Of the video."""
        self.bits_per_second = 0.0
        self._measured = (0.0, 0, 0, 0)
        self._timer: asyncio.TimerHandle | None = None
        self._measure()

    def on_packet(self, data: bytes) -> None:
        if (packet := self._unprotect(data)) is not None:
            self.terminal.on_rtp(packet)

    def send_rtp(self, packet: bytes) -> None:
        """Nothing goes that way."""

    def send_rtcp(self, packet: bytes) -> None:
        """Reports and repair are Janus's; the wish for a key frame is passed on."""
        if packet[1] == rtcp.PAYLOAD_FEEDBACK and packet[0] & 0x1F == rtcp.PLI:
            self._ask_key_frame()

    def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(MEASURE, self._measure)
        video, audio = self.terminal.incoming["video"], self.terminal.incoming["audio"]
        total = video.bytes + audio.bytes
        since, frames, packets, octets = self._measured
        elapsed = loop.time() - since
        if since and elapsed > 0:
            self.frames_per_second = (video.frames - frames) / elapsed
            self.packets_per_second = (video.reception.received - packets) / elapsed
            self.bits_per_second = 8 * (total - octets) / elapsed
        self._measured = (loop.time(), video.frames, video.reception.received, total)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for ssrc in self.destination.ssrcs.values():
            self._socket.disown(ssrc)
        self.terminal.close()
