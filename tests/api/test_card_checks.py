"""The card tilted as the screen asks, and its security features under the operator's eye: over HTTP, on the fakes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.adjudication import policy
from server.audit import first_fault
from server.ports import CheckUnavailable
from tests.api.conftest import House, Person
from verification.contract import Outcome

CASE = "/api/operator/case"


async def after(operator: Person, check: str) -> dict[str, Any]:
    """The case, as soon as it has a result of the check."""
    while True:
        snapshot = await operator.receive("state")
        if any(row["check"] == check for row in snapshot["case"]["checks"]):
            return snapshot["case"]  # type: ignore[no-any-return]


def newest(case: dict[str, Any], check: str) -> dict[str, Any]:
    return next(row for row in case["checks"] if row["check"] == check)


async def held(house: House, operator: Person) -> asyncio.Event:
    """A tilt begun, whose frames wait to be judged until the event that is returned is set."""
    house.checker.gate = first = asyncio.Event()
    asking = asyncio.create_task(operator.ask("POST", f"{CASE}/tilt"))
    while "new_tilt" not in house.checker.calls:
        await asyncio.sleep(0.01)
    house.checker.gate = later = asyncio.Event()
    first.set()
    await asking
    return later


async def answered(operator: Person, *answers: str) -> dict[str, Any]:
    """Features picked, and answered in order; the case."""
    case = (await operator.ask("POST", f"{CASE}/features"))["case"]
    for feature, answer in zip(case["features"], answers, strict=False):
        body = {"feature": feature["id"], "answer": answer}
        case = (await operator.ask("POST", f"{CASE}/features/answer", json=body))["case"]
    return dict(case)


async def test_a_tilted_card_is_followed_step_by_step_and_recorded(house: House) -> None:
    applicant, operator, call = await house.in_call()
    gate = await held(house, operator)
    prompt = (await applicant.ask("GET", "/api/session"))["session"]["call"]["prompt"]
    assert (prompt["kind"], prompt["id"]) == ("card_calm", 0)
    view = (await operator.ask("GET", "/api/operator"))["case"]["challenge"]
    assert (view["check"], view["current"]) == ("tilt", None)
    gate.set()
    while prompt["kind"] != "tilt_left":
        prompt = (await applicant.receive("state"))["session"]["call"]["prompt"] or prompt
    case = await after(operator, "tilt")
    tilt = newest(case, "tilt")
    assert (tilt["outcome"], tilt["call"]) == ("passed", call)
    assert {frame["picture"] for frame in tilt["frames"]} == set(tilt["images"]) == {"step_1", "step_2"}
    assert all(frame["rtp_timestamp"] and len(frame["sha256"]) == 64 for frame in tilt["frames"])
    async with operator.http.get(f"{house.base}{CASE}/images/{tilt['images']['step_1']}") as response:
        assert await response.read() == b"step"


async def test_a_passed_tilt_does_its_step_unless_the_operator_said_otherwise(house: House) -> None:
    _, operator, _ = await house.in_call()
    problem = {"step": "tilt_card", "outcome": "problem"}
    for said, steps in ((None, ["done"]), (problem, ["done", "problem"])):
        if said:
            await operator.ask("POST", f"{CASE}/steps", json=said)
        await operator.ask("POST", f"{CASE}/tilt")
        while house.desk.challenges:
            await operator.receive("state")
        case = (await operator.ask("GET", "/api/operator"))["case"]
        assert [step["outcome"] for step in case["steps"]] == steps


@pytest.mark.parametrize(("outcome", "approval"), [(Outcome.FAILED, "refused"), (Outcome.INCONCLUSIVE, "needs_reason")])
async def test_what_the_tilt_says_reaches_adjudication(house: House, outcome: Outcome, approval: str) -> None:
    house.desk.policy = policy(False)
    house.checker.outcomes["tilt"] = outcome
    _, operator, _ = await house.in_call()
    await house.prepared(operator)
    await operator.ask("POST", f"{CASE}/tilt")
    case = await after(operator, "tilt")
    assert case["recommendation"]["approval"] == approval
    (part,) = [one for one in case["recommendation"]["parts"] if one["check"] == "tilt"]
    assert part["remedy"] == "tilt_card" and part["reasons"]


async def test_a_repetition_that_did_not_run_undoes_no_failed_tilt(house: House) -> None:
    house.desk.policy = policy(False)
    house.checker.outcomes["tilt"] = Outcome.FAILED
    _, operator, _ = await house.in_call()
    await house.prepared(operator)
    await operator.ask("POST", f"{CASE}/tilt")
    await after(operator, "tilt")
    house.checker.failures["follow_challenge"] = CheckUnavailable("check_crashed", "gone")
    await operator.ask("POST", f"{CASE}/tilt")
    while house.desk.challenges:
        await operator.receive("state")
    case = (await operator.ask("GET", "/api/operator"))["case"]
    assert [row["outcome"] for row in case["history"] if row["check"] == "tilt"] == ["failed", "not_run"]
    assert newest(case, "tilt")["outcome"] == "failed"
    assert case["recommendation"]["approval"] == "refused"


async def test_required_card_checks_are_asked_of_every_call(house: House) -> None:
    house.desk.policy = policy(False, card_checks_required=True)
    _, operator, _ = await house.in_call()
    assert (await house.prepared(operator))["recommendation"]["approval"] == "refused"
    await operator.ask("POST", f"{CASE}/tilt")
    await after(operator, "tilt")
    case = await answered(operator, "confirmed", "confirmed", "confirmed")
    assert case["recommendation"]["approval"] == "allowed"


async def test_one_challenge_at_a_time(house: House) -> None:
    _, operator, _ = await house.in_call()
    await held(house, operator)
    assert await operator.refused("POST", f"{CASE}/tilt", 409) == "check_under_way"
    assert await operator.refused("POST", f"{CASE}/challenge", 409, json={"needs": []}) == "check_under_way"
    case = (await operator.ask("POST", f"{CASE}/challenge/stop"))["case"]
    assert case["challenge"] is None and house.desk.challenges == {}


async def test_features_are_picked_once_and_answered_one_by_one(house: House) -> None:
    house.desk.policy = policy(False)
    _, operator, call = await house.in_call()
    await house.prepared(operator)
    case = await answered(operator)
    features = case["features"]
    assert len({one["kind"] for one in features}) == len(features) >= 3
    assert all(one["answer"] == "" and len(one["stills"]) == 1 and set(one["look_for"]) for one in features)
    assert newest(case, "security_features")["outcome"] == "inconclusive"
    assert case["recommendation"]["approval"] == "needs_reason"

    still = {"feature": features[0]["id"]}
    case = (await operator.ask("POST", f"{CASE}/features/still", json=still))["case"]
    assert [len(one["stills"]) for one in case["features"]] == [2, 1, 1]
    async with operator.http.get(f"{house.base}{CASE}/images/{case['features'][0]['stills'][1]}") as response:
        assert (await response.read()).startswith(features[0]["id"].encode())

    case = await answered(operator, "confirmed", "confirmed", "confirmed")
    assert [one["id"] for one in case["features"]] == [one["id"] for one in features], "picked anew"
    result = newest(case, "security_features")
    assert (result["outcome"], result["call"]) == ("passed", call)
    assert [one["answer"] for one in result["details"]["features"]] == ["confirmed"] * 3
    assert case["recommendation"]["approval"] == "allowed"
    assert house.checker.calls.count("pick_features") == 1

    events = await house.desk.store.audit_events(case["id"])
    assert first_fault(events) is None
    kinds = [event.kind for event in events]
    assert kinds.count("features_picked") == 1 and kinds.count("feature_answered") == 3
    captured = next(event for event in events if event.kind == "feature_still_captured")
    assert captured.data["rtp_timestamp"] and len(captured.data["sha256"]) == 64


@pytest.mark.parametrize(
    ("answers", "outcome", "approval"),
    [
        (("confirmed", "denied", "confirmed"), "failed", "refused"),
        (("denied",), "failed", "refused"),
        (("confirmed", "not_seen", "confirmed"), "inconclusive", "needs_reason"),
        (("confirmed", "confirmed"), "inconclusive", "needs_reason"),
    ],
)
async def test_what_is_denied_or_not_seen_weighs(
    house: House, answers: tuple[str, ...], outcome: str, approval: str
) -> None:
    house.desk.policy = policy(False)
    _, operator, _ = await house.in_call()
    await house.prepared(operator)
    case = await answered(operator, *answers)
    assert newest(case, "security_features")["outcome"] == outcome
    assert case["recommendation"]["approval"] == approval
    if outcome == "failed":
        refused = await operator.refused("POST", f"{CASE}/decision", 409, json={"outcome": "approve"})
        assert refused == "approval_refused"
        body = {"outcome": "refer", "reason_code": "document_doubt"}
        assert (await operator.ask("POST", f"{CASE}/decision", json=body))["case"]["state"] == "deciding"


async def test_a_feature_that_was_not_picked_cannot_be_answered(house: House) -> None:
    _, operator, _ = await house.in_call()
    body = {"feature": "kz-overlay", "answer": "confirmed"}
    assert await operator.refused("POST", f"{CASE}/features/answer", 422, json=body) == "feature_unknown"
    await operator.ask("POST", f"{CASE}/features")
    assert await operator.refused("POST", f"{CASE}/features/answer", 422, json=body) == "feature_unknown"
    still = {"feature": "kz-overlay"}
    assert await operator.refused("POST", f"{CASE}/features/still", 422, json=still) == "feature_unknown"
    wrong = {"feature": "one-relief", "answer": "perhaps"}
    assert await operator.refused("POST", f"{CASE}/features/answer", 400, json=wrong) == "request_invalid"


async def test_stills_of_a_feature_are_bounded(house: House) -> None:
    _, operator, _ = await house.in_call()
    body = {"feature": (await answered(operator))["features"][0]["id"]}
    for _ in range(5):
        await operator.ask("POST", f"{CASE}/features/still", json=body)
    assert await operator.refused("POST", f"{CASE}/features/still", 409, json=body) == "feature_stills_enough"


async def test_features_without_video_are_picked_and_stills_come_later(house: House) -> None:
    _, operator, _ = await house.in_call()
    house.media.frozen = True
    case = await answered(operator)
    assert [one["stills"] for one in case["features"]] == [[], [], []]
    body = {"feature": case["features"][0]["id"]}
    assert await operator.refused("POST", f"{CASE}/features/still", 409, json=body) == "no_live_video"
    house.media.frozen = False
    case = (await operator.ask("POST", f"{CASE}/features/still", json=body))["case"]
    assert len(case["features"][0]["stills"]) == 1


async def test_a_second_persons_call_has_features_of_its_own(house: House) -> None:
    applicant, first, _ = await house.in_call()
    await answered(first, "denied")
    await first.ask("POST", f"{CASE}/decision", json={"outcome": "refer", "reason_code": "document_doubt"})
    await house.pass_time(6)
    await applicant.until("referred")
    await first.ask("POST", f"{CASE}/wrap-up", json={})
    second = await house.operator("Second")
    await house.connect(applicant, second)
    case = (await second.ask("GET", "/api/operator"))["case"]
    assert case["features"] is None and case["second_person"]
    assert all(row["check"] != "security_features" for row in case["checks"])
    assert any(row["check"] == "security_features" for row in case["history"])
