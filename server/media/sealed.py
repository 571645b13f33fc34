"""Append-only files whose every second is sealed: what a recording is kept in.

    file     MAGIC, length (4), header (JSON)          the chain begins with SHA-256 of these bytes
    data     b"D", length (4), AES-256-GCM ciphertext and tag
    seal     b"S" or b"E" (the last), index (4), end (8), unix time (8, double), digest (32), chain (32)

``digest`` is the SHA-256 of the data records since the seal before; ``chain`` is the SHA-256 of the chain before,
digest, end, index and time. So anyone can verify a file without its key, and a changed byte is found at its second.
The header names the last chain value of the segment before: all segments of a session are one chain. Numbers are
big-endian. The nonce of a data record is its number; the key is of this segment alone (HKDF of the session's key).
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"BPSEAL1\n"
SEAL_INTERVAL = 1.0  # seconds
PIECE_INTERVAL = 0.1  # seconds; with POLL and the interleaving a killed process loses less than 0.25 s
LARGEST_PIECE = 1 << 20  # bytes

LENGTH = struct.Struct("!L")
SEAL = struct.Struct("!LQd32s32s")
_LARGEST_HEADER = 1 << 16
_KEY_BYTES = 32


def segment_cipher(key: bytes, header: bytes) -> AESGCM:
    """The cipher of one segment alone: its header has a random salt. Raises ValueError for a key of another length."""
    if len(key) != _KEY_BYTES:
        raise ValueError("a recording's key has 32 bytes")
    return AESGCM(HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"betpe-bet recording 1 " + header).derive(key))


def next_link(chain: bytes, digest: bytes, end: int, index: int, at: float) -> bytes:
    """The chain's value after a seal."""
    return hashlib.sha256(chain + digest + struct.pack("!QLd", end, index, at)).digest()


def open_new(path: Path) -> int:
    """A descriptor of a file that was not there before, readable by this user alone."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


class SealedWriter:
    """Writes one sealed file; a file object as far as a muxer needs one (``write``). Not thread-safe.

    Every method may raise OSError (no space left): the file then ends with what was sealed before.
    """

    def __init__(
        self,
        path: Path,
        key: bytes,
        header: dict[str, Any],
        open_file: Callable[[Path], int] = open_new,
        sync: Callable[[int], None] = os.fdatasync,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``header`` is kept as it is, with a random ``salt`` added, so that no two files share a key.

        ``sync``: called with the descriptor after each seal. ``clock``: the Unix time that seals name.
        """
        text = json.dumps({**header, "salt": os.urandom(16).hex()}, sort_keys=True).encode()
        self._cipher = segment_cipher(key, text)
        self._chain = hashlib.sha256(MAGIC + LENGTH.pack(len(text)) + text).digest()
        self._sync = sync
        self._clock = clock
        self._file = open_file(path)
        self._pending = bytearray()
        self._pieces = 0
        self._digest = hashlib.sha256()
        self._end = 0
        self._seals = 0
        self._unsealed = False
        self._last_piece = self._last_seal = time.monotonic()
        try:
            self._append(MAGIC + LENGTH.pack(len(text)) + text)
        except OSError:
            os.close(self._file)
            raise

    @property
    def chain(self) -> str:
        """The newest chain value (hex)."""
        return self._chain.hex()

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._end

    def write(self, data: bytes | bytearray | memoryview) -> int:
        self._pending += data
        if len(self._pending) >= LARGEST_PIECE:
            self._put_piece()
        return len(data)

    def tick(self, now: float) -> None:
        """To be called several times a second (monotonic seconds): writes pieces and seals as they fall due."""
        if now - self._last_piece >= PIECE_INTERVAL:
            self._put_piece()
            self._last_piece = now
        if now - self._last_seal >= SEAL_INTERVAL and self._unsealed:
            self._seal(b"S")
            self._last_seal = now

    def close(self) -> None:
        """Write what is left, put the last seal, close the file."""
        try:
            self._put_piece()
            self._seal(b"E")
        finally:
            os.close(self._file)

    def abandon(self) -> None:
        """Close the file as it is (after an error)."""
        os.close(self._file)

    def _put_piece(self) -> None:
        if not self._pending:
            return
        nonce = self._pieces.to_bytes(12, "big")
        sealed = self._cipher.encrypt(nonce, bytes(self._pending), None)
        self._pending.clear()
        self._pieces += 1
        record = b"D" + LENGTH.pack(len(sealed)) + sealed
        self._append(record)
        self._digest.update(record)
        self._unsealed = True

    def _seal(self, kind: bytes) -> None:
        at = self._clock()
        digest = self._digest.digest()
        self._chain = next_link(self._chain, digest, self._end, self._seals, at)
        self._append(kind + SEAL.pack(self._seals, self._end, at, digest, self._chain))
        self._sync(self._file)
        self._seals += 1
        self._digest = hashlib.sha256()
        self._unsealed = False

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._file, view) :]
        self._end += len(data)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of a sealed file found."""

    ok: bool
    """Every seal fits; an unsealed tail (a process that was killed) does not harm."""
    complete: bool
    """The file was closed in order."""
    seals: int
    """Seals that fit, from the start."""
    broken_at: int | None
    """Index of the first seal (about: second) that does not fit."""
    sealed_bytes: int
    tail_bytes: int
    chain: str
    """The last chain value that fits (hex)."""
    header: dict[str, Any]


class NotASealedFile(ValueError):
    """The file does not begin like one."""


def read_header(source: BinaryIO) -> bytes:
    """The header as it is written, and so as it goes into the key. Raises NotASealedFile, OSError."""
    start = source.read(len(MAGIC) + LENGTH.size)
    if len(start) < len(MAGIC) + LENGTH.size or not start.startswith(MAGIC):
        raise NotASealedFile("not a sealed recording")
    (length,) = LENGTH.unpack_from(start, len(MAGIC))
    text = source.read(min(length, _LARGEST_HEADER))
    if len(text) != length:
        raise NotASealedFile("the header is cut off")
    return text


def _records(source: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of whole records; ends at the first that is cut off or unknown."""
    while kind := source.read(1):
        if kind == b"D":
            head = source.read(LENGTH.size)
            length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else None
            if length is None or length > 2 * LARGEST_PIECE:
                return
            body = source.read(length)
            if len(body) != length:
                return
            yield kind, head + body
        elif kind in (b"S", b"E"):
            body = source.read(SEAL.size)
            if len(body) != SEAL.size:
                return
            yield kind, body
        else:
            return


def verify(path: Path, previous: str | None = None) -> Verification:
    """Check every seal of a file; ``previous``: the chain value that it must follow. Needs no key.

    Raises NotASealedFile, OSError.
    """
    total = path.stat().st_size
    with path.open("rb") as source:
        text = read_header(source)
        start = MAGIC + LENGTH.pack(len(text)) + text
        chain = hashlib.sha256(start).digest()
        try:
            header = json.loads(text)
        except ValueError:
            header = {}  # a changed header breaks the first seal
        follows = previous is None or header.get("previous") == previous
        digest, end, seals, complete, broken = hashlib.sha256(), len(start), 0, False, None if follows else 0
        sealed = end
        for kind, body in _records(source):
            if broken is not None:
                break
            if kind == b"D":
                digest.update(kind + body)
                end += 1 + len(body)
                continue
            index, claimed_end, at, claimed_digest, claimed_chain = SEAL.unpack(body)
            link = next_link(chain, digest.digest(), end, seals, at)
            if (index, claimed_end, claimed_digest, claimed_chain) != (seals, end, digest.digest(), link) or complete:
                broken = seals
                break
            chain, digest, seals, complete = link, hashlib.sha256(), seals + 1, kind == b"E"
            end += 1 + len(body)
            sealed = end
        if broken is None and _seal_follows(source, end, seals):
            broken = seals  # a damaged length or kind hid the rest of the file
    return Verification(
        ok=broken is None,
        complete=complete and broken is None,
        seals=seals,
        broken_at=broken,
        sealed_bytes=sealed,
        tail_bytes=total - sealed,
        chain=chain.hex(),
        header=header,
    )


def _seal_follows(source: BinaryIO, position: int, index: int) -> bool:
    """Whether the seal that is due stands somewhere after ``position``, where records cannot be read any more.

    A killed process leaves a torn record and nothing after it. A seal is known by its number and its own place.
    """
    source.seek(position)
    rest = source.read()
    wanted = struct.pack("!L", index)
    found = rest.find(wanted, 1)
    while found > 0:
        (end,) = struct.unpack_from("!Q", rest.ljust(found + 12, b"\0"), found + 4)
        if end == position + found - 1:
            return True
        found = rest.find(wanted, found + 1)
    return False


def read(path: Path, key: bytes) -> Iterator[bytes]:
    """The content, piece by piece, up to where the file ends or was torn. Raises NotASealedFile, ValueError."""
    with path.open("rb") as source:
        text = read_header(source)
        cipher = segment_cipher(key, text)
        pieces = 0
        for kind, body in _records(source):
            if kind == b"D":
                try:
                    yield cipher.decrypt(pieces.to_bytes(12, "big"), body[LENGTH.size :], None)
                except InvalidTag as error:
                    raise ValueError("the recording does not decrypt") from error
                pieces += 1
