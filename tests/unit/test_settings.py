"""Every setting is documented, validated, and the production profile refuses what is for demonstration."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from server.settings import Profile, ProfileRefused, Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_is_documented_with_its_default_and_none_else_is() -> None:
    rows = [
        line.split("|") for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `BETPE_")
    ]
    documented = {row[1].strip().strip("`"): row for row in rows}
    assert set(documented) == {f"BETPE_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        row = documented[f"BETPE_{name.upper()}"]
        assert row[2].strip().strip("`") == shown(field.default), name
        assert row[3].strip() == (field.description or ""), name


def shown(default: object) -> str:
    """A default as the document writes it."""
    if default is None or default == () or str(default) in ("", "**********"):
        return ""
    return str(default)


def test_lists_and_ranges_are_read_from_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETPE_MEDIA_ADDRESSES", "10.0.0.1, 10.0.0.2")
    monkeypatch.setenv("BETPE_MEDIA_PORTS", "50000-50100")
    settings = Settings()
    assert settings.media_addresses == ("10.0.0.1", "10.0.0.2")
    assert settings.port_range == (50000, 50100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"media_ports": "100-200"},
        {"media_ports": "50000"},
        {"port": 70000},
        {"tls_key": Path("k")},
        {"turn_urls": "turn:a"},
        {"registry_url": "http://registry.example/documents"},
        {"registry_key": Path("k")},
        {"log_level": "LOUD"},
        {"media": "smoke signals"},
        {"media": "janus", "janus_url": "ws://127.0.0.1:8188"},
        {"media": "janus", "janus_url": "ws://127.0.0.1:8188", "janus_secret": "s"},
        {"media_processes": 0},
        {"ca_oid_arc": "not.an.oid"},
        {"no_such_setting": 1},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)  # type: ignore[arg-type]


def test_production_refuses_demonstration_parts_one_by_one(tmp_path: Path) -> None:
    given: dict[str, object] = {"profile": Profile.PRODUCTION}
    for more, word, code in (
        ({}, "BETPE_SECRET", "secret_missing"),
        ({"secret": "s" * 32}, "TLS", "tls_missing"),
        ({"public_url": "https://example.invalid"}, "BETPE_LIVENESS", "liveness_not_required"),
        ({"liveness": "required", "recording": "off"}, "BETPE_CARD_CHECKS", "card_checks_not_required"),
        ({"card_checks": "required"}, "BETPE_RECORDING", "recording_not_required"),
        ({"recording": "required"}, "BETPE_CALIBRATION", "calibration_missing"),
    ):
        given |= more
        with pytest.raises(ProfileRefused, match=word) as refused:
            Settings(**given).refuse_insecure()  # type: ignore[arg-type]
        assert refused.value.code == code
    whole = Settings(**given, calibration=tmp_path / "calibration.json")  # type: ignore[arg-type]
    whole.refuse_insecure()
    with pytest.raises(ProfileRefused, match="authority"):
        whole.refuse_embedded_authority()
    Settings().refuse_embedded_authority()


def test_secrets_do_not_show() -> None:
    assert "hidden" not in repr(Settings(secret="hidden" * 6))  # type: ignore[arg-type]
