"""Attack species of the face, made from clips and stills: what the camera's stream looks like when somebody cheats.

Each species answers a challenge as far as its instrument can: a print is turned and brought nearer but does not blink,
a recording does its own script, a face swap does everything. All are simulations with the artefacts of their making
(halftone, pixel grid, warp, blend); no instrument was built, so the figures say what the checks see in *these*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import challenge, clips, measures, mesh, staging
from verification.challenge import Kind, Script
from verification.clips import SIZE, Clip, Shot, Take
from verification.contract import Frame, Pixels

Points = NDArray[np.float32]
GAIN: Final = 0.15
"""Screen light over room light at the face, as for the genuine takes."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Who is imitated and who imitates."""

    victim: Clip
    """Recordings of the person who is imitated."""
    attacker: Clip
    script: Script
    """What is asked."""
    take: Take
    """The attacker's own performance of it."""
    random: Random


@dataclass(frozen=True, slots=True)
class Species:
    """One kind of attack."""

    name: str
    interactive: bool
    """It answers the prompts when they come; otherwise it shows something made before."""
    frames: Callable[[Scene], Iterator[Frame]]
    what: str
    performer: str = "attacker"
    """Whose clip has to show the asked acts: the attacker's, or the victim's (recordings played on demand)."""


def _frame(number: int, at: float, pixels: Pixels) -> Frame:
    return Frame(pixels, round(number * 90000 / clips.CAMERA_RATE) % 2**32, at)


def _source(clip: Clip, shot: Shot) -> Pixels:
    return clip.pixels[shot.source]


def points_of(pixels: Pixels) -> Points:
    """The mesh of a picture's face. Raises ValueError where there is none."""
    meter = measures.FaceMeter()
    meter.measure(Frame(pixels, 0, 0.0))
    if meter.points is None:
        raise ValueError("no face")
    return meter.points


class _Meshes:
    """Meshes of a clip's frames, each found once."""

    def __init__(self, clip: Clip) -> None:
        self._clip = clip
        self._found: dict[int, Points] = {}

    def __getitem__(self, source: int) -> Points:
        if source not in self._found:
            self._found[source] = points_of(self._clip.pixels[source])
        return self._found[source]


def _still(clip: Clip) -> Pixels:
    return clip.pixels[clip.cast.rest[0]]


def _lit(pixels: Pixels, shot: Shot, points: Points, gain: float) -> Pixels:
    if not shot.shade:
        return pixels
    low, high = points[:, :2].min(axis=0) / SIZE, points[:, :2].max(axis=0) / SIZE
    box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
    return staging.lit(pixels, shot.shade, gain, box)


def _wanted(scene: Scene, shot: Shot, meshes: _Meshes) -> tuple[float, float]:
    """Yaw and pitch of the attacker's performance against his rest, degrees: how the instrument is turned."""
    yaw, pitch, _ = measures.pose(meshes[shot.source])
    rest_yaw, rest_pitch, _ = measures.pose(meshes[scene.attacker.cast.rest[0]])
    return yaw - rest_yaw, pitch - rest_pitch


def on_paper(pixels: Pixels, random: Random) -> Pixels:
    """A print of a frame: smaller gamut, ink dots at 45 degrees, white margin. Returned on a sheet, SIZE."""
    grey = pixels.mean(axis=2, keepdims=True)
    ink = (grey + (pixels - grey) * random.uniform(0.55, 0.75)) * 0.8 + 28
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    dots = np.sin((x + y) * 2.1) * np.sin((x - y) * 2.1)
    ink = cv2.GaussianBlur((ink + 9 * dots[..., None]).astype(np.float32), (0, 0), 0.8)
    margin = 26
    ink[:margin] = ink[-margin:] = 238
    ink[:, :margin] = ink[:, -margin:] = 238
    return np.asarray(np.clip(ink, 0, 255), np.uint8)


def held(sheet: Pixels, yaw: float, pitch: float, near: float, random: Random) -> Pixels:
    """A flat thing held in a hand before a desk: turned by yaw and pitch (degrees), brought nearer, trembling."""
    width, height = SIZE
    focal, away = 600.0, 600.0 / (0.86 * near)
    a, b = math.radians(yaw), math.radians(pitch)
    turn = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    tilt = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    corners = np.array([[-width / 2, -height / 2, 0], [width / 2, -height / 2, 0], [width / 2, height / 2, 0],
                        [-width / 2, height / 2, 0]]) @ (tilt @ turn).T  # fmt: skip
    shake = np.array([random.gauss(0, 0.8), random.gauss(0, 0.8)])
    seen = corners[:, :2] * focal / (away + corners[:, 2:]) + np.array([width / 2, height / 2]) + shake
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(flat, seen.astype(np.float32))
    desk = np.full((height, width, 3), (88, 96, 104), np.uint8)
    warped = cv2.warpPerspective(sheet, matrix, SIZE, desk, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
    return np.asarray(warped, np.uint8)


def on_screen(pixels: Pixels, number: int) -> Pixels:
    """A frame shown on a monitor with a black bezel and filmed: RGB stripes sampled anew (moire), a refresh band."""
    width, height = SIZE
    large = cv2.resize(pixels, (width * 3 // 2, height * 3 // 2), interpolation=cv2.INTER_LINEAR)
    large = np.repeat(np.repeat(large, 2, axis=0), 3, axis=1).astype(np.float32)
    mask = np.full((1, 3, 3), 0.35, np.float32)
    for column, channel in enumerate((2, 1, 0)):
        mask[0, column, channel] = 1.75
    large *= np.tile(mask, (1, large.shape[1] // 3, 1))
    large[::2] = large[::2] * 0.8
    scale = 0.88 * width / large.shape[1]
    angle = math.radians(2.3)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    high = 0.88 * height / large.shape[0]
    matrix = np.array([[cos, -sin * high / scale, 0.0], [sin, high * math.cos(angle), 0.0]])
    matrix[:, 2] = np.array([width / 2, height / 2]) - matrix[:, :2] @ np.array(
        [large.shape[1] / 2, large.shape[0] / 2]
    )
    filmed = cv2.warpAffine(large, matrix, SIZE, flags=cv2.INTER_LINEAR, borderValue=(12, 12, 14))
    rows = np.arange(height, dtype=np.float32)
    band = 1 + 0.06 * np.sin(2 * math.pi * (rows / height * 1.5 - number * 0.13))
    return np.asarray(np.clip(np.asarray(filmed) * band[:, None, None], 0, 255), np.uint8)


def warped(pixels: Pixels, source: Points, target: Points) -> Pixels:
    """The picture bent so that its mesh ``source`` lies at ``target``; what is far from the face stays."""
    width, height = SIZE
    span = float(np.linalg.norm(target[mesh.RIGHT_EYE[0], :2] - target[mesh.RIGHT_EYE[1], :2]))
    x, y = np.meshgrid(np.linspace(0, width - 1, 48), np.linspace(0, height - 1, 36))
    grid = np.column_stack([x.ravel(), y.ravel()])
    source, target = source[_WARPED_BY], target[_WARPED_BY]
    away = ((grid[:, None, :] - target[None, :, :2]) ** 2).sum(axis=2)
    weights = 1 / (away / span**2 + 2e-3) ** 2
    moved = (weights[..., None] * (source[None, :, :2] - target[None, :, :2])).sum(axis=1) / weights.sum(axis=1)[
        :, None
    ]
    fade = np.clip(1.6 - np.sqrt(away.min(axis=1)) / span, 0, 1)[:, None]
    field = (moved * fade).reshape(36, 48, 2).astype(np.float32)
    full = cv2.resize(field, SIZE, interpolation=cv2.INTER_CUBIC)
    base_x, base_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    bent = cv2.remap(
        pixels, base_x + full[..., 0], base_y + full[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(bent, np.uint8)


_WARPED_BY: Final = np.unique(
    [*range(0, mesh.POINTS, 4), *measures.RIGHT_LID, *measures.LEFT_LID, *measures.LIPS, *measures.FACE_OVAL]
)
"""A third of the mesh, with all of what opens and closes: enough for a bend, and quicker."""


def pasted(face: Pixels, face_points: Points, scene: Pixels, points: Points, feather: float = 4.0) -> Pixels:
    """A face laid over another's, bent to his expression, matched in colour, his own eyes and mouth kept."""
    source, fit = face_points[:, :2].astype(np.float64), similarity(face_points, points)
    near = np.asarray(cv2.warpAffine(face, fit, SIZE, borderMode=cv2.BORDER_REPLICATE), np.uint8)
    there = (source @ fit[:, :2].T + fit[:, 2]).astype(np.float32)
    bent = warped(near, there, points)
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    oval = np.asarray([points[i, :2] for i in measures.FACE_OVAL])
    centre = oval.mean(axis=0)
    cv2.fillPoly(mask, [(centre + (oval - centre) * 0.93).astype(np.int32)], 255)
    inside = mask > 0
    skin = np.asarray(bent, np.float32)
    for channel in range(3):
        mine, his = skin[..., channel][inside], scene[..., channel][inside].astype(np.float32)
        skin[..., channel] = (skin[..., channel] - mine.mean()) * (his.std() / max(1.0, mine.std())) + his.mean()
    for hole in (_EYE_HOLES[0], _EYE_HOLES[1], _MOUTH_HOLE):
        around = points[list(hole), :2]
        middle = around.mean(axis=0)
        cv2.fillPoly(mask, [(middle + (around - middle) * 1.25).astype(np.int32)], 0)
    share = cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), feather)[..., None]
    return np.asarray(np.clip(skin * share + scene * (1 - share), 0, 255), np.uint8)


_EYE_HOLES: Final = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
    (362, 398, 384, 385, 386, 387, 388, 466, 263, 249, 390, 373, 374, 380, 381, 382),
)
_MOUTH_HOLE: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)


def similarity(source: Points, target: Points) -> NDArray[np.float64]:
    """2 x 3: scale, turn and shift that take one mesh nearest to another."""
    pairs = [np.ascontiguousarray(points[:, :2], dtype=np.float64) for points in (source, target)]
    matrix, _ = cv2.estimateAffinePartial2D(pairs[0], pairs[1], method=cv2.LMEDS)
    return np.asarray(matrix, np.float64)


def print_attack(scene: Scene) -> Iterator[Frame]:
    """A photograph on paper: turned, nodded, brought nearer as asked; paper answers the screen's light."""
    still, meshes = _still(scene.victim), _Meshes(scene.attacker)
    sheet, points = on_paper(still, scene.random), points_of(still)
    for number, shot in enumerate(scene.take.shots):
        yaw, pitch = _wanted(scene, shot, meshes)
        shown = held(sheet, 1.6 * yaw, 1.6 * pitch, shot.near, scene.random)
        yield _frame(number, shot.at, _lit(shown, shot, points, GAIN))


def cut_out(scene: Scene) -> Iterator[Frame]:
    """A print with holes for the attacker's own eyes and mouth: it blinks and speaks."""
    still, meshes = _still(scene.victim), _Meshes(scene.attacker)
    sheet = on_paper(still, scene.random)
    points = points_of(still)
    rest = meshes[scene.attacker.cast.rest[0]]
    for number, shot in enumerate(scene.take.shots):
        own = _source(scene.attacker, shot)
        fit = similarity(rest, points)
        behind = cv2.warpAffine(own, fit, SIZE, borderMode=cv2.BORDER_REPLICATE)
        mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
        for hole in (*_EYE_HOLES, _MOUTH_HOLE):
            around = points[list(hole), :2]
            middle = around.mean(axis=0)
            cv2.fillPoly(mask, [(middle + (around - middle) * 1.5).astype(np.int32)], 255)
        mixed = np.where(mask[..., None] > 0, behind, sheet).astype(np.uint8)
        yaw, pitch = _wanted(scene, shot, meshes)
        shown = held(mixed, 1.6 * yaw, 1.6 * pitch, shot.near, scene.random)
        yield _frame(number, shot.at, _lit(shown, shot, points, GAIN))


def _recording(scene: Scene) -> tuple[Take, Clip]:
    """A take of the victim for a script of its own, begun at a random moment."""
    excluded = frozenset(set(Kind) - clips.kinds_of([scene.victim.name]))
    other = challenge.choose(scene.random, excluded=excluded)
    return clips.perform(other, [scene.victim.name], scene.random), scene.victim


def _played(take: Take, clip: Clip, length: int, first: int) -> Iterator[tuple[int, Shot, Pixels]]:
    """A recording played again and again: number, shot, picture (with the nearing that was recorded)."""
    meshes = _Meshes(clip)
    for number in range(length):
        shot = take.shots[(first + number) % len(take.shots)]
        pixels = _source(clip, shot)
        if shot.near > 1:
            pixels = staging.nearer(pixels, meshes[shot.source], 60.0, 60.0 / shot.near)
        yield number, shot, pixels


def screen_replay(scene: Scene) -> Iterator[Frame]:
    """A recording of the victim on a monitor before the camera; the glass mirrors a little of the screen's light."""
    take, clip = _recording(scene)
    points = points_of(_still(clip))
    first = scene.random.randrange(len(take.shots) // 2)
    for number, _, pixels in _played(take, clip, len(scene.take.shots), first):
        asked = scene.take.shots[number]
        yield _frame(number, asked.at, _lit(on_screen(pixels, number), asked, points, 0.02))


def injected_recording(scene: Scene) -> Iterator[Frame]:
    """A recording of the victim, made for another challenge, sent in place of a camera."""
    take, clip = _recording(scene)
    first = scene.random.randrange(len(take.shots) // 2)
    for number, _, pixels in _played(take, clip, len(scene.take.shots), first):
        yield _frame(number, scene.take.shots[number].at, pixels)


def on_demand(scene: Scene) -> Iterator[Frame]:
    """Pieces of recordings of the victim, each played when it is asked for; no light of this screen on them."""
    meshes = _Meshes(scene.victim)
    for number, shot in enumerate(scene.take.shots):
        pixels = _source(scene.victim, shot)
        if shot.near > 1:
            pixels = staging.enlarged(pixels, meshes[shot.source], shot.near)
        yield _frame(number, shot.at, pixels)


def on_demand_relit(scene: Scene) -> Iterator[Frame]:
    """The same, with the asked colours and the nearing computed into the pictures."""
    yield from clips.render(scene.take, {scene.victim.name: scene.victim}, GAIN)


def _animated(scene: Scene, gain: float) -> Iterator[Frame]:
    still, meshes = _still(scene.victim), _Meshes(scene.attacker)
    points = points_of(still)
    rest = meshes[scene.attacker.cast.rest[0]]
    scale = float(np.ptp(points[:, 1]) / np.ptp(rest[:, 1]))
    for number, shot in enumerate(scene.take.shots):
        target = points.copy()
        target[:, :2] += (meshes[shot.source] - rest)[:, :2] * scale
        pixels = warped(still, points, target)
        if shot.near > 1:
            pixels = staging.enlarged(pixels, target, shot.near)
        yield _frame(number, shot.at, _lit(pixels, shot, target, gain))


def animated_picture(scene: Scene) -> Iterator[Frame]:
    """One photograph of the victim, bent by the attacker's own face in real time, sent in place of a camera."""
    yield from _animated(scene, 0.0)


def animated_relit(scene: Scene) -> Iterator[Frame]:
    """The same, with the asked colours computed into the picture."""
    yield from _animated(scene, GAIN)


def face_swap(scene: Scene) -> Iterator[Frame]:
    """The victim's face over the attacker's, who does everything himself, in the light of his own screen."""
    still, meshes = _still(scene.victim), _Meshes(scene.attacker)
    points = points_of(still)
    for number, shot in enumerate(scene.take.shots):
        base = _source(scene.attacker, shot)
        own = meshes[shot.source]
        pixels = pasted(still, points, base, own)
        if shot.near > 1:
            pixels = staging.nearer(pixels, own, 60.0, 60.0 / shot.near)
        yield _frame(number, shot.at, _lit(pixels, shot, own, GAIN))


ALL: Final[Mapping[str, Species]] = {
    one.name: one
    for one in (
        Species("print", True, print_attack, "a photograph on paper, moved by hand"),
        Species("cut_out", True, cut_out, "a print with holes for eyes and mouth"),
        Species("screen_replay", False, screen_replay, "a recording on a monitor before the camera"),
        Species("injected_recording", False, injected_recording, "a recording sent in place of a camera"),
        Species("injected_on_demand", True, on_demand, "pieces of recordings, each sent when asked for", "victim"),
        Species("injected_on_demand_relit", True, on_demand_relit, "the same with light and depth computed", "victim"),
        Species("animated_picture", True, animated_picture, "one photograph bent in real time, injected"),
        Species("animated_picture_relit", True, animated_relit, "the same with the asked colours computed"),
        Species("face_swap", True, face_swap, "another face laid over the attacker's in real time"),
    )
}
