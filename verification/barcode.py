"""Bar codes on a card, read with ZXing (zxing-cpp)."""

from __future__ import annotations

import re
from typing import Final

import cv2
import numpy as np
import zxingcpp

from verification.contract import Pixels

_FORMATS: Final = zxingcpp.BarcodeFormats(
    [
        zxingcpp.BarcodeFormat.Code128,
        zxingcpp.BarcodeFormat.Code39,
        zxingcpp.BarcodeFormat.Code93,
        zxingcpp.BarcodeFormat.ITF,
        zxingcpp.BarcodeFormat.PDF417,
        zxingcpp.BarcodeFormat.QRCode,
        zxingcpp.BarcodeFormat.DataMatrix,
        zxingcpp.BarcodeFormat.Aztec,
    ]
)
_TWELVE: Final = re.compile(r"(?<!\d)\d{12}(?!\d)")
_MOST_CHARACTERS: Final = 4096
"""More than any of these codes holds: what a code says is a stranger's text."""


def read(pixels: Pixels) -> tuple[str, ...]:
    """Texts of all bar codes in the picture, at any rotation. Where none is found the picture is tried again twice as
    large: bars of a small card are then wide enough to sample."""
    found = _texts(pixels)
    if not found and max(pixels.shape[:2]) <= 2000:
        larger = cv2.resize(pixels, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        found = _texts(np.asarray(larger, np.uint8))
    return found


def _texts(pixels: Pixels) -> tuple[str, ...]:
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    codes = zxingcpp.read_barcodes(np.ascontiguousarray(grey), formats=_FORMATS)
    return tuple(code.text for code in codes if 0 < len(code.text) <= _MOST_CHARACTERS)


def iins(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Every run of exactly twelve digits in these texts, each once."""
    return tuple(sorted({digits for text in texts for digits in _TWELVE.findall(text)}))
