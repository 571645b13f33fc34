from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verification import mrz
from verification.mrz import ALPHABET, LAYOUTS, Format

# ICAO Doc 9303: part 5 appendix (TD1, and its long document number), part 6 (TD2), part 4 (TD3), part 7 (visas);
# and the Kazakh specimen of the field notes.
VECTORS = {
    "kazakh": ("IDKAZ0412365878880412401006<<<", "8804123F3104116KAZ<<<<<<<<<<<2", "SEIDAKHMETOVA<<MADINA<<<<<<<<<"),
    "td1": ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"),
    "td1-long": ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"),
    "td2": ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
    "td3": ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"),
    "mrv-a": ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<"),
    "mrv-b": ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<"),
}


@pytest.mark.parametrize("lines", VECTORS.values(), ids=VECTORS)
def test_icao_vectors_hold(lines: tuple[str, ...]) -> None:
    parsed = mrz.parse(lines)
    assert parsed.valid
    assert parsed.wrong_digits == ()
    assert parsed.lines == lines


def test_fields_of_the_kazakh_card() -> None:
    parsed = mrz.parse(VECTORS["kazakh"])
    assert (parsed.format, parsed.document_code, parsed.issuing_state) == (Format.TD1, "ID", "KAZ")
    assert (parsed.document_number, parsed.optional, parsed.nationality) == ("041236587", "880412401006", "KAZ")
    assert (parsed.birth_date, parsed.sex, parsed.expiry_date) == ("880412", "F", "310411")
    assert (parsed.surname, parsed.given_names) == ("SEIDAKHMETOVA", "MADINA")


def test_a_number_longer_than_its_field_goes_on_in_the_optional_data() -> None:
    parsed = mrz.parse(VECTORS["td1-long"])
    assert parsed.document_number == "D23145890734"
    assert parsed.optional == ""


def test_passport_fields() -> None:
    parsed = mrz.parse(VECTORS["td3"])
    assert (parsed.document_number, parsed.optional, parsed.surname, parsed.given_names) == (
        "L898902C3",
        "ZE184226B",
        "ERIKSSON",
        "ANNA MARIA",
    )


def _protected(format_: Format) -> list[tuple[int, int]]:
    layout = LAYOUTS[format_]
    zones = [layout.document_number, layout.birth_date, layout.expiry_date, *layout.composite]
    return sorted({(zone.line, place) for zone in zones for place in range(zone.start, zone.end)})


@given(st.sampled_from(sorted(VECTORS)), st.data())
def test_one_changed_character_is_noticed_or_collides_modulo_ten(name: str, data: st.DataObject) -> None:
    lines = list(VECTORS[name])
    row, place = data.draw(st.sampled_from(_protected(mrz.parse(lines).format)))
    old = lines[row][place]
    new = data.draw(st.sampled_from([character for character in ALPHABET if character != old]))
    lines[row] = lines[row][:place] + new + lines[row][place + 1 :]
    before, after = mrz.parse(VECTORS[name]), mrz.parse(lines)
    if after.valid:
        # Weights 7, 3 and 1 are odd and no multiple of 5: only values that agree modulo 10 can stand for each other.
        # The other case is a filler in the check digit of the document number, which means a longer number.
        value = {character: index % 10 for index, character in enumerate(ALPHABET[:36])} | {"<": 0}
        assert value[old] == value[new] or after.document_number != before.document_number


text = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=12)
days = st.dates(date(1930, 1, 1), date(2029, 12, 31))


@given(
    text, text, st.text("0123456789", min_size=1, max_size=9), days, days, st.sampled_from("MF"),
    st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", max_size=15),
)  # fmt: skip
def test_composed_lines_parse_back(
    surname: str, given_names: str, number: str, birth: date, expiry: date, sex: str, optional: str
) -> None:
    lines = mrz.compose_td1(
        document_code="ID",
        issuing_state="KAZ",
        document_number=number,
        birth_date=birth,
        sex=sex,
        expiry_date=expiry,
        nationality="KAZ",
        surname=surname,
        given_names=given_names,
        optional=optional,
    )
    parsed = mrz.parse(lines)
    assert parsed.valid
    assert (parsed.surname, parsed.given_names, parsed.document_number) == (surname, given_names, number)
    assert (parsed.sex, parsed.optional) == (sex, optional)
    assert mrz.full_date(parsed.birth_date, date(2029, 12, 31)) == birth


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "mrz_wrong_length"),
        (("I<UTO",), "mrz_wrong_length"),
        (("A" * 30, "A" * 30), "mrz_wrong_length"),
        (("A" * 30, "A" * 29, "A" * 30), "mrz_wrong_length"),
        (("P" + "é" * 43, "A" * 44), "mrz_wrong_character"),
        (("P" + "a" * 43, "A" * 44), "mrz_wrong_character"),
    ],
)
def test_refusals_have_codes(lines: tuple[str, ...], code: str) -> None:
    with pytest.raises(mrz.MrzError) as refused:
        mrz.parse(lines)
    assert refused.value.code == code


@given(st.lists(st.text(ALPHABET, min_size=30, max_size=30), min_size=3, max_size=3))
def test_any_lines_of_the_right_shape_parse_without_error(lines: list[str]) -> None:
    assert len(mrz.parse(lines).check_digits) == 4


@pytest.mark.parametrize(
    ("six", "latest", "expected"),
    [
        ("880412", date(2026, 1, 1), date(1988, 4, 12)),
        ("250101", date(2026, 1, 1), date(2025, 1, 1)),
        ("270101", date(2026, 1, 1), date(1927, 1, 1)),
        ("310411", date(2076, 1, 1), date(2031, 4, 11)),
        ("000229", date(2026, 1, 1), date(2000, 2, 29)),
        ("88<<<<", date(2026, 1, 1), None),
        ("881332", date(2026, 1, 1), None),
        ("٨٨٠٤١٢", date(2026, 1, 1), None),
    ],
)
def test_centuries(six: str, latest: date, expected: date | None) -> None:
    assert mrz.full_date(six, latest) == expected


def test_long_names_are_cut_not_refused() -> None:
    assert mrz.name_field("A" * 40, "B", 30) == "A" * 30
    assert mrz.name_field("ABAI-ULY", "O'NEIL ANNA", 30) == "ABAI<ULY<<ONEIL<ANNA".ljust(30, "<")
