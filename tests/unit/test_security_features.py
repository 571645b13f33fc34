from __future__ import annotations

import json
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification import security_features
from verification.contract import DocumentStatus, Outcome, RegistryQuery, RegistryRecord
from verification.registry import check, check_typed
from verification.security_features import CatalogueInvalid

NAMES = sorted(path.stem for path in security_features.FOLDER.glob("*.json"))


def test_both_catalogues_ship() -> None:
    assert NAMES == ["generic", "kazakhstan_id"]
    assert security_features.for_state("KAZ").document == "kazakhstan-id"
    assert security_features.for_state("UTO").document == "generic-id1"


@given(st.sampled_from(NAMES), st.integers(3, 5), st.integers(0, 2**32))
def test_every_pick_is_varied_enough(name: str, count: int, seed: int) -> None:
    picked = security_features.pick(security_features.load(name), Random(seed), count)
    assert len(picked) == count
    assert len({one.kind for one in picked}) == count
    assert sum(one.variable for one in picked) >= 2


def test_picks_differ_and_every_feature_is_picked_some_time() -> None:
    catalogue = security_features.load("kazakhstan_id")
    picks = [security_features.pick(catalogue, Random(seed)) for seed in range(300)]
    assert {one.id for picked in picks for one in picked} == {one.id for one in catalogue.features}
    assert len({tuple(one.id for one in picked) for picked in picks}) > 20


def test_fewer_than_three_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        security_features.pick(security_features.load("generic"), Random(0), 2)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.pop("features"),
        lambda told: told["features"].append(told["features"][0]),
        lambda told: told["features"][0].update(region=[0.5, 0, 0.4, 1]),
        lambda told: told["features"][0].update(ask="sing"),
        lambda told: told["features"][0]["look_for"].pop("kk"),
        lambda told: told["features"][0]["look_for"].update(ru=" "),
        lambda told: told.update(features=[one for one in told["features"] if not one["variable"]]),
    ],
)
def test_a_poor_catalogue_is_refused(change: object, tmp_path: Path) -> None:
    told = json.loads((security_features.FOLDER / "generic.json").read_text(encoding="utf-8"))
    change(told)  # type: ignore[operator]
    (tmp_path / "own.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(CatalogueInvalid):
        security_features.load("own", tmp_path)


def test_a_missing_or_broken_catalogue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    for name in ("broken", "none"):
        with pytest.raises(CatalogueInvalid):
            security_features.load(name, tmp_path)


def test_a_still_shows_the_region() -> None:
    card = np.zeros((500, 800, 3), np.uint8)
    feature = next(one for one in security_features.load("kazakhstan_id").features if one.id == "kz-portrait")
    assert feature.region is not None
    left, top, right, bottom = feature.region
    card[round(top * 500) : round(bottom * 500), round(left * 800) : round(right * 800)] = 255
    shown = cv2.imdecode(np.frombuffer(security_features.still(card, feature), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[1] == 900
    assert shown.min() > 240


ATTRIBUTES = {
    "iin": "880412401006",
    "document_number": "041236587",
    "issuing_state": "KAZ",
    "surname": "SEIDAKHMETOVA",
    "given_names": "MADINA",
    "birth_date": "1988-04-12",
    "expiry_date": "2031-04-11",
}


def test_only_what_names_the_document_is_asked() -> None:
    asked = RegistryQuery.of(ATTRIBUTES)
    assert asked is not None
    assert (asked.iin, asked.document_number, asked.issuing_state) == ("880412401006", "041236587", "KAZ")
    assert RegistryQuery.of({"iin": "880412401006"}) is None


@pytest.mark.parametrize(
    ("record", "asked", "outcome", "reasons"),
    [
        (None, False, Outcome.NOT_RUN, ("registry_not_asked",)),
        (None, True, Outcome.FAILED, ("registry_document_unknown",)),
        (RegistryRecord(DocumentStatus.VALID), True, Outcome.PASSED, ()),
        (
            RegistryRecord(DocumentStatus.VALID, "СЕЙДАХМЕТОВА", "МАДИНА", "1988-04-12", "2031-04-11"),
            True,
            Outcome.PASSED,
            (),
        ),
        (RegistryRecord(DocumentStatus.STOLEN), True, Outcome.FAILED, ("registry_document_stolen",)),
        (RegistryRecord(DocumentStatus.REVOKED), True, Outcome.FAILED, ("registry_document_revoked",)),
        (
            RegistryRecord(DocumentStatus.VALID, surname="ИВАНОВА", birth_date="1989-04-12"),
            True,
            Outcome.FAILED,
            ("registry_birth_date_mismatch", "registry_name_mismatch"),
        ),
    ],
)
def test_the_registrys_answer(
    record: RegistryRecord | None, asked: bool, outcome: Outcome, reasons: tuple[str, ...]
) -> None:
    result = check(ATTRIBUTES, record, asked)
    assert (result.outcome, result.reasons) == (outcome, reasons)


def test_a_name_in_the_same_alphabet_is_compared_as_it_is() -> None:
    cyrillic = ATTRIBUTES | {"surname": "СЕЙДАХМЕТОВА"}
    record = RegistryRecord(DocumentStatus.VALID, surname="СЕЙДАХМЕТОВА")
    assert check(cyrillic, record, True).outcome is Outcome.PASSED


def test_what_was_typed_is_never_passed_and_another_name_is_said() -> None:
    near = check_typed(ATTRIBUTES, {"surname": "СЕЙДАХМЕТОВА", "patronymic": "ҚАНАТҚЫЗЫ"})
    assert (near.outcome, near.reasons) == (Outcome.INCONCLUSIVE, ("applicant_corrected",))
    assert near.details["corrected"] == ["patronymic", "surname"]
    other = check_typed(ATTRIBUTES, {"surname": "ИВАНОВА"})
    assert (other.outcome, other.reasons) == (Outcome.INCONCLUSIVE, ("typed_another_name", "applicant_corrected"))
