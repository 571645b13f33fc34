"""An interpreter in a call: who may ask for one, who may refuse, what she may do, and that it is all on record."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from server.api.routes import ROUTES, Access
from server.consultation import forgetting
from server.dossier import dossier
from server.media.playback import SealedRecordings
from server.ports import INTERPRETED, SIDE, Leg
from server.proofing import Role
from tests.api.conftest import House, Person
from tests.recordings import write_segment

ASKED = {"name": "  Сәуле  Ахметова ", "language": "kazakh_sign"}
DUTY = {"duty_version": "2026-11"}
INVITE = "/api/operator/case/interpreter"


async def opened(house: House, token: str) -> Person:
    """Somebody who has used the link and opened her page."""
    person = await house.person("/api/interpreter")
    await person.ask("POST", "/api/interpreter/sign-in", json={"token": token})
    await person.open_page()
    return person


async def invited(house: House, operator: Person) -> Person:
    token = (await operator.ask("POST", INVITE, json=ASKED))["interpreter_token"]
    return await opened(house, token)


async def admitted(house: House, applicant: Person, operator: Person) -> Person:
    """An interpreter who was agreed to and has bound herself."""
    interpreter = await invited(house, operator)
    await applicant.ask("POST", "/api/session/interpreter", json={"agree": True})
    await interpreter.ask("POST", "/api/interpreter/bind", json=DUTY)
    return interpreter


async def offered(person: Person, call: str, *, side: bool = False) -> str:
    """The code of the refusal of an offer; empty where it is answered."""
    await person.send(type="offer", call=call, sdp="v=0\r\n", side=side)
    while True:
        assert person.socket is not None
        message = await person.socket.receive_json(timeout=5)
        if message["type"] == "answer":
            return ""
        if message["type"] == "error":
            return str(message["code"])


async def seen(house: House, person: Person) -> Any:
    """What an end of the call is shown of the interpreter."""
    if person.prefix == "/api/session":
        return (await person.ask("GET", "/api/session"))["session"]["call"]["interpreter"]
    return (await person.ask("GET", "/api/operator"))["case"]["interpreter"]


async def until_connected(person: Person, connected: bool = True) -> None:
    while True:
        snapshot = await person.receive("state")
        shown = (snapshot.get("case") or snapshot["session"]["call"])["interpreter"]
        if shown and shown["connected"] is connected:
            return


async def test_she_is_heard_when_the_citizen_agreed_and_she_bound_herself(house: House) -> None:
    applicant, operator, call = await house.in_call()
    assert await seen(house, applicant) is None
    interpreter = await invited(house, operator)
    shown = await seen(house, applicant)
    assert shown == {
        "name": "Сәуле Ахметова", "language": "kazakh_sign", "agreed": None, "bound": False, "connected": False,
        "ended": "",
    }  # fmt: skip
    assert await offered(interpreter, call) == "interpreter_not_admitted"
    await applicant.ask("POST", "/api/session/interpreter", json={"agree": True})
    assert await offered(interpreter, call) == "interpreter_not_admitted"
    assert await offered(applicant, call, side=True) == "interpreter_not_admitted"
    assert (await interpreter.ask("GET", "/api/interpreter"))["call"] is None
    snapshot = await interpreter.ask("POST", "/api/interpreter/bind", json=DUTY)
    assert snapshot["call"] == {
        "id": call, "applicant_connected": True, "operator_connected": True, "recording": False,
    }  # fmt: skip
    for person in (interpreter, applicant, operator):
        assert await offered(person, call, side=True) == ""
    assert await offered(interpreter, call) == ""
    legs = {leg for answered, leg, _ in house.media.offers if answered == call}
    assert legs == {Leg.APPLICANT, Leg.OPERATOR, *INTERPRETED}
    house.media.connect(call, Leg.INTERPRETER)
    await until_connected(applicant)
    await until_connected(operator)
    init = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    for person, side in ((applicant, True), (interpreter, False), (interpreter, True)):
        await person.send(type="candidate", call=call, candidate=init, side=side)
        await person.send(type="offer", call=call, sdp="v=0\r\n", side=side)  # answered after it
        await person.receive("answer")
    legs = [leg for _, leg, _ in house.media.candidates]
    assert legs == [Leg.APPLICANT_SIDE, Leg.INTERPRETER, Leg.INTERPRETER_SIDE]


async def test_she_learns_nothing_of_the_case_and_may_do_nothing_else(house: House) -> None:
    applicant, operator, call = await house.in_call()
    interpreter = await admitted(house, applicant, operator)
    snapshot = await interpreter.ask("GET", "/api/interpreter")
    assert set(snapshot) == {"type", "interpreter", "call"}
    assert set(snapshot["interpreter"]) == {"id", "name", "language", "duty_version", "bound", "agreed", "ended"}
    assert "ULGI" not in str(snapshot)
    for route in ROUTES:
        if route.access in (Access.APPLICANT, Access.OPERATOR, Access.STAFF) and "{" not in route.path:
            code = await interpreter.refused(route.method, route.path, 401)
            assert code == "not_signed_in", route.path
    for message in ({"type": "chat", "text": "a", "client_id": "1"}, {"type": "camera", "label": "a"}):
        extra = {"call": call, "resizes": False} if message["type"] == "camera" else {}
        await interpreter.send(**message, **extra)
        assert (await interpreter.receive("error"))["code"] == "role_not_allowed"
    for path in ("/api/interpreter", "/api/interpreter/leave"):
        for person in (applicant, operator):
            method = "POST" if path.endswith("leave") else "GET"
            assert await person.refused(method, path, 401) == "not_signed_in"


async def test_a_link_opens_one_browser_for_one_call(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    token = (await operator.ask("POST", INVITE, json=ASKED))["interpreter_token"]
    assert token not in str(await operator.ask("GET", "/api/operator"))
    await opened(house, token)
    stranger = await house.person("/api/interpreter")
    again = {"json": {"token": token}}
    assert await stranger.refused("POST", "/api/interpreter/sign-in", 403, **again) == "link_invalid"
    assert await stranger.refused("POST", "/api/operator/sign-in", 403, **again) == "link_invalid"
    assert await operator.refused("POST", INVITE, 409, json=ASKED) == "interpreter_present"

    await operator.ask("POST", f"{INVITE}/end")
    late = (await operator.ask("POST", INVITE, json=ASKED))["interpreter_token"]
    house.clock.advance(31 * 60)
    assert (
        await stranger.refused("POST", "/api/interpreter/sign-in", 403, json={"token": late}) == "link_invalid"
    )  # too old
    await operator.ask("POST", f"{INVITE}/end")
    unused = (await operator.ask("POST", INVITE, json=ASKED))["interpreter_token"]
    await applicant.ask("POST", "/api/session/leave")
    assert (
        await stranger.refused("POST", "/api/interpreter/sign-in", 403, json={"token": unused}) == "link_invalid"
    )  # the call is over


async def test_the_citizen_may_refuse_and_may_change_her_mind(house: House) -> None:
    applicant, operator, call = await house.in_call()
    interpreter = await invited(house, operator)
    await interpreter.ask("POST", "/api/interpreter/bind", json=DUTY)
    await applicant.ask("POST", "/api/session/interpreter", json={"agree": False})
    assert (await seen(house, operator))["agreed"] is False
    assert (await seen(house, operator))["ended"] == "applicant"
    assert await offered(interpreter, call) == "no_case"
    answer = {"json": {"agree": True}}
    assert await applicant.refused("POST", "/api/session/interpreter", 409, **answer) == "interpreter_ended"

    interpreter = await admitted(house, applicant, operator)
    assert await offered(interpreter, call) == ""
    house.media.connect(call, Leg.INTERPRETER)
    await until_connected(operator)
    await applicant.ask("POST", "/api/session/interpreter", json={"agree": False})
    shown = await seen(house, applicant)
    assert (shown["agreed"], shown["connected"], shown["ended"]) == (True, False, "applicant")
    assert {leg for ended, leg in house.media.hung_up if ended == call} == set(INTERPRETED)
    assert await offered(applicant, call, side=True) == "call_unknown"
    assert (await operator.ask("GET", "/api/operator"))["case"]["state"] == "in_call"  # the call itself goes on


@pytest.mark.parametrize("who", ["operator", "interpreter", "call"])
async def test_her_part_ends_by_her_by_the_operator_or_with_the_call(house: House, who: str) -> None:
    applicant, operator, call = await house.in_call()
    interpreter = await admitted(house, applicant, operator)
    session = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    await offered(interpreter, call)
    house.media.connect(call, Leg.INTERPRETER)
    await until_connected(operator)
    if who == "operator":
        await operator.ask("POST", f"{INVITE}/end")
    elif who == "interpreter":
        await interpreter.ask("POST", "/api/interpreter/leave")
        await interpreter.ask("POST", "/api/interpreter/leave")  # a second time it changes nothing
    else:
        await applicant.ask("POST", "/api/session/leave")
    snapshot = await interpreter.ask("GET", "/api/interpreter")
    assert (snapshot["interpreter"]["ended"], snapshot["call"]) == (who, None)
    assert await offered(interpreter, call) == "no_case"
    events = [event for event in await house.desk.store.audit_events(session) if event.kind.startswith("interpreter")]
    assert [event.kind.removeprefix("interpreter_") for event in events] == [
        "invited", "signed_in", "agreed", "bound", "joined", "ended",
    ]  # fmt: skip
    number = snapshot["interpreter"]["id"]
    assert {event.data["interpreter"] for event in events} == {number}
    assert events[4].actor == f"interpreter:{number}"
    assert events[-1].data["by"] == who
    assert "Ахметова" not in str(await house.desk.store.audit_events())


async def test_she_may_be_lost_and_come_back_while_the_call_goes_on(house: House) -> None:
    applicant, operator, call = await house.in_call()
    interpreter = await admitted(house, applicant, operator)
    session = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    await offered(interpreter, call)
    house.media.connect(call, Leg.INTERPRETER)
    await until_connected(operator)
    house.media.lose(call, Leg.INTERPRETER, "silent")
    await until_connected(operator, connected=False)
    assert (await operator.ask("GET", "/api/operator"))["case"]["state"] == "in_call"
    house.media.connect(call, Leg.INTERPRETER)
    await until_connected(operator)
    house.media.lose(call, Leg.INTERPRETER, "lost")
    assert (await interpreter.receive("offer_again"))["call"] == call
    for side in SIDE.values():  # of these the pages see for themselves
        house.media.lose(call, side, "silent")
    await until_connected(operator, connected=False)
    kinds = [event.kind for event in await house.desk.store.audit_events(session)]
    assert kinds.count("interpreter_left") == 2
    assert "call_suspended" not in kinds
    reloaded = await house.stack.enter_async_context(interpreter.http.ws_connect(f"{house.base}/api/interpreter/ws"))
    assert (await interpreter.receive("bye"))["code"] == "opened_elsewhere"
    assert (await reloaded.receive_json(timeout=5))["call"]["id"] == call


async def test_a_loss_of_the_pair_does_not_count_her_as_an_end(house: House) -> None:
    applicant, operator, call = await house.in_call()
    interpreter = await admitted(house, applicant, operator)
    await offered(interpreter, call)
    house.media.connect(call, Leg.INTERPRETER)
    await until_connected(operator)
    house.media.lose(call, Leg.APPLICANT)
    await operator.until("suspended")
    house.media.connect(call, Leg.INTERPRETER)
    assert (await operator.ask("GET", "/api/operator"))["case"]["state"] == "suspended"
    house.media.connect(call, Leg.APPLICANT)
    await operator.until("in_call")


async def test_what_is_asked_must_make_sense(house: House) -> None:
    operator = await house.operator(ready=False)
    assert await operator.refused("POST", INVITE, 409, json=ASKED) == "no_case"
    await operator.ask("PUT", "/api/operator/availability", json={"availability": "ready"})
    applicant = await house.waiting()
    await operator.until("matched")
    assert await operator.refused("POST", INVITE, 409, json=ASKED) == "wrong_state"
    answer = {"json": {"agree": True}}
    assert await applicant.refused("POST", "/api/session/interpreter", 409, **answer) == "interpreter_ended"
    _, other, _ = await house.in_call()
    nameless, unknown = {**ASKED, "name": "  "}, {**ASKED, "language": "klingon"}
    assert await other.refused("POST", INVITE, 422, json=nameless) == "interpreter_name_needed"
    assert await other.refused("POST", INVITE, 422, json=unknown) == "interpreter_language_unknown"
    assert await other.refused("POST", f"{INVITE}/end", 409) == "interpreter_ended"
    interpreter = await invited(house, other)
    old = {"json": {"duty_version": "2020-01"}}
    assert await interpreter.refused("POST", "/api/interpreter/bind", 409, **old) == "duty_outdated"
    auditor = await house.staff(Role.AUDITOR)
    assert await auditor.refused("POST", INVITE, 403, json=ASKED) == "role_not_allowed"


async def test_her_part_is_in_the_record(house: House, tmp_path: Path) -> None:
    house.record(tmp_path)
    assert house.desk.recording_rule is not None
    house.desk.recordings = SealedRecordings(tmp_path, house.desk.recording_rule.key)
    applicant, operator, _ = await house.in_call()
    await admitted(house, applicant, operator)
    session = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    key = house.desk.recording_rule.key
    write_segment(tmp_path, session, Leg.INTERPRETER, seconds=2, began=house.clock.now(), key=key)
    await applicant.ask("POST", "/api/session/leave")
    auditor = await house.auditor()
    record = await auditor.ask("GET", f"/api/operator/records/{session}")
    (one,) = record["interpreters"]
    assert (one["name"], one["language"], one["invited_by"]) == ("Сәуле Ахметова", "kazakh_sign", "Operator")
    assert (one["agreed"], one["duty_version"], one["ended"]) == (True, "2026-11", "call")
    (segment,) = [one for one in record["segments"] if one["leg"] == "interpreter"]
    assert (segment["playable"], segment["verdict"]) == (True, "cut_off")  # the fake engine names no such segment
    played = f"{auditor.base}/api/operator/records/{session}/recordings/interpreter/1"
    async with auditor.http.get(played) as response:
        assert (response.status, response.content_type) == (200, "video/webm")
    kept = await dossier(house.desk.store, house.desk.vault, session)
    assert [one["name"] for one in kept["interpreters"]] == ["Сәуле Ахметова"]


async def test_her_name_goes_with_the_end_of_retention(house: House, tmp_path: Path) -> None:
    applicant, operator, _ = await house.in_call()
    interpreter = await invited(house, operator)
    session = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    await applicant.ask("POST", "/api/session/leave")
    house.clock.advance(86_400 * 3)
    desk = house.desk
    assert await forgetting.forget_due(desk.store, desk.vault, desk.clock, timedelta(days=1), tmp_path) == 1
    assert await desk.store.interpreters(session) == []
    assert await interpreter.refused("GET", "/api/interpreter", 401) == "not_signed_in"
