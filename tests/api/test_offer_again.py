"""A media process dies under a call: both pages are asked for a new connection, and the same call goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server import serving
from server.ports import PAIR, Leg, LegEvent
from tests.api.conftest import House
from tests.fakes import FakeMedia


async def test_both_pages_are_asked_at_once_and_the_call_goes_on(house: House, tmp_path: Path) -> None:
    house.record(tmp_path)
    applicant, operator, call = await house.in_call()
    await house.segments_begin(call)
    session = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    for leg in PAIR:
        house.media.lose(call, leg, "lost")
    for person in (applicant, operator):
        assert await person.receive("offer_again") == {"type": "offer_again", "call": call}
    for leg, person in ((Leg.APPLICANT, applicant), (Leg.OPERATOR, operator)):
        await person.send(type="offer", call=call, sdp="v=0\r\n", attempt=2)
        answer = await person.receive("answer")
        assert (answer["call"], answer["attempt"]) == (call, 2)
        house.media.connect(call, leg)
    case = await operator.until("in_call")
    while case["recording"]:  # a snapshot of before the loss
        case = await operator.until("in_call")
    assert case["call_id"] == call
    assert call in house.media.recordings
    await house.segments_begin(call)
    while not case["recording"]:
        case = (await operator.receive("state"))["case"]
    kinds = [(event.kind, event.data.get("reason")) for event in await house.desk.store.audit_events(session)]
    assert kinds.count(("call_suspended", "lost")) == 1
    assert kinds.count(("call_resumed", None)) == 1


async def test_the_page_hears_it_before_the_new_state(house: House) -> None:
    applicant, _, call = await house.in_call()
    await asyncio.sleep(0)
    applicant.inbox.clear()
    house.media.lose(call, Leg.APPLICANT, "lost")
    await applicant.until("suspended")
    kinds = [message["type"] for message in applicant.inbox]
    states = [message["session"]["state"] for message in applicant.inbox if message["type"] == "state"]
    assert "offer_again" in kinds[: kinds.index("state") + states.index("suspended") + 1]


async def test_an_end_that_has_to_speak_another_codec_is_asked_and_stays_in_the_call(house: House) -> None:
    applicant, operator, call = await house.in_call()
    house.media.tell(LegEvent(call, Leg.OPERATOR, "offer_again"))
    assert await operator.receive("offer_again") == {"type": "offer_again", "call": call}
    await applicant.send(type="ping")
    await applicant.receive("pong")
    assert "offer_again" not in [message["type"] for message in applicant.inbox]
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "in_call"


async def test_nobody_else_is_asked(house: House) -> None:
    applicant, operator, call = await house.in_call()
    other_applicant, other_operator = await house.waiting(), await house.operator("Other")
    await house.connect(other_applicant, other_operator)
    house.media.lose(call, Leg.APPLICANT, "lost")
    await applicant.receive("offer_again")
    for person in (operator, other_applicant, other_operator):
        await person.send(type="ping")
        await person.receive("pong")
        assert "offer_again" not in [message["type"] for message in person.inbox]


async def test_a_call_that_is_over_is_not_asked_for(house: House) -> None:
    applicant, _, call = await house.in_call()
    await applicant.ask("POST", "/api/session/leave")
    house.media.lose(call, Leg.APPLICANT, "lost")
    await applicant.send(type="ping")
    await applicant.receive("pong")
    assert "offer_again" not in [message["type"] for message in applicant.inbox]


async def test_a_service_that_drains_matches_nobody_and_ends_after_the_last_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "DRAIN_SECONDS", 0.05)
    applicant, operator, _ = await house.in_call()
    waiting = await house.waiting()
    orders = serving.Orders()
    draining = asyncio.create_task(serving.drain_when_told(house.desk, orders))
    orders.drain.set()
    while not house.desk.draining:
        await asyncio.sleep(0)
    await house.operator("Another")
    assert (await waiting.ask("GET", "/api/session"))["session"]["state"] == "waiting"
    assert not orders.stop.is_set()
    await applicant.ask("POST", "/api/session/leave")
    await operator.ask("POST", "/api/operator/case/wrap-up", json={})
    await draining
    assert orders.stop.is_set()
    assert (await waiting.ask("GET", "/api/session"))["session"]["state"] == "waiting"


class Processes(FakeMedia):
    """Media that can be renewed."""

    def __init__(self) -> None:
        super().__init__()
        self.renewed = asyncio.Event()

    async def renew(self) -> None:
        self.renewed.set()


async def test_media_is_renewed_whenever_it_is_told(house: House) -> None:
    orders = serving.Orders()
    orders.renew_media.set()
    following = asyncio.create_task(serving.renew_when_told(house.desk, orders))
    while orders.renew_media.is_set():
        await asyncio.sleep(0)  # media that has no processes: said in the log, and nothing else
    house.desk.media = media = Processes()
    for _ in range(2):
        orders.renew_media.set()
        await asyncio.wait_for(media.renewed.wait(), 5)
        media.renewed.clear()
    assert not following.done()
    following.cancel()


class Waiting(FakeMedia):
    """Media whose processes are still coming up."""

    def __init__(self) -> None:
        super().__init__()
        self.up = asyncio.Event()

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        await self.up.wait()
        return await super().answer(call, leg, sdp)

    def can_carry(self) -> bool:
        return self.up.is_set()


async def test_an_offer_that_waits_for_a_media_process_holds_no_other_message(house: House) -> None:
    applicant, operator, call = await house.in_call()
    house.desk.media = media = Waiting()
    await applicant.send(type="offer", call=call, sdp="v=0\r\n", attempt=2)
    await applicant.send(type="candidate", call=call, candidate={"candidate": "candidate:1"})
    await applicant.send(type="chat", text="Are you there?", client_id="1")
    while not (await operator.until("in_call"))["messages"]:
        pass
    assert (await applicant.ask("GET", "/readyz", 503))["ready"] is False
    assert media.candidates == []
    media.up.set()
    assert (await applicant.receive("answer"))["attempt"] == 2
    while not media.candidates:
        await asyncio.sleep(0)
    assert (await applicant.ask("GET", "/readyz"))["ready"] is True


async def test_candidates_of_a_call_that_is_over_are_refused(house: House) -> None:
    applicant, operator, call = await house.in_call()
    candidate = {"type": "candidate", "call": call, "candidate": {"candidate": "candidate:1"}}
    for person in (applicant, operator):
        await person.send(**candidate)
    await operator.send(type="candidate", call="another", candidate={"candidate": "candidate:1"})
    assert (await operator.receive("error"))["code"] == "call_unknown"
    assert [leg for _, leg, _ in house.media.candidates] == [Leg.APPLICANT, Leg.OPERATOR]
    await applicant.ask("POST", "/api/session/leave")
    await applicant.send(**candidate)
    assert (await applicant.receive("error"))["code"] == "call_unknown"
    assert len(house.media.candidates) == 2
