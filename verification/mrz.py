"""The machine readable zone of travel documents: ICAO Doc 9303 parts 3 to 7 (TD1, TD2, TD3, MRV-A, MRV-B)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
_VALUE = {character: index for index, character in enumerate(ALPHABET[:36])} | {"<": 0}
_WEIGHTS = (7, 3, 1)


class Format(StrEnum):
    """Layouts by their names in Doc 9303: identity cards, passports, visas."""

    TD1 = "TD1"
    TD2 = "TD2"
    TD3 = "TD3"
    MRV_A = "MRV-A"
    MRV_B = "MRV-B"


class MrzError(ValueError):
    """The lines have no layout of Doc 9303. ``code``: mrz_wrong_length, mrz_wrong_character."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Zone:
    """Characters ``start`` to ``end`` (exclusive) of line ``line``, all counted from 0."""

    line: int
    start: int
    end: int

    def of(self, lines: Sequence[str]) -> str:
        return lines[self.line][self.start : self.end]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each field of a format stands. ``composite`` lists what the last check digit covers, in order."""

    format: Format
    count: int
    length: int
    document_code: Zone
    issuing_state: Zone
    names: Zone
    document_number: Zone
    document_number_digit: Zone
    nationality: Zone
    birth_date: Zone
    birth_date_digit: Zone
    sex: Zone
    expiry_date: Zone
    expiry_date_digit: Zone
    optional: Zone
    second_optional: Zone | None
    optional_digit: Zone | None
    composite: tuple[Zone, ...]
    composite_digit: Zone | None


def _two_lines(
    format_: Format,
    length: int,
    optional_end: int,
    optional_digit: int | None,
    composite_digit: int | None,
) -> Layout:
    """Layouts of two lines differ only in what follows the expiry date (Doc 9303 parts 4, 6 and 7)."""
    return Layout(
        format=format_,
        count=2,
        length=length,
        document_code=Zone(0, 0, 2),
        issuing_state=Zone(0, 2, 5),
        names=Zone(0, 5, length),
        document_number=Zone(1, 0, 9),
        document_number_digit=Zone(1, 9, 10),
        nationality=Zone(1, 10, 13),
        birth_date=Zone(1, 13, 19),
        birth_date_digit=Zone(1, 19, 20),
        sex=Zone(1, 20, 21),
        expiry_date=Zone(1, 21, 27),
        expiry_date_digit=Zone(1, 27, 28),
        optional=Zone(1, 28, optional_end),
        second_optional=None,
        optional_digit=None if optional_digit is None else Zone(1, optional_digit, optional_digit + 1),
        composite=(Zone(1, 0, 10), Zone(1, 13, 20), Zone(1, 21, composite_digit)) if composite_digit else (),
        composite_digit=Zone(1, composite_digit, composite_digit + 1) if composite_digit else None,
    )


LAYOUTS = {
    Format.TD1: Layout(
        format=Format.TD1,
        count=3,
        length=30,
        document_code=Zone(0, 0, 2),
        issuing_state=Zone(0, 2, 5),
        names=Zone(2, 0, 30),
        document_number=Zone(0, 5, 14),
        document_number_digit=Zone(0, 14, 15),
        nationality=Zone(1, 15, 18),
        birth_date=Zone(1, 0, 6),
        birth_date_digit=Zone(1, 6, 7),
        sex=Zone(1, 7, 8),
        expiry_date=Zone(1, 8, 14),
        expiry_date_digit=Zone(1, 14, 15),
        optional=Zone(0, 15, 30),
        second_optional=Zone(1, 18, 29),
        optional_digit=None,
        composite=(Zone(0, 5, 30), Zone(1, 0, 7), Zone(1, 8, 15), Zone(1, 18, 29)),
        composite_digit=Zone(1, 29, 30),
    ),
    Format.TD2: _two_lines(Format.TD2, 36, 35, None, 35),
    Format.TD3: _two_lines(Format.TD3, 44, 42, 42, 43),
    Format.MRV_A: _two_lines(Format.MRV_A, 44, 44, None, None),
    Format.MRV_B: _two_lines(Format.MRV_B, 36, 36, None, None),
}


@dataclass(frozen=True, slots=True)
class CheckDigit:
    """One check digit of the zone. ``covers``: document_number, birth_date, expiry_date, optional or composite."""

    covers: str
    found: str
    expected: str

    @property
    def right(self) -> bool:
        return self.found == self.expected


@dataclass(frozen=True, slots=True)
class Mrz:
    """A parsed zone. Dates are the six characters as printed (YYMMDD, fillers kept where the day is unknown)."""

    format: Format
    lines: tuple[str, ...]
    document_code: str
    issuing_state: str
    document_number: str
    nationality: str
    birth_date: str
    sex: str
    expiry_date: str
    optional: str
    second_optional: str
    surname: str
    given_names: str
    check_digits: tuple[CheckDigit, ...]

    @property
    def valid(self) -> bool:
        """Every check digit of the format holds."""
        return all(digit.right for digit in self.check_digits)

    @property
    def wrong_digits(self) -> tuple[str, ...]:
        """What the wrong check digits cover."""
        return tuple(digit.covers for digit in self.check_digits if not digit.right)


def check_digit(text: str) -> str:
    """Doc 9303 part 3, 4.9: weights 7, 3, 1 modulo 10; letters count 10 to 35, the filler 0.

    Raises KeyError for a character outside the alphabet.
    """
    return str(sum(_VALUE[character] * _WEIGHTS[index % 3] for index, character in enumerate(text)) % 10)


def layout_of(lines: Sequence[str]) -> Layout:
    """The layout that the number and length of the lines (and a visa's leading V) tell. Raises MrzError."""
    shape = (len(lines), {len(line) for line in lines})
    for layout in LAYOUTS.values():
        visa = layout.format in {Format.MRV_A, Format.MRV_B}
        if shape == (layout.count, {layout.length}) and visa == (layout.count == 2 and lines[0].startswith("V")):
            return layout
    raise MrzError(
        "mrz_wrong_length",
        "The lines do not have the number and length of any format of ICAO 9303.",
    )


def parse(lines: Sequence[str]) -> Mrz:
    """Read the fields and work out every check digit; wrong ones are reported, not raised. Raises MrzError."""
    layout = layout_of(lines)
    if any(character not in _VALUE for line in lines for character in line):
        raise MrzError(
            "mrz_wrong_character",
            "The machine readable zone has a character outside A-Z, 0-9 and <.",
        )
    number, number_digit, optional = _document_number(layout, lines)
    digits = [
        CheckDigit("document_number", number_digit, check_digit(number)),
        CheckDigit(
            "birth_date",
            layout.birth_date_digit.of(lines),
            check_digit(layout.birth_date.of(lines)),
        ),
        CheckDigit(
            "expiry_date",
            layout.expiry_date_digit.of(lines),
            check_digit(layout.expiry_date.of(lines)),
        ),
    ]
    if layout.optional_digit is not None:
        found = layout.optional_digit.of(lines)
        whole = layout.optional.of(lines)
        empty = not whole.strip("<")
        digits.append(CheckDigit("optional", "0" if empty and found == "<" else found, check_digit(whole)))
    if layout.composite_digit is not None:
        covered = "".join(zone.of(lines) for zone in layout.composite)
        digits.append(CheckDigit("composite", layout.composite_digit.of(lines), check_digit(covered)))
    surname, given_names = names(layout.names.of(lines))
    return Mrz(
        format=layout.format,
        lines=tuple(lines),
        document_code=layout.document_code.of(lines).strip("<"),
        issuing_state=layout.issuing_state.of(lines).strip("<"),
        document_number=number.strip("<"),
        nationality=layout.nationality.of(lines).strip("<"),
        birth_date=layout.birth_date.of(lines),
        sex={"M": "M", "F": "F"}.get(layout.sex.of(lines), "X"),
        expiry_date=layout.expiry_date.of(lines),
        optional=optional.strip("<"),
        second_optional=layout.second_optional.of(lines).strip("<") if layout.second_optional else "",
        surname=surname,
        given_names=given_names,
        check_digits=tuple(digits),
    )


def _document_number(layout: Layout, lines: Sequence[str]) -> tuple[str, str, str]:
    """Number, its check digit, what is left of the optional data.

    A number longer than nine characters goes on in the optional data, and its check digit is the last character
    before the first filler there (Doc 9303 part 5, 4.2.2, note j; part 6 alike).
    """
    number, digit = (
        layout.document_number.of(lines),
        layout.document_number_digit.of(lines),
    )
    optional = layout.optional.of(lines)
    if digit == "<" and layout.format in {Format.TD1, Format.TD2} and optional[0] != "<":
        rest, _, remainder = optional.partition("<")
        return number + rest[:-1], rest[-1], remainder
    return number, digit, optional


def names(field: str) -> tuple[str, str]:
    """Surname and given names of a name field, fillers turned to spaces."""
    surname, _, given = field.partition("<<")
    return surname.replace("<", " ").strip(), " ".join(given.replace("<", " ").split())


def full_date(six: str, latest: date) -> date | None:
    """The latest day that these six characters (YYMMDD) can mean on or before ``latest``.

    A zone has no century: a birth date is at most today, an expiry at most a document's life ahead of today.
    None where the characters are no date (a day may be left out with fillers).
    """
    if not (len(six) == 6 and six.isascii() and six.isdigit()):
        return None
    for century in range(latest.year // 100 * 100, latest.year // 100 * 100 - 200, -100):
        try:
            found = date(century + int(six[0:2]), int(six[2:4]), int(six[4:6]))
        except ValueError:
            continue
        if found <= latest:
            return found
    return None


def compose_td1(
    *,
    document_code: str,
    issuing_state: str,
    document_number: str,
    birth_date: date,
    sex: str,
    expiry_date: date,
    nationality: str,
    surname: str,
    given_names: str,
    optional: str = "",
    second_optional: str = "",
) -> tuple[str, str, str]:
    """Three lines of 30 with right check digits. Names in Latin capitals; spaces and hyphens become fillers.

    Raises MrzError (mrz_wrong_length, mrz_wrong_character) where a field does not fit; long names are cut.
    """
    if len(document_number) > 9 or len(optional) > 15 or len(second_optional) > 11:
        raise MrzError(
            "mrz_wrong_length",
            "A field is longer than its place in the machine readable zone.",
        )
    fields = document_code + issuing_state + document_number + nationality + optional + second_optional
    if any(character not in _VALUE for character in fields):
        raise MrzError("mrz_wrong_character", "A field has a character outside A-Z, 0-9 and <.")
    number = document_number.ljust(9, "<")
    birth, expiry = (
        f"{birth_date.year % 100:02d}{birth_date:%m%d}",
        f"{expiry_date.year % 100:02d}{expiry_date:%m%d}",
    )
    first = f"{document_code:<<2}{issuing_state:<<3}{number}{check_digit(number)}{optional:<<15}"
    dates = f"{birth}{check_digit(birth)}", f"{expiry}{check_digit(expiry)}"
    last = second_optional.ljust(11, "<")
    composite = check_digit(first[5:30] + dates[0] + dates[1] + last)
    second = f"{dates[0]}{sex if sex in {'M', 'F'} else '<'}{dates[1]}{nationality:<<3}{last}{composite}"
    lines = first, second, name_field(surname, given_names, 30)
    parse(lines)
    return lines


def name_field(surname: str, given_names: str, length: int) -> str:
    """Both names in a field of this length; where they are too long the end is cut (Doc 9303 part 3, 4.6)."""
    parts = ["<".join(name.replace("-", " ").replace("'", "").split()) for name in (surname, given_names)]
    return "<<".join(parts)[:length].ljust(length, "<")
