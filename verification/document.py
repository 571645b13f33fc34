"""Identity documents: judge one photographed side at once, and read both sides against each other."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.metadata import version
from typing import Final

import cv2
import numpy as np

import verification
from verification import back as back_side
from verification import barcode, card, crosscheck, models, ocr, printed
from verification import front as front_side
from verification.back import Back
from verification.contract import CheckResult, DocumentReading, Outcome, Pixels, Side, SideReading
from verification.crosscheck import Evidence
from verification.detector import detect
from verification.front import Front
from verification.images import decode, encode_jpeg
from verification.printed import Printed
from verification.zone import read_zone

_FEWEST_WORDS: Final = 6
"""Words or lines on a side from which on it is taken as printed matter: a card has twenty and more."""
_SURE_WORD: Final = 0.6
"""Confidence of a word that counts; the readers see words in noise and grain as well, with less."""
_COVER: Final = 1.15
"""How much larger than the zone's own outline the cover over it is."""
_PORTRAIT_SIDE: Final = 640


def assess(image: bytes, side: Side) -> SideReading:
    """Judge one photographed side: whether it can be used, why not, and what is on it. One to two seconds.

    Raises UnusableInput with the codes of ``images.decode``.
    """
    began = time.perf_counter()
    pixels = decode(image)
    reading = _assess_front(pixels) if side is Side.FRONT else _assess_back(pixels)
    return replace(reading, milliseconds=(time.perf_counter() - began) * 1000)


def _assess_front(pixels: Pixels) -> SideReading:
    seen = front_side.look(pixels)
    text = printed.read(seen.flat, thorough=False)
    problems = (*front_side.picture_problems(seen, _read_enough(text)), *front_side.portrait_problems(seen))
    if "not_a_card" in problems:
        problems = ("not_a_card",)
    attributes, _ = crosscheck.attributes(_evidence(None, text, False, _today()))
    return SideReading(
        side=Side.FRONT,
        usable=not problems,
        problems=tuple(dict.fromkeys(problems)),
        image_jpeg=encode_jpeg(seen.flat),
        portrait_jpeg=None if seen.portrait is None else encode_jpeg(seen.portrait, 95),
        attributes=attributes,
    )


def _assess_back(pixels: Pixels) -> SideReading:
    seen = back_side.look(pixels)
    problems = back_side.problems(seen)
    evidence = _evidence(seen, Printed(), True, _today())
    attributes, _ = crosscheck.attributes(evidence)
    return SideReading(
        side=Side.BACK,
        usable=not problems,
        problems=problems,
        image_jpeg=encode_jpeg(seen.flat),
        attributes=attributes,
        mrz_lines=seen.zone.mrz.lines if seen.zone is not None else (),
    )


def read(front: bytes, back: bytes | None, today: date | datetime) -> DocumentReading:
    """Read both sides and check them against each other. Three to five seconds.

    ``back`` may be None for a document of one page, whose zone is then looked for beside the portrait.
    Raises UnusableInput with the codes of ``images.decode``.
    """
    front_pixels = decode(front)
    back_pixels = None if back is None else decode(back)
    began = time.perf_counter()
    first = front_side.look(front_pixels)
    second = back_side.look(front_pixels if back_pixels is None else back_pixels)
    looked = time.perf_counter()
    sheets = [_without_zone(first.flat)] if back_pixels is None else [first.flat, second.flat]
    text = _print_of(sheets, thorough=False)
    day = today.date() if isinstance(today, datetime) else today
    evidence = _evidence(second, text, back_pixels is not None, day)
    printed_check = crosscheck.check_printed(evidence)
    if printed_check.outcome in {Outcome.FAILED, Outcome.INCONCLUSIVE}:
        text = printed.together(text, _print_of(sheets, thorough=True))
        evidence = replace(evidence, printed=text)
        printed_check = crosscheck.check_printed(evidence)
    ended = time.perf_counter()
    values, sources = crosscheck.attributes(evidence)
    checks = (
        _timed(_check_front(first, text), began, looked),
        _check_back(second, back_pixels is not None),
        crosscheck.check_mrz(evidence),
        _timed(printed_check, looked, ended),
        crosscheck.check_barcode(evidence),
        crosscheck.check_iin(evidence),
        crosscheck.check_expiry(evidence),
        _check_portrait(first),
    )
    return DocumentReading(
        attributes=values,
        sources=sources,
        mrz_lines=second.zone.mrz.lines if second.zone is not None else (),
        checks=tuple(_signed(check) for check in checks),
        front_jpeg=encode_jpeg(first.flat),
        back_jpeg=None if back_pixels is None else encode_jpeg(second.flat),
        portrait_jpeg=None if first.portrait is None else encode_jpeg(first.portrait, 95),
    )


def _print_of(sheets: Sequence[Pixels], thorough: bool) -> Printed:
    """What is printed on the side with the portrait, and the figures of the other side.

    The words of the other side are left out: the zone stands there, and its own name must not agree with it.
    """
    text = printed.read(sheets[0], thorough)
    for sheet in sheets[1:]:
        text = printed.together(text, replace(printed.read(sheet, thorough), words=(), lines=(), names={}))
    return text


def _without_zone(sheet: Pixels) -> Pixels:
    """A page with its zone covered, for the same reason."""
    found = read_zone(sheet)
    if found is None:
        return sheet
    middle = found.quad.mean(axis=0)
    covered = sheet.copy()
    outline = np.rint(middle + (found.quad - middle) * _COVER).astype(np.int32)
    cv2.fillConvexPoly(covered, outline, [float(value) for value in np.median(sheet, axis=(0, 1))])
    return covered


def overall(reading: DocumentReading) -> Outcome:
    """One answer for the document: failed where a check failed; passed where every check passed or does not apply."""
    not_applicable = {"iin_not_applicable", "barcode_not_applicable"}
    one_page = reading.back_jpeg is None and len(reading.mrz_lines) == 2
    if one_page:
        not_applicable.add("side_not_given")
    outcomes = {
        check.outcome
        for check in reading.checks
        if not (check.outcome is Outcome.NOT_RUN and not_applicable.issuperset(check.reasons))
    }
    if Outcome.FAILED in outcomes:
        return Outcome.FAILED
    return Outcome.PASSED if outcomes == {Outcome.PASSED} else Outcome.INCONCLUSIVE


def card_still(pixels: Pixels) -> tuple[bytes, bool]:
    """JPEG of the card in a live frame, straightened where an outline was found, and whether one was.

    Of several outlines the one with a portrait in it is taken, and turned the right way up; without any portrait the
    likeliest outline, as it is held. 0.2 to 0.5 s.
    """
    found = [one for one in card.find(pixels) if not one.cut and not one.whole_picture]
    if not found:
        return encode_jpeg(pixels), False
    best, most_certain = card.straighten(pixels, found[0].corners), 0.0
    for one in found:
        flat = card.straighten(pixels, one.corners)
        for turned in (flat, np.ascontiguousarray(flat[::-1, ::-1])):
            certain = _certainty(turned)
            if certain > most_certain:
                best, most_certain = turned, certain
    return encode_jpeg(best), True


def _certainty(pixels: Pixels) -> float:
    """The detector's score of an upright face of a portrait's size; 0 without one."""
    faces = detect(pixels, long_side=_PORTRAIT_SIDE)
    sized = (face for face in faces if front_side.level(face) and front_side.portrait_sized(face, pixels.shape[0]))
    return max((face.score for face in sized), default=0.0)


def _today() -> date:
    """Tells the century of two-figure years where no other day is given."""
    return datetime.now(UTC).date()


def _read_enough(text: Printed) -> bool:
    sure = [word for word in text.words if word.confidence >= _SURE_WORD and len(word.text) > 2]
    lines = [line for line, confidence in text.lines if confidence >= _SURE_WORD and len(line) > 2]
    return text.valid_iin is not None or len(sure) + len(lines) >= _FEWEST_WORDS


def _evidence(second: Back | None, text: Printed, has_back: bool, day: date) -> Evidence:
    codes = second.barcodes if second is not None else ()
    return Evidence(
        zone=second.zone if second is not None else None,
        printed=text,
        barcodes=codes,
        barcode_iins=barcode.iins(codes),
        has_back=has_back,
        today=day,
    )


def _check_front(seen: Front, text: Printed) -> CheckResult:
    return _picture_check("document_front", front_side.picture_problems(seen, _read_enough(text)), _figures(seen))


def _check_back(seen: Back, given: bool) -> CheckResult:
    if not given:
        return CheckResult("document_back", Outcome.NOT_RUN, ("side_not_given",))
    return _picture_check("document_back", back_side.problems(seen), _figures(seen))


def _picture_check(check: str, problems: tuple[str, ...], figures: Mapping[str, object]) -> CheckResult:
    if not problems:
        return CheckResult(check, Outcome.PASSED, details=figures)
    outcome = Outcome.FAILED if "not_a_card" in problems else Outcome.INCONCLUSIVE
    return CheckResult(check, outcome, problems, details=figures)


def _figures(seen: Front | Back) -> dict[str, object]:
    quality = seen.quality
    return {
        "outline_found": seen.found is not None,
        "outline_score": None if seen.found is None else round(seen.found.score, 3),
        "width": round(quality.width),
        "light": round(quality.light),
        "edge_spread": None if quality.spread is None else round(quality.spread, 2),
        "regions": [
            {"edge_spread": None if region.spread is None else round(region.spread, 2), "glare": round(region.glare, 3)}
            for region in quality.regions
        ],
    }


def _check_portrait(seen: Front) -> CheckResult:
    problems = front_side.portrait_problems(seen)
    if not problems:
        return CheckResult("portrait", Outcome.PASSED)
    # Two people on a card contradict it; a face that cannot be seen may be the picture's fault.
    outcome = Outcome.FAILED if "several_faces" in problems else Outcome.INCONCLUSIVE
    return CheckResult("portrait", outcome, problems)


def _signed(result: CheckResult) -> CheckResult:
    """With the name and version of what judged it: a program or model that read, else this package's own rules."""
    name, made = {
        "document_front": ("opencv", cv2.__version__),
        "document_back": ("opencv", cv2.__version__),
        "mrz": ("rapidocr", ocr.VERSION),
        "printed_text": ("tesseract", result.version),
        "barcode": ("zxing-cpp", version("zxing-cpp")),
        "portrait": ("yunet", models.YUNET.name),
    }.get(result.check, ("rules", ""))
    rules = f"betpe-bet {verification.__version__}"
    return replace(result, model=name, version=f"{made}, {rules}" if made else rules)


def _timed(result: CheckResult, began: float, ended: float) -> CheckResult:
    return replace(result, milliseconds=(ended - began) * 1000)
