"""The judge of a challenge: on numbers, on still pictures, and on real moving faces where the clips are there."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest

from verification import challenge, clips, conditions, gestures, liveness, measures
from verification.challenge import Kind, Script, Step
from verification.contract import Frame, Outcome
from verification.measures import FaceMeasures

DATA = Path(__file__).parent.parent / "data"
VIDEO = Path(os.environ.get("BETPE_SHARED", Path(__file__).parents[3] / "shared")) / "data" / "video"
needs_clips = pytest.mark.skipif(
    bool(clips.missing(VIDEO)), reason=f"no clips of real moving faces in BETPE_SHARED's data/video: {VIDEO.name}"
)
CALM = FaceMeasures(
    at=0.0, rtp=0, faces=1, presence=1.0, box=(0.4, 0.3, 0.2, 0.4), yaw=1.0, pitch=4.0, roll=0.0, right_eye=0.3,
    left_eye=0.3, mouth=0.03, eye_distance=90.0, skin=(0.4, 0.25, 0.2), surround=(0.3, 0.3, 0.3),
)  # fmt: skip
Change = Callable[[FaceMeasures, float], FaceMeasures]
RATE = 15.0


def step(kind: Kind) -> Step:
    random = Random(3)
    parameters, _ = challenge._parameters(random, kind)
    return Step(kind, challenge._WINDOWS[kind], 0.8, parameters)


def script(*kinds: Kind) -> Script:
    return Script(tuple(step(kind) for kind in kinds), 12.0)


def bump(since: float, begin: float, end: float) -> float:
    return 1.0 if begin <= since <= end else 0.0


def act(kind: Kind, delay: float = 0.6) -> Change:
    """How a person's measures change when she answers a step shown at time 0."""

    def turned(sign: float) -> Change:
        return lambda m, t: replace(m, yaw=m.yaw + sign * 25 * bump(t, delay, delay + 1))

    def blinked(m: FaceMeasures, t: float) -> FaceMeasures:
        shut = any(bump(t, delay + i * 0.6, delay + i * 0.6 + 0.2) for i in range(3))
        return replace(m, right_eye=0.12, left_eye=0.12) if shut else m

    def nearer(m: FaceMeasures, t: float) -> FaceMeasures:
        growth = 1 + 0.5 * bump(t, delay, delay + 1)
        return replace(m, eye_distance=m.eye_distance * growth, nearing=0.006 if growth > 1 else None)

    def said(m: FaceMeasures, t: float) -> FaceMeasures:
        slots = step(Kind.READ_DIGITS).parameters["slots"]
        place = int((t - delay) // challenge.SLOT_SECONDS)
        speaks = 0 <= place < len(slots) and slots[place] and (t - delay) % challenge.SLOT_SECONDS < 0.6
        return replace(m, mouth=m.mouth + (0.2 * abs(np.sin(12 * t)) if speaks else 0.0))

    def shone(m: FaceMeasures, t: float) -> FaceMeasures:
        shades = step(Kind.COLOUR_FLASH).parameters["shades"]
        place = int((t - 0.2) // challenge.FLASH_SECONDS)
        if not 0 <= place < len(shades) or t < 0.2:
            return m
        light = [((int(shades[place][i : i + 2], 16) / 255 + 0.055) / 1.055) ** 2.4 for i in (1, 3, 5)]
        red, green, blue = (value * (1 + 0.1 * extra) for value, extra in zip(m.skin, light, strict=True))
        return replace(m, skin=(red, green, blue))

    return {
        Kind.TURN_LEFT: turned(1),
        Kind.TURN_RIGHT: turned(-1),
        Kind.NOD: lambda m, t: replace(m, pitch=m.pitch + 12 * bump(t, delay, delay + 0.6)),
        Kind.BLINK: blinked,
        Kind.OPEN_MOUTH: lambda m, t: replace(m, mouth=m.mouth + 0.6 * bump(t, delay, delay + 1)),
        Kind.COME_CLOSER: nearer,
        Kind.READ_DIGITS: said,
        Kind.COLOUR_FLASH: shone,
    }[kind]


def still(m: FaceMeasures, t: float) -> FaceMeasures:
    return m


def conduct(asked: Script, answers: Sequence[Change], limit: float = 60.0) -> liveness.Judge:
    """Show each step as soon as the judge is ready; a noisy person answers the n-th with ``answers[n]``."""
    judge, random = liveness.Judge(asked), np.random.default_rng(1)
    shown: list[float] = []
    for number in range(int(limit * RATE)):
        at = number / RATE
        m = replace(CALM, at=at, yaw=CALM.yaw + random.normal(0, 0.5), pitch=CALM.pitch + random.normal(0, 0.5))
        if shown:
            m = answers[len(shown) - 1](m, at - shown[-1])
        judge.feed_measures(m)
        if judge.ready:
            judge.show(at)
            shown.append(at)
        if judge.finished:
            break
    return judge


def settle(judge: liveness.Judge) -> None:
    """The calm frame after the last step, at which the service looks at the face once more."""
    judge.feed_measures(replace(CALM, at=judge._times[-1] + 1 / RATE))


@pytest.mark.parametrize("kind", list(Kind))
def test_an_act_done_in_time_is_recognised(kind: Kind) -> None:
    outcomes = conduct(script(kind, kind), [act(kind), act(kind)]).outcomes
    assert [(o.outcome, o.reason) for o in outcomes] == [(Outcome.PASSED, "answered")] * 2
    first, best, last = outcomes[0].frames[0], outcomes[0].frames[-2], outcomes[0].frames[-1]
    assert first <= best <= last


@pytest.mark.parametrize("kind", list(Kind))
def test_a_still_face_answers_nothing(kind: Kind) -> None:
    outcomes = conduct(script(kind), [still]).outcomes
    assert [o.outcome for o in outcomes] == [Outcome.INCONCLUSIVE]
    assert outcomes[0].reason in ("not_answered", "lips_out_of_time", "skin_did_not_answer")


@pytest.mark.parametrize("asked", list(Kind))
@pytest.mark.parametrize("done", list(Kind))
def test_another_act_does_not_answer(asked: Kind, done: Kind) -> None:
    if asked == done:
        return
    outcomes = conduct(script(asked), [act(done)]).outcomes
    assert all(o.outcome is not Outcome.PASSED for o in outcomes)


def test_turning_the_other_way_fails_at_once() -> None:
    judge = conduct(script(Kind.TURN_LEFT, Kind.NOD), [act(Kind.TURN_RIGHT), act(Kind.NOD)])
    assert [o.reason for o in judge.outcomes] == ["wrong_direction"]
    result = judge.result()
    assert result.result.outcome is Outcome.FAILED
    assert result.result.reasons == ("challenge_wrong_action",)
    assert [s.reason for s in result.steps] == ["wrong_direction", "not_shown"]


@pytest.mark.parametrize("kind", [Kind.TURN_LEFT, Kind.OPEN_MOUTH, Kind.NOD])
def test_nobody_answers_before_the_question(kind: Kind) -> None:
    judge = conduct(script(kind), [act(kind, delay=0.0)])
    assert judge.outcomes[0].reason == "too_early"
    assert judge.result().result.reasons == ("challenge_too_early",)


@pytest.mark.parametrize("kind", [Kind.TURN_RIGHT, Kind.OPEN_MOUTH, Kind.BLINK, Kind.NOD, Kind.COME_CLOSER])
def test_an_answer_after_the_window_is_none(kind: Kind) -> None:
    asked = step(kind)
    judge = conduct(Script((asked,), 12.0), [act(kind, delay=asked.window + 0.5)])
    assert judge.outcomes[0].outcome is Outcome.INCONCLUSIVE


def test_a_flat_picture_coming_closer_is_told_apart() -> None:
    def flat(m: FaceMeasures, t: float) -> FaceMeasures:
        grown = act(Kind.COME_CLOSER)(m, t)
        return grown if grown.nearing is None else replace(grown, nearing=0.001)

    assert conduct(script(Kind.COME_CLOSER), [flat]).outcomes[0].reason == "no_perspective"


def test_colours_of_another_sequence_do_not_answer() -> None:
    mine = step(Kind.COLOUR_FLASH)
    other = dict(mine.parameters)
    names = list(challenge.FLASH_COLOURS)
    other["colours"] = [names[(names.index(c) + 1 + i % 2) % 4] for i, c in enumerate(mine.parameters["colours"])]
    other["shades"] = [challenge.FLASH_COLOURS[c] for c in other["colours"]]
    asked = Script((replace(mine, parameters=other),), 12.0)
    assert conduct(asked, [act(Kind.COLOUR_FLASH)]).outcomes[0].reason == "skin_did_not_answer"


def test_all_answered_passes_only_after_a_last_look_at_the_face() -> None:
    judge = conduct(script(Kind.NOD, Kind.OPEN_MOUTH), [act(Kind.NOD), act(Kind.OPEN_MOUTH)])
    assert judge.result().result.reasons == ("challenge_unfinished",)
    settle(judge)
    assert judge.complete
    result = judge.result().result
    assert (result.outcome, result.reasons, result.score) == (Outcome.PASSED, ("challenge_answered",), 1.0)


def test_one_missed_asks_again_two_missed_fail() -> None:
    one = conduct(script(Kind.NOD, Kind.OPEN_MOUTH), [act(Kind.NOD), still])
    settle(one)
    assert one.result().result.outcome is Outcome.INCONCLUSIVE
    two = conduct(script(Kind.NOD, Kind.OPEN_MOUTH), [still, still])
    settle(two)
    assert (two.result().result.outcome, two.result().result.reasons) == (Outcome.FAILED, ("challenge_not_answered",))


def test_doubts_make_an_answered_challenge_inconclusive() -> None:
    answers = [act(Kind.NOD), act(Kind.OPEN_MOUTH)]

    def crowded(m: FaceMeasures, t: float) -> FaceMeasures:
        return replace(answers[0](m, t), faces=2)

    judge = conduct(script(Kind.NOD, Kind.OPEN_MOUTH), [crowded, answers[1]])
    settle(judge)
    assert (judge.result().result.outcome, judge.result().result.reasons) == (Outcome.INCONCLUSIVE, ("several_faces",))

    def cut(m: FaceMeasures, t: float) -> FaceMeasures:
        return replace(answers[0](m, t), box=(0.7, 0.3, 0.2, 0.4))

    judge = conduct(script(Kind.NOD, Kind.OPEN_MOUTH), [cut, answers[1]])
    settle(judge)
    assert "face_jumped" in judge.result().result.reasons


def test_a_judge_travels_small() -> None:
    judge = conduct(script(Kind.NOD, Kind.OPEN_MOUTH), [act(Kind.NOD), still], limit=6)
    again = pickle.loads(pickle.dumps(judge))
    assert again.result() == judge.result()
    assert len(pickle.dumps(judge)) < 150_000


def test_nothing_due_cannot_be_shown() -> None:
    judge = liveness.Judge(script(Kind.NOD))
    judge.show(0.0)
    with pytest.raises(ValueError, match="no step is due"):
        judge.show(1.0)


def picture(name: str) -> np.ndarray:
    pixels = cv2.imread(str(DATA / name))
    assert pixels is not None
    height, width = pixels.shape[:2]
    scale = min(640 / width, 480 / height)
    small = cv2.resize(pixels, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
    canvas = np.full((480, 640, 3), 90, np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small
    return canvas


def test_pose_follows_the_picture() -> None:
    straight = measures.measure(Frame(picture("obama.jpg"), 0, 0.0))
    assert straight is not None
    mirrored = measures.measure(Frame(np.ascontiguousarray(picture("obama.jpg")[:, ::-1]), 0, 0.0))
    assert mirrored is not None
    assert mirrored.yaw == pytest.approx(-straight.yaw, abs=3)
    assert mirrored.roll == pytest.approx(-straight.roll, abs=3)
    assert straight.eyes > 0.1
    assert straight.faces == 1
    assert measures.measure(Frame(np.zeros((480, 640, 3), np.uint8), 0, 0.0)) is None


def test_a_still_photograph_does_not_pass_and_another_person_is_noticed() -> None:
    asked = Script((step(Kind.NOD), step(Kind.TURN_LEFT)), 12.0)
    one, two = picture("obama.jpg"), picture("biden.jpg")
    frames = [Frame(one if n < 45 else two, n * 6000, n / RATE) for n in range(150)]
    result = liveness.judge(asked, frames, [2.0, 4.0 + asked.steps[0].window])
    assert result.result.outcome is Outcome.FAILED
    assert all(o.outcome is not Outcome.PASSED for o in result.steps)
    held = liveness.judge(asked, [replace(f, pixels=one) for f in frames], [2.0, 7.0])
    assert held.result.outcome is not Outcome.PASSED
    assert held.result.details["identity_scores"][0] > 0.9
    assert result.result.details["identity_scores"][0] < liveness.OTHER_PERSON


def test_no_face_is_no_answer() -> None:
    frames = [Frame(np.full((480, 640, 3), 60, np.uint8), n * 6000, n / RATE) for n in range(120)]
    result = liveness.judge(script(Kind.NOD), frames, [1.0])
    assert (result.result.outcome, result.steps[0].reason) == (Outcome.INCONCLUSIVE, "face_lost")


@cache
def clip(name: str) -> clips.Clip:
    return clips.load(VIDEO, name)


@needs_clips
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", ["liveportrait_d3", "liveportrait_d10"])
def test_a_real_face_that_does_what_is_asked_passes(name: str) -> None:
    random = Random(f"genuine {name}")
    asked = challenge.choose(random, excluded=frozenset(set(Kind) - clips.kinds_of([name])))
    take = clips.perform(asked, [name], random)
    frames = clips.render(take, {name: clip(name)})
    received = conditions.through_vp8([f.pixels for f in frames], 400, 15)
    seen = [replace(frame, pixels=pixels) for frame, pixels in zip(frames, received, strict=True)]
    result = liveness.judge(asked, seen, take.prompts)
    assert [s.reason for s in result.steps] == ["answered"] * len(asked.steps)
    assert result.result.outcome is Outcome.PASSED


@needs_clips
@pytest.mark.timeout(300)
def test_a_real_face_doing_another_script_fails() -> None:
    name, random = "liveportrait_d10", Random("another script")
    excluded = frozenset(set(Kind) - clips.kinds_of([name]))
    take = clips.perform(challenge.choose(random, excluded=excluded), [name], random)
    asked = challenge.choose(random, excluded=excluded)
    result = liveness.judge(asked, clips.render(take, {name: clip(name)}), take.prompts)
    assert result.result.outcome is not Outcome.PASSED


@needs_clips
def test_the_clips_cannot_show_everything_alone() -> None:
    assert Kind.TURN_LEFT not in clips.kinds_of(["liveportrait_d10"])
    with pytest.raises(KeyError):
        clips.perform(script(Kind.TURN_LEFT), ["liveportrait_d10"], Random(1))
    with pytest.raises(KeyError):
        clips.load(VIDEO, "nobody")


def test_baseline_takes_open_eyes() -> None:
    rows = [replace(CALM, right_eye=0.1, left_eye=0.1)] * 2 + [CALM] * 8
    assert gestures.baseline(rows).eyes == pytest.approx(0.3)
