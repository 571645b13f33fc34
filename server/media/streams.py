"""The two halves of a terminal: the stream that its browser sends, and the one that it is sent (see ``translator``)."""

from __future__ import annotations

import secrets
import struct
import time
from array import array
from dataclasses import dataclass
from typing import Protocol

from server.media import rtcp
from server.media.codecs import CODECS, VP8
from server.media.reception import Reception

RTP = struct.Struct("!BBHLL")
SEQUENCE = struct.Struct("!H")
_pack = RTP.pack
_pack_timed = struct.Struct("!BBHLLLL").pack  # with one header extension word

CACHED_PACKETS = 512  # about 8 s of 500 kbit/s video, 1 s of 4 Mbit/s; browsers repeat a NACK for at most about 1 s

KINDS = ("audio", "video")


@dataclass(frozen=True, slots=True)
class StreamParameters:
    """What offer and answer agreed on for one kind of media."""

    clock_rate: int
    payload_type: int
    rtx_payload_type: int | None
    abs_send_time: int | None
    """Header extension id, or None where it was not agreed."""
    transport_cc: int | None
    remote_ssrc: int | None
    remote_rtx_ssrc: int | None
    local_ssrc: int
    local_rtx_ssrc: int
    codec: str = VP8.name
    """Name of the video's codec; of no account for audio."""


class Wire(Protocol):
    """Sends to one browser; protects (SRTP) what it is given. Never raises: a packet that cannot go is lost."""

    def send_rtp(self, packet: bytes) -> None: ...

    def send_rtcp(self, packet: bytes) -> None: ...


class PacketTap(Protocol):
    """Looks at a stream beside the one who gets it."""

    def push(self, sequence: int, timestamp: int, last: bool, payload: bytes) -> None:
        """Each packet as it arrives, repaired ones included: sequence number, RTP timestamp, marker, payload."""

    def reset(self) -> None:
        """What follows has other numbers and another clock."""


class Outgoing:
    """One stream that this terminal sends to its browser."""

    __slots__ = (
        "_base",
        "_extension",
        "_followed",
        "_left_at",
        "_payload_type",
        "_reported",
        "_rtx_sequence",
        "_send",
        "_sequence_offset",
        "_source",
        "_ssrc",
        "_timestamp_offset",
        "_wire",
        "_young",
        "octets",
        "packets",
        "parameters",
    )

    def __init__(self, wire: Wire, parameters: StreamParameters) -> None:
        self._wire = wire
        self._send = wire.send_rtp
        self.parameters = parameters
        self._payload_type, self._ssrc = parameters.payload_type, parameters.local_ssrc
        self.packets = 0
        self.octets = 0
        # one element of abs-send-time: id, length - 1, then 24 bits of time
        self._extension = (parameters.abs_send_time << 4 | 2) << 24 if parameters.abs_send_time is not None else 0
        self._source: Incoming | None = None
        self._followed: Reception | None = None
        self._base = 0
        self._left_at = 0.0
        self._young = False
        self._sequence_offset = secrets.randbits(15)  # RFC 3711 section 3.3.1: start below 2**15
        self._timestamp_offset = secrets.randbits(32)
        self._rtx_sequence = secrets.randbits(15)
        self._reported = (-1, 0.0)

    def _adopt(self, source: Incoming, sequence: int, timestamp: int, now: float) -> None:
        """Carry another stream on under the same numbers; its first packet follows the last one sent."""
        self.leave()
        elapsed = int((now - self._left_at) * self.parameters.clock_rate) if self.packets else 0
        self._sequence_offset = (self._sequence_offset - sequence) & 0xFFFF
        self._timestamp_offset = (self._timestamp_offset + elapsed - timestamp) & 0xFFFFFFFF
        self._source, self._followed = source, source.reception
        self._base = sequence
        self._young = True
        if source.sender_report is not None:
            self.report(source)

    def leave(self) -> None:
        """Carry nobody's stream for now; remember where the next one begins."""
        source, followed = self._source, self._followed
        if source is None or followed is None or followed.highest is None:
            return
        self._sequence_offset = (self._sequence_offset + followed.highest + 1) & 0xFFFF
        self._timestamp_offset = (self._timestamp_offset + followed.latest_timestamp) & 0xFFFFFFFF
        self._left_at = source.last_media
        self._source = self._followed = None

    def forward(self, source: Incoming, sequence: int, timestamp: int, marker: int, payload: bytes, now: float) -> None:
        if source.reception is not self._followed:
            self._adopt(source, sequence, timestamp, now)
        elif self._young:
            ahead = (sequence - self._base) & 0xFFFF
            if ahead >= 0x8000:
                return  # from before the first one: its number belongs to the source before (and so does its keystream)
            self._young = ahead < 0x4000
        self.packets += 1
        self.octets += len(payload)
        self._transmit(
            marker | self._payload_type,
            (sequence + self._sequence_offset) & 0xFFFF,
            (timestamp + self._timestamp_offset) & 0xFFFFFFFF,
            self._ssrc,
            payload,
            now,
        )

    def _transmit(self, second: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, now: float) -> None:
        if self._extension:
            # 24 bits, 6.18 fixed point seconds of our own clock: the receiver's estimate is of this hop alone
            sent_at = self._extension | int(now * 0x40000) & 0xFFFFFF
            self._send(_pack_timed(0x90, second, sequence, timestamp, ssrc, 0xBEDE0001, sent_at) + payload)
        else:
            self._send(_pack(0x80, second, sequence, timestamp, ssrc) + payload)

    def repeat(self, numbers: list[int]) -> None:
        """Answer a NACK from the source's cache, by RTX (RFC 4588) where it was agreed."""
        source = self._source
        if source is None:
            return
        now = time.monotonic()
        parameters = self.parameters
        for number in numbers:
            cached = source.cached((number - self._sequence_offset) & 0xFFFF)
            if cached is None:
                continue
            timestamp, marker, payload = cached
            timestamp = (timestamp + self._timestamp_offset) & 0xFFFFFFFF
            if parameters.rtx_payload_type is None:
                self._transmit(marker | parameters.payload_type, number, timestamp, parameters.local_ssrc, payload, now)
            else:
                self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
                self._transmit(
                    marker | parameters.rtx_payload_type,
                    self._rtx_sequence,
                    timestamp,
                    parameters.local_rtx_ssrc,
                    SEQUENCE.pack(number) + payload,
                    now,
                )

    def round_trip(self, last: int, delay: int) -> float | None:
        """Seconds to the browser and back, by its report (RFC 3550 section 6.4.1); None: not of our newest one."""
        middle, at = self._reported
        return max(0.0, time.monotonic() - at - delay / 0x10000) if last == middle else None

    def report(self, source: Incoming) -> None:
        """Pass the source's clock on (NTP time against RTP timestamp), which keeps sound and picture together."""
        if source is not self._source or source.sender_report is None:
            return
        ntp, timestamp = source.sender_report
        timestamp = (timestamp + self._timestamp_offset) & 0xFFFFFFFF
        self._reported = (ntp >> 16 & 0xFFFFFFFF, time.monotonic())
        self._wire.send_rtcp(rtcp.sender_report(self.parameters.local_ssrc, ntp, timestamp, self.packets, self.octets))


class Incoming:
    """One stream that the browser sends."""

    __slots__ = (
        "_announced_size",
        "_cache",
        "_cached",
        "bytes",
        "frames",
        "key_frame_at",
        "last_media",
        "outputs",
        "parameters",
        "reception",
        "sender_report",
        "sender_report_at",
        "size",
        "taps",
        "transport_cc",
        "video",
    )

    def __init__(self, kind: str, parameters: StreamParameters) -> None:
        self.video = kind == "video"
        self.parameters = parameters
        self.transport_cc = parameters.transport_cc
        self.reception = Reception(parameters.clock_rate, repair=self.video)
        self.outputs: tuple[Outgoing, ...] = ()
        self.taps: tuple[PacketTap, ...] = ()
        self.sender_report: tuple[int, int] | None = None
        self.sender_report_at = 0.0
        self.last_media = 0.0
        self.bytes = 0
        self.frames = 0
        self.size = (0, 0)
        self.key_frame_at = 0.0
        """When the newest key frame began to arrive, seconds as ``take`` counts them."""
        # What Python's collector of cycles has to look through holds every call up: so bytes and numbers, no tuples.
        self._cache: list[bytes | None] = [None] * (CACHED_PACKETS if self.video else 0)
        self._cached = array("Q", bytes(8 * len(self._cache)))
        self._announced_size = CODECS[parameters.codec].announced_size

    def renew(self) -> None:
        """The browser sends under another SSRC from now on: other numbers, another clock."""
        self.reception = Reception(self.parameters.clock_rate, repair=self.video)
        self.sender_report = None
        self._cache = [None] * len(self._cache)
        for tap in self.taps:
            tap.reset()

    def cached(self, sequence: int) -> tuple[int, int, bytes] | None:
        """(timestamp, marker bit, payload) of a packet that is still kept."""
        if not self._cache:
            return None
        payload, head = self._cache[sequence % CACHED_PACKETS], self._cached[sequence % CACHED_PACKETS]
        return None if payload is None or head >> 40 != sequence else (head >> 8 & 0xFFFFFFFF, head & 0x80, payload)

    def take(self, sequence: int, timestamp: int, marker: int, payload: bytes, now: float) -> None:
        """Pass one new packet on."""
        self.bytes += len(payload)
        if self.video:
            slot = sequence % CACHED_PACKETS
            self._cache[slot] = payload
            self._cached[slot] = sequence << 40 | timestamp << 8 | marker
            if marker:
                self.frames += 1
            size = self._announced_size(payload)
            if size is not None:
                self.size = size
                self.key_frame_at = now
        for output in self.outputs:
            output.forward(self, sequence, timestamp, marker, payload, now)
        for tap in self.taps:
            tap.push(sequence, timestamp, marker != 0, payload)
        self.last_media = now
