"""Reading a sealed file past its damage: every piece that still decrypts, and which seconds cannot be trusted.

``sealed.verify`` judges the whole and stops at the first fault; this goes on behind it, for who must see the rest.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.media.sealed import LARGEST_PIECE, LENGTH, MAGIC, SEAL, next_link, read_header, segment_cipher

_TAG = 16  # bytes of AES-GCM's tag
_PIECES_A_SEAL = 24  # pieces between two seals: ten by time, and some that were full before their time
_SMALLEST_RECORD = 1 + LENGTH.size + _TAG  # bytes
_WINDOW = 1 << 20  # bytes looked through at once for the next seal
_SEAL_PLACE = struct.Struct("!LQ")  # a seal's first fields: its number and its own place
_SEAL_SHAPE = re.compile(rb"[SE](?=.{12})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piece:
    """A data record."""

    position: int
    """Of its ciphertext in the file."""
    length: int
    """Of the ciphertext with its tag, in bytes."""
    number: int
    """Its nonce."""
    content: bytes | None
    """None where it does not decrypt."""


@dataclass(frozen=True, slots=True)
class Second:
    """What one seal covers."""

    at: float
    """When it was put, in Unix time."""
    ok: bool
    """The records since the seal before, and the seal itself, are as they were written."""
    last: bool = False
    """The file was closed with it."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Records that cannot be told apart any more, up to the next seal."""


def salvage(path: Path, key: bytes) -> Iterator[Piece | Second | Hole]:
    """All records in order. A torn end (a killed process) is no hole. Raises NotASealedFile, OSError, ValueError."""
    with path.open("rb") as source:
        yield from SealedReader(source, key).items()


class SealedReader:
    """Reads a sealed file's records one after the other, also while it is written. Raises NotASealedFile, OSError."""

    def __init__(self, source: BinaryIO, key: bytes) -> None:
        text = read_header(source)
        start = MAGIC + LENGTH.pack(len(text)) + text
        chain, position = hashlib.sha256(start).digest(), len(start)
        self._source = source
        self._cipher: AESGCM = segment_cipher(key, text)
        self._chain = chain
        self._computed = chain  # what the last seal should have said: its own damage must not spoil the next one
        self._position = position
        self._number = 0  # of the next piece
        self._unsure = 0  # how many pieces may be missing before the next one
        self._seals = 0
        self._digest = hashlib.sha256()

    def items(self, *, growing: bool = False) -> Iterator[Piece | Second | Hole]:
        """What follows. A ``growing`` file's torn end is waited for: to be called again when there may be more."""
        while True:
            self._source.seek(self._position)
            kind = self._source.read(1)
            record = self._data() if kind == b"D" else self._seal(kind) if kind in (b"S", b"E") else None
            if record is not None:
                yield record
                continue
            if growing or not self._find_seal():
                return
            yield Hole()

    def _data(self) -> Piece | None:
        head = self._source.read(LENGTH.size)
        length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 0
        if not _TAG <= length <= 2 * LARGEST_PIECE:
            return None
        body = self._source.read(length)
        following = self._source.read(1)
        content = self._decrypt(body) if len(body) == length else None
        if content is None and (len(body) != length or following not in (b"D", b"S", b"E", b"")):
            return None  # torn, or a damaged length: what would follow is no record
        position = self._position + 1 + LENGTH.size
        self._digest.update(b"D" + head + body)
        self._position = position + length
        piece = Piece(position, length, self._number, content)
        self._number += 1
        return piece

    def _decrypt(self, body: bytes) -> bytes | None:
        for number in range(self._number, self._number + self._unsure + 1):
            try:
                content = self._cipher.decrypt(number.to_bytes(12, "big"), body, None)
            except InvalidTag:
                continue
            self._number, self._unsure = number, 0
            return content
        return None

    def _seal(self, kind: bytes) -> Second | None:
        body = self._source.read(SEAL.size)
        if len(body) != SEAL.size:
            return None
        index, end, at, digest, chain = SEAL.unpack(body)
        if end != self._position:
            return None  # not a seal: a kind byte was changed
        link = next_link(self._chain, digest, end, index, at)
        fits = chain in (link, next_link(self._computed, digest, end, index, at))
        ok = fits and (index, digest) == (self._seals, self._digest.digest())
        self._position += 1 + SEAL.size
        self._chain, self._computed = chain, link
        self._digest = hashlib.sha256()
        self._seals += 1
        return Second(at, ok, kind == b"E")

    def _find_seal(self) -> bool:
        """Go to the next seal behind this place: it names its own place and a number not seen yet."""
        position, overlap = self._position + 1, 1 + SEAL.size
        while True:
            self._source.seek(position)
            window = self._source.read(_WINDOW + overlap)
            for found in _SEAL_SHAPE.finditer(window):
                index, end = _SEAL_PLACE.unpack_from(window, found.start() + 1)
                if end == position + found.start() and index >= self._seals:
                    hidden = (end - self._position) // _SMALLEST_RECORD
                    self._unsure += min(hidden, _PIECES_A_SEAL * (index + 1 - self._seals))
                    self._position, self._seals = end, index
                    return True
            if len(window) <= overlap:
                return False
            position += _WINDOW
