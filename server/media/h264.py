"""H.264 in RTP (RFC 6184, packetization-mode 1), and what its parameter sets say of the picture.

Frames come as byte streams (Annex B: each NAL unit behind a start code), as decoders and muxers take them. A frame's
last packet must carry the marker, as every browser sends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from server.media.frames import LARGEST_FRAME, EncodedFrame, FrameLost

START = b"\0\0\0\1"
SLICE, IDR, PARAMETERS, PICTURE_PARAMETERS, DELIMITER = 1, 5, 7, 8, 9  # kinds of NAL units, ITU-T H.264 table 7-1
_STAP_A, _FU_A = 24, 28  # kinds of RTP payloads, RFC 6184 table 1
_READABLE_PROFILES = (66, 77, 88)  # those without chroma formats and scaling lists in their parameter sets
_LONGEST_PARAMETERS = 512  # bytes; a browser's are under 40
_MOST_ZEROS = 31  # before an exp-Golomb number of 32 bits, ITU-T H.264 section 9.1
_MOST_CYCLE = 255  # num_ref_frames_in_pic_order_cnt_cycle, ITU-T H.264 section 7.4.2.1.1
_MOST_BLOCKS = 1024  # of 16 pixels a side; level 6.2 ends at 1055


class _Bits:
    """Reads a NAL unit bit by bit. Raises ValueError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def bits(self, count: int) -> int:
        if count > self._left:
            raise ValueError("the parameter set is cut off")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """ue(v)"""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > _MOST_ZEROS:
                raise ValueError("the number is too long")
        return (1 << zeros) - 1 + self.bits(zeros)


def parameters_size(unit: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels that a sequence parameter set announces (ITU-T H.264 section 7.3.2.1.1).

    None where it cannot be read, or is of a profile that is never agreed (High and beyond).
    """
    if len(unit) < 4 or len(unit) > _LONGEST_PARAMETERS or unit[1] not in _READABLE_PROFILES:
        return None
    bits = _Bits(unit[4:].replace(b"\0\0\3", b"\0\0"))
    try:
        bits.unsigned()  # seq_parameter_set_id
        bits.unsigned()  # log2_max_frame_num_minus4
        order = bits.unsigned()
        if order == 0:
            bits.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
        elif order == 1:
            bits.bits(1)
            bits.unsigned()  # the signed ones are as long as the unsigned ones
            bits.unsigned()
            for _ in range(min(bits.unsigned(), _MOST_CYCLE)):
                bits.unsigned()
        bits.unsigned()  # max_num_ref_frames
        bits.bits(1)  # gaps_in_frame_num_value_allowed_flag
        columns, rows = bits.unsigned() + 1, bits.unsigned() + 1
        fields = 2 - bits.bits(1)  # frame_mbs_only_flag
        if fields == 2:
            bits.bits(1)  # mb_adaptive_frame_field_flag
        bits.bits(1)  # direct_8x8_inference_flag
        left = right = top = bottom = 0
        if bits.bits(1):
            left, right, top, bottom = (bits.unsigned() for _ in range(4))
    except ValueError:
        return None
    if columns > _MOST_BLOCKS or rows * fields > _MOST_BLOCKS:
        return None
    width, height = 16 * columns - 2 * (left + right), 16 * rows * fields - 2 * fields * (top + bottom)
    return (width, height) if width > 0 and height > 0 else None


def units(data: bytes) -> Iterator[bytes]:
    """The NAL units of a byte stream, without their start codes."""
    at = data.find(START[1:])
    while at >= 0:
        following = data.find(START[1:], at + 3)
        unit = data[at + 3 : following if following >= 0 else len(data)]
        yield unit.rstrip(b"\0")  # the first byte of a long start code, or padding: no unit ends with a zero
        at = following


def picture_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) that a frame announces, the largest if several; None without a parameter set.

    Raises ValueError for a parameter set that says nothing that could be checked.
    """
    found: tuple[int, int] | None = None
    for unit in units(data):
        if unit and unit[0] & 0x1F == PARAMETERS:
            size = parameters_size(unit)
            if size is None:
                raise ValueError("a parameter set that cannot be read")
            found = max(found or size, size, key=lambda one: one[0] * one[1])
    return found


def from_lengths(data: bytes) -> bytes:
    """A byte stream of a frame, or its front, as Matroska keeps it: each NAL unit behind its length in four bytes."""
    found = bytearray()
    at = 0
    while at + 4 < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found += START + data[at + 4 : at + 4 + size]
        at += 4 + size
    return bytes(found)


def _aggregated(payload: bytes) -> Iterator[bytes]:
    """The NAL units of a STAP-A payload. Raises FrameLost where it is cut off."""
    at = 1
    while at < len(payload):
        size = int.from_bytes(payload[at : at + 2], "big")
        unit = payload[at + 2 : at + 2 + size]
        if not size or len(unit) < size:
            raise FrameLost
        yield unit
        at += 2 + size


def announced_size(payload: bytes) -> tuple[int, int] | None:
    """(width, height) in pixels that a packet announces: one with a sequence parameter set does."""
    kind = payload[0] & 0x1F
    if kind == PARAMETERS:
        return parameters_size(payload)
    if kind == _STAP_A:
        with suppress(FrameLost):
            return next((parameters_size(one) for one in _aggregated(payload) if one[0] & 0x1F == PARAMETERS), None)
    return None


def _starts_frame(payload: bytes) -> bool:
    """Whether a packet after a hole is surely the first of its frame.

    A delimiter or a sequence parameter set is, and a slice that begins with the first macroblock: its header's first
    number is then 0, which is one set bit.
    """
    kind, body = payload[0] & 0x1F, 1
    if kind == _STAP_A and len(payload) > 4:
        kind, body = payload[3] & 0x1F, 4
    elif kind == _FU_A and len(payload) > 2 and payload[1] & 0x80:
        kind, body = payload[1] & 0x1F, 2
    if kind in (SLICE, IDR):
        return len(payload) > body and payload[body] & 0x80 != 0
    return kind in (PARAMETERS, DELIMITER)


class Depacketiser:
    """See server.media.frames.Depacketiser.

    A key frame is an IDR picture with its parameter sets; where a browser sent them only once, they are put before it.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._timestamp = 0
        self._whole = False
        self._in_order = False
        """The packet before this one ended a frame."""
        self._fragment = 0
        """Kind of the NAL unit that has begun and not ended."""
        self._kinds: set[int] = set()
        self._parameters: dict[int, bytes] = {}

    def take(self, timestamp: int, last: bool, payload: bytes) -> EncodedFrame | None:
        """See server.media.frames.Depacketiser.take."""
        if not self._whole and payload and (self._in_order or _starts_frame(payload)):
            self._data.clear()
            self._kinds.clear()
            self._fragment = 0
            self._whole = True
            self._timestamp = timestamp
        self._in_order = last
        if not self._whole:
            return None
        if timestamp != self._timestamp or len(self._data) > LARGEST_FRAME or not payload:
            raise FrameLost
        self._add(payload)
        if not last:
            return None
        self._whole = False
        if self._fragment:
            raise FrameLost
        return self._frame(timestamp)

    def abandon(self) -> None:
        """See server.media.frames.Depacketiser.abandon."""
        self._data = bytearray()
        self._whole = self._in_order = False

    def _add(self, payload: bytes) -> None:
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            self._add_fragment(payload)
        elif self._fragment:
            raise FrameLost
        elif kind == _STAP_A:
            for unit in _aggregated(payload):
                self._add_unit(unit)
        elif 0 < kind < _STAP_A:
            self._add_unit(payload)
        else:
            raise FrameLost  # interleaved modes are never agreed

    def _add_unit(self, unit: bytes) -> None:
        kind = unit[0] & 0x1F
        self._kinds.add(kind)
        if kind in (PARAMETERS, PICTURE_PARAMETERS) and len(unit) <= _LONGEST_PARAMETERS:
            self._parameters[kind] = unit
        self._data += START + unit

    def _add_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise FrameLost
        header, kind = payload[1], payload[1] & 0x1F
        begins, ends = header & 0x80 != 0, header & 0x40 != 0
        if begins == bool(self._fragment) or (not begins and kind != self._fragment) or not 0 < kind < _STAP_A:
            raise FrameLost
        if begins:
            self._kinds.add(kind)
            self._data += START + bytes([payload[0] & 0xE0 | kind])
        self._data += payload[2:]
        self._fragment = 0 if ends else kind

    def _frame(self, timestamp: int) -> EncodedFrame:
        data = bytes(self._data)
        key = IDR in self._kinds
        if key:
            missing = [kind for kind in (PARAMETERS, PICTURE_PARAMETERS) if kind not in self._kinds]
            key = all(kind in self._parameters for kind in missing)
            data = b"".join(START + self._parameters[kind] for kind in missing if key) + data
        return EncodedFrame(timestamp, key, 0, data)
