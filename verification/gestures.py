"""Recognising one asked act in the measures of the frames since it was shown.

Every recogniser compares the person with herself: her own straight, calm look is the baseline. A recognition says when
the act began, so that one that was under way before it was asked is seen for what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from verification.challenge import Kind, Step
from verification.measures import FaceMeasures

Series = NDArray[np.float64]

MIN_REACTION: Final = 0.25
"""Seconds: nobody answers sooner. Simple visual reaction takes 0.2 s at best, choosing between acts 0.35 s (Hick 1952),
and the prompt has to travel to the page and the picture back."""
TURN: Final = 12.0
"""Degrees of yaw from the person's own straight look: an asked turn reaches 20 to 45, restlessness stays under 8."""
OPPOSITE: Final = 10.0
NOD: Final = 5.0
"""Degrees of pitch downwards: an asked nod reaches 10 to 25, the clips' spontaneous ones 6 to 9, noise is about 1."""
HELD: Final = 0.12
"""Seconds for which a turn has to be there: two frames at 15 frames a second."""
LID: Final = 0.76
"""Share of the person's own open eye below which it is closed: a person with glasses in the clips goes down to 0.70."""
LONGEST_BLINK: Final = 1.2
MOUTH: Final = 0.3
"""Opening over width, above the person's own: speech holds less but for single frames, an open mouth 0.5 to 0.9."""
MOUTH_HELD: Final = 0.3
CLOSER: Final = 1.4
"""Growth of the distance between the eyes: as from 60 to 43 cm."""
NEARING: Final = 0.0022
"""1/cm of parallax.Motion.nearing that must go with it: clips warped as heads at 60 cm nearing to 43 measure 0.0030 to
0.0065, the same pictures merely enlarged at most 0.0014 (docs/liveness.md)."""
LIPS_MOVE: Final = 0.05
"""Change of the mouth's opening while a digit is said."""
LIPS_CONTRAST: Final = 1.5
"""The least movement in a slot with a digit over the greatest in a slot without."""
LIPS_LAGS: Final = tuple(np.arange(0.2, 0.95, 0.1).tolist())
FLASH_CORRELATION: Final = 0.72
"""Clips without screen light reach 0.65 in 1% and 0.75 in 0.1% of 1500 random sequences; with light, after VP8 at
400 kbit/s, 0.80 to 0.93 (docs/liveness.md)."""
FLASH_GAIN: Final = 0.008
"""Least answer of the skin's hue to a full change of the screen's: a phone gives 0.03 to 0.15 indoors; noise 0.003."""
FLASH_LAGS: Final = tuple(np.arange(0.05, 0.65, 0.05).tolist())


@dataclass(frozen=True, slots=True)
class Baseline:
    """The person's own calm, straight look: medians over its frames."""

    yaw: float
    pitch: float
    eyes: float
    mouth: float
    eye_distance: float


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the frames since the prompt show of the asked act."""

    done: bool = False
    refused: str = ""
    """A reason that ends the step at once: wrong_direction, wrong_action, too_early."""
    missing: str = "not_answered"
    """The reason when the window ends like this."""
    progress: float = 0.0
    """0..1, how much of the act is there, for the page and for choosing the frame that shows it best."""
    score: float = 0.0
    """The act's own figure: degrees, blinks, growth, correlation."""
    peak: int | None = None
    """Index, among the frames given, of the one that shows the act best."""


def baseline(calm: Sequence[FaceMeasures]) -> Baseline:
    """Medians over at least one frame."""
    rows = np.array([(m.yaw, m.pitch, m.eyes, m.mouth, m.eye_distance) for m in calm])
    # eyes: an upper quantile, because people blink while they wait
    middle = np.median(rows, axis=0)
    return Baseline(
        float(middle[0]),
        float(middle[1]),
        float(np.quantile(rows[:, 2], 0.7)),
        float(middle[3]),
        float(middle[4]),
    )


def recognise(step: Step, shown_at: float, seen: Sequence[FaceMeasures], base: Baseline) -> Recognition:
    """Judge the frames received since ``shown_at`` (seconds, same clock as the frames)."""
    if len(seen) < 2:
        return Recognition()
    at = np.array([m.at for m in seen]) - shown_at
    if step.kind in (Kind.TURN_LEFT, Kind.TURN_RIGHT):
        sign = 1.0 if step.kind is Kind.TURN_LEFT else -1.0
        return _turn(at, sign * (np.array([m.yaw for m in seen]) - base.yaw))
    mouth = np.array([m.mouth for m in seen]) - base.mouth
    other = _other_act(step.kind, at, np.array([m.yaw for m in seen]) - base.yaw, mouth)
    if other:
        return Recognition(refused=other)
    if step.kind is Kind.NOD:
        return _nod(at, np.array([m.pitch for m in seen]) - base.pitch)
    if step.kind is Kind.BLINK:
        return _blink(at, np.array([m.eyes for m in seen]) / max(base.eyes, 1e-3), int(step.parameters["times"]))
    if step.kind is Kind.OPEN_MOUTH:
        return _open_mouth(at, mouth)
    if step.kind is Kind.COME_CLOSER:
        size = np.array([m.eye_distance for m in seen]) / max(base.eye_distance, 1e-3)
        return _come_closer(at, size, np.array([np.nan if m.nearing is None else m.nearing for m in seen]))
    if step.kind is Kind.READ_DIGITS:
        return _read_digits(at, mouth, step.parameters)
    return _colour_flash(at, np.array([m.skin for m in seen]), step.parameters)


def _held(at: Series, there: NDArray[np.bool_], seconds: float) -> int | None:
    """Index at which ``there`` has first been true for ``seconds`` on end, over at least two frames."""
    since: float | None = None
    for i, now in enumerate(there):
        if not now:
            since = None
        elif since is None:
            since = float(at[i])
        elif at[i] - since >= seconds:
            return i
    return None


def _turn(at: Series, toward: Series) -> Recognition:
    if _held(at, toward <= -OPPOSITE, HELD) is not None:
        return Recognition(refused="wrong_direction", score=float(toward.min()))
    return _excursion(at, toward, TURN, HELD)


def _excursion(at: Series, value: Series, enough: float, seconds: float) -> Recognition:
    """A value that has to rise to ``enough`` and stay for ``seconds``, having been low when it was asked for."""
    peak = int(np.argmax(value))
    progress = float(np.clip(value[peak] / enough, 0, 1))
    score = round(float(value[peak]), 3)
    if bool((value[at <= MIN_REACTION] >= enough).any()):
        return Recognition(refused="too_early", progress=progress, score=score, peak=peak)
    end = _held(at, value >= enough, seconds)
    return Recognition(done=end is not None, progress=progress, score=score, peak=peak)


def _nod(at: Series, down: Series) -> Recognition:
    """Chin down by NOD and back by half of the way, within the window."""
    first = _excursion(at, down, NOD, HELD)
    if not first.done or first.peak is None:
        return first
    deepest = float(down[first.peak])
    back = down[first.peak :] <= deepest / 2
    return Recognition(bool(back.any()), "", "not_answered", 0.5 + 0.5 * float(back.any()), first.score, first.peak)


def _blink(at: Series, openness: Series, times: int) -> Recognition:
    """Closures of both eyes that begin after the prompt and end in open eyes again."""
    closed = openness < LID
    count, since, best = 0, None, int(np.argmin(openness))
    for i, shut in enumerate(closed):
        if shut and since is None:
            since = i
        elif not shut and since is not None:
            if at[since] >= MIN_REACTION and at[i] - at[since] <= LONGEST_BLINK:
                count += 1
            since = None
    return Recognition(count >= times, "", "not_answered", min(1.0, count / times), float(count), best)


def _open_mouth(at: Series, mouth: Series) -> Recognition:
    return _excursion(at, mouth, MOUTH, MOUTH_HELD)


def _come_closer(at: Series, size: Series, nearing: Series) -> Recognition:
    """The face grows, and does so as a solid head does."""
    grown = _excursion(at, size - 1, CLOSER - 1, HELD)
    measured = nearing[(size >= CLOSER) & np.isfinite(nearing)]
    depth = float(np.median(measured)) if len(measured) else 0.0
    solid = depth >= NEARING
    missing = "no_perspective" if len(measured) and not solid else "not_answered"
    return Recognition(grown.done and solid, grown.refused, missing, grown.progress, round(depth, 5), grown.peak)


def _read_digits(at: Series, mouth: Series, parameters: Mapping[str, Any]) -> Recognition:
    """Lips move in the slots that hold a digit and rest in the others, at one delay of the reader's own."""
    seconds = float(parameters["seconds"])
    spoken = np.array([bool(slot) for slot in parameters["slots"]])
    ends = len(spoken) * seconds + LIPS_LAGS[0]
    best, peak = 0.0, int(np.argmax(mouth))
    if at[-1] < ends:
        return Recognition(missing="lips_out_of_time", progress=float(np.clip(at[-1] / ends, 0, 0.99)), peak=peak)
    done = False
    for lag in LIPS_LAGS:
        moved = np.zeros(len(spoken))
        for slot in range(len(spoken)):
            # the middle of a slot's time: the edges belong to lips that open early or close late
            inside = (at >= slot * seconds + lag) & (at < (slot + 0.75) * seconds + lag)
            moved[slot] = float(np.ptp(mouth[inside])) if int(inside.sum()) >= 3 else np.nan
        if bool(np.isnan(moved).any()):
            continue
        least, most = float(moved[spoken].min()), float(moved[~spoken].max())
        contrast = least / max(most, LIPS_MOVE / 3)
        best = max(best, contrast)
        done = done or (least >= LIPS_MOVE and contrast >= LIPS_CONTRAST)
    return Recognition(done, "", "lips_out_of_time", 1.0 if done else 0.99, round(float(best), 3), peak)


def shade_hue(shade: str) -> tuple[float, float]:
    """Hue of a #rrggbb screen colour as log(red/green), log(blue/green) in linear light."""
    red, green, blue = (((int(shade[i : i + 2], 16) / 255 + 0.055) / 1.055) ** 2.4 for i in (1, 3, 5))
    return float(np.log(red / green)), float(np.log(blue / green))


def _colour_flash(at: Series, skin: Series, parameters: Mapping[str, Any]) -> Recognition:
    """The skin's hue follows the screen's, at one delay and one gain.

    Both channels' hue, with a line taken out of each (the camera's white balance drifts), is correlated with the hues
    that the screen showed; the first of each slot's changes is left out while the screen and camera settle.
    """
    seconds, hues = float(parameters["seconds"]), np.array([shade_hue(s) for s in parameters["shades"]])
    ends = len(hues) * seconds + FLASH_LAGS[0]
    if at[-1] < ends:
        return Recognition(missing="skin_did_not_answer", progress=float(np.clip(at[-1] / ends, 0, 0.99)))
    hue = np.log(np.maximum(skin[:, [0, 2]], 1e-4)) - np.log(np.maximum(skin[:, [1]], 1e-4))
    best, gain = -1.0, 0.0
    for lag in FLASH_LAGS:
        slot = np.floor((at - lag) / seconds)
        settled = (at - lag) - slot * seconds >= 0.15
        use = (slot >= 0) & (slot < len(hues)) & settled
        if int(use.sum()) < 3 * len(hues):
            continue
        shown = hues[slot[use].astype(int)]
        wanted, got = _detrended(at[use], shown), _detrended(at[use], hue[use])
        power, answer = float((wanted * wanted).sum()), float((wanted * got).sum())
        r = answer / max(np.sqrt(power * float((got * got).sum())), 1e-9)
        if r > best:
            best, gain = r, answer / max(power, 1e-9)
    done = best >= FLASH_CORRELATION and gain >= FLASH_GAIN
    return Recognition(done, "", "skin_did_not_answer", 1.0 if done else 0.99, round(float(best), 3), len(at) // 2)


def _detrended(at: Series, columns: Series) -> Series:
    """Each column without its mean and its straight line over time."""
    basis = np.column_stack([np.ones_like(at), at - at.mean()])
    solution, *_ = np.linalg.lstsq(basis, columns, rcond=None)
    return np.asarray(columns - basis @ solution)


def _other_act(kind: Kind, at: Series, yaw: Series, mouth: Series) -> str:
    """Another act of the catalogue in place of the asked one: a recording made for another script."""
    if kind is not Kind.NOD and _held(at, np.abs(yaw) >= TURN + 3, 2 * HELD) is not None:
        return "wrong_action"
    quiet = kind not in (Kind.OPEN_MOUTH, Kind.READ_DIGITS)
    if quiet and _held(at, mouth >= MOUTH + 0.05, MOUTH_HELD) is not None:
        return "wrong_action"
    return ""


WINDOW_GRACE: Final = 0.3
"""Seconds that a step's window is longer for the judge than for the page: the picture's way back."""
