"""Vault port on a disk: one folder per session, one AES-256-GCM file per blob, one master key beside or elsewhere.

A blob's file is ``version (1 byte) || nonce (12) || ciphertext and tag (16)``. Each session has a key of its own,
HKDF-SHA256 of the master key with the session id: so the bound of 2**32 random nonces under one key
(NIST SP 800-38D, 8.3) is a bound per session, never reached. The session id is the additional data as well.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import time
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from server import keyfiles

_VERSION = b"\x01"
_KEY_BYTES = 32
_NONCE_BYTES = 12  # what AES-GCM takes without hashing it first (NIST SP 800-38D, 5.2.1.1)
_SESSION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NAME = re.compile(r"[0-9a-f]{64}", re.ASCII)
_INCOMING = ".incoming"  # begins with a dot, as no session id can
_ABANDONED_AFTER = 3600.0  # seconds; far longer than any write takes, so another process's part is never removed


class VaultError(Exception):
    """The vault cannot be opened. ``code`` is stable: vault_key_missing."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class DiskVault:
    """Blobs under ``folder``, encrypted with the 32 bytes in ``key_file`` (made at the first start, mode 0600).

    Raises VaultError when there are blobs but no key (a new key would hide that they are lost), KeyFileError when
    the key file is damaged or readable by others. ``put`` raises ValueError for a session id that is not 1 to 64
    letters, digits, hyphens or underscores.
    """

    def __init__(self, folder: Path, key_file: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._incoming = folder / _INCOMING
        if not key_file.exists() and any(
            _SESSION.fullmatch(entry.name) for entry in folder.iterdir() if entry.is_dir()
        ):
            raise VaultError(
                "vault_key_missing", "The vault holds blobs but its key file is missing; restore the key file."
            )
        self._key = keyfiles.read_or_make(key_file, _KEY_BYTES)
        self._incoming.mkdir(mode=0o700, exist_ok=True)
        self._remove_abandoned_parts()

    async def put(self, session: str, content: bytes) -> str:
        """Keep the content; returns its SHA-256 (hex). On the disk when this returns; repeatable."""
        return await asyncio.to_thread(self._put, session, content)

    async def get(self, session: str, sha256: str) -> bytes:
        """Raises KeyError where there is none, ValueError where it does not decrypt to what it is named."""
        return await asyncio.to_thread(self._get, session, sha256)

    async def delete_session(self, session: str) -> int:
        """Remove all blobs of the session; returns how many there were. Repeating it finishes what a crash left."""
        return await asyncio.to_thread(self._delete_session, session)

    def _cipher(self, session: str) -> AESGCM:
        return AESGCM(
            HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"betpe-bet vault 1 " + session.encode()).derive(self._key)
        )

    def _put(self, session: str, content: bytes) -> str:
        if not _SESSION.fullmatch(session):
            raise ValueError("not a session id")
        name = hashlib.sha256(content).hexdigest()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = _VERSION + nonce + self._cipher(session).encrypt(nonce, content, _VERSION + session.encode())
        folder = self._folder / session
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            keyfiles.sync_folder(self._folder)
        keyfiles.write_atomically(folder / name, sealed, self._incoming)
        return name

    def _get(self, session: str, sha256: str) -> bytes:
        if not _SESSION.fullmatch(session) or not _NAME.fullmatch(sha256):
            raise KeyError(sha256)
        try:
            sealed = (self._folder / session / sha256).read_bytes()
        except FileNotFoundError:
            raise KeyError(sha256) from None
        if sealed[:1] != _VERSION:
            raise ValueError("the blob is not of a version that this vault reads")
        nonce, ciphertext = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        try:
            content = self._cipher(session).decrypt(nonce, ciphertext, _VERSION + session.encode())
        except (InvalidTag, ValueError):  # ValueError: cut inside the nonce
            raise ValueError("the blob does not decrypt: damaged, moved from another session, or another key") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError("the blob decrypts to something else than its name says")
        return content

    def _delete_session(self, session: str) -> int:
        folder = self._folder / session
        if not _SESSION.fullmatch(session) or not folder.is_dir():
            return 0
        count = 0
        for path in folder.iterdir():
            path.unlink()
            count += 1
        folder.rmdir()
        keyfiles.sync_folder(self._folder)
        return count

    def _remove_abandoned_parts(self) -> None:
        """Ciphertext that a crash left half written."""
        oldest = time.time() - _ABANDONED_AFTER
        for part in self._incoming.iterdir():
            if part.stat().st_mtime < oldest:
                part.unlink(missing_ok=True)
