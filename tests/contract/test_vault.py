"""What every Vault does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.ports import Vault
from server.vault import DiskVault
from tests.fakes import FakeVault


@pytest.fixture(params=["disk", "fake"])
def vault(request: pytest.FixtureRequest, tmp_path: Path) -> Vault:
    return DiskVault(tmp_path / "blobs", tmp_path / "vault.key") if request.param == "disk" else FakeVault()


async def test_what_is_put_is_got_by_its_hash(vault: Vault) -> None:
    for content in (b"", b"x", bytes(range(256)) * 4096):
        name = await vault.put("0b8f2c9e", content)
        assert name == hashlib.sha256(content).hexdigest()
        assert await vault.get("0b8f2c9e", name) == content


async def test_putting_again_is_harmless(vault: Vault) -> None:
    assert await vault.put("a", b"x") == await vault.put("a", b"x")
    assert await vault.delete_session("a") == 1


async def test_sessions_do_not_see_each_other(vault: Vault) -> None:
    name = await vault.put("a", b"x")
    with pytest.raises(KeyError):
        await vault.get("b", name)
    await vault.put("b", b"x")
    assert await vault.delete_session("a") == 1
    assert await vault.get("b", name) == b"x"
    with pytest.raises(KeyError):
        await vault.get("a", name)


async def test_deleting_counts_and_can_be_repeated(vault: Vault) -> None:
    assert await vault.delete_session("a") == 0
    await vault.put("a", b"1")
    await vault.put("a", b"2")
    assert await vault.delete_session("a") == 2
    assert await vault.delete_session("a") == 0
    name = await vault.put("a", b"3")  # and a new beginning is possible
    assert await vault.get("a", name) == b"3"


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blobs=st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.binary(max_size=300)), max_size=12))
async def test_any_history_can_be_read_back(vault: Vault, blobs: list[tuple[str, bytes]]) -> None:
    for session in ("a", "b", "c"):
        await vault.delete_session(session)
    names = [(session, await vault.put(session, content), content) for session, content in blobs]
    for session, name, content in names:
        assert await vault.get(session, name) == content
    for session in ("a", "b", "c"):
        kept = {name for owner, name, _ in names if owner == session}
        assert await vault.delete_session(session) == len(kept)
