"""Checks: verification/ behind a process boundary, and the register of documents."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from verification.contract import (
    CheckResult,
    Comparison,
    DocumentReading,
    Frame,
    Guidance,
    RegistryQuery,
    RegistryRecord,
    Sender,
    Side,
    SideReading,
)


class CheckUnavailable(Exception):
    """The worker died, hung or is overloaded. That one check did not run; nothing else is lost."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code  # check_crashed | check_timed_out | check_busy | matcher_unusable
        self.message = message

    def __reduce__(self) -> tuple[type[CheckUnavailable], tuple[str, str]]:
        return type(self), (self.code, self.message)


@dataclass(frozen=True, slots=True)
class Matcher:
    """What compares faces, and the calibration that makes its scores decisions."""

    model: str
    version: str
    licence: str
    calibration: str
    """SHA-256 of the calibration file."""
    condition: str
    """The conditions that it was measured under: clean, id-webcam."""
    threshold: float
    fmr: float
    """False match rate that the threshold stands for, 0..1."""
    fnmr: float


@dataclass(frozen=True, slots=True)
class ChallengeStep:
    """One thing that the applicant is asked to do (verification.challenge has the kinds)."""

    number: int
    """From 1."""
    of: int
    kind: str
    window: float
    """Seconds in which it has to be done."""
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChallengeProgress:
    """Where a liveness challenge stands after some frames."""

    state: bytes
    """The judge, for the next call; opaque, and never from anywhere but the checker."""
    due: ChallengeStep | None
    """Show this step now, and say with the next frames when it was shown."""
    progress: float
    """0..1 of the step under way."""
    face: bool
    steps: tuple[Mapping[str, Any], ...]
    """Steps that ended: {kind, outcome, reason}."""
    evidence: tuple[tuple[str, bytes], ...]
    """(name of the step, JPEG) of frames that show an act better than any before."""
    result: CheckResult | None
    """check = "liveness" or "tilt", once all is over."""
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of a piece of evidence -> {rtp_timestamp, sha256} of the frame it is."""


@dataclass(frozen=True, slots=True)
class AskedFeature:
    """A security feature that the operator is to confirm or deny (verification.security_features)."""

    id: str
    kind: str
    side: Side
    variable: bool
    """Whether it changes with the angle."""
    region: tuple[float, float, float, float] | None
    """left, top, right, bottom as fractions of the card; None where the place is not known."""
    ask: str
    """What the applicant is asked to do with the card: tilt, side_light, closer."""
    look_for: Mapping[str, str]
    """Language -> sentence for the operator."""


@dataclass(frozen=True, slots=True)
class FeatureStill:
    """An enlarged still of one feature."""

    jpeg: bytes
    found: bool
    """Whether the feature's side of the card was seen; otherwise the whole frame is shown."""
    index: int
    """Which of the frames it is."""


class RegistryUnavailable(Exception):
    """The registry gave no answer that can be judged. ``code``: registry_not_asked (it is not for this document),
    registry_unreachable, registry_timed_out, registry_refused, registry_answer_invalid."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Registry(Protocol):
    """The authority's register of identity documents."""

    name: str
    """Which one, for the record: the model of its results."""

    async def look_up(self, query: RegistryQuery) -> RegistryRecord | None:
        """What it says of a document; None where it knows none. Raises RegistryUnavailable, within a bounded time."""

    async def aclose(self) -> None: ...


class Checker(Protocol):
    """verification/ behind a process boundary. Each call raises UnusableInput or CheckUnavailable."""

    async def assess_side(self, image: bytes, side: Side) -> SideReading: ...

    async def read_document(self, front: bytes, back: bytes, today: datetime) -> DocumentReading: ...

    async def judge_registry(self, attributes: Mapping[str, str], record: RegistryRecord | None) -> CheckResult:
        """check = "registry": the registry's answer (None: it knows no such document) against what was read."""

    async def judge_typed(self, read: Mapping[str, str], typed: Mapping[str, str]) -> CheckResult:
        """check = "typed_text": what the applicant typed in place of what was read."""

    async def compare(self, portrait: bytes, probes: AsyncIterable[Frame]) -> Comparison:
        """Each frame is looked at as it comes, while the next is on its way; what ``probes`` raises comes out here."""
        ...

    async def signs(self, frames: Sequence[Frame], sender: Sender) -> CheckResult:
        """check = "injection": passive signs that the video is not a live person's before a camera. Frames of one
        size, in order. details: each sign with value, suspicion, model and the error that docs/attacks.md has."""

    async def guide(self, frame: Frame) -> Guidance: ...

    async def new_challenge(self, needs: Sequence[str]) -> ChallengeProgress:
        """Draw a script at random, without what the person cannot do. Raises DomainError need_unknown,
        challenge_too_weak."""

    async def follow_challenge(
        self, state: bytes, frames: Sequence[Frame], shown_at: float | None, *, last: bool
    ) -> ChallengeProgress:
        """Judge further frames. ``shown_at``: when the due step was shown (clock of Frame.received_at).
        ``last``: no more frames come, so the result is made of what there is. Also of ``new_tilt``."""

    async def new_tilt(self, issuing_state: str) -> ChallengeProgress:
        """Draw at random how the card of that state (ICAO's letters) is to be tilted and covered by a finger.
        It goes on with ``follow_challenge``."""

    async def pick_features(self, issuing_state: str) -> tuple[str, tuple[AskedFeature, ...]]:
        """(name of the catalogue, at least three security features of different kinds picked at random)."""

    async def feature_stills(
        self, frames: Sequence[Frame], features: Sequence[AskedFeature]
    ) -> tuple[FeatureStill, ...]:
        """An enlarged still of each feature from the sharpest of the frames."""

    async def card_still(self, frame: Frame) -> tuple[bytes, bool]:
        """(JPEG of the card in the frame, straightened where found; whether a card was found)."""

    async def specimen(self, selfie: bytes, seed: int, today: datetime) -> tuple[bytes, bytes]:
        """Front and back (JPEG) of a SPECIMEN card drawn with the face in the picture. Demo only."""

    async def aclose(self) -> None: ...
