"""Reading a machine readable zone from a picture: find its lines, decode them (``zone_line``), prove them.

Where the check digits disagree, less likely readings of the protected characters are tried, and one is taken only if
the check digits prove it and prove no other of about the same likelihood.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import mrz, ocr
from verification.contract import Pixels
from verification.mrz import ALPHABET, Format
from verification.ocr import Quad
from verification.zone_line import Decoded, Probabilities, decode_line, greedy, template, zone_probabilities

SEARCH_SIDE: Final = 960
"""Longest side at which text is searched. A zone as wide as the picture then has letters of about 20 pixels."""

_SURE: Final = 0.5
"""Least probability of a character, among those allowed at its place, to be taken as read (docs/document.md)."""
_SURE_FREE: Final = 0.8
"""The same for a character that no check digit covers. Right readings of photographed specimens had 0.98 and more,
those of the small scans of real specimens 0.88; a surname half under glare was misread at 0.68 (docs/document.md)."""
_MOST_DOUBTFUL: Final = 2
_PALE: Final = 0.3
"""Contrast of a character over the median of its line, below which it is washed out (by glare) and not read."""
_BEYOND_DOUBT: Final = 0.8
"""Least probability of every protected character at which a wrong check digit is the card's, not the reading's."""
_ALTERNATIVE: Final = 1e-2
"""A reading less likely than this, at its place, is never tried in a repair."""
_CLEAR: Final = 2.0
"""Natural logarithm of how much likelier a repair must be than the next one that the check digits also allow."""
_MOST_CHANGES: Final = 3


@dataclass(frozen=True, slots=True)
class ZoneReading:
    """A zone as read. ``sure``: the characters that no check digit covers are each read clearly; ``clear``: so are,
    beyond doubt, all that check digits cover.

    ``repaired`` counts characters that were changed because check digits proved it; ``quad`` is where the zone is.
    """

    mrz: mrz.Mrz
    sure: bool
    clear: bool
    confidence: float
    repaired: int
    quad: Quad

    @property
    def proven(self) -> bool:
        """Every check digit holds and every other letter is read clearly."""
        return self.mrz.valid and self.sure

    @property
    def wrong(self) -> bool:
        """A check digit is wrong on the card itself, not in the reading."""
        return self.clear and not self.mrz.valid


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A line that may belong to a zone. ``pale``: at each step, whether the print there is washed out."""

    quad: Quad
    logarithms: Probabilities
    pale: NDArray[np.bool_]


def read_zone(pixels: Pixels) -> ZoneReading | None:
    """The machine readable zone in the picture, at any rotation; None where there is nothing like one.

    Of several readings the one with most right check digits, then the likeliest. Costs about half a second.
    """
    quads = _long_lines(ocr.find_lines(pixels, SEARCH_SIDE))
    best: ZoneReading | None = None
    for turned in (False, True):
        lines = [np.roll(quad, 2, axis=0) if turned else quad for quad in quads]
        reading = _best(_readings([_candidate([pixels], quad) for quad in lines]))
        if reading is not None and (reading.proven or reading.wrong):
            return reading
        best = _better(best, reading)
    if best is None:
        return None
    # A second look at the same place: the mean over three renderings is steadier than any of them alone.
    again = _best(_readings([_candidate(_renderings(pixels), quad) for quad in _rows(best, quads)]))
    return _better(best, again)


def _renderings(pixels: Pixels) -> list[Pixels]:
    soft = cv2.GaussianBlur(pixels, (0, 0), 1.5)
    sharp = cv2.addWeighted(pixels, 1.8, soft, -0.8, 0)
    light, a, b = cv2.split(cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB))
    even = cv2.createCLAHE(2.0, (8, 8)).apply(light)
    levelled = cv2.cvtColor(cv2.merge([even, a, b]), cv2.COLOR_LAB2BGR)
    return [pixels, np.asarray(sharp, np.uint8), np.asarray(levelled, np.uint8)]


def _candidate(renderings: Sequence[Pixels], quad: Quad) -> _Candidate:
    lines = [ocr.cut_line(pixels, quad, margin=0.25) for pixels in renderings]
    total = np.asarray(sum(np.exp(zone_probabilities(line)) for line in lines))
    return _Candidate(quad, np.log(total / len(renderings)), _washed_out(lines[0], len(total)))


def _washed_out(line: Pixels, steps: int) -> NDArray[np.bool_]:
    grey = cv2.cvtColor(line, cv2.COLOR_BGR2GRAY)[6:-6]
    width = line.shape[1] / steps
    contrast = np.empty(steps)
    for step in range(steps):
        part = grey[:, max(0, round((step - 1) * width)) : round((step + 2) * width)]
        low, high = np.percentile(part, (4, 90))
        contrast[step] = high - low
    return np.asarray(contrast < _PALE * np.median(contrast))


def _rows(reading: ZoneReading, quads: Iterable[Quad]) -> list[Quad]:
    """The lines that lie inside a zone, turned as it is."""
    direction = reading.quad[1] - reading.quad[0]
    rows = []
    for quad in quads:
        if cv2.pointPolygonTest(reading.quad.reshape(-1, 1, 2), [float(v) for v in quad.mean(axis=0)], False) >= 0:
            along = quad[1] - quad[0]
            rows.append(quad if float(along @ direction) > 0 else np.roll(quad, 2, axis=0))
    return rows


_SLENDER: Final = (11.0, 60.0)
"""Width over height of a line that can be a zone's: 30 letters of OCR-B are 76 mm by about 4 mm, 19 to 1; 44 are 112
mm, 28 to 1, and up to twice that where the line is found tightly."""
_MOST_LINES: Final = 8


def _long_lines(quads: Sequence[Quad]) -> list[Quad]:
    """Lines slender enough, pieces of one line joined, the longest few."""
    joined = _joined(list(quads))
    slender = [quad for quad in joined if _SLENDER[0] < _length(quad) / max(_height(quad), 1.0) < _SLENDER[1]]
    return sorted(slender, key=_length, reverse=True)[:_MOST_LINES]


def _length(quad: Quad) -> float:
    return float(np.linalg.norm(quad[1] - quad[0]))


def _height(quad: Quad) -> float:
    return float(np.linalg.norm(quad[3] - quad[0]))


def _joined(quads: list[Quad]) -> list[Quad]:
    """Pieces that continue each other on one base line, with a gap of at most three heights, become one line."""
    quads = sorted(quads, key=_length, reverse=True)
    done = False
    while not done:
        done = True
        for first, second in combinations(range(len(quads)), 2):
            merged = _continued(quads[first], quads[second])
            if merged is not None:
                quads[first] = merged
                del quads[second]
                done = False
                break
    return quads


def _continued(long: Quad, short: Quad) -> Quad | None:
    height = _height(long)
    if not 0.6 < _height(short) / height < 1.6 or _length(long) < 3 * height:
        return None
    along = (long[1] - long[0]) / _length(long)
    across = np.array([-along[1], along[0]])
    middle = long.mean(axis=0)
    offset = (short - middle) @ across
    if abs(float(offset.mean())) > 0.3 * height or float(np.ptp(offset)) > 2 * height:
        return None
    reach = (short - middle) @ along
    half = _length(long) / 2
    gap = max(float(reach.min()) - half, -half - float(reach.max()))
    if not -0.5 * height < gap < 3 * height:
        return None
    points = np.concatenate([long, short])
    corners = cv2.boxPoints(cv2.minAreaRect(points))
    return ocr.in_reading_order(np.asarray(corners, np.float32))


def _readings(candidates: Sequence[_Candidate]) -> Iterator[ZoneReading]:
    """Every set of two or three lines under one another and of about one length, as each format of that length."""
    usable = [candidate for candidate in candidates if len(greedy(candidate.logarithms)) >= _FEWEST]
    if not usable:
        return
    reference = usable[0].quad
    usable.sort(key=lambda candidate: _down(candidate.quad, reference))
    for count in (3, 2):
        for rows in combinations(usable, count):
            if not _neighbours([row.quad for row in rows]):
                continue
            seen = sorted(len(greedy(row.logarithms)) for row in rows)[count // 2]
            for layout in mrz.LAYOUTS.values():
                if layout.count == count and abs(layout.length - seen) <= _MISCOUNT:
                    reading = _read_rows(layout.format, rows)
                    if reading is not None:
                        yield reading


_FEWEST: Final = 20
"""Fewest characters, read without any rule, of a line that is looked at as one of a zone."""
_MISCOUNT: Final = 4
"""How many characters the free reading may be off: runs of fillers are what it miscounts."""


def _down(quad: Quad, reference: Quad) -> float:
    along = (reference[1] - reference[0]) / max(_length(reference), 1.0)
    return float(quad.mean(axis=0) @ np.array([-along[1], along[0]]))


def _neighbours(quads: Sequence[Quad]) -> bool:
    """Parallel, about equally long, one under another."""
    for upper, lower in pairwise(quads):
        height = (_height(upper) + _height(lower)) / 2
        step = _down(lower, upper) - _down(upper, upper)
        along = (upper[1] - upper[0]) / _length(upper)
        shift = float((lower.mean(axis=0) - upper.mean(axis=0)) @ along)
        ratio = _length(lower) / _length(upper)
        if not (0.5 * height < step < 4 * height and 0.7 < ratio < 1.4 and abs(shift) < 0.25 * _length(upper)):
            return False
    return True


def _read_rows(format_: Format, rows: Sequence[_Candidate]) -> ZoneReading | None:
    decoded = []
    for row, allowed in zip(rows, template(format_), strict=True):
        line = decode_line(row.logarithms, allowed, row.pale)
        if line is None:
            return None
        decoded.append(line)
    lines = [line.text for line in decoded]
    parsed = mrz.parse(lines)
    repaired = 0
    if not parsed.valid:
        proof = _repair(format_, decoded)
        if proof is not None:
            parsed, repaired = proof
    points = np.concatenate([row.quad for row in rows])
    quad = np.stack([rows[0].quad[0], rows[0].quad[1], rows[-1].quad[2], rows[-1].quad[3]])
    if cv2.contourArea(quad) <= 0 or not np.isfinite(points).all():
        return None
    return ZoneReading(
        mrz=parsed,
        sure=_sure(format_, decoded),
        clear=_clear(format_, decoded),
        confidence=float(np.exp(np.mean([line.score for line in decoded]))),
        repaired=repaired,
        quad=np.ascontiguousarray(quad, dtype=np.float32),
    )


def _unprotected(format_: Format) -> list[tuple[int, int]]:
    """Places that no check digit covers: document code, states, names, sex, a visa's optional data."""
    layout = mrz.LAYOUTS[format_]
    zones = [layout.document_code, layout.issuing_state, layout.names, layout.nationality, layout.sex]
    if layout.composite_digit is None:
        zones.append(layout.optional)
    return [(zone.line, place) for zone in zones for place in range(zone.start, zone.end)]


def _sure(format_: Format, decoded: Sequence[Decoded]) -> bool:
    """Every character is really there; those without a check digit are read clearly; of the others at most two are
    not: more doubtful characters than check digits can be made right by chance."""
    free = set(_unprotected(format_))
    doubtful = 0
    for line, row in enumerate(decoded):
        end = len(row.text.rstrip("<"))
        for place in range(len(row.text)):
            if (line, place) in free and place > end:
                continue  # fillers to the end of a line: how many there are follows from its length
            likelihood = float(np.exp(row.places[place].max()))
            if float(row.present[place]) < _SURE or ((line, place) in free and likelihood < _SURE_FREE):
                return False
            doubtful += likelihood < _SURE
    return doubtful <= _MOST_DOUBTFUL


def _clear(format_: Format, decoded: Sequence[Decoded]) -> bool:
    free = set(_unprotected(format_))
    return all(
        min(float(np.exp(row.places[place].max())), float(row.present[place])) >= _BEYOND_DOUBT
        for line, row in enumerate(decoded)
        for place in range(len(row.text))
        if (line, place) not in free
    )


def _repair(format_: Format, decoded: Sequence[Decoded]) -> tuple[mrz.Mrz, int] | None:
    """The zone with the least unlikely change of protected characters that makes every check digit right.

    None where there is none, or where another change is nearly as likely and right as well.
    """
    free = set(_unprotected(format_))
    changes = []
    for line, row in enumerate(decoded):
        for place, character in enumerate(row.text):
            if (line, place) in free:
                continue
            taken = row.places[place, ALPHABET.index(character)]
            for index in np.flatnonzero(row.places[place] > np.log(_ALTERNATIVE)):
                if ALPHABET[index] != character:
                    cost = float(taken - row.places[place, index])
                    changes.append((cost, line, place, ALPHABET[index]))
    changes.sort()
    found: list[tuple[float, mrz.Mrz, int]] = []
    for count in range(1, _MOST_CHANGES + 1):
        for chosen in combinations(changes[:_MOST_TRIED], count):
            if len({(line, place) for _, line, place, _ in chosen}) < count:
                continue
            lines = [list(row.text) for row in decoded]
            for _, line, place, character in chosen:
                lines[line][place] = character
            parsed = mrz.parse(["".join(line) for line in lines])
            if parsed.valid:
                found.append((sum(change[0] for change in chosen), parsed, count))
    found.sort(key=lambda item: item[0])
    if not found or (len(found) > 1 and found[1][0] - found[0][0] < _CLEAR):
        return None
    return found[0][1], found[0][2]


_MOST_TRIED: Final = 14
"""Changes that are combined: 14 give at most 470 sets, each checked in about 20 microseconds."""


def _rank(reading: ZoneReading) -> tuple[bool, float, bool, float]:
    digits = reading.mrz.check_digits
    return reading.mrz.valid, sum(digit.right for digit in digits) / len(digits), reading.sure, reading.confidence


def _best(readings: Iterable[ZoneReading]) -> ZoneReading | None:
    return max(readings, key=_rank, default=None)


def _better(first: ZoneReading | None, second: ZoneReading | None) -> ZoneReading | None:
    return _best(reading for reading in (first, second) if reading is not None)
