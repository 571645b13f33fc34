"""One vector from a portrait, one from several live frames: the same steps for a session and for its calibration.

Templates live as long as the comparison; nothing stores them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from verification import matcher_sface, quality, still_face
from verification.contract import Pixels
from verification.detector import Face, live_faces
from verification.matcher_sface import Embedder, Vector

AVERAGED: Final = 5
"""Frames averaged, the best by quality."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """The face on the evidence."""

    pixels: Pixels
    """The window in which it was looked at."""
    face: Face
    vector: Vector


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """One live frame after detection."""

    pixels: Pixels
    faces: tuple[Face, ...]
    """The subject's first."""
    quality: quality.Quality
    vector: Vector | None
    """None where the frame is not to be compared."""


def of_portrait(pixels: Pixels, face: Face, embedder: Embedder) -> Portrait:
    """The subject's ``face`` of a portrait or card, looked at closely; its vector averaged with the mirror image's."""
    window, placed = still_face.look_closely(pixels, face)
    return Portrait(window, placed, embedder.embed(matcher_sface.align(window, placed), mirrored=True))


def of_frame(pixels: Pixels, embedder: Embedder, *, alone: bool = True) -> Live:
    """Detect, judge and, where good enough, embed. With ``alone`` a second person in the frame rules it out.

    The vector is not averaged with the mirror image's: it doubles the cost and gains nothing (docs/models.md).
    """
    faces = live_faces(pixels)
    if not faces:
        return Live(pixels, faces, quality.NOTHING, None)
    crop = matcher_sface.align(pixels, faces[0])
    judged = quality.assess(pixels, faces, crop)
    usable = judged.unified >= quality.USABLE and not (alone and quality.several(faces))
    return Live(pixels, faces, judged, embedder.embed(crop) if usable else None)


def best(frames: Sequence[Live]) -> list[int]:
    """Indexes of the usable frames, best first: by quality, before any score is known."""
    usable = [index for index, frame in enumerate(frames) if frame.vector is not None]
    return sorted(usable, key=lambda index: -frames[index].quality.unified)


def average(vectors: Sequence[Vector]) -> Vector:
    """The direction of the mean of unit vectors."""
    return matcher_sface.unit(np.mean(vectors, axis=0, dtype=np.float32))
