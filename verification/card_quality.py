"""How well a straightened card is photographed, as a whole and region by region: sharpness, glare, light, size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification.contract import Pixels

MEASURING_WIDTH: Final = 800
"""Card width in pixels at which sharpness is measured: a pixel is 0.107 mm of the card."""
COLUMNS: Final = 4
ROWS: Final = 3
"""Regions of the card, row by row from its top left."""

BLURRED: Final = 1.9
"""Edge spread (standard deviation, pixels at the measuring width) above which a region counts as blurred. Sharp
photographs have 0.7 to 1.2; the zone stops being read between 2.2 and 2.8 (docs/document.md)."""
GLARING: Final = 0.25
"""Share of burnt-out, structureless pixels above which a region counts as glared."""
DARK: Final = 32.0
"""Median grey level (0..255) of the card under which it counts as too dark. Print and zone are read down to 22 on
rendered photographs; a real camera adds noise that they lack."""
SMALL: Final = 480
"""Width in pixels of the card in the photograph under which it counts as too small: letters of the zone are then
under 14 pixels apart."""

_BURNT: Final = 250
_LEAST_CONTRAST: Final = 40.0
"""Grey levels between print and ground below which a region holds nothing to judge sharpness by."""

Box = tuple[float, float, float, float]
"""left, top, right, bottom as fractions of the card."""


@dataclass(frozen=True, slots=True)
class Region:
    """One region: ``spread`` of its edges in pixels at the measuring width (None: no print there), ``glare`` 0..1."""

    spread: float | None
    glare: float

    @property
    def blurred(self) -> bool:
        return self.spread is not None and self.spread > BLURRED

    @property
    def glared(self) -> bool:
        return self.glare > GLARING


@dataclass(frozen=True, slots=True)
class CardQuality:
    """``regions``: COLUMNS x ROWS of them. ``light``: median grey level. ``width``: pixels of the card as taken."""

    regions: tuple[Region, ...]
    light: float
    width: float

    @property
    def spread(self) -> float | None:
        """Median edge spread of the regions that have print."""
        known = [region.spread for region in self.regions if region.spread is not None]
        return float(np.median(known)) if known else None

    @property
    def blurred(self) -> bool:
        spread = self.spread
        return spread is not None and spread > BLURRED

    @property
    def glared(self) -> bool:
        return any(region.glared for region in self.regions)

    @property
    def too_dark(self) -> bool:
        return self.light < DARK

    @property
    def too_small(self) -> bool:
        return self.width < SMALL


def measure(card: Pixels, taken_width: float) -> CardQuality:
    """Measure a straightened card; ``taken_width``: how wide it was, in pixels, in the picture it was taken from."""
    small = _measuring_size(card)
    light = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    regions = [
        region(card, (column / COLUMNS, row / ROWS, (column + 1) / COLUMNS, (row + 1) / ROWS), small)
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
    return CardQuality(tuple(regions), float(np.median(light)), taken_width)


def region(card: Pixels, box: Box, small: Pixels | None = None) -> Region:
    """One region of a straightened card (fractions)."""
    small = _measuring_size(card) if small is None else small
    height, width = small.shape[:2]
    left, top, right, bottom = (
        round(edge * side) for edge, side in zip(box, (width, height, width, height), strict=True)
    )
    part = small[max(top, 0) : max(bottom, top + 8), max(left, 0) : max(right, left + 8)]
    if part.size == 0:
        return Region(None, 0.0)
    return Region(_spread(part), _glare(part))


def _measuring_size(card: Pixels) -> Pixels:
    scale = MEASURING_WIDTH / card.shape[1]
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    size = (MEASURING_WIDTH, max(8, round(card.shape[0] * scale)))
    return np.asarray(cv2.resize(card, size, interpolation=interpolation), np.uint8)


def _spread(part: Pixels) -> float | None:
    """Standard deviation of the edge spread, from its steepest slope: an edge of height C blurred by a Gaussian of
    sigma has the slope C / (sigma * sqrt(2 pi))."""
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY).astype(np.float32)
    low, high = np.percentile(grey, (2, 98))
    if high - low < _LEAST_CONTRAST:
        return None
    soft = cv2.GaussianBlur(grey, (0, 0), 0.6)  # against noise, which is steep as well; taken off again below
    slope = np.hypot(cv2.Scharr(soft, cv2.CV_32F, 1, 0) / 32, cv2.Scharr(soft, cv2.CV_32F, 0, 1) / 32)
    steepest = float(np.percentile(slope, 99.3))
    spread = float(high - low) / (max(steepest, 1e-3) * float(np.sqrt(2 * np.pi)))
    return float(np.sqrt(max(spread**2 - 0.6**2, 0.01)))


def _glare(part: Pixels) -> float:
    """Share of pixels that are burnt out with nothing to be seen in or round them: white paper has a sharp border,
    a reflection fades out."""
    burnt: NDArray[np.uint8] = (part.min(axis=2) >= _BURNT).astype(np.uint8)
    if not burnt.any():
        return 0.0
    count, labels, stats, _ = cv2.connectedComponentsWithStats(burnt, connectivity=8)
    grey = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)
    fading = 0
    for label in range(1, count):
        area = int(stats[label, cv2.CC_STAT_AREA])
        if area < 60:
            continue
        blob = (labels == label).astype(np.uint8)
        rim = cv2.dilate(blob, np.ones((7, 7), np.uint8)) - blob
        outside = grey[rim > 0]
        # Just outside a reflection it is still nearly white; beside white paper there is another colour, or print.
        if outside.size == 0 or float((outside > 205).mean()) > 0.6:
            fading += area
    return fading / burnt.size
