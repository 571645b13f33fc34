"""Small files that must be whole or absent: written through a temporary file, readable by their owner only."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path


class KeyFileError(Exception):
    """A key file cannot be used. ``code`` is stable: key_file_exposed, key_file_damaged."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def sync_folder(folder: Path) -> None:
    """Make names just created, renamed or removed in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Create ``path`` with the content and bring it to the disk. Raises FileExistsError where it is already there.

    Not atomic by itself: a crash leaves a part. Meant for names that nobody reads yet.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, content: bytes, temporary_folder: Path | None = None) -> None:
    """Put the content under ``path``, whole or not at all, replacing what is there; mode 0600.

    ``temporary_folder`` (same file system; default the path's own) holds the part while it is written.
    """
    part = (temporary_folder or path.parent) / f".{path.name}.{secrets.token_hex(8)}.part"
    try:
        write_new(part, content)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_private(path: Path) -> bytes:
    """The content of a key file. Raises FileNotFoundError, or KeyFileError key_file_exposed where anybody but its
    owner may read or change it."""
    with path.open("rb") as file:
        if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
            raise KeyFileError(
                "key_file_exposed",
                f"The key file {path.name} can be read by others than its owner; set its mode to 0600.",
            )
        return file.read()


def read_or_make(path: Path, length: int) -> bytes:
    """``length`` random bytes kept in ``path``, made at the first call and the same ever after.

    Two processes that start together end with the same bytes. Raises KeyFileError.
    """
    try:
        content = read_private(path)
    except FileNotFoundError:
        part = path.parent / f".{path.name}.{secrets.token_hex(8)}.part"
        write_new(part, secrets.token_bytes(length))
        try:
            os.link(part, path)  # unlike a rename, a link never replaces the file of a process that was faster
        except FileExistsError:
            pass  # the other process's key is the key
        finally:
            part.unlink()
        sync_folder(path.parent)
        content = read_private(path)
    if len(content) != length:
        raise KeyFileError("key_file_damaged", f"The key file {path.name} does not hold {length} bytes.")
    return content
