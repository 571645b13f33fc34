"""The laboratory: make attacks, run them against the checks, and say how many get through (ISO/IEC 30107-3).

A presentation is *accepted* when the challenge is passed and the passive signs' risk stays under referral; it is
*referred* when it goes to a second person, and *refused* when the challenge failed. APCER is the share accepted, for
each species alone; BPCER the share of genuine presentations that are not accepted at once. No average is given.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
from av import VideoCodecContext, VideoFrame

from verification import card_attacks, challenge, clips, rates, signals, species
from verification.attack_report import species_row
from verification.challenge import Kind
from verification.clips import Clip
from verification.contract import Frame, Outcome, Pixels, UnusableInput
from verification.liveness import Judge
from verification.signals import Signal
from verification.species import Scene, Species

VERSION: Final = "1"
KILOBITS: Final = 500
SIGNED_FRAMES: Final = 90
"""The passive signs look at the first six seconds."""
NOT_SIMULATED: Final = frozenset({"clock_too_regular", "repeated"})
"""Signs that say nothing here: takes have a perfect clock and are cut from few frames, genuine ones as well."""
GENUINE: Final = "bona_fide"
BPCER_GOAL: Final = 0.05
_MAX_REST: Final = 6.0
"""Seconds after which a step is shown even to a face that never rests, as the service would."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """One attempt and what the checks said."""

    species: str
    victim: str
    performer: str
    decision: str
    """accepted, referred, refused."""
    liveness: str
    reasons: tuple[str, ...]
    answered: int
    steps: int
    risk: float
    signals: tuple[Signal, ...]


@dataclass(slots=True)
class Report:
    """All presentations of a run."""

    presentations: list[Presentation] = field(default_factory=list)
    seconds: float = 0.0
    missing: list[str] = field(default_factory=list)
    extra: list[dict[str, Any]] = field(default_factory=list)
    """Rows of species that are judged by other checks (cards)."""
    cards: dict[str, Any] | None = None
    """The row of genuine cards."""

    def as_json(self) -> dict[str, Any]:
        """Rates per species with bounds, each signal's error, every presentation."""
        rows = [self._row(name) for name in species.ALL if self._of(name)]
        return {
            "version": VERSION,
            "bona_fide": self._genuine(),
            "bona_fide_card": self.cards,
            "species": [*rows, *self.extra],
            "signals": self._signals(),
            "not_beaten": [row["species"] for row in [*rows, *self.extra] if row["accepted"] > 0],
            "referral_at_risk": signals.REFER,
            "seconds": round(self.seconds, 1),
            "presentations": [
                {
                    "species": p.species, "victim": p.victim, "performer": p.performer, "decision": p.decision,
                    "liveness": p.liveness, "reasons": list(p.reasons), "answered": p.answered, "steps": p.steps,
                    "risk": p.risk, "signals": {s.name: s.value for s in p.signals},
                }
                for p in self.presentations
            ],
        }  # fmt: skip

    def _of(self, name: str) -> list[Presentation]:
        return [p for p in self.presentations if p.species == name]

    def _row(self, name: str) -> dict[str, Any]:
        shown = self._of(name)
        return species_row(
            name,
            species.ALL[name].what,
            [p.decision for p in shown],
            f"challenge passed by {sum(p.liveness == 'passed' for p in shown)} of {len(shown)}; "
            f"median risk {float(np.median([p.risk for p in shown])):.2f}",
        )

    def _genuine(self) -> dict[str, Any]:
        shown = self._of(GENUINE)
        wrong = sum(p.decision != "accepted" for p in shown)
        bound = rates.interval(wrong, len(shown))
        return {
            "presentations": len(shown), "accepted": len(shown) - wrong,
            "referred": sum(p.decision == "referred" for p in shown),
            "refused": sum(p.decision == "refused" for p in shown),
            "bpcer": bound.rate if shown else None, "low": bound.low, "high": bound.high,
            "steps": sum(p.steps for p in shown), "steps_answered": sum(p.answered for p in shown),
        }  # fmt: skip

    def _signals(self) -> list[dict[str, Any]]:
        """For each signal: the equal error rate against each species, and its model. None of them is a gate."""
        rows = []
        for name, limit in signals.LIMITS.items():
            sign = 1.0 if limit.alarming > limit.calm else -1.0
            genuine = _values(self._of(GENUINE), name, -sign)
            eers = {}
            for kind in species.ALL:
                attack = _values(self._of(kind), name, -sign)
                if len(attack) and len(genuine):
                    eers[kind] = round(rates.equal_error(genuine, attack), 3)
            rows.append(
                {
                    "signal": name, "model": limit.model, "weight": limit.weight, "calm": limit.calm,
                    "alarming": limit.alarming, "measured": bool(len(genuine)),
                    "genuine_median": float(np.median(-sign * genuine)) if len(genuine) else None, "eer": eers,
                }
            )  # fmt: skip
        return rows


def run(
    folder: Path, each: int, seed: int = 0, names: Iterable[str] | None = None, bona_fide: int | None = None
) -> Report:
    """Make ``each`` presentations of every species (or of ``names``), ``bona_fide`` (default: as many) of every genuine
    person, and judge them. The first n of a longer run are those of a run of n.

    ``folder`` holds the clips, or has them in its folder ``video``. Raises UnusableInput (``clips_missing``) where they
    are not there, ``unknown_species`` for a name that is none.
    """
    started = time.perf_counter()
    wanted = list(species.ALL) if names is None else list(names)
    unknown = [name for name in wanted if name not in species.ALL]
    if unknown:
        raise UnusableInput("unknown_species", f"No such species: {', '.join(unknown)}.")
    place = next((path for path in (folder, folder / "video") if not clips.missing(path)), None)
    if place is None:
        raise UnusableInput("clips_missing", f"The clips {', '.join(clips.missing(folder))} are not there.")
    cast = {name: clips.load(place, name) for name in clips.CASTS}
    report = Report()
    honest = each if bona_fide is None else max(each, bona_fide)
    for number in range(honest):
        random = Random(f"{seed}:{number}")  # noqa: S311 - a run is to be repeatable
        people = sorted(cast)
        random.shuffle(people)
        for name in people:
            report.presentations.append(genuine(cast[name], random))
        for name in wanted if number < each else ():
            report.presentations.append(attack(species.ALL[name], cast[people[0]], cast[people[1]], random))
    if names is None:
        report.extra, report.cards = card_attacks.run(cast, each, seed)
    report.seconds = time.perf_counter() - started
    return report


def genuine(clip: Clip, random: Random) -> Presentation:
    """A person who does what is asked, lit by the screen."""
    script, take = _asked(clip, random)
    frames = iter(clips.render(take, {clip.name: clip}, species.GAIN))
    return _judged(GENUINE, clip.name, clip.name, Judge(script), frames, list(take.prompts))


def attack(kind: Species, victim: Clip, attacker: Clip, random: Random) -> Presentation:
    """One presentation of a species. Only what the performer's clip can show is asked: to the attacker's advantage."""
    performer = victim if kind.performer == "victim" else attacker
    script, take = _asked(performer, random)
    frames = kind.frames(Scene(victim, performer, script, take, random))
    prompts = list(take.prompts) if kind.interactive else None
    return _judged(kind.name, victim.name, performer.name, Judge(script), frames, prompts)


def _asked(clip: Clip, random: Random) -> tuple[challenge.Script, clips.Take]:
    script = challenge.choose(random, excluded=frozenset(set(Kind) - clips.kinds_of([clip.name])))
    return script, clips.perform(script, [clip.name], random)


def _judged(
    name: str, victim: str, performer: str, judge: Judge, frames: Iterator[Frame], prompts: list[float] | None
) -> Presentation:
    """Send the frames through VP8 and judge them; stops when the challenge can no longer be passed."""
    kept: list[Frame] = []
    rested = 0.0
    for frame in through_vp8(frames):
        if len(kept) < SIGNED_FRAMES:
            kept.append(frame)
        if judge.next_step is not None:
            if prompts is None:
                due = judge.ready or frame.received_at - rested > _MAX_REST
            else:
                due = bool(prompts) and frame.received_at >= prompts[0]
            if due:
                judge.show(prompts.pop(0) if prompts else frame.received_at)
        ended = judge.feed(frame).ended
        if ended is not None:
            rested = frame.received_at
        failed = any(o.outcome is not Outcome.PASSED for o in judge.outcomes)
        if (failed and len(kept) >= SIGNED_FRAMES) or judge.complete:
            break
    result = judge.result()
    found = tuple(s for s in signals.observe(kept) if s.name not in NOT_SIMULATED)
    total = signals.risk(found)
    return Presentation(
        name,
        victim,
        performer,
        decision(result.result.outcome, total),
        str(result.result.outcome),
        result.result.reasons,
        sum(o.outcome is Outcome.PASSED for o in result.steps),
        sum(o.outcome is not Outcome.NOT_RUN for o in result.steps),
        total,
        found,
    )


def decision(outcome: Outcome, total: float) -> str:
    """accepted, referred or refused."""
    if outcome is Outcome.FAILED:
        return "refused"
    return "accepted" if outcome is Outcome.PASSED and total < signals.REFER else "referred"


def through_vp8(frames: Iterator[Frame]) -> Iterator[Frame]:
    """Frames as a receiver decodes them after a browser's live VP8, one by one."""
    rate = round(clips.CAMERA_RATE)
    encoder: Any = VideoCodecContext.create("libvpx", "w")
    encoder.width, encoder.height = clips.SIZE
    encoder.pix_fmt, encoder.bit_rate = "yuv420p", KILOBITS * 1000
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, rate), Fraction(rate, 1), 3000
    encoder.options = {"deadline": "realtime", "cpu-used": "-6", "lag-in-frames": "0", "error-resilient": "1"}
    decoder: Any = VideoCodecContext.create("vp8", "r")
    for number, frame in enumerate(frames):
        picture = VideoFrame.from_ndarray(frame.pixels, format="bgr24").reformat(format="yuv420p")
        picture.pts, picture.time_base = number, Fraction(1, rate)
        for packet in encoder.encode(picture):
            for decoded in decoder.decode(packet):
                pixels: Pixels = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
                yield Frame(pixels, frame.rtp_timestamp, frame.received_at)


def _values(shown: list[Presentation], name: str, sign: float) -> rates.Scores:
    return np.array([sign * s.value for p in shown for s in p.signals if s.name == name], np.float64)
