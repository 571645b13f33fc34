"""The words that verification and its callers share: frames in, check results out.

Every value here is immutable, picklable (it crosses a process boundary) and free of I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""An image: shape (height, width, 3), dtype uint8, channel order BGR (OpenCV's)."""


class Outcome(StrEnum):
    """What a check says. A check that did not run is never a pass."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not_run"


class Side(StrEnum):
    """The two sides of a card."""

    FRONT = "front"
    BACK = "back"


class UnusableInput(Exception):
    """The input cannot be judged at all (not an image, too large, truncated).

    ``code`` is stable and is what programs read; the message is for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[type[UnusableInput], tuple[str, str]]:
        return type(self), (self.code, self.message)  # both arguments survive the way back from a worker


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a live stream, as the server received and decoded it."""

    pixels: Pixels
    rtp_timestamp: int
    """RTP timestamp of the frame, in units of 1/90000 s (RFC 7741), modulo 2**32."""
    received_at: float
    """Seconds on the receiver's monotonic clock when its last packet came."""

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the pixel bytes: what the audit record names the frame by."""
        return hashlib.sha256(np.ascontiguousarray(self.pixels).data).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check's answer. ``reasons`` are stable codes, translated on the pages as ``reason.<code>``."""

    check: str
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    score: float | None = None
    threshold: float | None = None
    fmr: float | None = None
    """False match rate that the threshold stands for (ISO/IEC 19795), 0..1; None where the check has none."""
    model: str = ""
    version: str = ""
    milliseconds: float = 0.0
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON-able figures for the panel and the dossier."""


@dataclass(frozen=True, slots=True)
class SideReading:
    """What one photographed side of a card yields, at once, for the citizen who holds it."""

    side: Side
    usable: bool
    problems: tuple[str, ...]
    """Stable codes, most important first: not_a_card, cut_off, too_small, blur, glare, too_dark, no_face,
    several_faces, mrz_unreadable. Translated on the page as ``problem.<code>``."""
    image_jpeg: bytes
    """The card, straightened where it was found (else the upright picture), at most 1600 px wide."""
    portrait_jpeg: bytes | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    mrz_lines: tuple[str, ...] = ()
    milliseconds: float = 0.0


ATTRIBUTES = (
    "surname",
    "given_names",
    "patronymic",
    "iin",
    "document_number",
    "birth_date",
    "sex",
    "expiry_date",
    "issuing_state",
)
"""Keys of attributes. Dates are ISO 8601 (YYYY-MM-DD), sex is M, F or X, issuing_state is ICAO's three letters."""


@dataclass(frozen=True, slots=True)
class DocumentReading:
    """Both sides of a document read together and checked against each other."""

    attributes: Mapping[str, str]
    sources: Mapping[str, str]
    """Which part each attribute came from: mrz, printed, barcode."""
    mrz_lines: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    """In this order: document_front, document_back, mrz, printed_text, barcode, iin, expiry, portrait."""
    front_jpeg: bytes
    back_jpeg: bytes | None
    portrait_jpeg: bytes | None


@dataclass(frozen=True, slots=True)
class Sender:
    """What is known of the applicant's camera beside its pictures."""

    device_label: str = ""
    """The camera's name as the browser reports it."""
    size_answer: float | None = None
    """Seconds from a request to send another picture size until frames of it arrived; None: it was not asked."""
    rtp_timestamps: tuple[int, ...] = ()
    """Of more frames than those that are looked at, in order; empty: theirs."""


class DocumentStatus(StrEnum):
    """What a registry says of a document."""

    VALID = "valid"
    REVOKED = "revoked"
    LOST = "lost"
    STOLEN = "stolen"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """The fewest attributes that name one document: no more personal data than that leaves the service."""

    iin: str
    document_number: str
    issuing_state: str

    @classmethod
    def of(cls, attributes: Mapping[str, str]) -> RegistryQuery | None:
        """The question for these attributes (keys of ATTRIBUTES); None where they do not name a document."""
        iin, number = attributes.get("iin", ""), attributes.get("document_number", "")
        return cls(iin, number, attributes.get("issuing_state", "")) if iin and number else None


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """A registry's answer. Empty texts are attributes that it does not tell. Dates are ISO 8601."""

    status: DocumentStatus
    surname: str = ""
    given_names: str = ""
    birth_date: str = ""
    expiry_date: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """One live frame as the comparison saw it."""

    index: int
    quality: float
    """0..1, higher is better; 0 where no face can be used."""
    score: float | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The portrait on the evidence against the applicant's live face."""

    result: CheckResult
    """check = "face_match"; score is in standard deviations of strangers' scores (verification.scoring): about 0 for
    strangers, 3 at a false match rate of 1e-3. details: refer_from, fnmr, calibration (SHA-256)."""
    second: CheckResult
    """check = "face_second_opinion"; dlib's answer, never shown as a score of its own decision."""
    probes: tuple[Probe, ...]
    best: int | None
    """Index of the best probe by quality; None where no probe has a usable face."""
    probe_jpeg: bytes | None = None
    """The face of the best probe, cut with some margin, for the panel and the dossier."""
    frames_jpeg: tuple[bytes, ...] = ()
    """The compared frames, in the order of ``probes``, where the caller asked to keep them."""


@dataclass(frozen=True, slots=True)
class Guidance:
    """What would make the live picture better. One sentence: the first problem."""

    problems: tuple[str, ...]
    """Stable codes, most important first; translated as ``guidance.<code>``. Empty when the picture is good."""
    components: Mapping[str, float]
    """Quality component (ISO/IEC 29794-5 name) -> 0..1."""
    face_box: tuple[float, float, float, float] | None = None
    """x, y, width, height as fractions of the frame."""
    milliseconds: float = 0.0
