"""The checks, in worker processes (server.workers). The only importer of verification's computing."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from types import MappingProxyType
from typing import Any

from server.ports import AskedFeature, ChallengeProgress, ChallengeStep, CheckUnavailable, FeatureStill, Matcher
from server.proofing import DomainError
from server.workers import Workers
from verification.contract import (
    CheckResult,
    Comparison,
    DocumentReading,
    Frame,
    Guidance,
    RegistryRecord,
    Sender,
    Side,
    SideReading,
)


class MatcherRefused(Exception):
    """The face matcher cannot be used as configured. ``code``: those of verification.calibration and
    verification.models."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[MatcherRefused], tuple[str, str]]:
        return type(self), (self.code, self.message)


def _matcher(calibration_file: Path | None) -> Matcher:
    from verification import calibration, models

    try:
        rule = calibration.examine(calibration_file)
    except (calibration.CalibrationInvalid, models.ModelUnavailable) as error:
        raise MatcherRefused(error.code, error.message) from None
    return Matcher(
        rule.embedder.name,
        rule.version,
        rule.embedder.licence,
        rule.sha256,
        rule.condition,
        rule.accept.threshold,
        rule.accept.fmr,
        rule.accept.fnmr,
    )


def _warm() -> bool:
    """Load the models that the first checks would load: seconds that no citizen should wait for."""
    import numpy as np

    from verification import detector, matcher_dlib, matcher_sface, ocr

    nothing = np.zeros((112, 112, 3), np.uint8)
    points = np.array([[38, 52], [74, 52], [56, 72], [42, 92], [71, 92]], np.float32)  # where a face's would be
    detector.detect(nothing)
    matcher_sface.embed(nothing)
    matcher_dlib.embed(nothing, detector.Face(16, 16, 80, 80, points, 1.0))
    ocr.recognise(ocr.cut_line(nothing, np.array([[8, 40], [104, 40], [104, 72], [8, 72]], np.float32)))
    ocr.find_lines(nothing, 112)
    return True


def _assess_side(image: bytes, side: Side) -> SideReading:
    from verification import document

    return document.assess(image, side)


def _read_document(front: bytes, back: bytes, today: datetime) -> DocumentReading:
    from verification import document

    return document.read(front, back, today)


@contextmanager
def _matching(calibration_file: Path | None, sha256: str) -> Iterator[None]:
    """Work with the face matcher that the service started with. Raises CheckUnavailable matcher_unusable."""
    from verification import calibration, models

    try:
        calibration.unaltered(calibration_file, sha256)
        yield
    except (calibration.CalibrationInvalid, models.ModelUnavailable) as error:
        raise CheckUnavailable("matcher_unusable", error.message) from None


def _prepare(portrait: bytes, calibration_file: Path | None, sha256: str) -> Any:
    from verification import face

    with _matching(calibration_file, sha256):
        return face.prepare(portrait, calibration_file=calibration_file)


def _see(probe: Frame, calibration_file: Path | None, sha256: str) -> tuple[Any, bytes]:
    from verification import face, images

    with _matching(calibration_file, sha256):
        return face.see(probe, calibration_file=calibration_file), images.encode_jpeg(probe.pixels)


def _conclude(prepared: Any, seen: Sequence[Any], calibration_file: Path | None, sha256: str) -> Comparison:
    from verification import face

    with _matching(calibration_file, sha256):
        return face.conclude(prepared, seen)


def _judge_registry(attributes: Mapping[str, str], record: RegistryRecord | None) -> CheckResult:
    from verification import registry

    return registry.check(attributes, record, True)


def _judge_typed(read: Mapping[str, str], typed: Mapping[str, str]) -> CheckResult:
    from verification import registry

    return registry.check_typed(read, typed)


def _signs(frames: Sequence[Frame], sender: Sender) -> CheckResult:
    from verification import signals

    started = time.perf_counter()
    result = signals.check(signals.observe(frames, sender))
    return replace(result, milliseconds=round((time.perf_counter() - started) * 1000, 1))


def _guide(frame: Frame) -> Guidance:
    from verification import face

    return face.guide(frame)


def _progress(
    judge: Any,
    feedback: Any = None,
    evidence: Sequence[tuple[str, bytes]] = (),
    sources: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    *,
    last: bool = False,
) -> ChallengeProgress:
    step = judge.next_step if judge.ready else None
    number = len(judge.outcomes) + 1
    due = None
    if step is not None:
        due = ChallengeStep(number, len(judge.script.steps), str(step.kind), step.window, dict(step.parameters))
    return ChallengeProgress(
        state=pickle.dumps(judge),
        due=due,
        progress=feedback.progress if feedback else 0.0,
        face=bool(feedback and feedback.face),
        steps=tuple(
            {"kind": str(one.kind), "outcome": str(one.outcome), "reason": one.reason} for one in judge.outcomes
        ),
        evidence=tuple(evidence),
        result=_result(judge) if judge.complete or last else None,
        sources=dict(sources),
    )


def _result(judge: Any) -> CheckResult:
    """What a judge of the face, or of the card, says."""
    said = judge.result()
    return said if isinstance(said, CheckResult) else said.result


def _new_challenge(needs: Sequence[str]) -> ChallengeProgress:
    from verification import challenge, liveness

    try:
        excluded = challenge.excluded_for(needs)
    except ValueError:
        raise DomainError("need_unknown", "That is none of the things a person may say she cannot do.") from None
    try:
        script = challenge.choose(SystemRandom(), excluded=excluded)
    except challenge.ScriptTooWeak as error:
        raise DomainError(error.code, "Too few kinds of task are left to make a challenge hard enough.") from None
    return _progress(liveness.Judge(script))


def _new_tilt(issuing_state: str) -> ChallengeProgress:
    from verification import card_challenge, security_features, tilt_judge

    regions = security_features.for_state(issuing_state).variable_regions
    return _progress(tilt_judge.Judge(card_challenge.choose(SystemRandom()), regions))


def _pick_features(issuing_state: str) -> tuple[str, tuple[AskedFeature, ...]]:
    from verification import security_features

    catalogue = security_features.for_state(issuing_state)
    picked = security_features.pick(catalogue, SystemRandom())
    asked = (
        AskedFeature(one.id, one.kind, one.side, one.variable, one.region, one.ask, one.look_for) for one in picked
    )
    return catalogue.document, tuple(asked)


def _feature_stills(frames: Sequence[Frame], features: Sequence[AskedFeature]) -> tuple[FeatureStill, ...]:
    from verification import feature_stills
    from verification.security_features import Feature

    wanted = [Feature(one.id, one.kind, one.side, one.variable, one.region, one.ask, one.look_for) for one in features]
    stills = feature_stills.take([frame.pixels for frame in frames], wanted)
    return tuple(FeatureStill(one.jpeg, one.found, one.index) for one in stills)


def _follow_challenge(state: bytes, frames: Sequence[Frame], shown_at: float | None, last: bool) -> ChallengeProgress:
    from verification import images

    judge = pickle.loads(state)  # noqa: S301 - made by this pool and kept in the server's memory
    if shown_at is not None:
        judge.show(shown_at)
    feedback, evidence, sources = None, {}, {}
    for frame in frames:
        if judge.complete:
            break
        name = f"step_{len(judge.outcomes) + 1}"
        feedback = judge.feed(frame)
        if feedback.keep:
            evidence[name] = images.encode_jpeg(frame.pixels)
            sources[name] = {"rtp_timestamp": frame.rtp_timestamp, "sha256": frame.sha256}
    return _progress(judge, feedback, list(evidence.items()), sources, last=last)


def _card_still(frame: Frame) -> tuple[bytes, bool]:
    from verification import document

    return document.card_still(frame.pixels)


def _specimen(selfie: bytes, seed: int, today: datetime) -> tuple[bytes, bytes]:
    from verification import specimen

    card = specimen.draw(selfie, seed=seed, today=today.date())
    return card.front_photo_jpeg, card.back_photo_jpeg


class WorkerChecker(Workers):
    """Checker over worker processes."""

    def __init__(
        self, workers: int, seconds: float, queue: int, memory_mb: int, calibration: Path | None = None
    ) -> None:
        """``calibration``: the face matcher's, None for the product's own."""
        super().__init__(workers, seconds, queue, memory_mb)
        self._calibration = calibration
        self._calibration_sha256 = ""

    async def matcher(self) -> Matcher:
        """Load and try the face matcher as configured, and hold every comparison to that calibration from now on.

        Raises MatcherRefused, CheckUnavailable.
        """
        matcher = await self.run(_matcher, self._calibration)
        self._calibration_sha256 = matcher.calibration
        return matcher

    async def warm(self) -> None:
        """Start the workers and load the models, so that the first citizen does not wait for it."""
        await asyncio.gather(*(self.run(_warm) for _ in range(self.count)))

    async def assess_side(self, image: bytes, side: Side) -> SideReading:
        return await self.run(_assess_side, image, side)

    async def read_document(self, front: bytes, back: bytes, today: datetime) -> DocumentReading:
        return await self.run(_read_document, front, back, today)

    async def compare(self, portrait: bytes, probes: AsyncIterable[Frame]) -> Comparison:
        rule = (self._calibration, self._calibration_sha256)
        with self.place():
            parts: list[asyncio.Task[Any]] = [asyncio.create_task(self.schedule(_prepare, portrait, *rule))]
            try:
                async for probe in probes:
                    parts.append(asyncio.create_task(self.schedule(_see, probe, *rule)))
                prepared, *seen = await asyncio.gather(*parts)
            finally:
                for part in parts:
                    part.cancel()
                await asyncio.gather(*parts, return_exceptions=True)
            comparison: Comparison = await self.schedule(_conclude, prepared, [one for one, _ in seen], *rule)
            return replace(comparison, frames_jpeg=tuple(jpeg for _, jpeg in seen))

    async def judge_registry(self, attributes: Mapping[str, str], record: RegistryRecord | None) -> CheckResult:
        return await self.run(_judge_registry, dict(attributes), record)

    async def judge_typed(self, read: Mapping[str, str], typed: Mapping[str, str]) -> CheckResult:
        return await self.run(_judge_typed, dict(read), dict(typed))

    async def signs(self, frames: Sequence[Frame], sender: Sender) -> CheckResult:
        return await self.run(_signs, list(frames), sender)

    async def guide(self, frame: Frame) -> Guidance:
        return await self.run(_guide, frame)

    async def new_challenge(self, needs: Sequence[str]) -> ChallengeProgress:
        return await self.run(_new_challenge, list(needs))

    async def follow_challenge(
        self, state: bytes, frames: Sequence[Frame], shown_at: float | None, *, last: bool
    ) -> ChallengeProgress:
        return await self.run_at_once(_follow_challenge, state, list(frames), shown_at, last)

    async def new_tilt(self, issuing_state: str) -> ChallengeProgress:
        return await self.run(_new_tilt, issuing_state)

    async def pick_features(self, issuing_state: str) -> tuple[str, tuple[AskedFeature, ...]]:
        return await self.run(_pick_features, issuing_state)

    async def feature_stills(
        self, frames: Sequence[Frame], features: Sequence[AskedFeature]
    ) -> tuple[FeatureStill, ...]:
        return await self.run(_feature_stills, list(frames), list(features))

    async def card_still(self, frame: Frame) -> tuple[bytes, bool]:
        return await self.run(_card_still, frame)

    async def specimen(self, selfie: bytes, seed: int, today: datetime) -> tuple[bytes, bytes]:
        return await self.run(_specimen, selfie, seed, today)
