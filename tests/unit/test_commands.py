"""The command line says in a sentence, with a code, what keeps it from starting."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from server.__main__ import cli
from server.store import SqlStore, migrate
from tests.records import a_session, event
from verification.calibration import BUILT_IN

RUNNER = CliRunner()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that was used before: a key, and a blob that it opens."""
    monkeypatch.setenv("BETPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BETPE_PORT", "0")
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "vault" / "session").mkdir(parents=True)
    (tmp_path / "vault" / "session" / ("0" * 64)).write_bytes(b"blob")
    return tmp_path


def told(result: Result, code: str) -> None:
    assert result.exit_code == 1, result.output
    assert f"({code})" in result.output
    assert "Traceback" not in result.output
    assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("words", [["run"], ["dossier", "session"]])
def test_pictures_without_their_key_are_not_given_a_new_one(data: Path, words: list[str]) -> None:
    told(RUNNER.invoke(cli, words), "vault_key_missing")
    assert not (data / "keys" / "vault.key").exists()


@pytest.mark.parametrize("words", [["run"], ["dossier", "session"]])
def test_a_key_that_others_may_read_stops_the_start(data: Path, words: list[str]) -> None:
    (data / "keys" / "vault.key").write_bytes(b"k" * 32)
    (data / "keys" / "vault.key").chmod(0o644)
    told(RUNNER.invoke(cli, words), "key_file_exposed")


def test_a_weak_secret_stops_the_start(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETPE_SECRET", "short")
    told(RUNNER.invoke(cli, ["run"]), "authority_secret_weak")


@pytest.mark.parametrize(
    ("role", "page"), [("operator", "operator"), ("supervisor", "operator"), ("auditor", "records")]
)
def test_a_sign_in_link_leads_to_the_page_of_the_role(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: str, page: str
) -> None:
    monkeypatch.setenv("BETPE_DATA_DIR", str(tmp_path))
    added = RUNNER.invoke(cli, ["operator", "add", "A", "--role", role])
    assert f"/{page}.html#token=" in added.output
    listed = RUNNER.invoke(cli, ["operator", "list"]).output.split("\t")
    assert listed[1] == role
    assert f"/{page}.html#token=" in RUNNER.invoke(cli, ["operator", "link", listed[0]]).output


def test_a_session_that_is_not_there(data: Path) -> None:
    (data / "keys" / "vault.key").write_bytes(b"k" * 32)
    (data / "keys" / "vault.key").chmod(0o600)
    told(RUNNER.invoke(cli, ["dossier", "another"]), "session_unknown")


def test_a_dossier_tells_a_recording_that_does_not_verify(data: Path) -> None:
    url = f"sqlite+aiosqlite:///{data / 'betpe.sqlite3'}"

    async def prepare() -> None:
        await migrate(url)
        store = SqlStore(url)
        try:
            await store.create_session(a_session("one"), event("one", "session_opened"))
        finally:
            await store.aclose()

    asyncio.run(prepare())
    (data / "keys" / "vault.key").write_bytes(b"k" * 32)
    (data / "keys" / "vault.key").chmod(0o600)
    whole = RUNNER.invoke(cli, ["dossier", "one"])
    assert whole.exit_code == 0, whole.output
    assert json.loads(whole.stdout)["recordings"] == []
    (data / "recordings").mkdir()
    (data / "recordings" / "one.applicant.0001.rec").write_bytes(b"not what was recorded")
    (data / "recordings" / "two.applicant.0001.rec").write_bytes(b"of another session")
    damaged = RUNNER.invoke(cli, ["dossier", "one"])
    assert damaged.exit_code == 1
    record = json.loads(damaged.stdout)
    assert [(one["file"], one["verified"]) for one in record["recordings"]] == [("one.applicant.0001.rec", False)]
    assert [one["kind"] for one in record["events"]] == ["session_opened", "dossier_read", "dossier_read"]


def test_a_calibration_that_cannot_be_used_stops_the_start(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (data / "calibration.json").write_text("{}")
    monkeypatch.setenv("BETPE_CALIBRATION", str(data / "calibration.json"))
    told(RUNNER.invoke(cli, ["run"]), "calibration_malformed")
    monkeypatch.setenv("BETPE_CALIBRATION", str(data / "absent.json"))
    told(RUNNER.invoke(cli, ["run"]), "calibration_unreadable")


def test_profile_production_refuses_the_calibration_before_the_authority(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {
        "PROFILE": "production",
        "SECRET": "s" * 32,
        "PUBLIC_URL": "https://eds.example",
        "LIVENESS": "required",
        "CARD_CHECKS": "required",
    }
    for name, value in wanted.items():
        monkeypatch.setenv(f"BETPE_{name}", value)
    told(RUNNER.invoke(cli, ["run"]), "calibration_missing")
    monkeypatch.setenv("BETPE_CALIBRATION", str(data / "absent.json"))
    told(RUNNER.invoke(cli, ["run"]), "calibration_unreadable")
    monkeypatch.setenv("BETPE_CALIBRATION", str(BUILT_IN))
    told(RUNNER.invoke(cli, ["run"]), "authority_for_demonstration")
