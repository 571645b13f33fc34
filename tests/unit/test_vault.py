"""The vault on a disk: what lies there, what damage does, what a crash leaves."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from server import keyfiles
from server.keyfiles import KeyFileError
from server.vault import DiskVault, VaultError

CONTENT = b"the picture of a card" * 50


def vault(folder: Path) -> DiskVault:
    return DiskVault(folder / "blobs", folder / "keys" / "vault.key")


def blob(folder: Path, session: str, name: str) -> Path:
    return folder / "blobs" / session / name


async def test_the_disk_holds_only_ciphertext_for_its_owner(tmp_path: Path) -> None:
    name = await vault(tmp_path).put("s1", CONTENT)
    path = blob(tmp_path, "s1", name)
    assert name == hashlib.sha256(CONTENT).hexdigest()
    assert CONTENT[:16] not in path.read_bytes()
    assert path.stat().st_size == len(CONTENT) + 1 + 12 + 16
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys" / "vault.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_the_key_stays_over_a_restart(tmp_path: Path) -> None:
    name = await vault(tmp_path).put("s1", CONTENT)
    assert await vault(tmp_path).get("s1", name) == CONTENT


async def test_equal_content_never_gives_equal_ciphertext(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    name = await kept.put("s1", CONTENT)
    first = blob(tmp_path, "s1", name).read_bytes()
    assert await kept.put("s1", CONTENT) == name
    assert blob(tmp_path, "s1", name).read_bytes() != first
    assert await kept.get("s1", name) == CONTENT


@pytest.mark.parametrize("keep", [0, 1, 5, 13, 20, 28, -1])
async def test_a_truncated_blob_does_not_decrypt(tmp_path: Path, keep: int) -> None:
    kept = vault(tmp_path)
    path = blob(tmp_path, "s1", await kept.put("s1", CONTENT))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError):
        await kept.get("s1", path.name)


@pytest.mark.parametrize("position", [0, 1, 12, 13, 500, -1])
async def test_a_changed_byte_does_not_decrypt(tmp_path: Path, position: int) -> None:
    kept = vault(tmp_path)
    path = blob(tmp_path, "s1", await kept.put("s1", CONTENT))
    changed = bytearray(path.read_bytes())
    changed[position] ^= 1
    path.write_bytes(changed)
    with pytest.raises(ValueError):
        await kept.get("s1", path.name)


async def test_a_blob_moved_to_another_session_or_name_does_not_decrypt(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    name = await kept.put("s1", CONTENT)
    other = await kept.put("s1", b"something else")
    await kept.put("s2", b"to have a folder")
    os.link(blob(tmp_path, "s1", name), blob(tmp_path, "s2", name))
    with pytest.raises(ValueError):
        await kept.get("s2", name)
    os.replace(blob(tmp_path, "s1", other), blob(tmp_path, "s1", name))
    with pytest.raises(ValueError):
        await kept.get("s1", name)


async def test_another_key_does_not_decrypt(tmp_path: Path) -> None:
    name = await vault(tmp_path).put("s1", CONTENT)
    (tmp_path / "keys" / "vault.key").write_bytes(bytes(32))
    with pytest.raises(ValueError):
        await vault(tmp_path).get("s1", name)


@pytest.mark.parametrize("session", ["", ".", "..", "../s1", "a/b", "a" * 65, "s\0", "ү", ".incoming"])
async def test_a_name_that_is_no_session_reaches_no_file(tmp_path: Path, session: str) -> None:
    kept = vault(tmp_path)
    name = await kept.put("s1", CONTENT)
    with pytest.raises(ValueError):
        await kept.put(session, CONTENT)
    with pytest.raises(KeyError):
        await kept.get(session, name)
    assert await kept.delete_session(session) == 0
    assert await kept.get("s1", name) == CONTENT


@pytest.mark.parametrize("name", ["", "..", "../../keys/vault.key", "A" * 64, "0" * 63])
async def test_a_name_that_is_no_hash_reaches_no_file(tmp_path: Path, name: str) -> None:
    kept = vault(tmp_path)
    await kept.put("s1", CONTENT)
    with pytest.raises(KeyError):
        await kept.get("s1", name)


async def test_a_lost_key_is_said_and_not_replaced(tmp_path: Path) -> None:
    await vault(tmp_path).put("s1", CONTENT)
    key = tmp_path / "keys" / "vault.key"
    content = key.read_bytes()
    key.unlink()
    with pytest.raises(VaultError) as error:
        vault(tmp_path)
    assert error.value.code == "vault_key_missing"
    assert not key.exists()
    keyfiles.write_new(key, content)
    assert vault(tmp_path)


@pytest.mark.parametrize(
    ("content", "mode", "code"), [(bytes(31), 0o600, "key_file_damaged"), (bytes(32), 0o640, "key_file_exposed")]
)
def test_a_key_file_that_cannot_be_trusted(tmp_path: Path, content: bytes, mode: int, code: str) -> None:
    (tmp_path / "keys").mkdir()
    keyfiles.write_new(tmp_path / "keys" / "vault.key", content, mode)
    with pytest.raises(KeyFileError) as error:
        vault(tmp_path)
    assert error.value.code == code


async def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = vault(tmp_path)
    name = await kept.put("s1", b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            await kept.put("s1", CONTENT)
    assert [path.name for path in (tmp_path / "blobs" / "s1").iterdir()] == [name]
    assert not list((tmp_path / "blobs" / ".incoming").iterdir())


async def test_parts_of_a_crash_go_at_a_later_start(tmp_path: Path) -> None:
    vault(tmp_path)
    old, fresh = (tmp_path / "blobs" / ".incoming" / name for name in (".old.part", ".fresh.part"))
    old.write_bytes(b"half")
    os.utime(old, (0, 0))
    fresh.write_bytes(b"half, by a process that is still at it")
    vault(tmp_path)
    assert not old.exists()
    assert fresh.exists()


async def test_deleting_leaves_no_folder(tmp_path: Path) -> None:
    kept = vault(tmp_path)
    for number in range(3):
        await kept.put("s1", bytes([number]))
    assert await kept.delete_session("s1") == 3
    assert not (tmp_path / "blobs" / "s1").exists()
