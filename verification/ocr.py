"""Finding and reading lines of text: PP-OCRv6's two networks, from the files that the rapidocr package carries.

The networks run directly in onnxruntime: nothing can be fetched, one thread is used, and the recogniser's
probabilities stay at hand, which a machine readable zone needs (``verification/zone.py``). The recogniser knows Latin
and Chinese, not Cyrillic; for that see ``verification/tesseract.py``. Figures: docs/document.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from verification import models
from verification.contract import Pixels

DETECTOR: Final = models.ModelFile(
    "pp-ocrv6-det-small",
    "rapidocr",
    "models/PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
    "Apache-2.0",
    "PaddlePaddle, PaddleOCR PP-OCRv6 (converted to ONNX by RapidAI)",
)
RECOGNISER: Final = models.ModelFile(
    "pp-ocrv6-rec-small",
    "rapidocr",
    "models/PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
    "Apache-2.0",
    "PaddlePaddle, PaddleOCR PP-OCRv6 (converted to ONNX by RapidAI)",
)
VERSION: Final = f"{DETECTOR.name}+{RECOGNISER.name}"

LINE_HEIGHT: Final = 48
"""Height in pixels that the recogniser was trained on."""
_MAX_LINE_WIDTH: Final = 1920
_GRID: Final = 32
"""The detector's input sides are multiples of this."""
# The settings that rapidocr 3.10 ships for these networks (its config.yaml, section Det).
_TEXT: Final = 0.3
_BOX: Final = 0.5
_UNCLIP: Final = 1.6
_SMALLEST: Final = 3

Quad = NDArray[np.float32]
"""Four corners, shape (4, 2): clockwise from the top left of the text as it is read (up to half a turn)."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: where it is, what it says, and the mean probability of its letters (0..1)."""

    quad: Quad
    text: str
    confidence: float


def _session(model: models.ModelFile) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # inputs differ in size every time: an arena would only grow
    return onnxruntime.InferenceSession(str(models.locate(model)), options, providers=["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def _detector() -> onnxruntime.InferenceSession:
    return _session(DETECTOR)


@lru_cache(maxsize=1)
def _recogniser() -> onnxruntime.InferenceSession:
    return _session(RECOGNISER)


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Character of each of the recogniser's classes; the first (the CTC blank) is the empty text."""
    characters = _recogniser().get_modelmeta().custom_metadata_map["character"].split("\n")
    return ("", *characters, " ")


def _normalised(pixels: Pixels) -> NDArray[np.float32]:
    return np.ascontiguousarray(((pixels.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None])


def find_lines(pixels: Pixels, long_side: int) -> list[Quad]:
    """Where lines of text are, with the picture's longest side brought to about ``long_side`` pixels (up or down)."""
    height, width = pixels.shape[:2]
    scale = long_side / max(height, width)
    size = tuple(max(_GRID, round(side * scale / _GRID) * _GRID) for side in (width, height))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    (output,) = _detector().run(None, {"x": _normalised(np.asarray(small, np.uint8))})
    probability: NDArray[np.float32] = np.asarray(output)[0, 0]
    mask = cv2.dilate((probability > _TEXT).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    stretch = np.array([width / size[0], height / size[1]], np.float32)
    quads = []
    for contour in contours:
        centre, sides, angle = cv2.minAreaRect(contour)
        outline = np.asarray(contour, np.int32)
        if min(sides) < _SMALLEST or _mean_inside(probability, outline) < _BOX:
            continue
        # The network marks the core of the text; its lines are this much larger (DB, Liao et al. 2020, section 3.4).
        grown = sides[0] * sides[1] * _UNCLIP / (2 * (sides[0] + sides[1])) * 2
        quads.append(in_reading_order(cv2.boxPoints((centre, (sides[0] + grown, sides[1] + grown), angle)) * stretch))
    return quads


def _mean_inside(probability: NDArray[np.float32], contour: NDArray[np.int32]) -> float:
    x, y, width, height = cv2.boundingRect(contour)
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [contour - np.array([x, y])], 1)
    return float(cv2.mean(np.ascontiguousarray(probability[y : y + height, x : x + width]), inside)[0])


def in_reading_order(corners: NDArray[Any]) -> Quad:
    """Clockwise, starting so that the long side is the top and runs rightwards (downwards where it is upright)."""
    middle = corners.mean(axis=0)
    order = np.argsort(np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0]))
    quad = corners[order].astype(np.float32)
    if np.linalg.norm(quad[1] - quad[0]) < np.linalg.norm(quad[2] - quad[1]):
        quad = np.roll(quad, -1, axis=0)
    along = quad[1] - quad[0]
    if along[int(np.abs(along).argmax())] < 0:
        quad = np.roll(quad, 2, axis=0)
    return np.ascontiguousarray(quad)


def cut_line(pixels: Pixels, quad: Quad, margin: float = 0.0) -> Pixels:
    """The line straightened to ``LINE_HEIGHT``; ``margin`` widens it by that fraction of its height at both ends."""
    length = float(np.linalg.norm(quad[1] - quad[0]) + np.linalg.norm(quad[2] - quad[3])) / 2
    height = float(np.linalg.norm(quad[3] - quad[0]) + np.linalg.norm(quad[2] - quad[1])) / 2
    extra = margin * height
    width = int(
        np.clip(round((length + 2 * extra) * LINE_HEIGHT / max(height, 1.0)), LINE_HEIGHT // 2, _MAX_LINE_WIDTH)
    )
    inset = extra * width / max(length + 2 * extra, 1.0)
    target = np.array([[inset, 0], [width - inset, 0], [width - inset, LINE_HEIGHT], [inset, LINE_HEIGHT]], np.float32)
    homography = cv2.getPerspectiveTransform(quad, target)
    source = pixels
    scale = LINE_HEIGHT / max(height, 1.0)
    if scale < 0.5:  # far smaller than it was taken: an area filter first, or the letters alias
        factor = scale * 1.5
        source = np.asarray(cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
        homography = homography @ np.diag([1 / factor, 1 / factor, 1.0])
    cut = cv2.warpPerspective(
        source, homography, (width, LINE_HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, dtype=np.uint8)


def probabilities(line: Pixels) -> NDArray[np.float32]:
    """The recogniser's probabilities for one line of ``LINE_HEIGHT`` pixels: shape (steps of 8 pixels, classes)."""
    (output,) = _recogniser().run(None, {"x": _normalised(line)})
    steps: NDArray[np.float32] = np.asarray(output, np.float32)[0]
    return steps


def recognise(line: Pixels) -> tuple[str, float]:
    """Text and mean probability of one straightened line (greedy CTC, Graves et al. 2006)."""
    steps = probabilities(line)
    best = steps.argmax(axis=1)
    names = vocabulary()
    text, scores = [], []
    for step, label in enumerate(best):
        if label and (step == 0 or label != best[step - 1]):
            text.append(names[label])
            scores.append(float(steps[step, label]))
    return "".join(text), float(np.mean(scores)) if scores else 0.0


def read_lines(pixels: Pixels, quads: Sequence[Quad]) -> list[Line]:
    """Recognise each of these lines."""
    return [Line(quad, *recognise(cut_line(pixels, quad))) for quad in quads]
