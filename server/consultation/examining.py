"""The card's security features: a few picked by the server at random, each confirmed or denied by the operator's eye.

All of it is kept in rows of the check ``security_features``: the first one of a call says what was picked, each later
one what the operator has said since. What was picked stays for the call: nobody picks again until it suits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from server.consultation.deciding import FIRST_FRAME_SECONDS, live_frames
from server.consultation.desk import Desk, one_at_a_time, record
from server.ports import AskedFeature, CheckUnavailable
from server.proofing import DomainError, Session, State
from verification.contract import CheckResult, Frame, Outcome, Side

CHECK = "security_features"
VERSION = "features-1"
ANSWERS = ("confirmed", "denied", "not_seen")
FRAMES, SECONDS = 3, 0.6
"""Frames of one still, of which the sharpest is taken, and the time over which they are, after the first."""
MOST_STILLS = 6
"""Of one feature: a tilted device shows two or three looks."""

Row = Mapping[str, Any]


async def begin(desk: Desk, session: Session, operator_id: str) -> None:
    """Pick the features of this call and take a first still of each. Repeated it changes nothing.

    Raises DomainError wrong_state, check_under_way; CheckUnavailable.
    """
    session.require(State.IN_CALL)
    actor = f"operator:{operator_id}"
    async with one_at_a_time(desk, session.id):
        if _rows(await desk.store.checks(session.id), session.call_id):
            return
        catalogue, picked = await desk.checker.pick_features(session.attributes.get("issuing_state", ""))
        names = [one.id for one in picked]
        await desk.store.append(
            desk.event(session, "features_picked", actor, call=session.call_id, catalogue=catalogue, features=names)
        )
        images, frames = await _first_stills(desk, session, picked, actor)
        asked = [{**asdict(one), "side": str(one.side), "look_for": dict(one.look_for)} for one in picked]
        answers = dict.fromkeys(names, "")
        await record(
            desk, session.id, _result(asked, answers, catalogue), actor, images,
            call=session.call_id, asked=asked, frames=frames,
        )  # fmt: skip
    await desk.tell(session)


async def capture(desk: Desk, session: Session, operator_id: str, feature: str) -> None:
    """Keep one more still of a feature, as the live video shows it now.

    Raises DomainError feature_unknown, feature_stills_enough, no_live_video, wrong_state, check_under_way, and
    CheckUnavailable.
    """
    actor = f"operator:{operator_id}"
    async with one_at_a_time(desk, session.id):
        rows = _rows(await desk.store.checks(session.id), session.call_id)
        one = next((_feature(told) for told in _asked(rows) if told["id"] == feature), None)
        if one is None:
            raise _unknown()
        images = dict(rows[-1]["images"])
        count = sum(name.rpartition("_")[0] == feature for name in images)
        if count >= MOST_STILLS:
            raise DomainError("feature_stills_enough", "There are enough pictures of this feature.")
        frames = await _look(desk, session)
        (still,) = await desk.checker.feature_stills(frames, [one])
        name = f"{feature}_{count + 1}"
        images[name] = await desk.vault.put(session.id, still.jpeg)
        source = _source(name, frames[still.index], found=still.found)
        await desk.store.append(
            desk.event(session, "feature_still_captured", actor, feature=feature, image=images[name], **source)
        )
        await _again(desk, session, rows, actor, _answers(rows), images, [*rows[-1]["frames"], source])
    await desk.tell(session)


async def answer(desk: Desk, session: Session, operator_id: str, feature: str, said: str) -> None:
    """Record what the operator says of a feature: confirmed, denied, not_seen. It may be said anew while in the call.

    Raises DomainError feature_unknown, wrong_state, check_under_way.
    """
    session.require(State.IN_CALL, State.SUSPENDED)
    actor = f"operator:{operator_id}"
    async with one_at_a_time(desk, session.id):
        rows = _rows(await desk.store.checks(session.id), session.call_id)
        answers = _answers(rows)
        if feature not in answers or said not in ANSWERS:
            raise _unknown()
        await desk.store.append(desk.event(session, "feature_answered", actor, feature=feature, answer=said))
        answers[feature] = said
        await _again(desk, session, rows, actor, answers, rows[-1]["images"], rows[-1]["frames"])
    await desk.tell(session)


def view(checks: Sequence[Row], call: str | None) -> list[dict[str, Any]] | None:
    """What the operator's panel shows: each feature with its answer and its stills, oldest first. None before."""
    rows = _rows(checks, call)
    if not rows:
        return None
    answers, images = _answers(rows), rows[-1]["images"]
    return [
        {
            **{key: one[key] for key in ("id", "kind", "side", "variable", "ask", "look_for")},
            "answer": answers[one["id"]],
            "stills": [sha256 for name, sha256 in images.items() if name.rpartition("_")[0] == one["id"]],
        }
        for one in _asked(rows)
    ]


async def _look(desk: Desk, session: Session) -> list[Frame]:
    first = await live_frames(desk, session, 1, FIRST_FRAME_SECONDS)
    return [*first, *await live_frames(desk, session, FRAMES - 1, SECONDS)]


async def _first_stills(
    desk: Desk, session: Session, picked: Sequence[AskedFeature], actor: str
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """One still of each feature where there is live video; the operator can take others at any time."""
    try:
        frames = await _look(desk, session)
        stills = await desk.checker.feature_stills(frames, picked)
    except DomainError as error:
        if error.code != "no_live_video":
            raise
        return {}, []
    except CheckUnavailable as error:
        await desk.store.append(desk.event(session, "check_unavailable", actor, check=CHECK, code=error.code))
        return {}, []
    images, sources = {}, []
    for feature, still in zip(picked, stills, strict=True):
        if still.found:  # a whole frame without the card would show nothing of the feature
            name = f"{feature.id}_1"
            images[name] = await desk.vault.put(session.id, still.jpeg)
            sources.append(_source(name, frames[still.index], found=True))
    return images, sources


async def _again(
    desk: Desk,
    session: Session,
    rows: Sequence[Row],
    actor: str,
    answers: Mapping[str, str],
    images: Mapping[str, str],
    frames: Sequence[Mapping[str, Any]],
) -> None:
    result = _result(_asked(rows), answers, str(rows[-1]["details"]["catalogue"]))
    await record(desk, session.id, result, actor, images, call=session.call_id, frames=list(frames))


def _result(asked: Sequence[Mapping[str, Any]], answers: Mapping[str, str], catalogue: str) -> CheckResult:
    """One feature denied fails the check; one that nobody has answered, or seen, leaves it open."""
    given = set(answers.values())
    outcome, reasons = Outcome.PASSED, ("features_confirmed",)
    if "denied" in given:
        outcome, reasons = Outcome.FAILED, ("feature_denied",)
    elif "" in given:
        outcome, reasons = Outcome.INCONCLUSIVE, ("features_unanswered",)
    elif "not_seen" in given:
        outcome, reasons = Outcome.INCONCLUSIVE, ("feature_not_seen",)
    told = [{"feature_kind": one["kind"], "answer": answers[one["id"]], "feature": one["id"]} for one in asked]
    return CheckResult(
        CHECK, outcome, reasons, model="operator", version=VERSION, details={"catalogue": catalogue, "features": told}
    )


def _rows(checks: Sequence[Row], call: str | None) -> list[Row]:
    return [row for row in checks if row["check"] == CHECK and row.get("call") == call and call is not None]


def _asked(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    return list(rows[0]["asked"]) if rows else []


def _answers(rows: Sequence[Row]) -> dict[str, str]:
    return {str(one["feature"]): str(one["answer"]) for one in rows[-1]["details"]["features"]} if rows else {}


def _feature(told: Mapping[str, Any]) -> AskedFeature:
    region = told["region"]
    return AskedFeature(
        id=told["id"],
        kind=told["kind"],
        side=Side(told["side"]),
        variable=told["variable"],
        region=None if region is None else (region[0], region[1], region[2], region[3]),
        ask=told["ask"],
        look_for=told["look_for"],
    )


def _source(name: str, frame: Frame, *, found: bool) -> dict[str, Any]:
    return {"picture": name, "rtp_timestamp": frame.rtp_timestamp, "sha256": frame.sha256, "found": found}


def _unknown() -> DomainError:
    return DomainError("feature_unknown", "That feature was not picked for this call.")
