"""Kazakh and Russian names in the Latin letters of a machine readable zone, and how close two spellings are.

The first spelling of each letter is the one of ICAO Doc 9303 part 3, section 6 (Cyrillic). Doc 9303 has no table of
the Kazakh letters; for them, and as further spellings, stand those met in documents of Kazakhstan, so that a comparison
forgives what issuing offices and decades did differently.
"""

from __future__ import annotations

from typing import Final

SPELLINGS: Final[dict[str, tuple[str, ...]]] = {
    "А": ("A",),
    "Ә": ("A", "AE"),
    "Б": ("B",),
    "В": ("V",),
    "Г": ("G",),
    "Ғ": ("G", "GH"),
    "Д": ("D",),
    "Е": ("E", "YE", "IE"),
    "Ё": ("E", "YO", "IO"),
    "Ж": ("ZH", "J"),
    "З": ("Z",),
    "И": ("I", "Y"),
    "Й": ("I", "Y"),
    "К": ("K",),
    "Қ": ("K", "Q"),
    "Л": ("L",),
    "М": ("M",),
    "Н": ("N",),
    "Ң": ("N", "NG"),
    "О": ("O",),
    "Ө": ("O", "OE"),
    "П": ("P",),
    "Р": ("R",),
    "С": ("S",),
    "Т": ("T",),
    "У": ("U", "W"),
    "Ұ": ("U",),
    "Ү": ("U", "UE"),
    "Ф": ("F",),
    "Х": ("KH", "H"),
    "Һ": ("H",),
    "Ц": ("TS", "C"),
    "Ч": ("CH",),
    "Ш": ("SH",),
    "Щ": ("SHCH",),
    "Ъ": ("IE", ""),
    "Ы": ("Y", "I"),
    "І": ("I", "Y"),
    "Ь": ("",),
    "Э": ("E",),
    "Ю": ("IU", "YU"),
    "Я": ("IA", "YA"),
}


def latin(name: str) -> str:
    """The name in capital Latin letters, first spelling of each letter; other characters stay as they are."""
    return "".join(SPELLINGS.get(letter, (letter,))[0] for letter in name.upper())


def distance(name: str, spelled: str) -> int:
    """How many letters must change before ``spelled`` (Latin) is one of the spellings of ``name`` (either alphabet).

    Edit distance over letters of the name, in which each accepted spelling (and the letter itself, where both are in
    one alphabet) costs nothing; 0 means they agree. Spaces,
    hyphens and apostrophes do not count.
    """
    source, target = _letters(name), _letters(spelled)
    row = list(range(len(target) + 1))
    rows = [row]
    for index, letter in enumerate(source, start=1):
        above = rows[-1]
        row = [index] + [0] * len(target)
        for column in range(len(target) + 1):
            best = above[column] + 1
            if column:
                best = min(best, row[column - 1] + 1, above[column - 1] + 1)
            for spelling in (*SPELLINGS.get(letter, ()), letter):
                start = column - len(spelling)
                if start >= 0 and target[start:column] == spelling:
                    best = min(best, above[start])
            row[column] = best
        rows.append(row)
    return rows[-1][-1]


def _letters(text: str) -> str:
    return "".join(character for character in text.upper() if character.isalpha())
