"""An engine that carries each direction over a connection of its own: its offer reaches the page, the answer it."""

from __future__ import annotations

import asyncio

import pytest

from server.ports import SIDE, Leg
from tests.api.conftest import House, Person
from tests.api.test_interpreter import admitted

INIT = {"candidate": "candidate:1 1 udp 1 127.0.0.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}


async def settled(person: Person) -> None:
    """What the page sent about its media was done: it is done in its order."""
    await person.send(type="offer", call="another", sdp="v=0\r\n")
    while (await person.receive("error"))["re"] != "offer":
        pass


async def test_the_offer_comes_to_the_page_of_its_end_and_the_answer_goes_back(house: House) -> None:
    applicant, operator, call = await house.in_call()
    offer = house.media.offer(call, Leg.APPLICANT)
    told = await applicant.receive("receive")
    assert told == {"type": "receive", "call": call, "number": offer.number, "sdp": offer.sdp, "side": False}
    await applicant.send(type="received", call=call, number=offer.number, sdp="v=0\r\n")
    await applicant.send(type="candidate", call=call, receiving=offer.number, candidate=INIT)
    await applicant.send(type="candidate", call=call, candidate=INIT)
    await settled(applicant)
    assert house.media.accepted == [(call, Leg.APPLICANT, offer.number, "v=0\r\n")]
    assert [number for _, _, number, _ in house.media.receiving_candidates] == [offer.number]
    assert [leg for _, leg, _ in house.media.candidates] == [Leg.APPLICANT]
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "in_call"
    await operator.send(type="ping")
    await operator.receive("pong")
    assert "receive" not in [message["type"] for message in operator.inbox]


async def test_a_later_offer_takes_the_place_of_an_earlier_one_without_a_word(house: House) -> None:
    applicant, _, call = await house.in_call()
    earlier = house.media.offer(call, Leg.APPLICANT)
    await applicant.receive("receive")
    later = house.media.offer(call, Leg.APPLICANT)
    assert (await applicant.receive("receive"))["number"] == later.number
    for number in (earlier.number, later.number):
        await applicant.send(type="candidate", call=call, receiving=number, candidate=INIT)
        await applicant.send(type="received", call=call, number=number, sdp="v=0\r\n")
    await settled(applicant)
    assert [number for _, _, number, _ in house.media.accepted] == [later.number]
    assert [number for _, _, number, _ in house.media.receiving_candidates] == [later.number]
    assert [message["re"] for message in applicant.inbox if message["type"] == "error"] == ["offer"]


async def test_a_page_that_was_away_offers_anew_and_hears_of_no_older_offer(house: House) -> None:
    applicant, _, call = await house.in_call()
    await applicant.close_page()
    house.media.offer(call, Leg.APPLICANT)
    await applicant.open_page()
    await applicant.send(type="offer", call=call, sdp="v=0\r\n", attempt=2)
    await applicant.receive("answer")
    newer = house.media.offer(call, Leg.APPLICANT)
    assert (await applicant.receive("receive"))["number"] == newer.number
    assert [message["type"] for message in applicant.inbox].count("receive") == 1


def offer_before_the_answer(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an engine may that finds the other end there."""
    plain = house.media.answer

    async def answer(call: str, leg: Leg, sdp: str) -> str:
        made = await plain(call, leg, sdp)
        offer = house.media.offer(call, leg)
        async with asyncio.timeout(5):
            while offer not in house.desk.presence.receive.values():
                await asyncio.sleep(0)
        return made

    monkeypatch.setattr(house.media, "answer", answer)


async def test_each_of_a_pages_connections_has_offers_of_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    applicant, operator, call = await house.in_call()
    interpreter = await admitted(house, applicant, operator)
    offer_before_the_answer(house, monkeypatch)
    for person, leg in ((applicant, Leg.APPLICANT), (operator, Leg.OPERATOR), (interpreter, Leg.INTERPRETER)):
        await person.send(type="offer", call=call, sdp="v=0\r\n", side=True)
        told = await person.receive("receive")
        assert told["side"]
        await person.receive("answer")
        await person.send(type="received", call=call, number=told["number"], sdp="v=0\r\n", side=True)
        await settled(person)
        assert house.media.accepted[-1][1:3] == (SIDE[leg], told["number"])
    await operator.ask("POST", "/api/operator/case/interpreter/end")
    offer = house.media.offer(call, Leg.INTERPRETER_SIDE)
    await interpreter.send(type="received", call=call, number=offer.number, sdp="v=0\r\n", side=True)
    error = await interpreter.receive("error")
    assert error["code"] in ("call_unknown", "no_case")
    assert house.media.accepted[-1][2] != offer.number


async def test_only_who_is_in_the_call_answers_and_only_in_bounds(house: House) -> None:
    applicant, operator, call = await house.in_call()
    stranger = await house.waiting()
    other = await house.operator("Other")
    await house.connect(stranger, other)
    offer = house.media.offer(call, Leg.APPLICANT)
    answer = {"type": "received", "call": call, "number": offer.number, "sdp": "v=0\r\n"}
    await stranger.send(**answer)
    assert (await stranger.receive("error"))["code"] == "call_unknown"
    await operator.send(**answer)  # in the call, but the offer was another end's
    await settled(operator)
    assert house.media.accepted == []
    for wrong in ({"number": 0}, {"number": "1"}, {"sdp": None}, {"call": "c" * 65}, {"more": 1}):
        await applicant.send(**{**answer, **wrong})
        assert (await applicant.receive("error"))["code"] == "message_invalid"
