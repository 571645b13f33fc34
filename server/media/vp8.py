"""VP8 in RTP (RFC 7741): what a payload descriptor says, and the frames of payloads in order."""

from __future__ import annotations

from typing import NamedTuple

from server.media.frames import LARGEST_FRAME, EncodedFrame, FrameLost

_KEY_FRAME_HEADER = 10  # bytes up to and including width and height, RFC 6386 section 9.1
_START_CODE = b"\x9d\x01\x2a"


class Descriptor(NamedTuple):
    """What stands before a payload's part of the frame."""

    length: int
    """Bytes."""
    layer: int
    """Temporal layer (TID); 0 where none is said."""
    sync: bool
    """The frame refers to the base layer only (the Y bit)."""


def descriptor(payload: bytes) -> Descriptor | None:
    """The payload's descriptor; None if the payload is shorter than it says."""
    size = len(payload)
    if not size:
        return None
    if not payload[0] & 0x80:
        return Descriptor(1, 0, False) if size > 1 else None
    if size < 2:
        return None
    extensions = payload[1]
    position = 2
    layer, sync = 0, False
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
            layer, sync = payload[position] >> 6, payload[position] & 0x20 != 0
        position += 1
    return Descriptor(position, layer, sync) if size > position else None


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


def announced_size(payload: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels that a packet announces: the first one of a key frame does."""
    if payload[0] & 0x1F != 0x10 or (described := descriptor(payload)) is None:
        return None
    return picture_size(payload[described.length :])


class Depacketiser:
    """See server.media.frames.Depacketiser."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._layer = 0
        self._sync = False
        self._timestamp = 0
        self._whole = False

    def take(self, timestamp: int, last: bool, payload: bytes) -> EncodedFrame | None:
        """See server.media.frames.Depacketiser.take."""
        described = descriptor(payload)
        if described is None:
            return None
        if starts_frame(payload):
            self._data.clear()
            self._whole = True
            self._timestamp = timestamp
            self._layer, self._sync = described.layer, described.sync
        if not self._whole:
            return None
        if timestamp != self._timestamp or len(self._data) > LARGEST_FRAME:
            raise FrameLost
        self._data += payload[described.length :]
        if not last:
            return None
        self._whole = False
        data = bytes(self._data)
        return EncodedFrame(timestamp, is_key(data), self._layer, data, self._sync)

    def abandon(self) -> None:
        """See server.media.frames.Depacketiser.abandon."""
        self._data = bytearray()
        self._whole = False
