"""One time line for all recorded segments of a session: calls end to end, what happened marked on them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.audit import StoredEvent
from server.ports import KeptSegment

SAME_CALL = timedelta(seconds=30)
"""Segments closer than this are of one call, with a reconnect between; a longer pause is left out."""
NEAR = timedelta(seconds=3)
"""What happened so shortly before or after a recorded stretch is marked at its end: a call is told as begun a moment
before its first picture is kept, and sealed a moment after its last."""

MARKS = (
    "call_started",
    "call_suspended",
    "call_resumed",
    "step_recorded",
    "check_recorded",
    "check_unavailable",
    "challenge_started",
    "features_picked",
    "still_captured",
    "decision_made",
    "decision_undone",
    "approved",
    "rejected",
    "referred",
    "released",
    "recording_failed",
    "supervisor_joined",
    "supervisor_left",
    "interpreter_invited",
    "interpreter_agreed",
    "interpreter_joined",
    "interpreter_left",
    "interpreter_ended",
    "left",
)
"""Kinds of audit events that are marked."""
MARK_DATA = ("step", "outcome", "check", "code", "leg", "reason", "reason_code", "by")
"""What of an event's data is shown with its mark."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which at least one leg was recorded."""

    began: datetime
    ended: datetime
    starts: float
    """Where it stands on the time line, in seconds."""

    @property
    def seconds(self) -> float:
        return (self.ended - self.began).total_seconds()

    def place(self, moment: datetime) -> float | None:
        """Seconds on the time line; None where the moment is not in the stretch, nor just beside it."""
        if not self.began - NEAR <= moment <= self.ended + NEAR:
            return None
        return self.starts + (min(max(moment, self.began), self.ended) - self.began).total_seconds()


def stretches(segments: Iterable[KeptSegment]) -> list[Stretch]:
    """Recorded stretches in order of time."""
    spans = sorted(
        (segment.began, segment.began + timedelta(seconds=segment.seconds))
        for segment in segments
        if segment.began is not None and segment.seconds > 0
    )
    joined: list[tuple[datetime, datetime]] = []
    for began, ended in spans:
        if joined and began - joined[-1][1] <= SAME_CALL:
            joined[-1] = (joined[-1][0], max(ended, joined[-1][1]))
        else:
            joined.append((began, ended))
    made: list[Stretch] = []
    for began, ended in joined:
        made.append(Stretch(began, ended, made[-1].starts + made[-1].seconds if made else 0.0))
    return made


def place(line: Sequence[Stretch], moment: datetime) -> float | None:
    """Where a moment stands on the time line; None outside what was recorded."""
    for stretch in line:
        seconds = stretch.place(moment)
        if seconds is not None:
            return seconds
    return None


def marked(events: Iterable[StoredEvent]) -> list[StoredEvent]:
    """The events that are shown with a recording, in order."""
    return [event for event in events if event.kind in MARKS]
