"""VP8 in RTP (RFC 7741): what a payload descriptor says, and frames put together again in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_KEY_FRAME_HEADER = 10  # bytes up to and including width and height, RFC 6386 section 9.1
_START_CODE = b"\x9d\x01\x2a"


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One compressed picture."""

    timestamp: int
    """RTP timestamp, 1/90000 s, modulo 2**32."""
    key: bool
    layer: int
    """Temporal layer (TID); 0 where the browser sends none."""
    data: bytes


def descriptor(payload: bytes) -> tuple[int, int] | None:
    """(length of the payload descriptor, temporal layer); None if the payload is shorter than it says."""
    size = len(payload)
    if not size:
        return None
    if not payload[0] & 0x80:
        return (1, 0) if size > 1 else None
    if size < 2:
        return None
    extensions = payload[1]
    position = 2
    layer = 0
    if extensions & 0x80:  # picture id, one or two bytes
        if size <= position:
            return None
        position += 2 if payload[position] & 0x80 else 1
    if extensions & 0x40:  # TL0PICIDX
        position += 1
    if extensions & 0x30:  # TID and KEYIDX share a byte
        if size <= position:
            return None
        if extensions & 0x20:
            layer = payload[position] >> 6
        position += 1
    return (position, layer) if size > position else None


def starts_frame(payload: bytes) -> bool:
    """Whether the packet is the first of its frame: the S bit is set and the partition index is 0."""
    return bool(payload) and payload[0] & 0x10 != 0 and not payload[0] & 0x0F


def is_key(data: bytes) -> bool:
    """Whether a frame (without descriptor) is a key frame."""
    return len(data) >= _KEY_FRAME_HEADER and not data[0] & 0x01 and data[3:6] == _START_CODE


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels that a key frame announces; None for any other frame."""
    if not is_key(data):
        return None
    width = (data[6] | data[7] << 8) & 0x3FFF
    height = (data[8] | data[9] << 8) & 0x3FFF
    return width, height


class Assembler:
    """Puts the packets of one stream together into frames.

    Packets may come in any order. A hole is waited for until ``patience`` later packets are there (a repair takes a
    round trip); then the frame is given up, ``on_gap`` is called and nothing is delivered until a frame starts anew.
    At most ``patience`` packets are kept, and a frame of more than ``LARGEST_FRAME`` bytes is given up.
    """

    LARGEST_FRAME = 4_000_000  # bytes; a 1280x720 I420 picture without any compression is 1.4 MB

    def __init__(
        self, on_frame: Callable[[EncodedFrame], None], on_gap: Callable[[], None], patience: int = 128
    ) -> None:
        self._on_frame = on_frame
        self._on_gap = on_gap
        self._patience = patience
        self._next: int | None = None
        self._waiting: dict[int, tuple[int, bool, bytes]] = {}
        self._parts: list[bytes] = []
        self._size = 0
        self._layer = 0
        self._timestamp = 0
        self._whole = False

    def push(self, sequence: int, timestamp: int, last: bool, payload: bytes) -> None:
        """One packet: RTP sequence number and timestamp, marker bit, payload."""
        if self._next is None:
            self._next = sequence
        distance = (sequence - self._next) & 0xFFFF
        if distance >= 0x8000:
            return
        if distance:
            self._waiting[sequence] = (timestamp, last, payload)
            if len(self._waiting) < self._patience:
                return
            expected = self._next
            self._next = min(self._waiting, key=lambda waiting: (waiting - expected) & 0xFFFF)
            self._abandon()
        else:
            self._take(timestamp, last, payload)
            self._next = (sequence + 1) & 0xFFFF
        while self._waiting and (packet := self._waiting.pop(self._next, None)) is not None:
            self._take(*packet)
            self._next = (self._next + 1) & 0xFFFF

    def reset(self) -> None:
        """The next packet is of another stream."""
        self._next = None
        self._waiting.clear()
        self._abandon()

    def _abandon(self) -> None:
        self._parts.clear()
        self._whole = False
        self._on_gap()

    def _take(self, timestamp: int, last: bool, payload: bytes) -> None:
        described = descriptor(payload)
        if described is None:
            return
        length, layer = described
        if starts_frame(payload):
            self._parts.clear()
            self._size = 0
            self._whole = True
            self._timestamp = timestamp
            self._layer = layer
        if not self._whole:
            return
        if timestamp != self._timestamp or self._size > self.LARGEST_FRAME:
            self._abandon()
            return
        self._parts.append(payload[length:])
        self._size += len(payload) - length
        if last:
            data = b"".join(self._parts)
            self._parts.clear()
            self._whole = False
            self._on_frame(EncodedFrame(timestamp, is_key(data), self._layer, data))
