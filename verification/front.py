"""The side of a card with the portrait: which way is up, where the card is, whose face, what is printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from verification import card, card_quality, detector
from verification.card import Card, Points
from verification.card_quality import CardQuality, Region
from verification.contract import Pixels
from verification.detector import Face
from verification.portrait import frame_face

_FACE_SIDES: Final = (640, 1280)
"""Longest sides at which a portrait is looked for: 1280 finds one of 3 % of the picture's width."""
_SECOND_FACE: Final = 0.3
"""A second face with more of the first one's area than this counts: the repeated portrait ("ghost image") that many
cards carry has at most a quarter of it."""
_FACE_HEIGHT: Final = (0.14, 0.85)
"""Height of the face (hair line to chin) over that of the card. Portraits on ID-1 cards have 0.25 to 0.5."""
LEAST_EYE_DISTANCE: Final = 16.0
"""Pixels between the eyes of the portrait as photographed, below which the matcher's error rates are not known
(docs/models.md measures them on portraits of 24 and more)."""
_PORTRAIT_BLURRED: Final = 4.5
"""Edge spread (pixels at the card's measuring width) of the portrait: a face has no edge as sharp as print's."""


@dataclass(frozen=True, slots=True)
class Front:
    """``flat``: the card, upright and straightened where it was found, else the upright picture."""

    flat: Pixels
    found: Card | None
    quality: CardQuality
    faces: tuple[Face, ...]
    """Those that count, in pixels of ``flat``, largest first."""
    portrait: Pixels | None
    portrait_region: Region | None

    @property
    def face(self) -> Face | None:
        return self.faces[0] if len(self.faces) == 1 else None


def look(pixels: Pixels) -> Front:
    """Find the card and its portrait, at any rotation. About 0.4 s."""
    turned, faces = _upright(pixels)
    cards = card.find(turned)
    chosen = _holding(cards, faces)
    if chosen is None:
        flat, taken = _bounded(turned), float(max(turned.shape[:2]))
        scale = flat.shape[1] / turned.shape[1]
        inside = tuple(_scaled(face, scale) for face in faces)
    else:
        corners = _upright_corners(chosen.corners, faces)
        flat = card.straighten(turned, corners)
        taken = float(max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3])))
        inside = _faces_on(flat)
    counted = _counted(inside)
    quality = card_quality.measure(flat, taken)
    portrait, region = None, None
    if counted:
        portrait = frame_face(flat, counted[0])
        region = card_quality.region(flat, _face_box(flat, counted[0]))
    return Front(flat, chosen, quality, counted, portrait, region)


def picture_problems(front: Front, read_enough: bool) -> tuple[str, ...]:
    """What is wrong with the picture; codes of ``contract.SideReading``, most important first.

    ``read_enough``: what is printed was read, so that an outline not found for want of contrast does not matter.
    """
    if not read_enough and (front.found is None or not front.faces):
        return ("not_a_card",) if not front.faces else ("cut_off",)
    found = []
    if front.found is not None and front.found.cut and not read_enough:
        found.append("cut_off")
    if front.quality.too_small:
        found.append("too_small")
    if front.quality.blurred:
        found.append("blur")
    if front.quality.too_dark:
        found.append("too_dark")
    return tuple(found)


def portrait_problems(front: Front) -> tuple[str, ...]:
    """What is wrong with the portrait: no_face, several_faces, too_small, blur, glare."""
    if not front.faces:
        return ("no_face",)
    if len(front.faces) > 1:
        return ("several_faces",)
    found = []
    if _eyes_as_taken(front) < LEAST_EYE_DISTANCE:
        found.append("too_small")
    region = front.portrait_region
    if region is not None and region.spread is not None and region.spread > _PORTRAIT_BLURRED:
        found.append("blur")
    if region is not None and region.glared:
        found.append("glare")
    return tuple(found)


def _eyes_as_taken(front: Front) -> float:
    assert front.face is not None
    return float(front.face.eye_distance * front.quality.width / front.flat.shape[1])


def _upright(pixels: Pixels) -> tuple[Pixels, tuple[Face, ...]]:
    """The picture turned by quarter turns so that its most certain face is upright, and all faces then found."""
    for side in _FACE_SIDES:
        best: tuple[float, Pixels, tuple[Face, ...]] | None = None
        for quarter in range(4):
            turned = np.ascontiguousarray(np.rot90(pixels, quarter))
            faces = detector.detect(turned, long_side=side)
            certain = max(
                (face.score * np.sqrt(face.width * face.height) for face in faces if level(face)), default=0.0
            )
            if certain > 0 and (best is None or certain > best[0]):
                best = (float(certain), turned, faces)
        if best is not None:
            return best[1], best[2]
    return pixels, ()


def level(face: Face) -> bool:
    """Eyes above the mouth, and more across than down."""
    across = face.landmarks[1] - face.landmarks[0]
    down = face.landmarks[3:5].mean(axis=0) - face.landmarks[0:2].mean(axis=0)
    return bool(down[1] > 0 and abs(down[1]) > abs(down[0]) and across[0] > abs(across[1]))


def portrait_sized(face: Face, card_height: float) -> bool:
    """As high as a portrait's face on a card of this height, in the same pixels."""
    return _FACE_HEIGHT[0] < face.height / card_height < _FACE_HEIGHT[1]


def _counted(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    ordered = sorted(faces, key=lambda face: face.width * face.height, reverse=True)
    if not ordered:
        return ()
    largest = ordered[0].width * ordered[0].height
    return tuple(face for face in ordered if face.width * face.height > _SECOND_FACE * largest)


def _holding(cards: list[Card], faces: tuple[Face, ...]) -> Card | None:
    """The first card that holds the largest face at a portrait's size; without faces, the likeliest card."""
    if not faces:
        return cards[0] if cards else None
    for candidate in cards:
        sides = [float(np.linalg.norm(candidate.corners[(i + 1) % 4] - candidate.corners[i])) for i in range(4)]
        height = (sides[1] + sides[3]) / 2
        for face in faces:
            middle = (face.x + face.width / 2, face.y + face.height / 2)
            inside = cv2.pointPolygonTest(candidate.corners.reshape(-1, 1, 2), middle, False) > 0
            if inside and portrait_sized(face, height):
                return candidate
    return None


def _upright_corners(corners: Points, faces: tuple[Face, ...]) -> Points:
    """Corners turned by half so that up on the card is up of the face (of the picture, without one)."""
    up = np.array([0.0, -1.0])
    if faces:
        up = faces[0].landmarks[0:2].mean(axis=0) - faces[0].landmarks[3:5].mean(axis=0)
    card_up = (corners[0] + corners[1] - corners[2] - corners[3]) / 2
    return corners if float(card_up @ up) >= 0 else np.ascontiguousarray(np.roll(corners, 2, axis=0))


def _faces_on(flat: Pixels) -> tuple[Face, ...]:
    for side in _FACE_SIDES:
        faces = detector.detect(flat, long_side=side)
        if faces:
            return faces
    return ()


def _scaled(face: Face, scale: float) -> Face:
    return Face(
        face.x * scale, face.y * scale, face.width * scale, face.height * scale, face.landmarks * scale, face.score
    )


def _face_box(flat: Pixels, face: Face) -> card_quality.Box:
    height, width = flat.shape[:2]
    return (
        face.x / width,
        face.y / height,
        (face.x + face.width) / width,
        (face.y + face.height) / height,
    )


def _bounded(pixels: Pixels) -> Pixels:
    """At most ``card.FLAT_WIDTH`` wide."""
    scale = card.FLAT_WIDTH / pixels.shape[1]
    if scale >= 1:
        return pixels
    return np.asarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
