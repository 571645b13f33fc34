"""Passive signs of a presentation or injection attack: each a number with its model; none of them alone decides.

Every signal is turned into a suspicion 0..1 between what genuine calls show and what attacks show (LIMITS, measured by
``python -m verification attacks``), weighted so that no single one reaches REFER. Together they make a risk; a risk of
REFER and more sends the session to a second person, it never refuses anybody.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from verification import parallax
from verification.contract import CheckResult, Frame, Outcome, Pixels, Sender
from verification.measures import FaceMeasures, FaceMeter

CHECK: Final = "injection"
VERSION: Final = "1"
REFER: Final = 0.5

_LOOKS: Final = 8
"""Frames of a sequence that are looked at closely; the cheap signs use all."""
_CROP: Final = 256
_GREY = NDArray[np.float32]

VIRTUAL_CAMERAS: Final = (
    "obs", "virtual", "manycam", "snap camera", "xsplit", "droidcam", "iriun", "epoccam", "camtwist", "splitcam",
    "youcam", "e2esoft", "vcam", "v4l2loopback", "dummy video", "akvirtual", "webcamoid", "sparkocam", "fakewebcam",
    "fake_device", "unity video capture", "mmhmm", "prism live", "nvidia broadcast", "reincubate", "ndi",
    "deepfacelive",
)  # fmt: skip
"""Parts of names under which software cameras present themselves (products' own documentation). Phones used as cameras
are among them, so a hit is a reason to look, not proof."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How a signal's number becomes a suspicion."""

    calm: float
    """At this and beyond (on the other side) the suspicion is 0: genuine calls' 95th percentile."""
    alarming: float
    """From here on it is 1."""
    weight: float
    """Share of the risk that the signal alone can make; under REFER."""
    model: str
    error: float | None = None
    """Equal error rate against ``against`` in the laboratory (docs/attacks.md); None: not measured there."""
    against: str = ""


LIMITS: Final[Mapping[str, Limit]] = {
    "moire": Limit(4.5, 9.0, 0.45, "largest peak of the face's spectrum over its ring", 0.0, "screen_replay"),
    "frame_around_face": Limit(2.0, 4.0, 0.45, "sides of a straight frame round the face, 0..4", 0.0, "screen_replay"),
    "gamut": Limit(0.018, 0.008, 0.25, "spread of the face's hue (Lab), low in prints", 0.234, "print"),
    "sharpness": Limit(0.05, 0.02, 0.2, "Laplacian over contrast of the face: plain blur", 0.0, "print"),
    "frozen": Limit(0.1, 0.5, 0.45, "share of frames equal to the one before"),
    "repeated": Limit(0.3, 0.8, 0.2, "share of frames seen before, at least 1.5 s ago"),
    "seam": Limit(3.0, 5.0, 0.2, "edge along the face's outline over the edges beside it", 0.25, "face_swap"),
    "flat_turn": Limit(0.45, 0.2, 0.45, "parallax of a turned head over the sine of its angle"),
    "clock_too_regular": Limit(0.2, 0.02, 0.05, "deviation of capture intervals, ms"),
    "virtual_camera": Limit(0.0, 1.0, 0.45, "name of the device"),
    "camera_did_not_answer": Limit(2.0, 5.0, 0.3, "seconds until a requested change of picture size arrived"),
}
"""Order of the report. What each is worth on the laboratory's data is in docs/attacks.md."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One sign."""

    name: str
    value: float
    suspicion: float
    """0..1."""
    model: str


def observe(frames: Sequence[Frame], sender: Sender | None = None) -> tuple[Signal, ...]:
    """All signals that these frames (a few seconds of one stream, in order) can give."""
    known = sender or Sender()
    meter = FaceMeter()
    chosen = set(np.linspace(0, len(frames) - 1, min(len(frames), _LOOKS)).astype(int).tolist())
    looks: list[tuple[Frame, FaceMeasures, NDArray[np.float32]]] = []
    for number, frame in enumerate(frames):
        if number in chosen:
            measures = meter.measure(frame)
            if measures is not None and meter.points is not None:
                looks.append((frame, measures, meter.points))
    values: dict[str, float | None] = {
        **_of_faces(looks),
        **_of_time(frames, known.rtp_timestamps),
        "flat_turn": _flat_turn(looks),
        "virtual_camera": float(is_virtual_camera(known.device_label)) if known.device_label else None,
        "camera_did_not_answer": known.size_answer,
    }
    return tuple(signal(name, value) for name, value in values.items() if value is not None and not math.isnan(value))


def signal(name: str, value: float) -> Signal:
    """A signal from its number."""
    limit = LIMITS[name]
    share = (min(value, 1e9) - limit.calm) / (limit.alarming - limit.calm)
    return Signal(name, round(float(value), 5), round(min(1.0, max(0.0, share)), 4), limit.model)


def risk(signals: Sequence[Signal]) -> float:
    """0..1: one minus the product of what each sign leaves (noisy or)."""
    left = 1.0
    for found in signals:
        left *= 1 - LIMITS[found.name].weight * found.suspicion
    return round(1 - left, 4)


def check(signals: Sequence[Signal]) -> CheckResult:
    """check = "injection": passed under REFER, else inconclusive with the strongest signs first; never failed."""
    total = risk(signals)
    strongest = sorted(signals, key=lambda s: -LIMITS[s.name].weight * s.suspicion)
    reasons = tuple(f"sign_{s.name}" for s in strongest if s.suspicion >= 0.5)
    details: dict[str, Any] = {
        s.name: {
            "value": s.value,
            "suspicion": s.suspicion,
            "model": s.model,
            "error": LIMITS[s.name].error,
            "against": LIMITS[s.name].against,
        }
        for s in signals
    }
    if not signals:
        return CheckResult(CHECK, Outcome.INCONCLUSIVE, ("no_signals",), model="passive-signs", version=VERSION)
    outcome = Outcome.PASSED if total < REFER else Outcome.INCONCLUSIVE
    said = reasons if outcome is Outcome.INCONCLUSIVE else ("no_sign_of_attack",)
    return CheckResult(CHECK, outcome, said, total, REFER, None, "passive-signs", VERSION, 0.0, details)


def is_virtual_camera(label: str) -> bool:
    """Whether a camera's name is that of a known software camera."""
    plain = re.sub(r"\s+", " ", label.lower())
    return any(re.search(rf"(?<![a-z]){re.escape(name)}(?![a-z])", plain) for name in VIRTUAL_CAMERAS)


def turn_depth(rest: parallax.Look, turned: parallax.Look, degrees: float) -> float:
    """Parallax of a turn over the sine of its angle: near 1 for a head, near 0 for a picture that is bent or moved."""
    angle = abs(math.sin(math.radians(degrees)))
    return parallax.motion(rest, turned).turning / angle if angle > 0.1 else math.nan


def _of_faces(looks: Sequence[tuple[Frame, FaceMeasures, NDArray[np.float32]]]) -> dict[str, float | None]:
    """Signs of single pictures: the median over the frames looked at."""
    if not looks:
        return {}
    rows: list[dict[str, float]] = []
    for frame, measures, points in looks:
        crop = _face_crop(frame.pixels, measures)
        grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.float32)
        lab = np.asarray(cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_BGR2LAB))[64:192, 64:192]
        rows.append(
            {
                "moire": moire(grey),
                "frame_around_face": float(frame_sides(frame.pixels, measures.box)),
                "gamut": float(np.std(lab[..., 1]) + np.std(lab[..., 2])) / 255,
                "sharpness": sharpness(grey),
                "seam": seam(frame.pixels, points),
            }
        )
    return {name: float(np.median([row[name] for row in rows])) for name in rows[0]}


def _flat_turn(looks: Sequence[tuple[Frame, FaceMeasures, NDArray[np.float32]]]) -> float | None:
    """Depth shown by the widest turn among the frames looked at; None where nobody turned by 8 degrees."""
    if len(looks) < 2:
        return None
    yaws = [measures.yaw for _, measures, _ in looks]
    straight = int(np.argmin(np.abs(np.array(yaws) - np.median(yaws))))
    widest = int(np.argmax(np.abs(np.array(yaws) - yaws[straight])))
    degrees = yaws[widest] - yaws[straight]
    if abs(degrees) < 8:
        return None
    before, after = (parallax.look(looks[i][0].pixels, looks[i][2]) for i in (straight, widest))
    return turn_depth(before, after, degrees)


def _of_time(frames: Sequence[Frame], rtp_timestamps: Sequence[int]) -> dict[str, float | None]:
    """Signs of the sequence: frozen, repeated, a clock too regular."""
    if len(frames) < 3:
        return {}
    small = np.stack(
        [
            np.asarray(cv2.resize(cv2.cvtColor(f.pixels, cv2.COLOR_BGR2GRAY), (64, 48), interpolation=cv2.INTER_AREA))
            for f in frames
        ]
    ).astype(np.float32)
    steps = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2))
    times = np.array([f.received_at for f in frames])
    repeated = 0
    for number in range(len(frames)):
        earlier = np.flatnonzero(times <= times[number] - 1.5)
        if len(earlier) and float(np.abs(small[earlier] - small[number]).mean(axis=(1, 2)).min()) < 0.25:
            repeated += 1
    return {
        "frozen": float((steps < 0.02).mean()),
        "repeated": repeated / len(frames),
        "clock_too_regular": jitter(rtp_timestamps or [f.rtp_timestamp for f in frames]),
    }


def jitter(rtp_timestamps: Sequence[int]) -> float:
    """Median deviation of capture intervals, in ms, from whole multiples of the shortest usual one: not every frame is
    looked at. NaN where there are fewer than five intervals; gaps of over 2 s are none."""
    ticks = np.array([((b - a) % 2**32) / 90.0 for a, b in itertools.pairwise(rtp_timestamps)])
    ticks = ticks[(ticks > 1) & (ticks < 2000)]
    if len(ticks) < 5:
        return math.nan
    base = float(np.quantile(ticks, 0.1))
    multiples = np.round(ticks / base)
    usual = float(np.median(ticks / multiples))
    return float(np.median(np.abs(ticks - multiples * usual) / multiples))


def moire(grey: _GREY) -> float:
    """Largest peak in the face's spectrum over the median of its ring, in robust deviations of the ring's logarithms.

    The axes are left out: VP8's 8 x 8 blocks put lines there. Screens and halftone put peaks elsewhere.
    """
    window = np.outer(np.hanning(_CROP), np.hanning(_CROP)).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 3)
    spectrum = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2((grey - smooth) * window))))
    y, x = np.mgrid[-_CROP // 2 : _CROP // 2, -_CROP // 2 : _CROP // 2]
    radius = np.hypot(x, y)
    off_axis = (np.abs(x) > 3) & (np.abs(y) > 3)
    best = 0.0
    for low in range(24, 120, 8):
        ring = spectrum[(radius >= low) & (radius < low + 8) & off_axis]
        middle = float(np.median(ring))
        spread = float(np.median(np.abs(ring - middle))) * 1.4826 + 1e-6
        best = max(best, (float(ring.max()) - middle) / spread)
    return best


def frame_sides(pixels: Pixels, box: tuple[float, float, float, float]) -> int:
    """On how many sides (0..4) of the face a long straight edge runs along it: a bezel, the rim of a sheet."""
    height, width = pixels.shape[:2]
    scale = 320 / width
    grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    edges = cv2.Canny(grey, 40, 120)
    tall = box[3] * height * scale
    lines = cv2.HoughLinesP(edges, 1, math.pi / 180, 40, minLineLength=max(30.0, 0.9 * tall), maxLineGap=6)
    if lines is None:
        return 0
    left, top = box[0] * width * scale, box[1] * height * scale
    right, bottom = left + box[2] * width * scale, top + tall
    sides: set[str] = set()
    for x0, y0, x1, y1 in np.asarray(lines).reshape(-1, 4).astype(float):
        middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
        steep = abs(y1 - y0) > 4 * abs(x1 - x0)
        level = abs(x1 - x0) > 4 * abs(y1 - y0)
        edge_of_picture = min(middle_x, middle_y) < 3 or middle_x > 317 or middle_y > grey.shape[0] - 3
        if edge_of_picture:
            continue
        if steep and top < middle_y < bottom:
            sides |= {"left"} if left - tall < middle_x < left else set()
            sides |= {"right"} if right < middle_x < right + tall else set()
        if level and left - 0.5 * tall < middle_x < right + 0.5 * tall:
            sides |= {"top"} if top - tall < middle_y < top else set()
            sides |= {"bottom"} if bottom < middle_y < bottom + tall else set()
    return len(sides)


def sharpness(grey: _GREY) -> float:
    """Laplacian's deviation over the contrast of the middle of the face."""
    inner = grey[64:192, 64:192]
    return float(cv2.Laplacian(inner, cv2.CV_32F).std() / max(8.0, float(inner.std()))) / 4


def seam(pixels: Pixels, points: NDArray[np.float32]) -> float:
    """Gradient along the outline of the face's inner region over the gradient a little inside and outside it.

    A face laid over another ends in a ring between brows, cheeks and chin, where real skin has no edge.
    """
    ring = points[_INNER_RING, :2]
    centre = ring.mean(axis=0)
    grey = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), (0, 0), 1.0).astype(np.float32)
    gradient = cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))

    def along(share: float) -> float:
        closed = centre + (ring - centre) * share
        dense = np.concatenate(
            [np.linspace(a, b, 6, endpoint=False) for a, b in zip(closed, np.roll(closed, -1, axis=0), strict=True)]
        ).astype(np.float32)
        sampled = cv2.remap(gradient, dense[None, :, 0], dense[None, :, 1], cv2.INTER_LINEAR)
        return float(np.median(np.asarray(sampled)))

    on = max(along(0.97), along(1.0), along(1.03))
    return on / max(4.0, (along(0.88) + along(1.12)) / 2)


_INNER_RING: Final = (
    151, 337, 299, 333, 298, 301, 368, 264, 447, 366, 401, 435, 367, 364, 394, 395, 369, 396,
    175, 171, 140, 170, 169, 135, 138, 215, 177, 137, 227, 34, 139, 71, 68, 104, 69, 108,
)  # fmt: skip
"""The second ring of the mesh: just inside the outline of the face."""


def _face_crop(pixels: Pixels, measures: FaceMeasures) -> Pixels:
    """_CROP x _CROP pixels round the middle of the face, at the frame's own scale where the face is large enough."""
    height, width = pixels.shape[:2]
    x = (measures.box[0] + measures.box[2] / 2) * width
    y = (measures.box[1] + measures.box[3] / 2) * height
    side = max(measures.box[2] * width, measures.box[3] * height) * 1.1
    scale = max(1.0, side / _CROP)
    matrix = np.array([[1 / scale, 0, _CROP / 2 - x / scale], [0, 1 / scale, _CROP / 2 - y / scale]])
    crop = cv2.warpAffine(pixels, matrix, (_CROP, _CROP), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(crop, np.uint8)
