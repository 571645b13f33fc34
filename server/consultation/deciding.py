"""What the operator does in a call: the script, the comparison, stills, the decision and its seal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from server.adjudication import Approval, Recommendation, adjudicate
from server.consultation import watching
from server.consultation.calling import end_call, suspend
from server.consultation.desk import Change, Desk, change, iso, one_at_a_time, record, session_of
from server.consultation.operating import NOTE_LENGTH
from server.ports import CheckUnavailable, Leg, MediaError, Timer
from server.proofing import (
    REFER_REASONS,
    REJECT_REASONS,
    STEP_OUTCOMES,
    STEPS,
    Decision,
    DecisionOutcome,
    DomainError,
    Move,
    Session,
    State,
    StepRecord,
)
from verification.contract import Frame, Outcome

SECOND_PERSON_PRIORITY = 2
FIRST_FRAME_SECONDS = 3.0
"""What nobody looked at begins with a key frame, which a slow line carries late."""
CALL_CHECKS = frozenset({"face_match", "face_second_opinion", "liveness", "tilt", "security_features", watching.CHECK})
"""Checks that speak of one call: a second person's call needs its own."""


async def record_step(desk: Desk, session: Session, operator_id: str, step: str, outcome: str, note: str) -> Session:
    """Record a step of the script. Raises DomainError step_unknown, wrong_state."""
    if step not in STEPS or step == "compare" or outcome not in STEP_OUTCOMES:
        raise DomainError("step_unknown", "There is no such step or outcome in the script.")

    def go(session: Session) -> Change:
        session.require(State.IN_CALL, State.SUSPENDED)
        done = StepRecord(step, outcome, desk.clock.now(), operator_id, note[:NOTE_LENGTH])
        event = desk.event(session, "step_recorded", f"operator:{operator_id}", step=step, outcome=outcome)
        return Change(replace(session, steps=(*session.steps, done)), (event,))

    session = await change(desk, session.id, go)
    await desk.tell(session)
    return session


async def live_frames(desk: Desk, session: Session, count: int, within: float) -> list[Frame]:
    """Frames of the applicant, as the server receives them now. Raises DomainError wrong_state, no_live_video."""
    session.require(State.IN_CALL)
    try:
        frames = await desk.media.frames(session.call_id or "", Leg.APPLICANT, count, within)
    except MediaError as error:
        raise DomainError("no_live_video", "There is no live video of the citizen at the moment.") from error
    if not frames:
        raise DomainError("no_live_video", "There is no live video of the citizen at the moment.")
    return frames


async def _probes(desk: Desk, session: Session, taken: list[Frame]) -> AsyncIterator[Frame]:
    """Frames for a comparison one by one, so that each is looked at while the next is awaited; also into ``taken``.

    Raises as ``live_frames`` does, when there was none at all.
    """
    count, seconds = desk.limits.probes, desk.limits.probe_seconds
    loop = asyncio.get_running_loop()
    taken += await live_frames(desk, session, 1, FIRST_FRAME_SECONDS)
    began = loop.time()
    yield taken[0]
    while len(taken) < count and (left := began + seconds - loop.time()) > 0:
        due = began + seconds * len(taken) / count  # spread evenly, however fast the camera is
        await asyncio.sleep(due - loop.time())
        try:
            (frame,) = await live_frames(desk, session, 1, left)
        except DomainError:
            return  # the video stopped: what came is compared
        taken.append(frame)
        yield frame


async def compare(desk: Desk, session: Session, operator_id: str) -> Session:
    """Compare fresh frames of the live video with the portrait on the card, and keep result and frames.

    Raises DomainError no_live_video, no_portrait, check_under_way; CheckUnavailable (recorded as such).
    """
    actor = f"operator:{operator_id}"
    async with one_at_a_time(desk, session.id):
        session.require(State.IN_CALL)
        if "portrait" not in session.images:
            raise DomainError("no_portrait", "No portrait could be cut from the card.")
        portrait = await desk.vault.get(session.id, session.images["portrait"])
        frames: list[Frame] = []
        try:
            comparison = await desk.checker.compare(portrait, _probes(desk, session, frames))
        except CheckUnavailable as error:
            await desk.store.append(
                desk.event(session, "check_unavailable", actor, check="face_match", code=error.code)
            )
            raise
        images = {"portrait": session.images["portrait"]}
        if comparison.probe_jpeg:
            images["probe"] = await desk.vault.put(session.id, comparison.probe_jpeg)
        for number, jpeg in enumerate(comparison.frames_jpeg):
            images[f"frame_{number}"] = await desk.vault.put(session.id, jpeg)
        context = {
            "call": session.call_id,
            "frames": [{"rtp_timestamp": frame.rtp_timestamp, "sha256": frame.sha256} for frame in frames],
        }
        await record(desk, session.id, comparison.second, actor, images, call=session.call_id)
        result = replace(
            comparison.result,
            details={
                **comparison.result.details,
                "probes": [
                    {"quality": probe.quality, "score": probe.score, "problems": list(probe.problems)}
                    for probe in comparison.probes
                ],
                "best": comparison.best,
            },
        )
        await record(desk, session.id, result, actor, images, **context)
        await desk.tell(session)  # the face's result is not to wait for what follows
        await watching.keep(desk, session, await watching.judge(desk, session, frames), actor)
    done = StepRecord("compare", "done", desk.clock.now(), operator_id)
    session = await change(desk, session.id, lambda s: Change(replace(s, steps=(*s.steps, done))))
    await desk.tell(session)
    return session


async def capture_still(desk: Desk, session: Session, operator_id: str) -> Session:
    """Keep a still of the card as the live video shows it now. Raises no_live_video, CheckUnavailable."""
    async with one_at_a_time(desk, session.id):
        (frame,) = await live_frames(desk, session, 1, FIRST_FRAME_SECONDS)
        jpeg, found = await desk.checker.card_still(frame)
        sha256 = await desk.vault.put(session.id, jpeg)
    at = desk.clock.now()
    still = {
        "image": sha256,
        "found": found,
        "at": iso(at),
        "frame": frame.sha256,
        "rtp_timestamp": frame.rtp_timestamp,
    }
    event = desk.event(session, "still_captured", f"operator:{operator_id}", **still)
    session = await change(desk, session.id, lambda s: Change(replace(s, stills=(*s.stills, still)), (event,)))
    await desk.tell(session)
    return session


def latest(session: Session, checks: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The newest result of each check that counts for this call. A repetition that did not run undoes no doubt; of the
    passive signs the highest risk counts: what was seen once in a call is not unseen by looking again."""
    newest: dict[str, Mapping[str, Any]] = {}
    for row in checks:
        name = str(row["check"])
        if name in CALL_CHECKS and row.get("call") != session.call_id:
            continue
        before = newest.get(name)
        if name == watching.CHECK and before is not None and (before["score"] or 0.0) > (row["score"] or 0.0):
            continue
        if before is None or row["outcome"] != Outcome.NOT_RUN or before["outcome"] == Outcome.PASSED:
            newest[name] = row
    return newest


async def recommend(desk: Desk, session: Session) -> Recommendation:
    """Adjudicate the session as it stands."""
    checks = await desk.store.checks(session.id)
    results = {name: (Outcome(row["outcome"]), tuple(row["reasons"])) for name, row in latest(session, checks).items()}
    earlier_failed = any(
        row["check"] == "face_match" and row.get("call") != session.call_id and row["outcome"] != Outcome.PASSED
        for row in checks
    )
    steps = {record.step: record.outcome for record in session.steps}
    second = bool(session.earlier_decisions)
    return adjudicate(results, steps, desk.policy, earlier_call_failed=earlier_failed, second_person=second)


async def decide(
    desk: Desk, session: Session, operator_id: str, outcome: DecisionOutcome, reason_code: str, note: str, override: str
) -> Session:
    """Decide; sealed after the time to undo.

    Raises DomainError approval_refused (details.parts), override_reason_needed, reason_needed, note_needed,
    wrong_state.
    """
    recommendation = await recommend(desk, session)
    _examine(recommendation, outcome, reason_code, note, override)
    version = session.version

    def go(session: Session) -> Change:
        session.require(*((State.IN_CALL,) if outcome is DecisionOutcome.APPROVE else (State.IN_CALL, State.SUSPENDED)))
        if outcome is DecisionOutcome.APPROVE and (
            session.id in desk.busy or session.id in desk.challenges or session.version < version
        ):
            raise DomainError("check_under_way", "A check is still under way; decide when it is done.")
        if outcome is DecisionOutcome.APPROVE and desk.recording_rule and session.call_id not in desk.recorded:
            raise DomainError("not_recorded", "This call is not being recorded, so nobody can be identified in it.")
        now = desk.clock.now()
        decision = Decision(outcome, reason_code, note[:NOTE_LENGTH], operator_id, now, override[:NOTE_LENGTH])
        event = desk.event(
            session,
            "decision_made",
            f"operator:{operator_id}",
            outcome=str(outcome),
            reason_code=reason_code,
            override=bool(override),
            approval=str(recommendation.approval),
            parts=[f"{part.check}:{part.outcome}:{part.effect}" for part in recommendation.parts],
        )
        timers = {Timer.DECISION_SEAL: now + desk.limits.undo, Timer.LEG_RESUME: None}
        return Change(session.move(Move.DECIDE, decision=decision), (event,), timers)

    session = await change(desk, session.id, go)
    await desk.tell(session)
    return session


def _examine(
    recommendation: Recommendation, outcome: DecisionOutcome, reason_code: str, note: str, override: str
) -> None:
    if outcome is DecisionOutcome.APPROVE:
        if recommendation.approval is Approval.REFUSED:
            raise DomainError(
                "approval_refused",
                "The policy does not allow to approve this session as it stands.",
                parts=[part.check for part in recommendation.blocking],
            )
        if recommendation.approval is Approval.NEEDS_REASON and not override.strip():
            raise DomainError("override_reason_needed", "Say why you approve although not everything passed.")
        return
    known = REJECT_REASONS if outcome is DecisionOutcome.REJECT else REFER_REASONS
    if reason_code not in known:
        raise DomainError("reason_needed", "Choose one of the reasons.")
    if reason_code == "other" and not note.strip():
        raise DomainError("note_needed", "Say in a line what the reason is.")


async def undo(desk: Desk, session: Session, operator_id: str) -> Session:
    """Take a decision back before it is sealed. Raises DomainError already_sealed."""

    def go(session: Session) -> Change:
        if session.state is not State.DECIDING:
            raise DomainError("already_sealed", "The decision is sealed; it cannot be taken back here.")
        return _undone(desk, session, f"operator:{operator_id}")

    session = await change(desk, session.id, go)
    await desk.tell(session)
    return session


def _undone(desk: Desk, session: Session, actor: str) -> Change:
    event = desk.event(session, "decision_undone", actor)
    back = session.move(Move.UNDO, decision=None)
    if desk.presence.both(session.call_id):
        return Change(back, (event,), {Timer.DECISION_SEAL: None})
    lost = suspend(desk, back, None, "lost_while_deciding")
    return Change(lost.session, (event, *lost.events), {Timer.DECISION_SEAL: None, **lost.timers})


async def seal(desk: Desk, session_id: str) -> None:
    """The time to undo is over: the decision stands, the call ends, the operator wraps up."""
    await desk.store.clear_timer(session_id, Timer.DECISION_SEAL, desk.clock.now())
    before = await session_of(desk, session_id)
    if before.state is not State.DECIDING or before.decision is None:
        return
    approval = (await recommend(desk, before)).approval
    holder = await desk.store.operator(before.decision.operator_id)

    def go(session: Session) -> Change | None:
        decision = session.decision
        if session.state is not State.DECIDING or decision is None:
            return None
        if decision.outcome is DecisionOutcome.APPROVE and approval is Approval.REFUSED:
            return _undone(desk, session, "system")  # a check that ended meanwhile says no
        now = desk.clock.now()
        sealed = replace(decision, sealed=True)
        actor = f"operator:{decision.operator_id}"
        wrapping = replace(holder, wrapping=True) if holder else None
        if decision.outcome is DecisionOutcome.APPROVE:
            moved = session.move(Move.APPROVE, decision=sealed, ended_at=now)
            timers = {Timer.ISSUANCE: now + desk.limits.issuance}
            return Change(moved, (desk.event(session, "approved", actor),), timers, wrapping)
        event_kind = "rejected" if decision.outcome is DecisionOutcome.REJECT else "referred"
        event = desk.event(session, event_kind, actor, reason_code=decision.reason_code)
        if decision.outcome is DecisionOutcome.REJECT:
            return Change(session.move(Move.REJECT, decision=sealed, ended_at=now), (event,), operator=wrapping)
        moved = session.move(
            Move.REFER,
            decision=None,
            earlier_decisions=(*session.earlier_decisions, sealed),
            excluded_operators=(*session.excluded_operators, decision.operator_id),
            operator_id=None,
            call_id=None,
            call_started_at=None,
            steps=(),
            priority=SECOND_PERSON_PRIORITY,
        )
        return Change(moved, (event,), operator=wrapping)

    session = await change(desk, session_id, go)
    if session.state is State.DECIDING or session.state is State.IN_CALL:
        await desk.tell(session)
        return
    await end_call(desk, before)
    await desk.tell(before, queue=True)
