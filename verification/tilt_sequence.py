"""Rendered sequences of a specimen card tilted in a hand, genuine and copied, whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import cv2
import numpy as np

from verification.contract import Pixels
from verification.photograph import Shot, photograph
from verification.specimen import PORTRAIT_BOX, Holder, draw_front


class Kind(StrEnum):
    """GENUINE; COPY: a print, whose device does not change; OVERLAY: another portrait laid over the picture of the
    card, which does not quite follow it (the chroma key of 2022); STILL: a genuine card that is not tilted."""

    GENUINE = "genuine"
    COPY = "copy"
    OVERLAY = "overlay"
    STILL = "still"


def render(holder: Holder, face: Pixels, kind: Kind, seed: int, count: int = 9) -> list[Pixels]:
    """``count`` frames of 1280x720. The same arguments give the same pixels."""
    random = np.random.default_rng([seed, list(Kind).index(kind)])
    swing = 0.0 if kind is Kind.STILL else float(random.uniform(14, 22))
    base = Shot(
        width=1280,
        height=720,
        fill=float(random.uniform(0.42, 0.55)),
        turn=float(random.uniform(-8, 8)),
        noise=float(random.uniform(2, 5)),
        quality=80,
    )
    lean = float(random.uniform(0, np.pi))
    frames = []
    for step in np.linspace(-1, 1, count):
        angle = swing * float(step) + float(random.normal(0, 0.6))
        sheen = 0.25 if kind is Kind.COPY else 0.25 + angle / 30
        front = draw_front(holder, face, seed, sheen)
        if kind is Kind.OVERLAY:
            front = _laid_over(front, random)
        shot = replace(
            base,
            tilt_x=angle * float(np.sin(lean)),
            tilt_y=angle * float(np.cos(lean)),
            turn=base.turn + float(random.normal(0, 1)),
            offset=(float(random.normal(0, 0.015)), float(random.normal(0, 0.015))),
            light=0.85,
        )
        frames.append(photograph(front, shot, seed).pixels)
    return frames


def _laid_over(front: Pixels, random: np.random.Generator) -> Pixels:
    """The portrait and its surroundings shifted by about a millimetre and turned by two degrees, each frame anew."""
    left, top, right, bottom = PORTRAIT_BOX
    part = front[top - 30 : bottom + 20, left - 30 : right + 20].copy()
    height, width = part.shape[:2]
    turn = np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), float(random.normal(0, 2)), 1.0), np.float64)
    turn[:, 2] += random.normal(0, 14, 2)
    moved = cv2.warpAffine(part, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    laid = front.copy()
    laid[top - 30 : bottom + 20, left - 30 : right + 20] = moved
    return laid
