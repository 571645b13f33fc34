"""Passive signs of a replaced video in the call: looked for at each comparison and challenge, for a second person."""

from __future__ import annotations

import json

import numpy as np

from server.ports import CheckUnavailable
from tests.api.conftest import House
from verification.contract import Outcome

CASE = "/api/operator/case"
LABEL = "FaceTime HD Camera"


def injection(case: dict[str, object]) -> dict[str, object]:
    checks = case["checks"]
    assert isinstance(checks, list)
    (found,) = (check for check in checks if check["check"] == "injection")
    return dict(found)


async def test_a_comparison_looks_for_signs_too(house: House) -> None:
    _, operator, _ = await house.in_call()
    case = await house.prepared(operator)
    assert injection(case)["outcome"] == "passed"
    assert case["recommendation"]["approval"] == "allowed"


async def test_a_risk_is_for_a_second_person_who_has_to_say_why(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    house.checker.outcomes["injection"], house.checker.risk = Outcome.INCONCLUSIVE, 0.7
    case = await house.prepared(operator)
    (part,) = (part for part in case["recommendation"]["parts"] if part["check"] == "injection")
    assert (part["effect"], part["remedy"]) == ("blocks", "second_person")
    body = {"outcome": "approve", "override_reason": "I know her"}
    assert await operator.refused("POST", f"{CASE}/decision", 409, json=body) == "approval_refused"

    # What was seen once in a call is not unseen by looking again.
    house.checker.outcomes.pop("injection")
    house.checker.risk = 0.1
    again = (await operator.ask("POST", f"{CASE}/compare"))["case"]
    assert injection(again)["score"] == 0.7
    assert again["recommendation"]["approval"] == "refused"

    body = {"outcome": "refer", "reason_code": "video_doubt", "note": "signs"}
    await operator.ask("POST", f"{CASE}/decision", json=body)
    await house.pass_time(6)
    second = await house.operator("Second")
    await house.connect(applicant, second)
    house.checker.outcomes["injection"] = Outcome.INCONCLUSIVE
    case = await house.prepared(second)
    assert case["recommendation"]["approval"] == "needs_reason"


async def test_signs_that_could_not_be_looked_for_are_not_a_pass(house: House) -> None:
    _, operator, _ = await house.in_call()
    house.checker.failures["signs"] = CheckUnavailable("check_crashed", "")
    case = await house.prepared(operator)
    assert (injection(case)["outcome"], injection(case)["reasons"]) == ("not_run", ["check_crashed"])
    assert case["recommendation"]["approval"] == "needs_reason"


async def test_the_camera_is_named_and_asked_for_another_picture(house: House) -> None:
    house.media.picture = np.full((480, 640, 3), 127, np.uint8)
    applicant, operator, call = await house.in_call()
    await applicant.send(type="camera", call=call, label=LABEL, resizes=True)
    asked = None
    while asked is None:
        asked = (await applicant.receive("state"))["session"]["call"]["camera"]
    before = house.media.picture.shape[1] / house.media.picture.shape[0]
    assert abs(asked["width"] / asked["height"] / before - 1) > 0.1
    house.media.picture = np.zeros((asked["height"], asked["width"], 3), np.uint8)
    while asked is not None:
        asked = (await applicant.receive("state"))["session"]["call"]["camera"]
    case = await house.prepared(operator)
    sender = house.checker.senders[-1]
    assert sender.device_label == LABEL
    assert sender.size_answer is not None
    assert sender.size_answer < 2
    assert injection(case)["details"]["device_label"] == LABEL  # type: ignore[index]
    assert injection(case)["details"]["signs"] == []  # type: ignore[index]
    events = json.dumps([event.data for event in await house.desk.store.audit_events(case["id"])], default=str)
    assert LABEL not in events


async def test_a_challenge_looks_for_signs_in_its_frames(house: House) -> None:
    _, operator, call = await house.in_call()
    await operator.ask("POST", f"{CASE}/challenge", json={"needs": []})
    while True:
        case = (await operator.receive("state"))["case"]
        if any(check["check"] == "injection" for check in case["checks"]):
            break
    assert injection(case)["call"] == call
    assert house.checker.calls.count("signs") == 1
