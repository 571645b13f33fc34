"""Finding an ID-1 card in a picture and laying it flat.

Long edges are gathered from a line segment detector, and every four of them that can be a card seen in perspective are
weighed by how much of their sides really is an edge, how like a card's their shape is, and whether they end where a
card would. Works on colour, so that a card is found on a table of its own brightness.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification.contract import Pixels

ASPECT: Final = 85.60 / 53.98
"""Width over height of ID-1 (ISO/IEC 7810)."""
WORKING_SIDE: Final = 640
"""Longest side of the picture that is searched."""
FLAT_WIDTH: Final = 1600
"""Greatest width in pixels of a straightened card: 18.7 pixels a millimetre, 475 dpi."""

_ASPECT_SPAN: Final = (1.33, 2.05)
"""A card tilted by 33 degrees about its short axis or 40 about its long one. A printed portrait has 1.29."""
_SCAN_SPAN: Final = (ASPECT * 0.94, ASPECT * 1.06)
"""A picture of this shape may be a scan of the card, edge to edge."""
_LEAST_AREA: Final = 0.06
"""Least share of the picture that a card fills; below it the print cannot be read from a phone's picture anyway."""
_MOST_LINES: Final = 22
_SHORTEST: Final = 18.0
"""Segments shorter than this (pixels at the working size) are print, not sides."""
_EDGE: Final = 5.0
"""Grey levels a pixel across an edge. The noise of a dim picture, smoothed as here, stays under 3."""
_FOUND: Final = 0.62
"""Least score of a card, set on the photographed specimens and the pictures without a card of docs/document.md."""
_WEAKEST_SIDE: Final = 0.25
_SAMPLES: Final = 48
_ROUNDING: Final = 0.09
"""Share of a side at each end that is not looked at: the corners of ID-1 are rounded, and fingers hold them."""
_SQUARE: Final = 0.9
"""Least sine of a corner's angle: 64 to 116 degrees, more than a tilt of 35 degrees makes of a right angle."""
_CONVINCING: Final = 0.93
"""Score that an outline inside a picture of a card's own shape must have to come before the whole picture."""
_SAME: Final = 0.04
"""Outlines whose corners are all nearer than this share of the picture's longest side are one card."""
_NEARLY: Final = 0.06
"""Of candidates this near to the best, the largest: sides of printed frames are as straight as a card's."""

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Card:
    """Where a card is.

    ``corners``: 4x2 pixels, clockwise, the first side a long one; which way is up is not known. ``score``: 0..1.
    ``cut``: part of it lies outside the picture. ``whole_picture``: the picture is a scan of the card, edge to edge.
    """

    corners: Points
    score: float
    cut: bool = False
    whole_picture: bool = False


def find(pixels: Pixels, most: int = 4) -> list[Card]:
    """Cards in the picture, likeliest first, at most ``most``. Costs about a tenth of a second.

    A picture of a card's own shape without a convincing outline in it is taken as a scan. Where no whole outline is
    found, outlines that the picture's border cuts off are looked for.
    """
    height, width = pixels.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    edges = _Edges(np.asarray(small, np.uint8))
    stretch = np.array([width / size[0], height / size[1]], np.float32)
    lines = edges.lines()
    found = [Card(clockwise(quad * stretch), score) for quad, score in _best_quads(edges, lines, size, 0, most)]
    if _SCAN_SPAN[0] <= max(width, height) / min(width, height) <= _SCAN_SPAN[1]:
        frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        scan = Card(clockwise(frame), _CONVINCING, whole_picture=True)
        found = sorted([*found, scan], key=lambda card: card.score, reverse=True)[:most]
    if not found:
        cut = _best_quads(edges, lines, size, 2, most)
        found = [Card(clockwise(quad * stretch), score, cut=True) for quad, score in cut]
    return found


def straighten(pixels: Pixels, corners: Points) -> Pixels:
    """The card laid flat, ID-1's shape, at the resolution it was taken with, at most ``FLAT_WIDTH`` wide."""
    sides = [float(np.linalg.norm(corners[(i + 1) % 4] - corners[i])) for i in range(4)]
    width = int(np.clip(round(max(sides[0], sides[2], ASPECT * max(sides[1], sides[3]))), 160, FLAT_WIDTH))
    height = round(width / ASPECT)
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    homography = np.asarray(cv2.getPerspectiveTransform(corners.astype(np.float32), target), np.float64)
    source, shrink = pixels, width / max(sides[0], 1.0)
    if shrink < 0.7:  # an area filter first, or fine print aliases
        source = np.asarray(cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
        homography = homography @ np.diag([1 / shrink, 1 / shrink, 1.0])
    flat = cv2.warpPerspective(
        source, homography, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(flat, np.uint8)


@dataclass(frozen=True, slots=True)
class _Line:
    """Through ``point`` along the unit vector ``along``; ``length``: how much of it was seen."""

    point: NDArray[np.float64]
    along: NDArray[np.float64]
    length: float


class _Edges:
    """Gradients of lightness and colour at the working size."""

    def __init__(self, small: Pixels) -> None:
        lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB)
        soft = cv2.GaussianBlur(cv2.medianBlur(lab, 3), (0, 0), 1.0).astype(np.float32)
        self.channels = [np.ascontiguousarray(np.asarray(lab)[:, :, index]) for index in range(3)]
        self.across = np.stack([cv2.Scharr(soft[:, :, index], cv2.CV_32F, 1, 0) / 32 for index in range(3)])
        self.down = np.stack([cv2.Scharr(soft[:, :, index], cv2.CV_32F, 0, 1) / 32 for index in range(3)])

    def lines(self) -> list[_Line]:
        """The longest straight edges, pieces of one line gathered."""
        found = []
        detector = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD)
        for channel in self.channels:
            segments = detector.detect(cv2.GaussianBlur(channel, (0, 0), 1.0))[0]
            if segments is not None:
                found.append(np.asarray(segments, np.float64).reshape(-1, 4))
        if not found:
            return []
        segments = np.concatenate(found)
        lengths = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
        segments, lengths = segments[lengths > _SHORTEST], lengths[lengths > _SHORTEST]
        return _gathered(segments[np.argsort(-lengths)])

    def support(self, quads: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For quads (n, 4, 2): the share of each side that is an edge, and of its continuation: two arrays (n, 4)."""
        start, end = quads, np.roll(quads, -1, axis=1)
        within = np.linspace(_ROUNDING, 1 - _ROUNDING, _SAMPLES)
        beyond = np.concatenate([np.linspace(-0.25, -0.06, 12), np.linspace(1.06, 1.25, 12)])
        return self._share(start, end, within), self._share(start, end, beyond)

    def _share(
        self, start: NDArray[np.float64], end: NDArray[np.float64], at: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        side = end - start
        normal = np.stack([-side[..., 1], side[..., 0]], axis=-1)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        points = start[..., None, :] + side[..., None, :] * at[:, None]
        height, width = self.across.shape[1:]
        strongest = np.zeros(points.shape[:-1])
        for offset in (-2, -1, 0, 1, 2):
            moved = points + offset * normal[..., None, :]
            x, y = np.rint(moved[..., 0]).astype(int), np.rint(moved[..., 1]).astype(int)
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
            slope = self.across[:, y, x] * normal[..., None, 0] + self.down[:, y, x] * normal[..., None, 1]
            strongest = np.maximum(strongest, np.abs(slope).max(axis=0) * inside)
        return np.asarray((strongest > _EDGE).mean(axis=-1), np.float64)


def _gathered(segments: NDArray[np.float64]) -> list[_Line]:
    """Segments (longest first) that lie on one line within 3 pixels and 3 degrees become one; the longest few."""
    groups: list[list[NDArray[np.float64]]] = []
    lines: list[_Line] = []
    for segment in segments:
        first, last = segment[:2], segment[2:]
        along = (last - first) / np.linalg.norm(last - first)
        for index, line in enumerate(lines):
            normal = np.array([-line.along[1], line.along[0]])
            off = max(abs(float((first - line.point) @ normal)), abs(float((last - line.point) @ normal)))
            if off < 3 and abs(float(along @ normal)) < 0.052:
                groups[index].append(segment)
                lines[index] = _fitted(groups[index])
                break
        else:
            groups.append([segment])
            lines.append(_fitted([segment]))
    return sorted(lines, key=lambda line: line.length, reverse=True)[:_MOST_LINES]


def _fitted(segments: list[NDArray[np.float64]]) -> _Line:
    points = np.concatenate([segment.reshape(2, 2) for segment in segments])
    length = float(sum(np.linalg.norm(segment[2:] - segment[:2]) for segment in segments))
    longest = max(segments, key=lambda segment: float(np.linalg.norm(segment[2:] - segment[:2])))
    if len(segments) == 1:
        along = longest[2:] - longest[:2]
        return _Line(points.mean(axis=0), along / np.linalg.norm(along), length)
    middle = points.mean(axis=0)
    along = np.linalg.svd(points - middle)[2][0]
    return _Line(middle, along, length)


def _best_quads(
    edges: _Edges, lines: list[_Line], size: tuple[int, int], borders: int, most: int
) -> list[tuple[Points, float]]:
    """Corners (working size) and scores of the likeliest cards; up to ``borders`` sides may be the picture's own."""
    own = _border_lines(size) if borders else []
    quads, border_sides = _quads([*lines, *own], len(lines), borders, size)
    if not len(quads):
        return []
    support, beyond = edges.support(quads)
    support = np.where(border_sides, np.nan, support)
    shape = np.array([_shape_penalty(quad, bool(borders)) for quad in quads])
    weakest = np.nanmin(support, axis=1)
    score = np.nanmean(support, axis=1) - 0.35 * np.nanmean(np.where(border_sides, np.nan, beyond), axis=1) - shape
    score[weakest < _WEAKEST_SIDE] = 0.0
    areas = np.array([cv2.contourArea(quad.astype(np.float32)) for quad in quads])
    found: list[tuple[Points, float]] = []
    while len(found) < most and float(score.max()) >= _FOUND:
        near = np.flatnonzero(score > float(score.max()) - _NEARLY)
        chosen = int(near[areas[near].argmax()])
        found.append((quads[chosen].astype(np.float32), float(score[chosen])))
        score[_same(quads, quads[chosen], _SAME * max(size))] = 0.0
        score[chosen] = 0.0
    return found


def _same(quads: NDArray[np.float64], quad: NDArray[np.float64], within: float) -> NDArray[np.bool_]:
    """Which quads have all corners within so many pixels of this one's, whichever corner comes first."""
    orders = [np.roll(order, turn, axis=0) for order in (quad, quad[::-1]) for turn in range(4)]
    away = np.array([np.linalg.norm(quads - order, axis=2).max(axis=1) for order in orders])
    return np.asarray(away.min(axis=0) < within)


def _border_lines(size: tuple[int, int]) -> list[_Line]:
    width, height = float(size[0] - 1), float(size[1] - 1)
    across, down = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    return [
        _Line(np.array([width / 2, 0.0]), across, width),
        _Line(np.array([width / 2, height]), across, width),
        _Line(np.array([0.0, height / 2]), down, height),
        _Line(np.array([width, height / 2]), down, height),
    ]


def _quads(
    lines: list[_Line], real: int, borders: int, size: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Every four lines that bound a plausible card: corners (n, 4, 2), and which sides (n, 4) are the picture's."""
    pairs = []
    for first, second in combinations(range(len(lines)), 2):
        one, two = lines[first], lines[second]
        normal = np.array([-one.along[1], one.along[0]])
        apart = abs(float((two.point - one.point) @ normal))
        if abs(float(one.along @ two.along)) > 0.9 and apart > 0.12 * min(size):
            pairs.append((first, second))
    quads, sides = [], []
    for (first, second), (third, fourth) in combinations(pairs, 2):
        if len({first, second, third, fourth}) < 4 or abs(float(lines[first].along @ lines[third].along)) > 0.5:
            continue
        chosen = (first, third, second, fourth)
        own = [index >= real for index in chosen]
        if (borders and not 1 <= sum(own) <= borders) or (not borders and any(own)):
            continue
        corners = [_crossing(lines[chosen[index - 1]], lines[chosen[index]]) for index in range(4)]
        quad = np.array(corners)
        if _plausible(quad, size, bool(borders)):
            quads.append(quad)
            sides.append(own)
    return np.array(quads).reshape(-1, 4, 2), np.array(sides, dtype=bool).reshape(-1, 4)


def _crossing(one: _Line, two: _Line) -> NDArray[np.float64]:
    across = one.along[0] * two.along[1] - one.along[1] * two.along[0]
    if abs(across) < 1e-6:
        return np.array([np.inf, np.inf])
    step = two.point - one.point
    return np.asarray(one.point + one.along * (step[0] * two.along[1] - step[1] * two.along[0]) / across)


def _plausible(quad: NDArray[np.float64], size: tuple[int, int], cut: bool) -> bool:
    if not np.isfinite(quad).all():
        return False
    slack = 2.0
    if (quad < -slack).any() or (quad > np.array(size) + slack).any():
        return False
    side = np.roll(quad, -1, axis=0) - quad
    turn = side[:, 0] * np.roll(side, -1, axis=0)[:, 1] - side[:, 1] * np.roll(side, -1, axis=0)[:, 0]
    if not ((turn > 0).all() or (turn < 0).all()):
        return False
    lengths = np.linalg.norm(side, axis=1)
    if (np.abs(turn) < _SQUARE * lengths * np.roll(lengths, -1)).any():
        return False
    area = abs(float(cv2.contourArea(quad.astype(np.float32))))
    if area < _LEAST_AREA * size[0] * size[1]:
        return False
    if min(lengths[0] / lengths[2], lengths[2] / lengths[0], lengths[1] / lengths[3], lengths[3] / lengths[1]) < 0.6:
        return False
    ratio = _ratio(lengths)
    return cut or _ASPECT_SPAN[0] <= ratio <= _ASPECT_SPAN[1]


def _ratio(lengths: NDArray[np.float64]) -> float:
    pair = (lengths[0] + lengths[2], lengths[1] + lengths[3])
    return float(max(pair) / max(min(pair), 1e-6))


def _shape_penalty(quad: NDArray[np.float64], cut: bool) -> float:
    """0 for ID-1's shape, about 0.2 for one a quarter longer or shorter."""
    if cut:
        return 0.0
    lengths = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    return float(4.0 * np.log(_ratio(lengths) / ASPECT) ** 2)


def clockwise(corners: Points) -> Points:
    """Corners in any order made clockwise, the first side a long one."""
    middle = corners.mean(axis=0)
    quad = corners[np.argsort(np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0]))]
    first = np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])
    second = np.linalg.norm(quad[2] - quad[1]) + np.linalg.norm(quad[3] - quad[0])
    if first < second:
        quad = np.roll(quad, -1, axis=0)
    return np.ascontiguousarray(quad, dtype=np.float32)
