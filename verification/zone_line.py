"""One line of a machine readable zone: decoded under the rules of the zone.

The recogniser's probabilities are decoded with a CTC path (Graves et al. 2006) that must have the exact length of the
line and, at each place, a character that ICAO Doc 9303 allows there: a digit in a date, no digit in a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from verification import mrz, ocr
from verification.contract import Pixels
from verification.mrz import ALPHABET, Format

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = "0123456789"
_ALIASES: Final = {"<": "＜くへヘ〈《«‹Λ∧⟨", "I": "|"}
"""Other characters of the recogniser's alphabet that it gives for a shape of OCR-B."""
_FLOOR: Final = 1e-6
_LOOK_ALIKES: Final = {"0": "O", "1": "I", "2": "Z", "5": "S", "6": "G", "8": "B"}
"""Figures that OCR-B draws nearly as a letter: where only letters may stand, the letter is meant."""

Probabilities = NDArray[np.float64]


@cache
def _table(allowed: tuple[str, ...]) -> NDArray[np.float64]:
    table = np.full((len(allowed), len(ALPHABET)), -np.inf)
    for place, characters in enumerate(allowed):
        for character in characters:
            table[place, ALPHABET.index(character)] = 0.0
    return table


@cache
def template(format_: Format) -> tuple[tuple[str, ...], ...]:
    """Characters allowed at each place of each line (Doc 9303 part 3, 4.3 to 4.8, and parts 4 to 7)."""
    layout = mrz.LAYOUTS[format_]
    lines = [["" for _ in range(layout.length)] for _ in range(layout.count)]

    def fill(zone: mrz.Zone | None, characters: str) -> None:
        if zone is not None:
            for place in range(zone.start, zone.end):
                lines[zone.line][place] = characters

    fill(layout.names, _LETTERS + "<")
    fill(layout.issuing_state, _LETTERS + "<")
    fill(layout.nationality, _LETTERS + "<")
    fill(layout.document_number, ALPHABET)
    fill(layout.optional, ALPHABET)
    fill(layout.second_optional, ALPHABET)
    fill(layout.document_number_digit, _DIGITS + "<")
    fill(layout.birth_date, _DIGITS + "<")
    fill(layout.birth_date_digit, _DIGITS)
    fill(layout.sex, "MF<")
    fill(layout.expiry_date, _DIGITS + "<")
    fill(layout.expiry_date_digit, _DIGITS)
    fill(layout.optional_digit, _DIGITS + "<")
    fill(layout.composite_digit, _DIGITS)
    fill(layout.document_code, _LETTERS + "<")
    lines[0][0] = {Format.TD1: "ACI", Format.TD2: "ACI", Format.TD3: "P", Format.MRV_A: "V", Format.MRV_B: "V"}[format_]
    return tuple(tuple(line) for line in lines)


@lru_cache(maxsize=1)
def _classes() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Class numbers of the recogniser, and the place in ``ALPHABET`` that each stands for."""
    names = ocr.vocabulary()
    place = {character: index for index, character in enumerate(ALPHABET)}
    place |= {
        character.lower(): index for character, index in place.items() if character.isalpha() and character != "L"
    }
    place |= {alias: place[character] for character, aliases in _ALIASES.items() for alias in aliases}
    pairs = [(number, place[name]) for number, name in enumerate(names) if name in place]
    return np.array([pair[0] for pair in pairs]), np.array([pair[1] for pair in pairs])


def zone_probabilities(line: Pixels) -> Probabilities:
    """Natural logarithms, shape (steps, 38): the blank, then ``ALPHABET``, renormalised to these alone."""
    steps = ocr.probabilities(line).astype(np.float64)
    numbers, places = _classes()
    reduced = np.zeros((len(steps), 1 + len(ALPHABET)))
    reduced[:, 0] = steps[:, 0]
    np.add.at(reduced.T, places + 1, steps[:, numbers].T)
    reduced += _FLOOR
    return np.asarray(np.log(reduced / reduced.sum(axis=1, keepdims=True)))


def greedy(logarithms: Probabilities) -> str:
    """The likeliest characters without any rule of the zone."""
    best = logarithms.argmax(axis=1)
    return "".join(
        ALPHABET[label - 1] for step, label in enumerate(best) if label and (step == 0 or label != best[step - 1])
    )


@dataclass(frozen=True, slots=True)
class Decoded:
    """A line under a template: characters, log likelihood of the path, and the distribution at each place."""

    text: str
    score: float
    places: Probabilities
    """Natural logarithms, shape (length, 37), renormalised over what the template allows."""
    present: NDArray[np.float64]
    """Probability, 0..1, that there is any character at each place."""


def decode_line(
    logarithms: Probabilities, allowed: tuple[str, ...], pale: NDArray[np.bool_] | None = None
) -> Decoded | None:
    """The likeliest path with exactly these places. None where the line is too short for that many characters.

    Where the print is ``pale`` (one value a step) no character counts as present.
    Viterbi over states (place, character) and (blank after a place); two equal characters in a row need a blank.
    """
    table = _table(allowed)
    length, steps = len(allowed), len(logarithms)
    if steps < length:
        return None
    blank = np.full(length + 1, -np.inf)
    blank[0] = 0.0
    letter = np.full(table.shape, -np.inf)
    from_letter = np.zeros((steps, *table.shape), np.int8)
    """0: stayed on the same character; 1: came from the blank before; 2 + s: came from character s one place before."""
    from_blank = np.zeros((steps, length + 1), np.int8)
    """-1: stayed blank; s: came from character s."""
    for step in range(steps):
        emit = logarithms[step, 1:]
        best = letter.argmax(axis=1)
        rows = np.arange(length)
        top = letter[rows, best]
        rest = letter.copy()
        rest[rows, best] = -np.inf
        second = rest.argmax(axis=1)
        runner = rest[rows, second]
        new = letter.copy()
        came = np.zeros(table.shape, np.int8)
        entering = np.broadcast_to(blank[:-1, None], table.shape)
        came[entering > new] = 1
        new = np.maximum(new, entering)
        # From the place before: its best character, or its second best where that would be the same one again.
        before = np.repeat(top[:-1, None], len(ALPHABET), axis=1)
        source = np.repeat(best[:-1, None], len(ALPHABET), axis=1)
        np.put_along_axis(before, best[:-1, None], runner[:-1, None], axis=1)
        np.put_along_axis(source, best[:-1, None], second[:-1, None], axis=1)
        better = before > new[1:]
        new[1:][better] = before[better]
        came[1:][better] = (2 + source[better]).astype(np.int8)
        letter = new + table + emit
        from_letter[step] = came
        ended = np.concatenate([[-np.inf], top])
        origin = np.concatenate([[0], best])
        stay = blank >= ended
        from_blank[step] = np.where(stay, -1, origin)
        blank = np.where(stay, blank, ended) + logarithms[step, 0]
    seen = np.ones(steps, bool) if pale is None else ~pale
    return _trace(logarithms, table, letter, blank, from_letter, from_blank, seen)


def _trace(
    logarithms: Probabilities,
    table: NDArray[np.float64],
    letter: NDArray[np.float64],
    blank: NDArray[np.float64],
    from_letter: NDArray[np.int8],
    from_blank: NDArray[np.int8],
    seen: NDArray[np.bool_],
) -> Decoded | None:
    length = len(table)
    last = int(letter[-1].argmax())
    place, character, on_blank = length - 1, last, blank[-1] > letter[-1, last]
    score = float(max(blank[-1], letter[-1, last]))
    if not np.isfinite(score):
        return None
    if on_blank:
        place = length
    characters = [0] * length
    places = np.full(table.shape, -np.inf)
    present = np.zeros(length)
    for step in range(len(logarithms) - 1, -1, -1):
        if on_blank:
            origin = int(from_blank[step, place])
            if origin >= 0:
                on_blank, place, character = False, place - 1, origin
            continue
        characters[place] = character
        places[place] = np.maximum(places[place], logarithms[step, 1:])
        present[place] = max(present[place], float(seen[step]) * (1 - float(np.exp(logarithms[step, 0]))))
        origin = int(from_letter[step, place, character])
        if origin == 1:
            on_blank = True
        elif origin >= 2:
            place, character = place - 1, origin - 2
    for figure, alike in _LOOK_ALIKES.items():
        only_letters = np.isinf(table[:, ALPHABET.index(figure)]) & np.isfinite(table[:, ALPHABET.index(alike)])
        column = ALPHABET.index(alike)
        both = np.logaddexp(places[:, column], places[:, ALPHABET.index(figure)])
        places[only_letters, column] = both[only_letters]
    places += table
    places -= np.logaddexp.reduce(places, axis=1, keepdims=True)
    return Decoded("".join(ALPHABET[index] for index in characters), score / len(logarithms), places, present)
