"""What a phone's camera makes of a flat card: perspective on a desk, uneven light, blur, noise, glare, JPEG.

Used to draw test material whose truth is known. It is a model, not a measurement of a camera: figures measured on it
say how a reader behaves under each damage, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification.contract import Pixels

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Shot:
    """How a card is photographed. The defaults are an ordinary, careful photograph.

    ``fill``: card width over picture width; ``turn``: degrees in the picture's plane; ``tilt_x``, ``tilt_y``: degrees
    out of it; ``blur``: sigma of the defocus in pixels; ``motion``: length of the shake in pixels; ``noise``: sigma in
    grey levels; ``light``: brightness of the darkest side over that of the lightest; ``exposure``: factor on all;
    ``glare``: strength 0..1 of a lamp's reflection at ``glare_at`` (fractions of the card) of ``glare_size`` (fraction
    of its width); ``shadow``: 0..1, how much a hand's shadow takes; ``quality``: of the JPEG, 1..100.
    """

    width: int = 1600
    height: int = 1200
    fill: float = 0.72
    turn: float = 3.0
    tilt_x: float = 6.0
    tilt_y: float = -5.0
    offset: tuple[float, float] = (0.02, -0.01)
    blur: float = 0.6
    motion: float = 0.0
    noise: float = 3.0
    light: float = 0.8
    exposure: float = 1.0
    glare: float = 0.0
    glare_at: tuple[float, float] = (0.7, 0.3)
    glare_size: float = 0.12
    shadow: float = 0.0
    clutter: bool = False
    quality: int = 88


_FOCAL: Final = 1.2
"""Focal length over picture width: about that of a phone's main camera (26 mm on a 36 mm wide frame gives 0.72; people
hold a card nearer the middle of a zoomed picture)."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """Picture, and where the card's corners are in it: 4x2 pixels, clockwise from the card's own top left."""

    jpeg: bytes
    pixels: Pixels
    corners: Points


def photograph(card: Pixels, shot: Shot, seed: int) -> Photograph:
    """Take one picture of a flat card. The same arguments give the same bytes."""
    random = np.random.default_rng(seed)
    corners = card_corners(card, shot)
    flat = np.array([[0, 0], [card.shape[1], 0], [card.shape[1], card.shape[0]], [0, card.shape[0]]], np.float32)
    homography = np.asarray(cv2.getPerspectiveTransform(flat, corners), np.float64)
    size = (shot.width, shot.height)
    scene = _desk(shot, random).astype(np.float32)
    # Reduce first where the card becomes smaller, or its fine print aliases as no lens would let it.
    scale = float(np.linalg.norm(corners[1] - corners[0])) / card.shape[1]
    soft = cv2.GaussianBlur(card, (0, 0), 0.45 / scale) if scale < 0.9 else card
    laid = cv2.warpPerspective(soft, homography, size, flags=cv2.INTER_LINEAR).astype(np.float32)
    mask = cv2.warpPerspective(_rounded(card.shape[1], card.shape[0]), homography, size)[..., None] / 255.0
    dropped = cv2.GaussianBlur(np.roll(mask[..., 0], (6, 4), (0, 1)), (0, 0), 9)[..., None]
    scene = scene * (1 - 0.45 * dropped) * (1 - mask) + laid * mask
    scene *= _light(shot, random)[..., None]
    if shot.glare:
        scene += _glare(shot, homography, card, scene.shape[:2])[..., None]
    scene = _lens(scene, shot)
    scene += random.normal(0, shot.noise, scene.shape).astype(np.float32)
    pixels: Pixels = np.clip(scene, 0, 255).astype(np.uint8)
    done, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, shot.quality])
    if not done:
        raise ValueError("the JPEG encoder refused the pixels")
    return Photograph(encoded.tobytes(), pixels, corners)


def card_corners(card: Pixels, shot: Shot) -> Points:
    """Where a pinhole camera sees the card's corners: 4x2 pixels, clockwise from the card's own top left."""
    half_width = 0.5 * shot.width * shot.fill
    half_height = half_width * card.shape[0] / card.shape[1]
    corners = np.array(
        [
            [-half_width, -half_height, 0],
            [half_width, -half_height, 0],
            [half_width, half_height, 0],
            [-half_width, half_height, 0],
        ]
    )
    x, y, z = (np.radians(angle) for angle in (shot.tilt_x, shot.tilt_y, shot.turn))
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    turned = corners @ (about_z @ about_y @ about_x).T
    focal = _FOCAL * shot.width
    seen = turned[:, :2] * (focal / (focal + turned[:, 2:3]))
    centre = np.array([shot.width * (0.5 + shot.offset[0]), shot.height * (0.5 + shot.offset[1])])
    return np.asarray(seen + centre, np.float32)


def _rounded(width: int, height: int) -> Pixels:
    """Mask of a card with ISO/IEC 7810 corners: radius 3.18 mm of 85.6 mm."""
    radius = round(width * 3.18 / 85.6)
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (radius, 0), (width - radius, height), 255, -1)
    cv2.rectangle(mask, (0, radius), (width, height - radius), 255, -1)
    for x, y in (
        (radius, radius),
        (width - radius, radius),
        (radius, height - radius),
        (width - radius, height - radius),
    ):
        cv2.circle(mask, (x, y), radius, 255, -1, cv2.LINE_AA)
    return mask


def _desk(shot: Shot, random: np.random.Generator) -> Pixels:
    """A table top: a dull colour with grain along one direction, and papers and a pen where there is clutter."""
    colour = np.array([random.uniform(60, 110), random.uniform(80, 130), random.uniform(100, 160)], np.float32)
    grain = random.normal(0, 1, (shot.height // 2 + 1, shot.width // 16 + 1)).astype(np.float32)
    soft = cv2.GaussianBlur(grain, (0, 0), 1.2)
    soft = cv2.resize(soft, (shot.width, shot.height), interpolation=cv2.INTER_CUBIC)
    desk: Pixels = np.clip(colour + 22 * soft[..., None], 0, 255).astype(np.uint8)
    if shot.clutter:
        for _ in range(6):
            centre = (float(random.uniform(0, shot.width)), float(random.uniform(0, shot.height)))
            side = (float(random.uniform(0.2, 0.5) * shot.width), float(random.uniform(0.2, 0.5) * shot.height))
            box = cv2.boxPoints((centre, side, float(random.uniform(0, 90)))).astype(np.int32)
            shade = tuple(float(value) for value in random.uniform(40, 240, 3))
            cv2.fillPoly(desk, [box], shade)
            for line in range(8):
                y = int(box[:, 1].mean()) + line * 22 - 80
                cv2.line(desk, (int(box[:, 0].min()), y), (int(box[:, 0].max()), y), (70, 60, 60), 2)
    return desk


def _light(shot: Shot, random: np.random.Generator) -> NDArray[np.float32]:
    """Brightness across the picture: a slope in a random direction, and a soft shadow's edge."""
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0 : shot.height, 0 : shot.width].astype(np.float32)
    along = x / shot.width * np.cos(angle) + y / shot.height * np.sin(angle)
    along = (along - along.min()) / (along.max() - along.min())
    light = shot.exposure * (shot.light + (1 - shot.light) * along)
    if shot.shadow:
        edge = 0.5 * shot.width + 0.25 * (y - shot.height / 2)
        light = light * (1 - shot.shadow / (1 + np.exp((edge - x) / (0.01 * shot.width))))
    return np.asarray(light, np.float32)


def _glare(shot: Shot, homography: NDArray[np.float64], card: Pixels, size: tuple[int, int]) -> NDArray[np.float32]:
    """A lamp mirrored in the card's surface: saturated in the middle, fading outwards."""
    spot = np.array([[[shot.glare_at[0] * card.shape[1], shot.glare_at[1] * card.shape[0]]]], np.float32)
    at_x, at_y = cv2.perspectiveTransform(spot, homography)[0, 0]
    radius = shot.glare_size * shot.fill * shot.width
    y, x = np.mgrid[0 : size[0], 0 : size[1]].astype(np.float32)
    away = np.hypot(x - at_x, (y - at_y) * 1.4) / radius
    return np.asarray(420 * shot.glare * np.exp(-(away**2)), np.float32)


def _lens(scene: NDArray[np.float32], shot: Shot) -> NDArray[np.float32]:
    seen = scene
    if shot.blur:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), shot.blur), np.float32)
    if shot.motion:
        length = int(np.ceil(shot.motion)) | 1
        kernel = np.zeros((length, length), np.float32)
        cv2.line(kernel, (0, length // 2 + length // 6), (length - 1, length // 2 - length // 6), 1.0, 1)
        seen = np.asarray(cv2.filter2D(seen, -1, kernel / kernel.sum()), np.float32)
    return seen
