"""What is printed on a straightened card: numbers and dates wherever they stand, names under their labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Final

import cv2
import numpy as np

from verification import iin, ocr, tesseract
from verification.contract import Pixels
from verification.romanise import distance
from verification.tesseract import Word

_SEARCH_SIDE: Final = 960
"""Longest side at which text is searched: the IIN of an ID-1 card then has figures of about 20 pixels."""
_SMALL_CARD: Final = 900
_ENLARGED_WIDTH: Final = 1270
_DATE: Final = re.compile(r"(?<!\d)(\d{2})[.,](\d{2})[.,](\d{4})(?!\d)")
_TWELVE: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_NINE: Final = re.compile(r"(?<!\d)\d{9}(?!\d)")
_LABELS: Final = {
    "surname": ("ФАМИЛИЯ", "ТЕГІ"),
    "given_names": ("ИМЯ", "АТЫ"),
    "patronymic": ("ОТЧЕСТВО", "ӘКЕСІНІҢ"),
}
_BELOW: Final = 3.6
"""A value stands at most this many label heights below its label."""


@dataclass(frozen=True, slots=True)
class Printed:
    """What was read. ``names_read``: a reader of Cyrillic was there and found words.

    ``lines``: every line of the Latin reader with its confidence. ``words``: every word of the Cyrillic one
    (their boxes are in pixels of the picture that it was given).
    """

    iins: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    """Runs of nine digits."""
    dates: tuple[date, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    """surname, given_names, patronymic, as printed, of those whose label was found."""
    names_read: bool = False
    lines: tuple[tuple[str, float], ...] = ()
    words: tuple[Word, ...] = ()
    reader: str = ""
    """Names and versions of the readers."""

    @property
    def valid_iin(self) -> str | None:
        """The printed IIN that keeps every rule; None where there is none, or where there are two."""
        return self.valid_iins[0] if len(self.valid_iins) == 1 else None

    @property
    def valid_iins(self) -> tuple[str, ...]:
        """Every printed IIN that keeps every rule: numbers misread mostly do not."""
        return tuple(sorted({text for text in self.iins if _keeps_rules(text)}))


def read(card: Pixels, thorough: bool) -> Printed:
    """What is printed on a straightened card that is the right way up.

    The Cyrillic reader, where it is there, reads figures as well (0.3 s); the Latin one (a second) is asked where it
    is not, and where ``thorough``: a contradiction must not rest on one reader's slip.
    """
    words = tesseract.read_words(_enlarged(card))
    lines: list[ocr.Line] = []
    if thorough or words is None:
        lines = [line for line in ocr.read_lines(card, ocr.find_lines(card, _SEARCH_SIDE)) if line.text.strip()]
    texts = [line.text for line in lines] + _rows(words or [])
    readers = [tesseract.version()] if words is not None else []
    return Printed(
        iins=_unique(text for line in texts for text in _TWELVE.findall(line.replace(" ", ""))),
        numbers=_unique(text for line in texts for text in _NINE.findall(line.replace(" ", ""))),
        dates=tuple(sorted({found for line in texts for found in _dates(line)})),
        names=labelled(words or []),
        names_read=bool(words),
        lines=tuple((line.text, line.confidence) for line in lines),
        words=tuple(words or ()),
        reader="; ".join([*readers, ocr.VERSION] if lines else readers),
    )


def _enlarged(card: Pixels) -> Pixels:
    """A small card enlarged and sharpened: of a card 512 pixels wide the labels, and so the names, are read only so
    (8 of 9 names against none; docs/document.md)."""
    if card.shape[1] >= _SMALL_CARD:
        return card
    scale = _ENLARGED_WIDTH / card.shape[1]
    large = cv2.resize(card, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.addWeighted(large, 3.5, cv2.GaussianBlur(large, (0, 0), 2.5), -2.5, 0), np.uint8)


def together(first: Printed, second: Printed) -> Printed:
    """What two sides, or two readings of one, say together; names of the first come first."""
    return Printed(
        iins=_unique((*first.iins, *second.iins)),
        numbers=_unique((*first.numbers, *second.numbers)),
        dates=tuple(sorted({*first.dates, *second.dates})),
        names={**second.names, **first.names},
        names_read=first.names_read or second.names_read,
        lines=first.lines + second.lines,
        words=first.words + second.words,
        reader=max(first.reader, second.reader, key=len),
    )


def _rows(words: Sequence[Word]) -> list[str]:
    """Each word, and each two neighbours of a row together: figures may be printed in groups."""
    singles = [word.text for word in words]
    pairs = [
        one.text + two.text
        for one, two in pairwise(words)
        if abs(one.top - two.top) < one.height and 0 <= two.left - one.left - one.width < 1.2 * one.height
    ]
    return singles + pairs


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(texts)))


def _keeps_rules(text: str) -> bool:
    try:
        iin.parse(text)
    except iin.InvalidIin:
        return False
    return True


def _dates(line: str) -> list[date]:
    found = []
    for day, month, year in _DATE.findall(line):
        try:
            found.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue  # figures misread: no such day
    return found


def labelled(words: Sequence[Word]) -> dict[str, str]:
    """The value printed under each label, in either language of a Kazakh card."""
    found = {}
    taken: set[int] = set()
    # "ӘКЕСІНІҢ АТЫ" holds the label "АТЫ": patronymic first, and each label word serves once.
    for name in ("patronymic", "surname", "given_names"):
        for index, word in enumerate(words):
            if index in taken or not _is_label(word, _LABELS[name]):
                continue
            row = [other for other, neighbour in enumerate(words) if _same_row(word, neighbour)]
            value = _under([words[other] for other in row], words)
            if value:
                found[name] = value
                taken.update(row)
                break
    return found


def _is_label(word: Word, labels: tuple[str, ...]) -> bool:
    """Within one misread letter in five of a label; labels of three letters must be exact."""
    text = word.text.upper().strip("/|.,:")
    return any(_apart(text, label) <= len(label) // 5 for label in labels)


def _apart(one: str, two: str) -> int:
    """Edit distance of two texts in one alphabet."""
    row = list(range(len(two) + 1))
    for index, letter in enumerate(one, start=1):
        above = row
        row = [index] + [0] * len(two)
        for column, other in enumerate(two, start=1):
            row[column] = min(above[column] + 1, row[column - 1] + 1, above[column - 1] + (letter != other))
    return row[-1]


def _same_row(one: Word, two: Word) -> bool:
    middle = two.top + two.height / 2
    near = abs(two.left - one.left) < 14 * max(one.height, 1)
    return near and one.top - one.height / 2 < middle < one.top + 1.5 * one.height


def _under(label: Sequence[Word], words: Sequence[Word]) -> str:
    """The words of the first row below a label that begins at its left edge."""
    left, height = min(word.left for word in label), max(word.height for word in label)
    bottom = max(word.top + word.height for word in label)
    below = [
        word
        for word in words
        if word not in label
        and bottom - 0.3 * height <= word.top <= bottom + _BELOW * height
        and word.left > left - 1.5 * height
        and any(character.isalpha() for character in word.text)
        and word.height > 0.6 * height
    ]
    if not below:
        return ""
    first = min(below, key=lambda word: (abs(word.left - left) > 2 * height, word.top))
    row = sorted((word for word in below if abs(word.top - first.top) < 0.7 * first.height), key=lambda word: word.left)
    value = []
    reach = first.left + first.width
    for word in row:
        if word.left - reach < 2.0 * first.height:  # a wider gap begins the next column
            value.append(word.text.strip(".,:|/"))
            reach = word.left + word.width
    return " ".join(part for part in value if part).upper()


def closest(name: str, printed: Printed) -> tuple[str, int] | None:
    """The printed words that come nearest to a Latin name, and in how many letters they differ; None without words."""
    texts = [word.text for word in printed.words] + [text for text, _ in printed.lines]
    parts = [part for text in texts for part in (text, *text.split())]
    rated = [(distance(part, name), part) for part in set(parts) if any(letter.isalpha() for letter in part)]
    if not rated:
        return None
    best = min(rated)
    return best[1], best[0]
