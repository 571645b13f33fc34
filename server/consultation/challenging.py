"""A challenge in a call, of the face (liveness) or of the card (tilt): steps drawn at random, shown one at a time, and
judged on frames that the server got.

The challenge itself lives in this process only: when it is lost, its check did not run, and the operator begins anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from server.consultation import watching
from server.consultation.desk import Change, Desk, change, record
from server.ports import ChallengeProgress, ChallengeStep, CheckUnavailable, Leg, MediaError
from server.proofing import DomainError, Session, State, StepRecord
from verification.contract import CheckResult, Frame, Outcome

log = structlog.get_logger(__name__)

FRAMES, FRAMES_SECONDS = 5, 0.3
"""Frames of one look and the time over which they are taken: 12 to 16 a second, above the judge's least rate of 8."""
LOOKS_AHEAD = 3
"""Looks that may wait for the judge; when it is still later, frames are lost, and it says so (too_few_frames)."""
MOST_SECONDS = 120.0
"""The longest script takes about 40 s when all is done at once; a person may need calm between."""
CARD_FRAMES, CARD_SECONDS = 2, 0.6
"""The same of a look at the card, which moves slower and takes longer to find: about 3 a second."""
CALM = {"liveness": "calm", "tilt": "card_calm"}
"""Check -> what the applicant is shown between steps."""
STALLS = 10
"""Looks in a row without a frame after which the video has stopped."""


@dataclass(slots=True)
class Running:
    """A challenge under way, as both pages show it."""

    call: str
    check: str
    """liveness or tilt."""
    progress: ChallengeProgress
    shown: ChallengeStep | None = None
    shown_id: int = 0
    images: dict[str, str] = field(default_factory=dict)
    sources: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Name of a picture of evidence -> RTP timestamp and hash of its frame."""
    task: asyncio.Task[None] | None = None

    def prompt(self) -> dict[str, Any] | None:
        """What the applicant's page shows now; between steps: to be calm, or to hold the card straight."""
        if self.shown is None:
            return {"id": 0, "kind": CALM[self.check], "number": 0, "of": 0, "window": 0, "parameters": {}}
        step = self.shown
        return {
            "id": self.shown_id,
            "kind": step.kind,
            "number": step.number,
            "of": step.of,
            "window": step.window,
            "parameters": dict(step.parameters),
        }

    def view(self) -> dict[str, Any]:
        """What the operator's panel shows."""
        return {
            "check": self.check,
            "current": self.shown.kind if self.shown else None,
            "number": self.shown.number if self.shown else len(self.progress.steps),
            "of": self.shown.of if self.shown else None,
            "progress": round(self.progress.progress, 2),
            "face": self.progress.face,
            "steps": [dict(step) for step in self.progress.steps],
        }


async def start(desk: Desk, session: Session, operator_id: str, needs: Sequence[str]) -> None:
    """Begin a challenge of the face. Raises wrong_state, check_under_way, need_unknown, challenge_too_weak."""
    await _begin(
        desk, session, operator_id, "liveness", partial(desk.checker.new_challenge, needs), needs=sorted(needs)
    )


async def start_tilt(desk: Desk, session: Session, operator_id: str) -> None:
    """Begin the tilting of the card. Raises DomainError wrong_state, check_under_way; CheckUnavailable."""
    issuing_state = session.attributes.get("issuing_state", "")
    await _begin(desk, session, operator_id, "tilt", partial(desk.checker.new_tilt, issuing_state))


async def _begin(
    desk: Desk,
    session: Session,
    operator_id: str,
    check: str,
    draw: Callable[[], Awaitable[ChallengeProgress]],
    **said: Any,
) -> None:
    session.require(State.IN_CALL)
    if session.id in desk.challenges or session.id in desk.busy:
        raise DomainError("check_under_way", "The last check is still under way; one moment.")
    desk.busy.add(session.id)
    try:
        progress = await draw()
        actor = f"operator:{operator_id}"
        await desk.store.append(desk.event(session, "challenge_started", actor, check=check, **said))
        running = Running(session.call_id or "", check, progress)
        desk.challenges[session.id] = running
        running.task = asyncio.create_task(_run(desk, session, running, actor), name="challenge")
    finally:
        desk.busy.discard(session.id)
    await desk.tell(session)


async def stop(desk: Desk, session_id: str) -> None:
    """End a challenge without a result. Nothing to do when there is none."""
    running = desk.challenges.get(session_id)
    if running is not None and running.task is not None:
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)


async def _run(desk: Desk, session: Session, running: Running, actor: str) -> None:
    try:
        result = await _follow(desk, session, running)
        frames = [{"picture": name, **source} for name, source in running.sources.items()]
        await record(desk, session.id, result, actor, running.images, call=running.call, frames=frames)
        if running.check == "tilt" and result.outcome is Outcome.PASSED:
            await _step_done(desk, session.id, "tilt_card", actor)
        if running.check == "liveness":
            watch = watching.watch_of(desk, session)
            await watching.keep(desk, session, await watching.judge(desk, session, watch.frames), actor)
            watch.begin()
    except (CheckUnavailable, MediaError, DomainError) as error:
        code = error.code
        result = CheckResult(running.check, Outcome.NOT_RUN, (code,), model="none")
        await record(desk, session.id, result, actor, call=running.call)
    except Exception as error:
        log.error("challenge_failed", error=type(error).__name__, exc_info=True)
        await record(
            desk, session.id, CheckResult(running.check, Outcome.NOT_RUN, ("internal",)), actor, call=running.call
        )
    finally:
        desk.challenges.pop(session.id, None)
        await desk.tell(session)


async def _step_done(desk: Desk, session_id: str, step: str, actor: str) -> None:
    """Record the step of the script that the check has done, unless the operator said something of it already."""

    def go(session: Session) -> Change | None:
        said = any(one.step == step for one in session.steps)
        if said or session.state not in (State.IN_CALL, State.SUSPENDED):
            return None
        done = StepRecord(step, "done", desk.clock.now(), actor.removeprefix("operator:"))
        event = desk.event(session, "step_recorded", actor, step=step, outcome="done")
        return Change(replace(session, steps=(*session.steps, done)), (event,))

    await change(desk, session_id, go)


async def _follow(desk: Desk, session: Session, running: Running) -> CheckResult:
    """Look, judge, show the next step, until the script is over."""
    seen: asyncio.Queue[list[Frame]] = asyncio.Queue(LOOKS_AHEAD)
    pace = (CARD_FRAMES, CARD_SECONDS) if running.check == "tilt" else (FRAMES, FRAMES_SECONDS)
    looking = asyncio.create_task(_look_on(desk, running.call, seen, *pace), name="challenge-look")
    try:
        return await _judge(desk, session, running, seen, looking)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look_on(desk: Desk, call: str, seen: asyncio.Queue[list[Frame]], count: int, within: float) -> None:
    """Look without a pause, also while earlier frames are judged: a blink takes 0.2 s."""
    while True:
        await seen.put(await desk.media.frames(call, Leg.APPLICANT, count, within))


async def _looks(seen: asyncio.Queue[list[Frame]], looking: asyncio.Task[None]) -> list[list[Frame]]:
    """All looks that wait to be judged, at least one. Raises what ended the looking."""
    first = asyncio.create_task(seen.get())
    try:
        await asyncio.wait((first, looking), return_when=asyncio.FIRST_COMPLETED)
        if not first.done():
            looking.result()
    finally:
        first.cancel()
    looks = [first.result()]
    while not seen.empty():
        looks.append(seen.get_nowait())
    return looks


async def _judge(
    desk: Desk, session: Session, running: Running, seen: asyncio.Queue[list[Frame]], looking: asyncio.Task[None]
) -> CheckResult:
    deadline = time.monotonic() + MOST_SECONDS
    stalls = 0
    shown_at: float | None = None
    watch = watching.watch_of(desk, session)
    watch.begin()
    while True:
        looks = await _looks(seen, looking)
        frames = [frame for look in looks for frame in look]
        if running.check == "liveness":
            watch.remember(frames)
        stalls = 0 if frames else stalls + len(looks)
        last = stalls >= STALLS or time.monotonic() > deadline
        before = len(running.progress.steps)
        running.progress = await desk.checker.follow_challenge(running.progress.state, frames, shown_at, last=last)
        shown_at = None
        for name, jpeg in running.progress.evidence:
            running.images[name] = await desk.vault.put(session.id, jpeg)
        running.sources.update(running.progress.sources)
        if running.progress.result is not None:
            return _with_reason(running.progress.result, stalls >= STALLS)
        if len(running.progress.steps) != before:
            running.shown = None
            await desk.tell(session)
        if running.progress.due is not None:
            running.shown, running.shown_id = running.progress.due, running.shown_id + 1
            shown_at = time.monotonic()
            await desk.tell(session)


def _with_reason(result: CheckResult, stalled: bool) -> CheckResult:
    return replace(result, reasons=("video_stopped", *result.reasons)) if stalled else result
