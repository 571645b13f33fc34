"""A seekable WebM without a copy of it: a new head (duration, cues) before the recorded clusters as they lie.

The recorder writes live WebM: an element of unknown size without duration or cues, then a cluster for each tenth of a
second (https://www.matroska.org/technical/elements.html). An index of one pass is enough to serve any part of
the seekable file; neither recording nor copy is ever whole in memory.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from server.media import h264
from server.media.codecs import H264, VP8, Codec
from server.media.recorder import WebmTrack

LARGEST_CLUSTER = 16 << 20  # bytes; a tenth of a second of anything a browser sends is far below
VOID = 0xEC
"""ID of an element that every reader passes over. It is as long as a SimpleBlock's: one byte in another's place."""

_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x1A45DFA3, 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_TIMESTAMP, _SIMPLE_BLOCK, _BLOCK_GROUP = 0xE7, 0xA3, 0xA0
_CUES, _CUE_POINT, _CUE_TIME, _CUE_PLACE = 0x1C53BB6B, 0xBB, 0xB3, 0xB7
_CUE_TRACK, _CUE_CLUSTER = 0xF7, 0xF1
_SCALE, _DURATION, _MUXER, _WRITER = 0x2AD7B1, 0x4489, 0x4D80, 0x5741
_VIDEO = 1  # track numbers, as WebmTrack makes them: picture, then sound
_KEY = 0x80
_LAST_FRAME = 40  # ms that the last picture or sound is taken to last
_CLUSTER_HEAD = _CLUSTER.to_bytes(4, "big")
_NAME = b"Betpe-bet"
_AVC = b"V_MPEG4/ISO/AVC"  # CodecID of H.264
_FIRST = 4096  # bytes of a key frame that are looked at: its parameter sets are at its front


class _NotHereYet(Exception):
    """The element goes on behind what was read so far."""


class _NoElement(Exception):
    """The bytes are not what should stand here."""


def _vint(data: bytes | bytearray, at: int, limit: int, *, keep_marker: bool) -> tuple[int, int]:
    """(value, length) of a variable-size integer (RFC 8794, section 4). An all-ones size stays as it is: unknown."""
    if at >= limit:
        raise _NotHereYet
    length = 9 - data[at].bit_length()
    if length > 8:
        raise _NoElement
    if at + length > limit:
        raise _NotHereYet
    value = int.from_bytes(data[at : at + length], "big")
    return (value if keep_marker else value & ((1 << 7 * length) - 1)), length


def _element(data: bytes | bytearray, at: int, limit: int) -> tuple[int, int, int]:
    """(id, begin of the content, size of the content)."""
    name, first = _vint(data, at, limit, keep_marker=True)
    size, second = _vint(data, at + first, limit, keep_marker=False)
    return name, at + first + second, size


def _made(name: int, content: bytes) -> bytes:
    """An element with a size of eight bytes, so that its length does not depend on the values in it."""
    size = (1 << 56 | len(content)).to_bytes(8, "big")
    return name.to_bytes((name.bit_length() + 7) // 8, "big") + size + content


@dataclass(slots=True)
class Extent:
    """Recorded bytes that stand in the seekable file as they are."""

    start: int
    """In the recorded content."""
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """A picture or a packet of sound in a cluster."""

    place: int
    """Of its first byte, from the cluster's."""
    video: bool
    key: bool


@dataclass(slots=True)
class WebmIndex:
    """What is known of a recording's content after one pass. ``feed`` and ``gap`` in order, then ``finish``."""

    extents: list[Extent] = field(default_factory=list)
    voided: list[int] = field(default_factory=list)
    """Places (in the recorded content) of pictures that cannot be decoded after a gap: to be read as VOID."""
    begin: int | None = None
    """Milliseconds of the first picture or sound."""
    end: int = 0
    """Milliseconds until which it lasts."""
    head: bytes = b""
    """Stands before the extents."""
    on_cluster: Callable[[bytes, Sequence[Block]], None] | None = None
    """Told each cluster as it is recorded, with its blocks."""
    _keys: list[tuple[int, int]] = field(default_factory=list)  # (milliseconds, recorded place of its cluster)
    _tracks: bytes = b""
    _buffer: bytearray = field(default_factory=bytearray)
    _base: int = 0  # recorded place of the buffer's first byte
    _lost: bool = False  # after a gap: the next cluster has to be looked for
    _needs_key: bool = True
    _first: _First | None = None

    def feed(self, content: bytes) -> None:
        """The next bytes of the recording."""
        self._buffer += content
        at = 0
        while (done := self._step(at)) is not None:
            at = done
        del self._buffer[:at]
        self._base += at

    def gap(self, size: int) -> None:
        """So many bytes are missing here."""
        self._base += len(self._buffer) + size
        self._buffer.clear()
        self._lost = self._needs_key = True

    def finish(self) -> None:
        """All was read: makes the head."""
        self._buffer.clear()
        if self.begin is not None:
            self.head = self._head()

    def _step(self, at: int) -> int | None:
        """Take one element; where the next one begins, None when more is needed."""
        data, limit = self._buffer, len(self._buffer)
        if self._lost:
            found = data.find(_CLUSTER_HEAD, at)
            if found < 0:
                return None if limit - at < len(_CLUSTER_HEAD) else limit - len(_CLUSTER_HEAD) + 1
            at = found
        try:
            name, content, size = _element(data, at, limit)
            if name == _SEGMENT:
                return content
            if size > LARGEST_CLUSTER:
                raise _NoElement
            if self._lost and limit > content and data[content] != _TIMESTAMP:
                raise _NoElement
            if content + size > limit:
                return None
            if name == _CLUSTER:
                self._take_cluster(at, content, content + size)
            elif name == _TRACKS:
                self._tracks = bytes(data[at : content + size])
        except _NotHereYet:
            return None
        except _NoElement:
            self._lost = self._needs_key = True
            return at + 1
        self._lost = False
        return content + size

    def _take_cluster(self, at: int, content: int, end: int) -> None:
        blocks = list(self._blocks(content, end))
        for place, track, moment, key, payload in blocks:
            if track == _VIDEO and key:
                self._needs_key = False
                self._keys.append((moment, self._base + at))
                self._first = self._first or _first(bytes(self._buffer[payload : payload + _FIRST]))
            elif track == _VIDEO and self._needs_key:
                self.voided.append(self._base + place)
            self.begin = moment if self.begin is None else min(self.begin, moment)
            self.end = max(self.end, moment + _LAST_FRAME)
        if self.on_cluster is not None:
            told = [Block(place - at, track == _VIDEO, key) for place, track, _, key, _ in blocks]
            self.on_cluster(bytes(self._buffer[at:end]), told)
        if self.extents and self.extents[-1].start + self.extents[-1].size == self._base + at:
            self.extents[-1].size += end - at
        else:
            self.extents.append(Extent(self._base + at, end - at))

    def _blocks(self, at: int, end: int) -> Iterator[tuple[int, int, int, bool, int]]:
        """(place, track, milliseconds, key frame, place of the payload) of each block of a cluster."""
        data, cluster_time = self._buffer, 0
        try:
            while at < end:
                name, content, size = _element(data, at, end)
                if content + size > end or name == _BLOCK_GROUP:
                    raise _NoElement
                if name == _TIMESTAMP:
                    cluster_time = int.from_bytes(data[content : content + size], "big")
                elif name == _SIMPLE_BLOCK:
                    track, length = _vint(data, content, end, keep_marker=False)
                    offset, flags = struct.unpack_from("!hB", data, content + length)
                    yield at, track, cluster_time + offset, bool(flags & _KEY), content + length + 3
                at = content + size
        except (_NotHereYet, struct.error) as error:
            raise _NoElement from error

    @property
    def media_type(self) -> str:
        """What a browser is to take it for."""
        return "video/x-matroska" if _AVC in self._described() else "video/webm"

    def _described(self) -> bytes:
        """The tracks as they were recorded; made anew where those are damaged."""
        return self._tracks or _tracks(self._first)

    def _ebml(self) -> bytes:
        matroska = _AVC in self._described()
        return _EBML_FIELDS + _made(0x4282, b"matroska" if matroska else b"webm")  # DocType

    def live_head(self) -> bytes:
        """The head of a stream without an end."""
        info = _made(_INFO, _SCALE_FIELD + _made(_MUXER, _NAME) + _made(_WRITER, _NAME))
        return _made(_EBML, self._ebml()) + _SEGMENT.to_bytes(4, "big") + _UNKNOWN_SIZE + info + self._described()

    def _head(self) -> bytes:
        ebml = _made(_EBML, self._ebml())
        duration = struct.pack("!d", float(self.end))
        info = _made(
            _INFO,
            _SCALE_FIELD + _made(_DURATION, duration) + _made(_MUXER, _NAME) + _made(_WRITER, _NAME),
        )
        before = info + self._described()
        first = len(before) + len(self._cues(0))
        body = before + self._cues(first)
        total = len(body) + sum(extent.size for extent in self.extents)
        return ebml + _SEGMENT.to_bytes(4, "big") + (1 << 56 | total).to_bytes(8, "big") + body

    def _cues(self, first: int) -> bytes:
        """The places of all key frames, where the first cluster stands ``first`` bytes into the segment."""
        points = b""
        extent, before = 0, 0
        for moment, place in self._keys:
            while place >= self.extents[extent].start + self.extents[extent].size:
                before += self.extents[extent].size
                extent += 1
            position = first + before + place - self.extents[extent].start
            places = _made(_CUE_TRACK, b"\x01") + _made(_CUE_CLUSTER, position.to_bytes(8, "big"))
            points += _made(_CUE_POINT, _made(_CUE_TIME, moment.to_bytes(8, "big")) + _made(_CUE_PLACE, places))
        return _made(_CUES, points)


def rebased(cluster: bytes, earlier: int) -> bytearray:
    """The cluster with its time so many milliseconds earlier, in as many bytes."""
    changed = bytearray(cluster)
    _, content, _ = _element(changed, 0, len(changed))
    name, first, size = _element(changed, content, len(changed))
    if name == _TIMESTAMP:
        moment = int.from_bytes(changed[first : first + size], "big") - earlier
        changed[first : first + size] = max(0, moment).to_bytes(size, "big")
    return changed


def cluster_time(cluster: bytes) -> int:
    """Milliseconds of a cluster's own timestamp; 0 where it does not begin with one."""
    _, content, _ = _element(cluster, 0, len(cluster))
    name, first, size = _element(cluster, content, len(cluster))
    return int.from_bytes(cluster[first : first + size], "big") if name == _TIMESTAMP else 0


def padding(size: int) -> bytes:
    """So many bytes (or none, where no element is as small) that every reader passes over."""
    head = len(_made(VOID, b""))
    return _made(VOID, bytes(size - head)) if size >= head else b""


def _uint(name: int, value: int) -> bytes:
    return _made(name, value.to_bytes(1, "big"))


_SCALE_FIELD = _made(_SCALE, (1_000_000).to_bytes(4, "big"))  # nanoseconds: times are in milliseconds
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_EBML_FIELDS = b"".join(
    (
        _uint(0x4286, 1),  # EBMLVersion
        _uint(0x42F7, 1),  # EBMLReadVersion
        _uint(0x42F2, 4),  # EBMLMaxIDLength
        _uint(0x42F3, 8),  # EBMLMaxSizeLength
        _uint(0x4287, 4),  # DocTypeVersion
        _uint(0x4285, 2),  # DocTypeReadVersion
    )
)


@dataclass(frozen=True, slots=True)
class _First:
    """What the first key frame says, for a recording whose tracks are damaged."""

    codec: Codec
    size: tuple[int, int]
    data: bytes
    """Bytes that a muxer takes the track's description from."""


def _first(data: bytes) -> _First | None:
    """Read the front of a key frame as it lies in the file."""
    if (size := VP8.picture_size(data)) is not None:
        return _First(VP8, size, data)
    stream = h264.from_lengths(data)
    try:
        size = H264.picture_size(stream)
    except ValueError:
        return None
    return _First(H264, size, stream) if size is not None else None


def _tracks(first: _First | None) -> bytes:
    """The tracks as the recorder writes them, for a recording whose own are damaged."""
    sink = io.BytesIO()
    if first is None or first.codec is VP8:
        track = WebmTrack(sink, *(first.size if first is not None else (640, 480)))
        track.put(False, 0, True, b"\xfc\xff\xfe")  # a frame of silence: the head is written with the first packet
    else:
        track = WebmTrack(sink, *first.size, first.codec)
        track.put(True, 0, True, first.data)
    track.close()
    data, at = sink.getvalue(), 0
    while True:
        name, content, size = _element(data, at, len(data))
        if name == _TRACKS:
            return data[at : content + size]
        at = content if name == _SEGMENT else content + size
