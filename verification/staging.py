"""Light and nearness put on recorded frames: what a screen's colours, a nearing head or a nearing picture would do.

The development clips were not made for challenges, so these two answers are computed. They follow the physics (light
adds in linear light; a point at depth z grows by ``(before + z) / (after + z)``), but they are a simulation, and every
figure that rests on them says so.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import mesh, parallax
from verification.contract import Pixels

_GRID = (64, 48)


def lit(
    pixels: Pixels, shade: str, gain: float, face: tuple[float, float, float, float], around: float = 0.2
) -> Pixels:
    """The frame with a screen of colour ``shade`` (#rrggbb) shining on the person.

    ``gain`` is the screen's white light over the room's at the face (a phone indoors: 0.05 to 0.3); what stands behind,
    farther from the screen, gets the share ``around`` of it. ``face`` is x, y, width, height as fractions.
    """
    height, width = pixels.shape[:2]
    red, green, blue = (((int(shade[i : i + 2], 16) / 255 + 0.055) / 1.055) ** 2.4 for i in (1, 3, 5))
    small_x, small_y = np.meshgrid(np.linspace(0, 1, _GRID[0]), np.linspace(0, 1, _GRID[1]))
    across = (small_x - face[0] - face[2] / 2) / (0.8 * face[2])
    down = (small_y - face[1] - face[3] / 2) / (0.8 * face[3])
    near = np.exp(-((across**2 + down**2) ** 2)).astype(np.float32)
    share = cv2.resize(around + (1 - around) * near, (width, height), interpolation=cv2.INTER_LINEAR)
    answer = 1 + gain * np.asarray(share)[..., None] * np.array([blue, green, red], np.float32)
    linear = (pixels.astype(np.float32) / 255) ** 2.2 * answer
    return np.asarray(np.clip(linear ** (1 / 2.2) * 255 + 0.5, 0, 255), np.uint8)


def nearer(pixels: Pixels, points: NDArray[np.float32], before: float, after: float) -> Pixels:
    """The head of mesh ``points`` (468, 3), ``before`` cm from the camera, as it looks from ``after`` cm."""
    centre = points[6, :2].astype(np.float64)
    depth = np.clip(_depth_map(pixels, points), -4.0, 12.0)
    height, width = pixels.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    from_x, from_y = x, y
    for _ in range(6):  # the depth is known where a point comes from, not where it goes to
        there = cv2.remap(depth, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        growth = (before + np.asarray(there)) / (after + np.asarray(there))
        from_x = (centre[0] + (x - centre[0]) / growth).astype(np.float32)
        from_y = (centre[1] + (y - centre[1]) / growth).astype(np.float32)
    moved = cv2.remap(pixels, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


def enlarged(pixels: Pixels, points: NDArray[np.float32], growth: float) -> Pixels:
    """The same picture, flat, brought nearer: everything grows alike about the bridge of the nose."""
    x, y = (float(v) for v in points[6, :2])
    matrix = np.array([[growth, 0, x * (1 - growth)], [0, growth, y * (1 - growth)]])
    height, width = pixels.shape[:2]
    return np.asarray(cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _depth_map(pixels: Pixels, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centimetres behind the bridge of the nose for each pixel: the canonical face's depths, smoothly continued."""
    height, width = pixels.shape[:2]
    x, y = np.meshgrid(np.linspace(0, width - 1, _GRID[0]), np.linspace(0, height - 1, _GRID[1]))
    span = float(np.linalg.norm(points[mesh.RIGHT_EYE[0], :2] - points[mesh.RIGHT_EYE[1], :2]))
    every = points[::3]
    away = (x.ravel()[:, None] - every[None, :, 0]) ** 2 + (y.ravel()[:, None] - every[None, :, 1]) ** 2
    weights = 1 / (away / span**2 + 1e-3) ** 2
    depth = (weights * parallax.canonical_depths()[None, ::3]).sum(axis=1) / weights.sum(axis=1)
    beyond = np.sqrt(away.min(axis=1)) / span  # past the outline the head and the neck fall away
    depth = depth + 12.0 * np.clip(beyond - 0.1, 0, 1)
    small = depth.reshape(_GRID[1], _GRID[0]).astype(np.float32)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
