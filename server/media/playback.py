"""The archive of recordings (server.ports.Recordings): each segment as a seekable WebM, decrypted piece by piece.

Nothing decrypted is ever written; what is in memory is an index (about 5 MB for an hour) and the piece asked for.
"""

from __future__ import annotations

import asyncio
import bisect
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag

from server.media.call_recording import segment_files
from server.media.live_view import LiveView
from server.media.salvage import Hole, Piece, Second, salvage
from server.media.sealed import NotASealedFile, Verification, read_header, segment_cipher, verify
from server.media.webm_index import VOID, WebmIndex, padding
from server.ports import ENDS, KeptSegment, Leg

LOOK_AGAIN = 0.2  # seconds
BROWSER_BLOCK = 32 * 1024  # bytes; Chromium looks at a stream in such blocks: what lies in an unfinished one waits
PATIENCE = 5.0  # seconds without anything new after which a segment that is followed is over
MOST_INDEXES = 32  # kept for segments that are being looked at
LAG = 0.3  # seconds; what a seal covers was taken up to so long before the seal in front of it
_NOTHING = Verification(False, False, 0, 0, 0, 0, "", {})


@dataclass(slots=True)
class _Indexed:
    """A segment and where everything in it lies."""

    path: Path
    version: tuple[int, int]
    """Size and time of change of the file that was indexed."""
    kept: KeptSegment
    index: WebmIndex
    pieces: list[Piece] = field(default_factory=list)
    """Those that decrypt, without their content."""
    starts: list[int] = field(default_factory=list)
    """Where each piece begins in the recorded content."""


class SealedRecordings:
    """The sealed files in a folder, encrypted with keys derived from ``key`` (32 bytes)."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self._folder = folder
        self._key = key
        self._indexes: OrderedDict[str, _Indexed] = OrderedDict()
        self._lock = threading.Lock()

    async def segments(self, session: str) -> list[KeptSegment]:
        """See server.ports.Recordings.segments."""

        def look() -> list[KeptSegment]:
            return [self._look(path, leg).kept for leg in ENDS for path in self._files(session, leg)]

        return await asyncio.to_thread(look)

    async def read(self, session: str, leg: Leg, number: int, offset: int, length: int) -> bytes:
        """See server.ports.Recordings.read."""
        return await asyncio.to_thread(self._read, session, leg, number, offset, length)

    async def follow(self, session: str, leg: Leg, ready: Callable[[], Awaitable[None]]) -> AsyncGenerator[bytes, None]:
        """See server.ports.Recordings.follow."""
        files = self._files(session, leg)
        if not files:
            raise KeyError(session)
        try:
            view = await asyncio.to_thread(LiveView, files[-1], self._key)
        except NotASealedFile as error:
            raise KeyError(session) from error
        try:
            await asyncio.to_thread(view.catch_up)
            await ready()
            quiet = 0.0
            while not view.ended and quiet < PATIENCE:
                if part := await asyncio.to_thread(view.more):
                    quiet = 0.0
                    yield part + padding(-len(part) % BROWSER_BLOCK)
                else:
                    quiet += LOOK_AGAIN
                await asyncio.sleep(LOOK_AGAIN)
        finally:
            view.close()

    def _files(self, session: str, leg: Leg) -> list[Path]:
        try:
            return segment_files(self._folder, session, leg)
        except ValueError:
            return []

    def _look(self, path: Path, leg: Leg) -> _Indexed:
        """The index of a file, made anew where the file is another one since."""
        stat = path.stat()
        version = (stat.st_size, stat.st_mtime_ns)
        with self._lock:
            known = self._indexes.get(path.name)
            if known is not None and known.version == version:
                self._indexes.move_to_end(path.name)
                return known
        made = _index(path, version, leg, self._key)
        with self._lock:
            self._indexes[path.name] = made
            while len(self._indexes) > MOST_INDEXES:
                self._indexes.popitem(last=False)
        return made

    def _read(self, session: str, leg: Leg, number: int, offset: int, length: int) -> bytes:
        path = next((path for path in self._files(session, leg) if segment_number(path) == number), None)
        if path is None:
            raise KeyError(number)
        found = self._look(path, leg)
        end = min(offset + length, found.kept.size)
        taken = bytearray(found.index.head[offset:end])
        before = len(found.index.head)
        for extent in found.index.extents:
            first, last = max(offset - before, 0), min(end - before, extent.size)
            if first < last:
                taken += self._content(found, extent.start + first, last - first)
            before += extent.size
        return bytes(taken)

    def _content(self, found: _Indexed, start: int, size: int) -> bytes:
        """Recorded content, without the pictures that cannot be decoded."""
        content = bytearray()
        at = bisect.bisect_right(found.starts, start) - 1
        with found.path.open("rb") as source:
            cipher = segment_cipher(self._key, read_header(source))
            while len(content) < size:
                piece = found.pieces[at]
                source.seek(piece.position)
                try:
                    opened = cipher.decrypt(piece.number.to_bytes(12, "big"), source.read(piece.length), None)
                except InvalidTag as error:
                    raise ValueError("the recording does not decrypt any more") from error
                skip = max(0, start - found.starts[at])
                content += opened[skip : skip + size - len(content)]
                at += 1
        voided = found.index.voided
        for place in voided[bisect.bisect_left(voided, start) : bisect.bisect_left(voided, start + size)]:
            content[place - start] = VOID
        return bytes(content)


def segment_number(path: Path) -> int:
    """The number in a segment's file name."""
    return int(path.suffixes[-2][1:])


def _index(path: Path, version: tuple[int, int], leg: Leg, key: bytes) -> _Indexed:
    found = _Indexed(path, version, _kept(path, leg, _NOTHING, WebmIndex(), []), WebmIndex())
    try:
        verdict = verify(path)
        began = _began(verdict)
        damaged = _survey(path, key, began, found) if began is not None else []
    except NotASealedFile:
        return found
    found.index.finish()
    found.kept = _kept(path, leg, verdict, found.index, damaged)
    return found


def _kept(
    path: Path, leg: Leg, verdict: Verification, index: WebmIndex, damaged: list[tuple[float, float]]
) -> KeptSegment:
    playable = bool(index.head)
    return KeptSegment(
        leg=leg,
        number=segment_number(path),
        file=path.name,
        began=_began(verdict),
        seconds=index.end / 1000,
        first=(index.begin or 0) / 1000,
        size=len(index.head) + sum(extent.size for extent in index.extents) if playable else 0,
        verified=verdict.ok and not damaged,
        complete=verdict.complete,
        chain=verdict.chain,
        previous=str(verdict.header.get("previous", "")),
        damaged=tuple(damaged),
        media_type=index.media_type if playable else "video/webm",
    )


def _began(verdict: Verification) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(verdict.header.get("began", "")))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _survey(path: Path, key: bytes, began: datetime, found: _Indexed) -> list[tuple[float, float]]:
    """Fill the index; the stretches (seconds since the beginning) that are not as they were written."""
    damaged: list[tuple[float, float]] = []
    start, sealed_until, spoilt = 0, 0.0, False
    for item in salvage(path, key):
        match item:
            case Piece(content=None):
                found.index.gap(item.length)
                start += item.length
                spoilt = True
            case Piece(content=bytes(content)):
                found.pieces.append(Piece(item.position, item.length, item.number, None))
                found.starts.append(start)
                found.index.feed(content)
                start += len(content)
            case Hole():
                found.index.gap(0)
                spoilt = True
            case Second():
                until = max(sealed_until, item.at - began.timestamp())
                if not item.ok:
                    damaged.append((max(0.0, sealed_until - LAG), until))
                sealed_until, spoilt = until, False
    if spoilt:
        damaged.append((max(0.0, sealed_until - LAG), max(sealed_until, found.index.end / 1000)))
    return _joined(damaged)


def _joined(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for first, last in stretches:
        if joined and joined[-1][1] >= first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined
