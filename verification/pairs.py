"""The list of pairs that error rates are measured on: columns fold, same, a, b; more are allowed.

``a`` is the picture that stands for the portrait, ``b`` the live one, both relative to the root folder; ``same`` is 1
for one person, 0 for two. ``fold`` keeps people apart: nobody may be in two folds. Optional: ``person_a`` and
``person_b`` (else read from names like ``Some_Name_0001.jpg``) let everybody be compared with everybody else of the
fold; ``group`` gives a table per group.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from verification.contract import UnusableInput

MAX_ROWS: Final = 200_000
_REQUIRED: Final = ("fold", "same", "a", "b")
_NUMBERED: Final = re.compile(r"^(.+)_\d+$")


@dataclass(frozen=True, slots=True)
class Pair:
    """One line."""

    fold: str
    same: bool
    a: str
    b: str
    person_a: str
    """Empty where unknown."""
    person_b: str
    group: str


def read(path: Path, root: Path) -> tuple[Pair, ...]:
    """All pairs. Raises UnusableInput: pairs_unreadable, pairs_malformed, pairs_outside_root, pairs_picture_missing."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise UnusableInput("pairs_malformed", f"{path.name} has no column {', '.join(missing)}.")
            rows = [_pair(row, reader.line_num, path.name) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableInput("pairs_unreadable", f"{path.name} cannot be read: {error}.") from error
    if not 1 <= len(rows) <= MAX_ROWS:
        raise UnusableInput("pairs_malformed", f"{path.name} has {len(rows)} pairs; 1 to {MAX_ROWS} are accepted.")
    if len({pair.same for pair in rows}) < 2:
        raise UnusableInput("pairs_malformed", f"{path.name} needs pairs of one person and pairs of two.")
    _check_pictures(rows, root.resolve())
    return tuple(rows)


def persons(pairs: Sequence[Pair]) -> dict[str, str] | None:
    """Picture -> person, where that is known for every picture and agrees with every pair; else None."""
    known: dict[str, str] = {}
    for pair in pairs:
        for picture, person in ((pair.a, pair.person_a), (pair.b, pair.person_b)):
            if not person or known.setdefault(picture, person) != person:
                return None
        if pair.same != (pair.person_a == pair.person_b):
            return None
    return known


def _pair(row: dict[str, str | None], line: int, name: str) -> Pair:
    fold, same, a, b = ((row.get(key) or "").strip() for key in _REQUIRED)
    if same not in ("0", "1") or not a or not b:
        raise UnusableInput("pairs_malformed", f"{name}, line {line}: same is 0 or 1, a and b name pictures.")
    person_a, person_b = (row.get("person_a") or _person(a)), (row.get("person_b") or _person(b))
    return Pair(fold, same == "1", a, b, person_a, person_b, (row.get("group") or "").strip())


def _person(picture: str) -> str:
    numbered = _NUMBERED.match(Path(picture).stem)
    return numbered.group(1) if numbered else ""


def _check_pictures(pairs: Sequence[Pair], root: Path) -> None:
    for picture in sorted({pair.a for pair in pairs} | {pair.b for pair in pairs}):
        place = (root / picture).resolve()
        if not place.is_relative_to(root):
            raise UnusableInput("pairs_outside_root", f"{picture} lies outside of the root folder.")
        if not place.is_file():
            raise UnusableInput("pairs_picture_missing", f"{picture} is not in the root folder.")
