"""What the parts of a document say of each other, without any picture."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from verification import crosscheck, mrz
from verification.contract import Outcome
from verification.crosscheck import Evidence
from verification.printed import Printed, labelled
from verification.tesseract import Word
from verification.zone import ZoneReading

LINES = ("IDKAZ0412365878880412401006<<<", "8804123F3104116KAZ<<<<<<<<<<<2", "SEIDAKHMETOVA<<MADINA<<<<<<<<<")
TODAY = date(2026, 11, 22)


def zone(lines: tuple[str, ...] = LINES, *, sure: bool = True, clear: bool = True) -> ZoneReading:
    return ZoneReading(mrz.parse(lines), sure, clear, 0.99, 0, np.zeros((4, 2), np.float32))


PRINTED = Printed(
    iins=("880412401006",),
    numbers=("041236587",),
    dates=(date(1988, 4, 12), date(2021, 4, 12), date(2031, 4, 11)),
    names={"surname": "СЕЙДАХМЕТОВА", "given_names": "МАДИНА", "patronymic": "ЕРЛАНҚЫЗЫ"},
    names_read=True,
)
GOOD = Evidence(zone(), PRINTED, ("880412401006",), ("880412401006",), True, TODAY)


def with_zone(first: str = LINES[0], second: str = LINES[1]) -> Evidence:
    return replace(GOOD, zone=zone((first, second, LINES[2])))


def composed(**changes: object) -> Evidence:
    fields: dict[str, object] = {
        "document_code": "ID",
        "issuing_state": "KAZ",
        "document_number": "041236587",
        "birth_date": date(1988, 4, 12),
        "sex": "F",
        "expiry_date": date(2031, 4, 11),
        "nationality": "KAZ",
        "surname": "SEIDAKHMETOVA",
        "given_names": "MADINA",
        "optional": "880412401006",
    }
    return replace(GOOD, zone=zone(mrz.compose_td1(**(fields | changes))))  # type: ignore[arg-type]


def test_a_card_whose_parts_agree_passes_every_check() -> None:
    for check in (
        crosscheck.check_mrz,
        crosscheck.check_printed,
        crosscheck.check_barcode,
        crosscheck.check_iin,
        crosscheck.check_expiry,
    ):
        result = check(GOOD)
        assert (result.outcome, result.reasons) == (Outcome.PASSED, ())


def test_attributes_come_from_the_most_trusted_part() -> None:
    values, sources = crosscheck.attributes(GOOD)
    assert values == {
        "surname": "СЕЙДАХМЕТОВА",
        "given_names": "МАДИНА",
        "patronymic": "ЕРЛАНҚЫЗЫ",
        "iin": "880412401006",
        "document_number": "041236587",
        "birth_date": "1988-04-12",
        "sex": "F",
        "expiry_date": "2031-04-11",
        "issuing_state": "KAZ",
    }
    print_ = dict.fromkeys(("surname", "given_names", "patronymic"), "printed")
    assert sources == dict.fromkeys(values, "mrz") | print_


def test_a_name_read_only_nearly_like_the_zone_is_taken_from_the_zone() -> None:
    near = replace(PRINTED, names=PRINTED.names | {"surname": "СЕЙДАХМЕТОВ"})
    values, sources = crosscheck.attributes(replace(GOOD, printed=near))
    assert (values["surname"], values["given_names"]) == ("SEIDAKHMETOVA", "MADINA")
    assert (sources["surname"], sources["given_names"]) == ("mrz", "mrz")


@pytest.mark.parametrize("place", [8, 14, 20, 26])
def test_one_wrong_digit_fails_the_zone_and_gives_no_attribute_from_it(place: int) -> None:
    digit = str((int(LINES[0][place]) + 1) % 10)
    evidence = with_zone(LINES[0][:place] + digit + LINES[0][place + 1 :])
    result = crosscheck.check_mrz(evidence)
    assert (result.outcome, result.reasons) == (Outcome.FAILED, ("mrz_check_digit_wrong",))
    assert "mrz" not in crosscheck.attributes(evidence)[1].values()
    assert crosscheck.check_expiry(evidence).outcome is Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (None, "mrz_not_found"),
        (zone((LINES[0][:8] + "9" + LINES[0][9:], *LINES[1:]), clear=False), "mrz_unreadable"),
        (zone(sure=False), "mrz_letters_unclear"),
    ],
)
def test_a_zone_not_read_is_inconclusive_never_passed(reading: ZoneReading | None, reason: str) -> None:
    result = crosscheck.check_mrz(replace(GOOD, zone=reading))
    assert (result.outcome, result.reasons) == (Outcome.INCONCLUSIVE, (reason,))


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"birth_date": date(1988, 4, 13)}, ("iin_birth_date_mismatch",)),
        ({"sex": "M"}, ("iin_sex_mismatch",)),
        ({"sex": "M", "birth_date": date(1989, 4, 12)}, ("iin_birth_date_mismatch", "iin_sex_mismatch")),
        ({"optional": "880412401007"}, ("iin_check_digit_wrong",)),
        ({"optional": "88041240100"}, ("iin_malformed",)),
    ],
)
def test_the_iin_must_be_made_for_this_person(changes: dict[str, object], reasons: tuple[str, ...]) -> None:
    result = crosscheck.check_iin(composed(**changes))
    assert (result.outcome, result.reasons) == (Outcome.FAILED, reasons)


def test_the_iin_of_another_century_agrees_with_two_figures_of_the_zone() -> None:
    evidence = composed(optional="751130180506", birth_date=date(1875, 11, 30), sex="M")
    assert crosscheck.check_iin(evidence).outcome is Outcome.PASSED
    assert crosscheck.attributes(evidence)[0]["birth_date"] == "1875-11-30"


def test_an_iin_alone_is_not_enough() -> None:
    result = crosscheck.check_iin(replace(GOOD, zone=None))
    assert (result.outcome, result.reasons) == (Outcome.INCONCLUSIVE, ("iin_not_compared",))
    nothing = crosscheck.check_iin(replace(GOOD, zone=None, printed=Printed(), barcode_iins=()))
    assert (nothing.outcome, nothing.reasons) == (Outcome.NOT_RUN, ("iin_not_found",))


@pytest.mark.parametrize(
    ("expires", "outcome"),
    [
        (date(2026, 11, 21), Outcome.FAILED),
        (date(2026, 11, 22), Outcome.PASSED),
        (date(2036, 11, 22), Outcome.PASSED),
        (date(1999, 1, 1), Outcome.FAILED),
    ],
)
def test_a_card_is_valid_to_the_end_of_its_last_day(expires: date, outcome: Outcome) -> None:
    result = crosscheck.check_expiry(composed(expiry_date=expires))
    assert result.outcome is outcome
    assert result.reasons == (() if outcome is Outcome.PASSED else ("document_expired",))


@pytest.mark.parametrize(
    ("codes", "iins", "outcome", "reasons"),
    [
        (("751130180506",), ("751130180506",), Outcome.FAILED, ("barcode_mismatch",)),
        (("x",), ("751130180506", "880412401006"), Outcome.FAILED, ("barcode_mismatch",)),
        (("HELLO",), (), Outcome.INCONCLUSIVE, ("barcode_without_iin",)),
        ((), (), Outcome.INCONCLUSIVE, ("barcode_not_found",)),
    ],
)
def test_bar_codes(codes: tuple[str, ...], iins: tuple[str, ...], outcome: Outcome, reasons: tuple[str, ...]) -> None:
    result = crosscheck.check_barcode(replace(GOOD, barcodes=codes, barcode_iins=iins))
    assert (result.outcome, result.reasons) == (outcome, reasons)


@pytest.mark.parametrize(
    ("change", "outcome", "reasons"),
    [
        ({"iins": ("751130180506",)}, Outcome.FAILED, ("printed_iin_mismatch",)),
        ({"iins": ("751130180506", "880412401006")}, Outcome.FAILED, ("printed_iin_mismatch",)),
        ({"iins": ("880412401016",)}, Outcome.INCONCLUSIVE, ("printed_iin_not_read",)),  # one digit: misread
        ({"iins": ()}, Outcome.INCONCLUSIVE, ("printed_iin_not_read",)),
        ({"iins": ("880412401007",)}, Outcome.INCONCLUSIVE, ("printed_iin_not_read",)),  # misread: breaks the rules
        ({"dates": ()}, Outcome.INCONCLUSIVE, ("printed_birth_date_not_read",)),
        ({"names": {}, "names_read": False}, Outcome.INCONCLUSIVE, ("printed_name_not_read",)),
        ({"names": PRINTED.names | {"surname": "ӨЗГЕРИСОВ"}}, Outcome.FAILED, ("printed_name_mismatch",)),
        ({"names": PRINTED.names | {"surname": "СЕЙДАХМЕТОВ"}}, Outcome.PASSED, ()),  # one letter: a reader's slip
        ({"numbers": ()}, Outcome.PASSED, ()),
    ],
)
def test_print_against_the_zone(change: dict[str, object], outcome: Outcome, reasons: tuple[str, ...]) -> None:
    result = crosscheck.check_printed(replace(GOOD, printed=replace(PRINTED, **change)))  # type: ignore[arg-type]
    assert (result.outcome, result.reasons) == (outcome, reasons)


def test_print_without_a_zone_is_not_compared() -> None:
    result = crosscheck.check_printed(replace(GOOD, zone=None))
    assert (result.outcome, result.reasons) == (Outcome.NOT_RUN, ("mrz_not_read",))


def test_a_foreign_document_has_no_iin_to_check() -> None:
    passport = (
        "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
        "L898902C36UTO7408122F1204159ZE184226B<<<<<10",
    )
    evidence = replace(GOOD, zone=zone(passport), printed=Printed(), barcodes=(), barcode_iins=())
    assert crosscheck.check_iin(evidence).reasons == ("iin_not_applicable",)
    assert crosscheck.check_barcode(evidence).reasons == ("barcode_not_applicable",)
    assert crosscheck.check_expiry(evidence).reasons == ("document_expired",)


def word(text: str, left: int, top: int, height: int = 20) -> Word:
    return Word(text, 0.9, left, top, 12 * len(text), height)


def test_values_stand_under_their_labels() -> None:
    words = [
        word("ТЕГІ", 400, 150),
        word("/", 460, 150),
        word("ФАМИЛИЯ", 480, 150),
        word("МЫСАЛОВА", 400, 180, 34),
        word("АТЫ", 400, 258),
        word("/", 440, 258),
        word("ИМЯ", 460, 258),
        word("МӘДИНА", 400, 288, 34),
        word("АЙСҰЛУ", 490, 288, 34),
        word("ӘКЕСІНІҢ", 400, 366),
        word("АТЫ", 510, 366),
        word("/", 550, 366),
        word("ОТЧЕСТВО", 570, 366),
        word("ҚАБДОЛҚЫЗЫ", 400, 396, 34),
    ]
    assert labelled(words) == {
        "surname": "МЫСАЛОВА",
        "given_names": "МӘДИНА АЙСҰЛУ",
        "patronymic": "ҚАБДОЛҚЫЗЫ",
    }
    assert labelled(words[3:4]) == {}
