"""Media: who is in a call, what an engine does for it, and what is kept of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from verification.contract import (
    Frame,
)


class Leg(StrEnum):
    """The connections of a call: of the two that it is between, of an interpreter, and three that only receive."""

    APPLICANT = "applicant"
    OPERATOR = "operator"
    INTERPRETER = "interpreter"
    APPLICANT_SIDE = "applicant_side"
    """A second connection of the applicant's page."""
    OPERATOR_SIDE = "operator_side"
    INTERPRETER_SIDE = "interpreter_side"


PAIR = (Leg.APPLICANT, Leg.OPERATOR)
"""Between whom the call is."""
ENDS = (*PAIR, Leg.INTERPRETER)
"""Who sends, and so is recorded."""
RECEIVES: Mapping[Leg, Leg] = MappingProxyType(
    {
        Leg.APPLICANT: Leg.OPERATOR,
        Leg.OPERATOR: Leg.APPLICANT,
        Leg.INTERPRETER: Leg.APPLICANT,
        Leg.APPLICANT_SIDE: Leg.INTERPRETER,
        Leg.OPERATOR_SIDE: Leg.INTERPRETER,
        Leg.INTERPRETER_SIDE: Leg.OPERATOR,
    }
)
"""Connection -> whose picture and sound it gets: one of each, as every connection carries one of each."""
SIDE: Mapping[Leg, Leg] = MappingProxyType(
    {
        Leg.APPLICANT: Leg.APPLICANT_SIDE,
        Leg.OPERATOR: Leg.OPERATOR_SIDE,
        Leg.INTERPRETER: Leg.INTERPRETER_SIDE,
    }
)
"""An end -> the second connection of its page. What that sends goes nowhere."""
INTERPRETED = (Leg.INTERPRETER, *SIDE.values())
"""What is there because of an interpreter."""


class MediaError(Exception):
    """The offer cannot be answered, or the call has no such leg. ``code`` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class LegEvent:
    """A change that the media engine reports: connected, silent (no packet for 3 s), closed, lost (its media process
    died: offer anew), offer_again (the call needs another codec: offer anew, the connection stands until then),
    receive (the engine offers a second connection, over which this leg's page gets what it receives), recording,
    recording_failed."""

    call: str
    leg: Leg
    kind: str
    sdp: str = ""
    """The engine's offer, of a ``receive``; the page answers it by ``Media.accept``."""
    number: int = 0
    """Which of the leg's offers it is, from 1 up; a later ``receive`` of the leg replaces the earlier one."""


@dataclass(frozen=True, slots=True)
class LegStatistics:
    """Figures of one leg as the server sees it, since it connected."""

    connected: bool
    frames_per_second: float
    width: int
    height: int
    packets_lost: int
    bits_per_second: float


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """How a call is to be recorded."""

    folder: Path
    """Where the files go; it must exist."""
    session: str
    key: bytes
    """32 bytes; the files are encrypted with keys derived from it."""
    previous: str = ""
    """What the chain of the first segments begins with: the session's newest audit hash (hex)."""


@dataclass(frozen=True, slots=True)
class RecordedSegment:
    """One leg's recording from a connection to its end."""

    leg: Leg
    number: int
    path: Path
    chain: str
    """The last chain value (hex)."""
    size: int


@dataclass(frozen=True, slots=True)
class KeptSegment:
    """A segment of a recording as it lies in the archive, and what its own seals say."""

    leg: Leg
    number: int
    file: str
    """Name of its file."""
    began: datetime | None
    """None where the file does not say it any more; nothing of it can be played then."""
    seconds: float
    """Length, from ``began`` to the last picture or sound."""
    first: float
    """Seconds from ``began`` to the first picture or sound: a player begins there."""
    size: int
    """Bytes of the seekable WebM; 0 where nothing can be played."""
    verified: bool
    """Every seal fits, and nothing in it is damaged."""
    complete: bool
    """It was closed in order."""
    chain: str
    """The last chain value that fits (hex)."""
    previous: str
    """The chain value that it says it follows (hex)."""
    damaged: tuple[tuple[float, float], ...]
    """From and to, in seconds since ``began``: what is not as it was written."""
    media_type: str = "video/webm"
    """video/x-matroska where the call ran on H.264, which WebM does not permit."""


class Recordings(Protocol):
    """The archive of recorded calls, to be looked at."""

    async def segments(self, session: str) -> list[KeptSegment]:
        """All segments of a session: leg after leg, each in the order of recording. Raises OSError."""

    async def read(self, session: str, leg: Leg, number: int, offset: int, length: int) -> bytes:
        """A part of the segment as a seekable WebM, decrypted in memory. Raises KeyError where there is none,
        ValueError where it does not decrypt any more, OSError."""

    def follow(self, session: str, leg: Leg, ready: Callable[[], Awaitable[None]]) -> AsyncGenerator[bytes, None]:
        """The leg's newest segment while it is written, as a live WebM of what comes from now on.

        ``ready`` is called once: the next key frame begins the stream. It ends with the segment, or when nothing has
        come for 5 s. Raises KeyError where nothing is recorded, OSError.
        """


class Media(Protocol):
    """Carries a call between browsers and lets the server look at what it received.

    A room is a call's id. A new offer on a leg that is already there replaces that leg (reconnect). What an end
    sends goes to every connection that RECEIVES it.
    """

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """Take an SDP offer (one audio and one video section, sendrecv) and return the SDP answer.

        Where the answer says recvonly, what the leg receives comes over the connection that a ``receive`` event offers.
        Raises MediaError: media_offer_invalid, media_codec_unsupported, media_full, media_unavailable
        (what carries calls is coming back), media_superseded.
        """

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        """Take the page's SDP answer to the engine's offer of that ``receive`` event.

        Raises MediaError: media_superseded where it is not the leg's newest offer, media_offer_invalid where the
        answer cannot be read.
        """

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any], receiving: int = 0) -> None:
        """Add a trickled candidate ({candidate, sdpMid, sdpMLineIndex}) of the connection that the page offered, or of
        the engine's offer of that number. Silently nothing for one that is not there any more. Raises MediaError:
        media_candidate_invalid.
        """

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        """Ask that leg's browser for a key frame (RFC 5104 PLI); silently nothing if it is not connected."""

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        """The next ``count`` frames of the leg, spread over at most ``within`` seconds, newest wins.

        Returns fewer (perhaps none) when the video has stopped. Raises MediaError: media_not_connected.
        """

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None: ...

    def events(self) -> AsyncIterator[LegEvent]:
        """Changes of all legs, in order, for the one task that listens. Bounded: oldest are dropped."""

    async def record(self, call: str, plan: RecordingPlan) -> None:
        """Keep every end's sound and picture from now on, each connection as the next segment of its leg's chain.

        LegEvents tell ``recording`` for each segment that begins, and ``recording_failed`` when one cannot be
        written (the call must not go on then). Segments of an earlier process are continued. Repeating it is harmless.
        Raises MediaError: media_recording_failed (no room, folder not writable).
        """

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        """Seal and close the segments; all that were written since ``record``, by leg and in order. Empty if none."""

    async def hang_up(self, call: str, leg: Leg) -> None:
        """End one connection, and the segment that is recorded of it; no event tells it. Idempotent."""

    async def close(self, call: str) -> None:
        """End every connection and free everything. Idempotent."""

    async def aclose(self) -> None: ...


@runtime_checkable
class Renewable(Protocol):
    """A media engine whose processes can be replaced under running calls."""

    async def renew(self) -> None:
        """Put a new process beside each old one, which ends with its last call. Raises TimeoutError, OSError."""


@runtime_checkable
class Carrying(Protocol):
    """A media engine of processes that come back by themselves, and may not be there meanwhile."""

    def can_carry(self) -> bool:
        """Whether a call that begins now finds it there."""
