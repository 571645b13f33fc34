"""The whole session over HTTP and WebSocket, and what each step refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.audit import first_fault
from server.ports import CheckUnavailable, Leg, LegEvent, RegistryUnavailable
from tests.api.conftest import PICTURE, STEPS, House
from tests.fakes import FakeRegistry
from verification.contract import Outcome, Side, UnusableInput


async def test_from_join_to_certificates(house: House) -> None:
    applicant, operator, call = await house.in_call()
    case = await house.prepared(operator)
    assert case["recommendation"]["approval"] == "allowed"
    face = next(check for check in case["checks"] if check["check"] == "face_match")
    assert (face["outcome"], face["threshold"], face["fmr"]) == ("passed", 0.348, 0.001)
    async with operator.http.get(f"{house.base}/api/operator/case/images/{face['images']['probe']}") as response:
        assert await response.read() == b"best face"
        assert response.headers["Cache-Control"] == "no-store"

    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "deciding"
    await house.pass_time(6)
    await applicant.until("approved")
    assert call in house.media.closed

    issuance = await applicant.ask("GET", "/api/session/issuance")
    requests = house.requests(issuance)
    issued = await applicant.ask("POST", "/api/session/issuance", json=requests)
    assert issued["status"] == "issued" and len(issued["chain"]) == 2
    again = await applicant.ask("POST", "/api/session/issuance", json=requests)
    assert again["certificates"] == issued["certificates"]
    assert len(house.issuer.enrolled) == 2
    other = house.requests(issuance, sign="key 3")
    assert await applicant.refused("POST", "/api/session/issuance", 409, json=other) == "already_requested"
    assert (await applicant.ask("POST", "/api/session/issuance/saved"))["saved"] is True

    await operator.ask("POST", "/api/operator/case/wrap-up", json={"note": "calm"})
    assert (await operator.ask("GET", "/api/operator"))["case"] is None
    session_id = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    events = await house.desk.store.audit_events(session_id)
    assert first_fault(events) is None
    kinds = [event.kind for event in events]
    for kind in ("session_opened", "matched", "call_started", "check_recorded", "approved", "certificates_issued"):
        assert kind in kinds


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.NOT_RUN])
async def test_approve_is_refused_when_the_comparison_did_not_pass(house: House, outcome: Outcome) -> None:
    _, operator, _ = await house.in_call()
    house.checker.outcomes["face_match"] = outcome
    case = await house.prepared(operator)
    assert case["recommendation"]["approval"] == "refused"
    for override in ("", "I know her"):
        body = {"outcome": "approve", "override_reason": override}
        assert await operator.refused("POST", "/api/operator/case/decision", 409, json=body) == "approval_refused"
    rejection = {"outcome": "reject", "reason_code": "different_person"}
    assert (await operator.ask("POST", "/api/operator/case/decision", json=rejection))["case"]["state"] == "deciding"


async def test_approve_is_refused_before_every_step_and_check_was_done(house: House) -> None:
    _, operator, _ = await house.in_call()
    assert (
        await operator.refused("POST", "/api/operator/case/decision", 409, json={"outcome": "approve"})
        == "approval_refused"
    )


async def test_what_only_a_person_can_settle_needs_a_reason(house: House) -> None:
    house.checker.outcomes["printed_text"] = Outcome.INCONCLUSIVE
    _, operator, _ = await house.in_call()
    assert (await house.prepared(operator))["recommendation"]["approval"] == "needs_reason"
    body = {"outcome": "approve"}
    assert await operator.refused("POST", "/api/operator/case/decision", 422, json=body) == "override_reason_needed"
    body["override_reason"] = "The print is worn; I compared it by eye."
    assert (await operator.ask("POST", "/api/operator/case/decision", json=body))["case"]["state"] == "deciding"


async def test_a_decision_can_be_taken_back_until_it_is_sealed(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    await house.prepared(operator)
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    assert (await operator.ask("POST", "/api/operator/case/decision/undo"))["case"]["state"] == "in_call"
    await house.pass_time(6)
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "in_call"
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    await house.pass_time(6)
    assert await operator.refused("POST", "/api/operator/case/decision/undo", 409) == "already_sealed"


async def test_a_referred_session_goes_to_another_operator_with_a_call_of_her_own(house: House) -> None:
    house.checker.outcomes["face_match"] = Outcome.FAILED
    applicant, first, call = await house.in_call()
    await house.prepared(first)
    body = {"outcome": "refer", "reason_code": "comparison_failed"}
    await first.ask("POST", "/api/operator/case/decision", json=body)
    await house.pass_time(6)
    await applicant.until("referred")
    await first.ask("POST", "/api/operator/case/wrap-up", json={})
    assert (await first.ask("GET", "/api/operator"))["case"] is None  # ready, and yet she does not get it again
    second = await house.operator("Second")
    assert await house.connect(applicant, second) != call
    house.checker.outcomes.clear()
    case = await house.prepared(second)
    assert case["second_person"] and case["recommendation"]["approval"] == "needs_reason"


async def test_two_operators_never_get_the_same_citizen(house: House) -> None:
    first, second = await house.operator("First"), await house.operator("Second")
    citizens = await asyncio.gather(*(house.waiting() for _ in range(2)))
    cases = [(await operator.until("matched"))["id"] for operator in (first, second)]
    assert len(set(cases)) == 2
    assert {(await citizen.ask("GET", "/api/session"))["session"]["state"] for citizen in citizens} == {"matched"}


async def test_the_wait_is_honest(house: House) -> None:
    first, second = await house.waiting(), await house.waiting()
    queue = (await second.ask("GET", "/api/session"))["session"]["queue"]
    assert (queue["position"], queue["wait"], queue["operators"]) == (2, None, 0)
    operator = await house.operator()
    await operator.until("matched")
    assert (await first.ask("GET", "/api/session"))["session"]["state"] == "matched"
    queue = (await second.ask("GET", "/api/session"))["session"]["queue"]
    assert queue["position"] == 1 and 0 < queue["wait"]["high"] < 1200


async def test_a_closed_page_keeps_its_place_and_is_not_matched_meanwhile(house: House) -> None:
    applicant = await house.waiting()
    await applicant.close_page()
    later = await house.waiting()
    operator = await house.operator()
    case = await operator.until("matched")
    assert case["id"] == (await later.ask("GET", "/api/session"))["session"]["id"]
    snapshot = await applicant.open_page()
    assert snapshot["session"]["queue"]["position"] == 1


async def test_a_second_tab_takes_over_and_the_first_is_told(house: House) -> None:
    applicant = await house.waiting()
    old = applicant.socket
    assert old is not None
    await applicant.open_page()
    message = await old.receive_json(timeout=5)
    while message["type"] == "state":
        message = await old.receive_json(timeout=5)
    assert message == {"type": "bye", "code": "opened_elsewhere"}
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "waiting"


async def test_a_lost_end_suspends_and_resumes(house: House) -> None:
    applicant, operator, call = await house.in_call()
    house.media.lose(call, Leg.APPLICANT)
    await operator.until("suspended")
    assert await operator.refused("POST", "/api/operator/case/compare", 409) == "wrong_state"
    house.media.connect(call, Leg.APPLICANT)
    await operator.until("in_call")
    await applicant.until("in_call")


async def test_an_end_that_does_not_come_back_frees_the_operator_and_keeps_the_place(house: House) -> None:
    applicant, operator, call = await house.in_call()
    house.media.lose(call, Leg.APPLICANT)
    await operator.until("suspended")
    await applicant.close_page()
    await house.pass_time(121)
    assert (await operator.ask("GET", "/api/operator"))["case"] is None
    session = (await applicant.ask("GET", "/api/session"))["session"]
    assert session["state"] == "waiting"
    await applicant.open_page()
    assert (await operator.until("matched"))["id"] == session["id"]


async def test_leaving_ends_the_case_for_both(house: House) -> None:
    applicant, operator, call = await house.in_call()
    assert (await applicant.ask("POST", "/api/session/leave"))["session"]["state"] == "abandoned"
    assert (await operator.until("abandoned"))["wrapping"] is True
    assert call in house.media.closed
    await operator.ask("POST", "/api/operator/case/wrap-up", json={})
    assert (await applicant.ask("POST", "/api/session/leave"))["session"]["state"] == "abandoned"


async def test_after_a_rejection_the_same_person_waits_a_while(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    body = {"outcome": "reject", "reason_code": "different_person"}
    await operator.ask("POST", "/api/operator/case/decision", json=body)
    await house.pass_time(6)
    shown = (await applicant.ask("GET", "/api/session"))["session"]
    assert shown["decision"]["outcome"] == "rejected" and shown["decision"]["retry_at"]
    again = await house.applicant()
    for side in ("front", "back"):
        await again.ask("PUT", f"/api/session/evidence/{side}", data=b"picture", headers=PICTURE)
    assert await again.refused("POST", "/api/session/evidence/confirm", 429, json={}) == "retry_later"
    house.clock.advance(15 * 60)
    assert (await again.ask("POST", "/api/session/evidence/confirm", json={}))["session"]["state"] == "waiting"


async def test_a_picture_that_cannot_be_used_says_why_and_can_be_taken_again(house: House) -> None:
    applicant = await house.applicant()
    house.checker.problems[Side.FRONT] = ("glare",)
    path = "/api/session/evidence/front"
    answer = await applicant.ask("PUT", path, data=b"picture", headers=PICTURE)
    assert answer["reading"]["problems"] == ["glare"] and not answer["session"]["can_confirm"]
    assert await applicant.refused("POST", "/api/session/evidence/confirm", 409, json={}) == "evidence_incomplete"
    house.checker.problems.clear()
    assert (await applicant.ask("PUT", path, data=b"picture", headers=PICTURE))["reading"]["usable"]


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (UnusableInput("image_truncated", "The picture is cut off."), 422, "image_truncated"),
        (CheckUnavailable("check_crashed", "The check stopped."), 503, "check_crashed"),
        (CheckUnavailable("check_timed_out", "The check took too long."), 503, "check_timed_out"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
)
async def test_a_check_that_fails_costs_that_check_only(
    house: House, failure: Exception, status: int, code: str
) -> None:
    applicant = await house.applicant()
    path = "/api/session/evidence/front"
    house.checker.failures["assess_side"] = failure
    assert await applicant.refused("PUT", path, status, data=b"picture", headers=PICTURE) == code
    assert (await applicant.ask("PUT", path, data=b"picture", headers=PICTURE))["reading"]["usable"]


async def test_a_comparison_that_crashes_leaves_the_case_as_it_was(house: House) -> None:
    _, operator, call = await house.in_call()
    house.checker.failures["compare"] = CheckUnavailable("check_crashed", "The check stopped.")
    assert await operator.refused("POST", "/api/operator/case/compare", 503) == "check_crashed"
    house.media.frozen = True
    assert await operator.refused("POST", "/api/operator/case/compare", 409) == "no_live_video"
    house.media.frozen = False
    snapshot = await operator.ask("POST", "/api/operator/case/compare")
    assert snapshot["case"]["state"] == "in_call" and snapshot["case"]["call_id"] == call


async def test_corrected_names_are_marked_for_the_operator(house: House) -> None:
    applicant = await house.applicant()
    for side in ("front", "back"):
        await applicant.ask("PUT", f"/api/session/evidence/{side}", data=b"picture", headers=PICTURE)
    confirm = "/api/session/evidence/confirm"
    assert (
        await applicant.refused("POST", confirm, 422, json={"corrections": {"surname": "<b>"}}) == "correction_invalid"
    )
    assert await applicant.refused("POST", confirm, 400, json={"corrections": {"iin": "1"}}) == "request_invalid"
    body = {"corrections": {"patronymic": "Сейітқызы"}}
    assert (await applicant.ask("POST", confirm, json=body))["session"]["attributes"]["patronymic"] == "Сейітқызы"
    await applicant.open_page()
    operator = await house.operator()
    case = await operator.until("matched")
    typed = next(check for check in case["checks"] if check["check"] == "typed_text")
    assert typed["outcome"] == "inconclusive"


@pytest.mark.parametrize(
    ("code", "outcome"), [("registry_timed_out", "inconclusive"), ("registry_not_asked", "not_run"), ("", "failed")]
)
async def test_the_registrys_answer_or_silence_is_a_check(house: House, code: str, outcome: str) -> None:
    registry = FakeRegistry()
    registry.record = None
    registry.failure = RegistryUnavailable(code, "") if code else None
    house.desk.registry = registry
    applicant, operator = await house.waiting(), await house.operator()
    case = await operator.until("matched")
    assert case["id"] == (await applicant.ask("GET", "/api/session"))["session"]["id"]
    (check,) = (one for one in case["checks"] if one["check"] == "registry")
    assert (check["outcome"], check["reasons"], check["model"]) == (outcome, [code] if code else [], "fake-registry")
    assert registry.asked[0].iin == case["attributes"]["iin"]


async def test_a_registry_that_gave_no_answer_is_asked_again_and_an_answer_stands(house: House) -> None:
    registry = house.desk.registry = FakeRegistry()
    registry.failure = RegistryUnavailable("registry_unreachable", "")
    _, operator, _ = await house.in_call()
    registry.failure = None
    case = (await operator.ask("POST", "/api/operator/case/registry"))["case"]
    (check,) = (one for one in case["checks"] if one["check"] == "registry")
    assert (check["outcome"], len(registry.asked)) == ("passed", 2)
    assert registry.asked[0] == registry.asked[1]
    refused = await operator.refused("POST", "/api/operator/case/registry", 409)
    assert refused == "registry_answered"
    assert len(registry.asked) == 2


async def test_chat_reaches_the_other_side_once(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    for _ in range(2):
        await applicant.send(type="chat", text="Мен естімеймін", client_id="1")
    while True:
        case = (await operator.receive("state"))["case"]
        if case["messages"]:
            break
    assert [message["text"] for message in case["messages"]] == ["Мен естімеймін"]


async def test_a_specimen_card_stands_in_for_a_document_in_the_demo(house: House) -> None:
    applicant = await house.applicant()
    answer = await applicant.ask("POST", "/api/session/specimen", data=b"selfie", headers=PICTURE)
    assert answer["session"]["can_confirm"] and answer["readings"]["front"]["usable"]


async def test_issuance_only_on_a_sealed_approval_and_it_resumes_after_a_failure(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    requests = {"sign": "e30=", "auth": "e30="}
    assert await applicant.refused("POST", "/api/session/issuance", 409, json=requests) == "not_approved"
    await house.prepared(operator)
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    assert await applicant.refused("POST", "/api/session/issuance", 409, json=requests) == "not_approved"
    await house.pass_time(6)
    issuance = await applicant.ask("GET", "/api/session/issuance")
    good = house.requests(issuance)
    same = house.requests(issuance, sign="key 2")
    assert await applicant.refused("POST", "/api/session/issuance", 422, json=requests) == "csr_malformed"
    assert await applicant.refused("POST", "/api/session/issuance", 422, json=same) == "csr_keys_identical"
    house.issuer.failures.append(OSError("the CA is away"))
    assert await applicant.refused("POST", "/api/session/issuance", 503, json=good) == "issuance_interrupted"
    assert (await applicant.ask("GET", "/api/session/issuance"))["status"] == "requested"
    assert (await applicant.ask("POST", "/api/session/issuance", json=good))["status"] == "issued"
    assert len({order.serial_number for order in house.issuer.enrolled}) == 2


async def test_a_key_that_was_certified_before_is_refused(house: House) -> None:
    first, operator = await house.approved()
    await first.ask(
        "POST", "/api/session/issuance", json=house.requests(await first.ask("GET", "/api/session/issuance"))
    )
    await operator.ask("POST", "/api/operator/case/wrap-up", json={})
    second = await house.waiting()
    await house.connect(second, operator)
    await house.prepared(operator)
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    await house.pass_time(6)
    issuance = await second.ask("GET", "/api/session/issuance")
    assert await second.refused("POST", "/api/session/issuance", 422, json=house.requests(issuance)) == "csr_key_reused"


async def test_a_liveness_challenge_is_shown_step_by_step_and_recorded(house: House) -> None:
    _, operator, call = await house.in_call()
    path = "/api/operator/case/challenge"
    assert await operator.refused("POST", path, 409, json={"needs": ["unknown"]}) == "need_unknown"
    house.checker.gate = asyncio.Event()
    asking = asyncio.create_task(operator.ask("POST", path, json={"needs": []}))
    house.checker.gate.set()
    await asking
    while True:
        snapshot = await operator.receive("state")
        liveness = [check for check in snapshot["case"]["checks"] if check["check"] == "liveness"]
        if liveness:
            break
    assert (liveness[0]["outcome"], liveness[0]["call"]) == ("passed", call)
    assert {"step_1", "step_2"} <= set(liveness[0]["images"])
    assert house.desk.challenges == {}


async def test_guidance_reaches_both_pages_when_it_changes(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    for step in STEPS[:-1]:
        await operator.ask("POST", "/api/operator/case/steps", json={"step": step, "outcome": "done"})
    house.checker.guidance = ("come_closer",)
    while True:
        snapshot = await applicant.receive("state")
        if snapshot["session"]["call"]["guidance"]:
            break
    assert snapshot["session"]["call"]["guidance"] == ["come_closer"]
    assert (await operator.ask("GET", "/api/operator"))["case"]["guidance"] == ["come_closer"]


async def test_a_challenge_whose_video_is_lost_did_not_run(house: House) -> None:
    _, operator, call = await house.in_call()
    house.media.lose(call, Leg.APPLICANT, "closed")
    await operator.until("suspended")
    house.media.connect(call, Leg.APPLICANT)
    await operator.until("in_call")
    house.checker.failures["follow_challenge"] = CheckUnavailable("check_crashed", "The check stopped.")
    await operator.ask("POST", "/api/operator/case/challenge", json={})
    while True:
        snapshot = await operator.receive("state")
        liveness = [check for check in snapshot["case"]["checks"] if check["check"] == "liveness"]
        if liveness:
            break
    assert (liveness[0]["outcome"], liveness[0]["reasons"]) == ("not_run", ["check_crashed"])


async def test_a_call_is_recorded_and_both_pages_say_so(house: House, tmp_path: Path) -> None:
    house.record(tmp_path)
    applicant, operator, call = await house.in_call()
    await house.segments_begin(call)
    case = await operator.until("in_call")
    while not case["recording"]:
        case = (await operator.receive("state"))["case"]
    assert (await applicant.ask("GET", "/api/session"))["session"]["call"]["recording"] is True
    await house.prepared(operator)
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    await house.pass_time(6)
    kinds = [event.kind for event in await house.desk.store.audit_events(case["id"])]
    assert "recording_started" in kinds
    assert call not in house.media.recordings


async def test_without_a_recording_nobody_is_identified(house: House, tmp_path: Path) -> None:
    house.record(tmp_path)
    _, operator, _ = await house.in_call()
    await house.prepared(operator)
    body = {"outcome": "approve"}
    assert await operator.refused("POST", "/api/operator/case/decision", 409, json=body) == "not_recorded"


async def test_a_recording_that_cannot_be_written_stops_the_identification(house: House, tmp_path: Path) -> None:
    house.record(tmp_path)
    applicant, operator, call = await house.in_call()
    await house.segments_begin(call)
    house.media.tell(LegEvent(call, Leg.APPLICANT, "recording_failed"))
    await applicant.until("waiting")
    snapshot = await operator.ask("GET", "/api/operator")
    assert snapshot["case"] is None
    assert (snapshot["operator"]["availability"], snapshot["operator"]["pause_reason"]) == (
        "paused",
        "recording_failed",
    )
