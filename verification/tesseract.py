"""Cyrillic print read by the system's tesseract, where it is installed with Kazakh or Russian.

The recogniser of ``verification/ocr.py`` knows no Cyrillic. Tesseract is an optional program of the system (Debian:
tesseract-ocr, tesseract-ocr-kaz, tesseract-ocr-rus); without it printed names are reported as not read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2

from verification.contract import Pixels

LANGUAGES: Final = ("kaz", "rus")
"""In order of preference: the Kazakh model holds every Russian letter, and reads both languages (docs/document.md)."""
_SECONDS: Final = 15.0
"""A card takes 0.3 s; a process still running after this is ended, and its text counts as not read."""
_SPARSE: Final = "11"
"""Page segmentation mode "sparse text": a card has no columns or paragraphs."""
_TEXT_COLUMN: Final = 11
_COLUMNS: Final = 12


@dataclass(frozen=True, slots=True)
class Word:
    """One word: text, confidence 0..1, and its box in pixels of the picture that was read."""

    text: str
    confidence: float
    left: int
    top: int
    width: int
    height: int


@lru_cache(maxsize=1)
def language() -> str | None:
    """The Cyrillic language that is installed, or None."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    try:
        listed = subprocess.run([program, "--list-langs"], capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    installed = listed.stdout.decode("utf-8", "replace").split()
    return next((name for name in LANGUAGES if name in installed), None)


@lru_cache(maxsize=1)
def version() -> str:
    """Program version and language, as results name it; empty where there is none."""
    program, used = shutil.which("tesseract"), language()
    if program is None or used is None:
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    first = said.stdout.decode("utf-8", "replace").split("\n", 1)[0].strip()
    return f"{first} {used}"


def read_words(pixels: Pixels) -> list[Word] | None:
    """All words of a straightened card, or None where tesseract is not installed, fails or takes too long."""
    program, used = shutil.which("tesseract"), language()
    if program is None or used is None:
        return None
    done, encoded = cv2.imencode(".pgm", cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY))
    if not done:
        return None
    command = [program, "stdin", "stdout", "-l", used, "--psm", _SPARSE, "tsv"]
    try:
        ran = subprocess.run(  # noqa: S603
            command,
            input=encoded.tobytes(),
            capture_output=True,
            timeout=_SECONDS,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if ran.returncode != 0:
        return None
    words = [_word(row.split("\t")) for row in ran.stdout.decode("utf-8", "replace").splitlines()[1:]]
    return [word for word in words if word is not None]


def _word(cells: list[str]) -> Word | None:
    """One row of tesseract's TSV: level, page, block, paragraph, line, word, left, top, width, height, conf, text."""
    if len(cells) != _COLUMNS or not cells[_TEXT_COLUMN].strip():
        return None
    left, top, width, height = (int(cell) for cell in cells[6:10])
    return Word(cells[_TEXT_COLUMN].strip(), max(0.0, float(cells[10]) / 100), left, top, width, height)
