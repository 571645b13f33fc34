"""Recorded clips of real faces, cut to the steps of a challenge: for tests, bench, laboratory and demonstration.

The clips are not part of the product (``BETPE_SHARED``, its folder ``data/video``); this table says, frame by frame and
judged by eye, where in them a person looks straight, turns, nods, blinks, opens the mouth or talks. Screen light and
coming nearer are computed (``staging``), because nobody in the clips was asked for them.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import av
import cv2
import numpy as np

from verification import staging
from verification.challenge import Kind, Script
from verification.contract import Frame, Pixels
from verification.measures import FaceMeasures, FaceMeter

SIZE: Final = (640, 480)
RATE: Final = 30.0
"""Frames a second of the clips."""
CAMERA_RATE: Final = 15.0
"""Frames a second at which a take is shown, as the service samples them during a challenge."""

Stretch = tuple[int, ...]
"""Frame numbers to run through, there and back: (196, 170, 196)."""


@dataclass(frozen=True, slots=True)
class Cast:
    """What is to be seen where in one clip."""

    share: float
    """Size at which the clip is shown, so that the eyes are as far apart as of a head _AWAY from a phone's camera."""
    rest: tuple[int, int]
    acts: Mapping[Kind, tuple[Stretch, ...]]
    talk: tuple[tuple[int, int], ...] = ()

    @property
    def used(self) -> frozenset[int]:
        """Numbers of the frames that a take can show."""
        parts = [self.rest, *self.talk, *((min(s), max(s)) for acts in self.acts.values() for s in acts)]
        return frozenset(number for first, last in parts for number in range(first, last + 1))


CASTS: Final[Mapping[str, Cast]] = {
    "liveportrait_d3": Cast(
        0.5,
        (191, 196),
        {
            Kind.TURN_LEFT: ((196, 170, 196), (292, 265, 292), (133, 162, 133)),
            Kind.TURN_RIGHT: ((194, 213, 194), (31, 18, 31), (236, 216, 194)),
        },
    ),
    "liveportrait_d10": Cast(
        0.58,
        (170, 215),
        {Kind.BLINK: ((216, 231), (327, 345)), Kind.OPEN_MOUTH: ((90, 125),)},
        ((4, 80), (380, 440)),
    ),
    "liveportrait_d13": Cast(
        0.95,
        (336, 350),
        {Kind.BLINK: ((37, 51), (75, 87), (98, 109), (308, 323))},
        ((12, 40), (55, 75), (84, 112)),
    ),
    "liveportrait_d14": Cast(
        0.54,
        (0, 12),
        {Kind.BLINK: ((12, 23), (105, 113), (279, 291)), Kind.NOD: ((424, 455),)},
    ),
}


@dataclass(frozen=True, slots=True)
class Clip:
    """Those of a clip's frames that a take can show, by number, each 640 x 480."""

    name: str
    pixels: Mapping[int, Pixels]

    @property
    def cast(self) -> Cast:
        """Where what is to be seen."""
        return CASTS[self.name]


@dataclass(frozen=True, slots=True)
class Shot:
    """One frame of a take: which source frame is shown when, in which light, how much nearer."""

    at: float
    clip: str
    source: int
    shade: str = ""
    near: float = 1.0


@dataclass(frozen=True, slots=True)
class Take:
    """A performance of a script: frames to show, and when each step has to have been shown for it to fit."""

    script: Script
    shots: tuple[Shot, ...]
    prompts: tuple[float, ...]


def missing(folder: Path) -> list[str]:
    """Names of the clips that are not in ``folder``."""
    return [name for name in CASTS if not (folder / f"{name}.mp4").is_file()]


def load(folder: Path, name: str) -> Clip:
    """Decode one clip. Raises KeyError for a name that is not in CASTS, OSError where it cannot be read."""
    if name not in CASTS:
        raise KeyError(name)
    used = CASTS[name].used
    frames: dict[int, Pixels] = {}
    with av.open(str(folder / f"{name}.mp4")) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in used:
                frames[number] = _framed(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8), CASTS[name].share)
    return Clip(name, frames)


def kinds_of(names: Sequence[str]) -> frozenset[Kind]:
    """The steps that clips of these names can show together."""
    found = {Kind.COLOUR_FLASH, Kind.COME_CLOSER}
    for name in names:
        found |= CASTS[name].acts.keys()
        if CASTS[name].talk:
            found.add(Kind.READ_DIGITS)
    return frozenset(found)


def perform(
    script: Script,
    names: Sequence[str],
    random: Random,
    rate: float = CAMERA_RATE,
    begin: float = 0.0,
) -> Take:
    """Cut the clips to the script, with a person's delays. The first name is whose rest is shown between the acts.

    Raises KeyError for a step that none of the clips can show.
    """
    home = names[0]
    events: list[tuple[float, str, list[int]]] = []
    lights: list[tuple[float, float, str]] = []
    nearing: list[float] = []
    prompts: list[float] = []
    now = begin + 1.0
    for step in script.steps:
        now += step.rest + random.uniform(0.2, 0.6)
        prompts.append(now)
        start = now + random.uniform(0.4, 1.0)
        end = start
        if step.kind is Kind.COLOUR_FLASH:
            delay, seconds = random.uniform(0.1, 0.4), float(step.parameters["seconds"])
            for i, shade in enumerate(step.parameters["shades"]):
                lights.append((now + delay + i * seconds, now + delay + (i + 1) * seconds, shade))
            end = lights[-1][1]
        elif step.kind is Kind.COME_CLOSER:
            nearing.append(start)
            end = start + _NEARING_SECONDS
        elif step.kind is Kind.READ_DIGITS:
            delay, seconds = random.uniform(0.35, 0.75), float(step.parameters["seconds"])
            for i, slot in enumerate(step.parameters["slots"]):
                if slot:
                    events.append((now + delay + i * seconds, *_said(names, random)))
            end = now + delay + len(step.parameters["slots"]) * seconds
        else:
            for _ in range(int(step.parameters.get("times", 1))):
                clip, frames = _act(names, step.kind, random)
                events.append((end, clip, frames))
                end += len(frames) / RATE + (random.uniform(0.2, 0.45) if step.kind is Kind.BLINK else 0.0)
        now = end + 0.3
    count = int((now + 1.5 - begin) * rate)
    shots = []
    for number in range(count):
        at = begin + number / rate
        clip, source = home, _resting(CASTS[home].rest, at)
        for started, name, frames in events:
            place = int((at - started) * RATE)
            if 0 <= place < len(frames):
                clip, source = name, frames[place]
        shade = next((s for a, b, s in lights if a <= at < b), "")
        shots.append(Shot(at, clip, source, shade, max((_nearness(at - t) for t in nearing), default=1.0)))
    return Take(script, tuple(shots), tuple(prompts))


def render(
    take: Take, clips: Mapping[str, Clip], gain: float = 0.15, flat: bool = False, light: bool = True
) -> list[Frame]:
    """The take's frames. ``flat`` brings a picture nearer, not a head; without ``light`` no screen shines on it."""
    meters: dict[tuple[str, int], FaceMeter] = {}
    frames = []
    for number, shot in enumerate(take.shots):
        pixels = clips[shot.clip].pixels[shot.source]
        if (shot.shade and light) or shot.near > 1:
            key = (shot.clip, shot.source)
            if key not in meters:
                meters[key] = FaceMeter()
                meters[key].measure(Frame(pixels, 0, 0.0))
            points = meters[key].points
            if points is not None and shot.near > 1:
                before = _AWAY
                pixels = (
                    staging.enlarged(pixels, points, shot.near)
                    if flat
                    else staging.nearer(pixels, points, before, before / shot.near)
                )
            if points is not None and shot.shade and light:
                low, high = points[:, :2].min(axis=0) / SIZE, points[:, :2].max(axis=0) / SIZE
                box = (float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1]))
                pixels = staging.lit(pixels, shot.shade, gain, box)
        frames.append(Frame(pixels, round(number * 90000 / CAMERA_RATE) % 2**32, shot.at))
    return frames


def measured(take: Take, measures: Mapping[str, Mapping[int, FaceMeasures]], gain: float = 0.15) -> list[FaceMeasures]:
    """The take in numbers only, from measures of each clip's frames: thousands of scripts in seconds.

    Acts of other clips are carried over to the first clip's face: angles and openings as differences from the rest of
    their own clip, eyes as ratios.
    """
    home = _rest_of(measures[take.shots[0].clip], CASTS[take.shots[0].clip].rest)
    rests = {name: _rest_of(rows, CASTS[name].rest) for name, rows in measures.items()}
    out = []
    for shot in take.shots:
        m, rest = measures[shot.clip][shot.source], rests[shot.clip]
        skin = m.skin
        if shot.shade:
            linear = [((int(shot.shade[i : i + 2], 16) / 255 + 0.055) / 1.055) ** 2.4 for i in (1, 3, 5)]
            skin = (
                skin[0] * (1 + gain * linear[0]),
                skin[1] * (1 + gain * linear[1]),
                skin[2] * (1 + gain * linear[2]),
            )
        eyes = home.eyes / rest.eyes
        out.append(
            replace(
                m,
                at=shot.at,
                yaw=m.yaw - rest.yaw + home.yaw,
                pitch=m.pitch - rest.pitch + home.pitch,
                mouth=max(0.0, m.mouth - rest.mouth + home.mouth),
                right_eye=m.right_eye * eyes,
                left_eye=m.left_eye * eyes,
                eye_distance=m.eye_distance / rest.eye_distance * home.eye_distance * shot.near,
                nearing=(shot.near - 1) / _AWAY if shot.near > 1 else None,
                box=home.box,
                skin=skin,
            )
        )
    return out


_AWAY: Final = 60.0
"""Centimetres at which a person holds a phone or sits before a screen, for the computed nearing."""
_NEARING_SECONDS: Final = 2.8


def _nearness(since: float) -> float:
    """Growth of the face while somebody leans forward for a second, stays and goes back."""
    return float(np.interp(since, [0.0, 1.0, 2.0, _NEARING_SECONDS], [1.0, 1.55, 1.55, 1.0]))


def _framed(pixels: Pixels, share: float) -> Pixels:
    """The picture, ``share`` of what fits into SIZE, in the middle of a frame that it fades into.

    Bars with hard edges round it would be a frame round a face, which is a sign of attack (``signals``).
    """
    height, width = pixels.shape[:2]
    scale = share * min(SIZE[0] / width, SIZE[1] / height)
    small = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
    tiny = cv2.GaussianBlur(cv2.resize(pixels, (32, 24), interpolation=cv2.INTER_AREA), (0, 0), 3)
    ground = np.asarray(cv2.resize(tiny, SIZE, interpolation=cv2.INTER_CUBIC), np.float32)
    left, top = (SIZE[0] - small.shape[1]) // 2, (SIZE[1] - small.shape[0]) // 2
    x, y = np.arange(small.shape[1]), np.arange(small.shape[0])
    fade_x = np.clip(np.minimum(x, x[::-1]) / _FADE, 0, 1)
    fade_y = np.clip(np.minimum(y, y[::-1]) / _FADE, 0, 1)
    part = (fade_y[:, None] * fade_x[None, :])[..., None].astype(np.float32)
    window = ground[top : top + small.shape[0], left : left + small.shape[1]]
    window[...] = small * part + window * (1 - part)
    return np.asarray(np.clip(ground + 0.5, 0, 255), np.uint8)


_FADE: Final = 24.0
"""Pixels over which the picture fades into its ground."""


def _resting(rest: tuple[int, int], at: float) -> int:
    """To and fro through the frames of rest, at half their speed."""
    length = max(1, rest[1] - rest[0])
    place = int(at * RATE / 2) % (2 * length)
    return rest[0] + min(place, 2 * length - place)


def _expanded(stretch: Stretch) -> list[int]:
    frames = [stretch[0]]
    for start, end in itertools.pairwise(stretch):
        frames += range(start + 1, end + 1) if end > start else range(start - 1, end - 1, -1)
    return frames


def _act(names: Sequence[str], kind: Kind, random: Random) -> tuple[str, list[int]]:
    choices = [(name, stretch) for name in names for stretch in CASTS[name].acts.get(kind, ())]
    if not choices:
        raise KeyError(kind)
    name, stretch = random.choice(choices)
    return name, _expanded(stretch)


def _said(names: Sequence[str], random: Random) -> tuple[str, list[int]]:
    """About half a second of speech."""
    choices = [(name, part) for name in names for part in CASTS[name].talk]
    if not choices:
        raise KeyError(Kind.READ_DIGITS)
    name, (first, last) = random.choice(choices)
    length = random.randint(13, 18)
    start = random.randint(first, max(first, last - length))
    return name, list(range(start, min(last, start + length)))


def _rest_of(rows: Mapping[int, FaceMeasures], rest: tuple[int, int]) -> FaceMeasures:
    """The median frame of a clip's rest, measure by measure."""
    part = [rows[number] for number in range(rest[0], rest[1] + 1)]

    def middle(values: list[float]) -> float:
        return float(np.median(values))

    return replace(
        part[0],
        yaw=middle([m.yaw for m in part]),
        pitch=middle([m.pitch for m in part]),
        mouth=middle([m.mouth for m in part]),
        right_eye=middle([m.right_eye for m in part]),
        left_eye=middle([m.left_eye for m in part]),
        eye_distance=middle([m.eye_distance for m in part]),
    )
