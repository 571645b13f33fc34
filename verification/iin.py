"""Kazakhstan's Individual Identification Number (IIN): structure, check digit, birth date and sex.

Twelve digits: YYMMDD, a century-and-sex digit (1, 3, 5 male and 2, 4, 6 female of the 19th, 20th and 21st century),
a serial of four digits, a check digit. The check digit's published rule: weights 1..11 modulo 11; where that gives 10,
weights 3..11, 1, 2 modulo 11; a number that gives 10 twice is never issued. The digit
whose weight is 11 (the serial's last in the first pass, its second in the other) is therefore not protected.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

LENGTH = 12
_FIRST_WEIGHTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SECOND_WEIGHTS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2)
_CENTURY = {"1": 1800, "2": 1800, "3": 1900, "4": 1900, "5": 2000, "6": 2000}
_DIGITS = frozenset("0123456789")


class InvalidIin(ValueError):
    """The text is not an IIN. ``code``: iin_malformed, iin_century_invalid, iin_birth_date_invalid,
    iin_check_digit_wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Iin:
    """A number that keeps every rule. Sex is M or F."""

    number: str
    birth_date: date
    sex: str


def check_digit(first_eleven: str) -> int | None:
    """Check digit of the first eleven digits; None where the number is one that is never issued.

    Raises ValueError unless the text is eleven ASCII digits.
    """
    if len(first_eleven) != LENGTH - 1 or not _DIGITS.issuperset(first_eleven):
        raise ValueError("an IIN has eleven digits before its check digit")
    digits = [int(character) for character in first_eleven]
    for weights in (_FIRST_WEIGHTS, _SECOND_WEIGHTS):
        remainder = sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 11
        if remainder < 10:
            return remainder
    return None


def parse(text: str) -> Iin:
    """The number with what it says of its holder. Raises InvalidIin."""
    if len(text) != LENGTH or not _DIGITS.issuperset(text):
        raise InvalidIin("iin_malformed", "An IIN has twelve digits.")
    century = _CENTURY.get(text[6])
    if century is None:
        raise InvalidIin("iin_century_invalid", "The seventh digit of an IIN is 1 to 6.")
    try:
        birth_date = date(century + int(text[0:2]), int(text[2:4]), int(text[4:6]))
    except ValueError as error:
        raise InvalidIin("iin_birth_date_invalid", "The first six digits of an IIN are a birth date.") from error
    if check_digit(text[:-1]) != int(text[-1]):
        raise InvalidIin("iin_check_digit_wrong", "The check digit of the IIN is wrong.")
    return Iin(text, birth_date, "M" if text[6] in "135" else "F")


def compose(birth_date: date, sex: str, serial: int) -> str | None:
    """The IIN of a birth date (years 1800-2099), sex (M or F) and serial (0-9999).

    None where the rules leave that serial out. Raises ValueError for values outside these ranges.
    """
    if sex not in {"M", "F"}:
        raise ValueError("the sex in an IIN is M or F")
    if not 0 <= serial <= 9999:
        raise ValueError("the serial in an IIN is 0 to 9999")
    if not 1800 <= birth_date.year <= 2099:
        raise ValueError("an IIN holds birth years 1800 to 2099")
    century_digit = (birth_date.year // 100 - 18) * 2 + (1 if sex == "M" else 2)
    first_eleven = f"{birth_date:%m%d}"
    first_eleven = f"{birth_date.year % 100:02d}{first_eleven}{century_digit}{serial:04d}"
    last = check_digit(first_eleven)
    return None if last is None else f"{first_eleven}{last}"
