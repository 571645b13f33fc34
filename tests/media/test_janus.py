"""What is of Janus alone: recording what is forwarded, losing Janus, its configuration."""

from __future__ import annotations

import asyncio

import pytest

from server.media import janus, janus_leftovers, lines
from server.media.janus import JanusMedia
from server.media.janus_client import JanusClient, JanusRefused, JanusUnavailable
from server.media.janus_configuration import JanusConfiguration
from server.media.janus_room import PLUGIN
from server.media.sealed import verify
from server.ports import Leg, MediaError, RecordingPlan
from tests.media.janus_server import running_janus
from tests.media.peers import Browser, Pages, join, next_event


async def test_a_call_in_janus_is_recorded_and_its_loss_is_told(tmp_path):
    async with running_janus() as there:
        media = there.media(least_free=0)
        await media.start()
        events = media.events()
        await media.record("c", RecordingPlan(tmp_path, "s1", bytes(32)))
        applicant = Browser(first_number=1000, address=there.address)
        await join(media, applicant, Leg.APPLICANT, "c")
        await next_event(events, "recording", Leg.APPLICANT)
        await applicant.sent_seconds(2)
        (segment,) = await media.stop_recording("c")
        found = verify(segment.path)
        assert found.ok
        assert found.complete
        assert found.sealed_bytes > 5000
        await media._client._socket.close()
        await next_event(events, "lost", Leg.APPLICANT)
        again = Browser(first_number=3000, address=there.address)
        await join(media, again, Leg.APPLICANT, "c")  # the session with Janus is made anew
        await next_event(events, "connected", Leg.APPLICANT)
        await media.aclose()
        await applicant.close()
        await again.close()


async def test_a_page_that_comes_back_is_seen_over_the_connection_that_there_is():
    """Whether its former connection still stands or was closed, nobody else is offered another one."""
    async with running_janus() as there:
        media = Pages(there.media(least_free=0))
        await media.start()
        events = media.events()
        first, operator = (Browser(first_number=number, address=there.address) for number in (1000, 3000))
        await join(media, first, Leg.APPLICANT, "c")
        await join(media, operator, Leg.OPERATOR, "c")
        assert 1000 <= await operator.seen_number() < 2000
        second = Browser(first_number=5000, address=there.address)
        await join(media, second, Leg.APPLICANT, "c")
        assert 5000 <= await operator.seen_number(at_least=5000) < 6000
        await second.close()
        await next_event(events, "closed", Leg.APPLICANT)
        third = Browser(first_number=7000, address=there.address)
        await join(media, third, Leg.APPLICANT, "c")
        assert 7000 <= await operator.seen_number(at_least=7000) < 8000
        assert 3000 <= await third.seen_number() < 4000
        assert [event.leg for event in media.offered].count(Leg.OPERATOR) == 1
        assert [event.leg for event in media.offered].count(Leg.APPLICANT) == 3
        for browser in (first, third, operator):
            await browser.close()
        await media.aclose()
        await media.leave()


async def test_a_receiver_that_loses_much_lowers_what_the_sender_sends_and_nobody_does_who_has_left():
    async with running_janus() as there:
        media = Pages(there.media(least_free=0))
        await media.start()
        applicant, operator = (Browser(first_number=number, address=there.address) for number in (1000, 3000))
        await join(media, applicant, Leg.APPLICANT, "c")
        await join(media, operator, Leg.OPERATOR, "c")
        assert 1000 <= await operator.seen_number() < 2000
        media.statistics("c", Leg.APPLICANT)  # from now on there are figures
        told = applicant.allowances()
        await asyncio.sleep(3)
        assert all(told.get_nowait() > lines.MOST for _ in range(told.qsize()))
        operator.lose(3)
        async with asyncio.timeout(15):
            while (first := await told.get()) >= lines.MOST:
                pass
            while await told.get() >= 0.9 * first:
                pass
            await media.hang_up("c", Leg.OPERATOR)
            while await told.get() <= lines.MOST:
                pass
        for browser in (applicant, operator):
            await browser.close()
        await media.aclose()
        await media.leave()


async def test_rooms_that_a_killed_service_left_are_taken_out_and_others_stay(monkeypatch):
    async with running_janus() as there:
        killed, other, after = there.media(least_free=0), Pages(there.media(least_free=0)), there.media(least_free=0)
        await killed.start()
        lone = Browser(first_number=1000, address=there.address)
        await join(killed, lone, Leg.APPLICANT, "gone")
        monkeypatch.setattr(killed, "_gone", lambda: None)  # it is not there to tidy up when its connection ends
        killed._client._on_gone = lambda: None
        await killed._client._socket.close()
        await other.start()
        applicant, operator = (Browser(first_number=number, address=there.address) for number in (1000, 3000))
        await join(other, applicant, Leg.APPLICANT, "c")
        await join(other, operator, Leg.OPERATOR, "c")
        assert 1000 <= await operator.seen_number() < 2000

        async def rooms() -> int:
            listed = {"request": "list", "admin_key": there.admin_key}
            return len((await other._client.message(other._control, listed))[0]["list"])

        assert await rooms() == 2
        monkeypatch.setattr(janus_leftovers, "AGAIN", 0.5)
        await after.start()
        async with asyncio.timeout(10):
            while await rooms() > 1:
                await asyncio.sleep(0.2)
        assert 1000 <= await operator.seen_number() < 2000
        for browser in (lone, applicant, operator):
            await browser.close()
        for media in (killed, other, after):
            await media.aclose()
        await other.leave()


async def test_a_receiving_connection_that_fails_is_offered_anew_and_old_answers_are_refused():
    async with running_janus() as there:
        media = Pages(there.media(least_free=0))
        await media.start()
        applicant, operator = (Browser(first_number=number, address=there.address) for number in (1000, 3000))
        await join(media, applicant, Leg.APPLICANT, "c")
        await join(media, operator, Leg.OPERATOR, "c")
        assert 1000 <= await operator.seen_number() < 2000
        (offer,) = (event for event in media.offered if event.leg is Leg.OPERATOR)
        answer = operator._receiver.localDescription.sdp
        candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.9 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
        await media.add_candidate("c", Leg.OPERATOR, candidate, offer.number)
        await operator._receiver.close()
        async with asyncio.timeout(10):
            while len(media.offered) < 3:
                await operator.sent_seconds(0.1)
        newest = await operator.seen_number()
        assert newest <= await operator.seen_number(at_least=newest + 1) < 2000
        with pytest.raises(MediaError) as refused:
            await media.accept("c", Leg.OPERATOR, offer.number, answer)
        assert refused.value.code == "media_superseded"
        await media.add_candidate("c", Leg.OPERATOR, candidate, offer.number)  # passed over
        await applicant.close()
        await operator.close()
        await media.aclose()
        await media.leave()


async def test_an_answer_that_janus_does_not_take_is_said():
    async with running_janus() as there:
        media = there.media(least_free=0)
        await media.start()
        events = media.events()
        applicant, operator = (Browser(first_number=number, address=there.address) for number in (1000, 3000))
        await join(media, applicant, Leg.APPLICANT, "c")
        await join(media, operator, Leg.OPERATOR, "c")
        async for event in events:
            if event.kind == "receive" and event.leg is Leg.OPERATOR:
                break
        answer = await operator.receive(event.sdp)
        for wrong in ("no answer", answer.replace("m=video", "m=application"), answer.replace("a=ice-pwd", "a=pwd")):
            with pytest.raises(MediaError) as refused:
                await media.accept("c", Leg.OPERATOR, event.number, wrong)
            assert refused.value.code == "media_offer_invalid"
        await media.accept("c", Leg.OPERATOR, event.number, answer)
        assert 1000 <= await operator.seen_number() < 2000
        await applicant.close()
        await operator.close()
        await media.aclose()


async def test_rooms_end_with_their_calls_and_nobody_without_the_key_makes_or_forwards_one():
    async with running_janus() as there:
        media = there.media(least_free=0)
        await media.start()
        client = JanusClient(there.url, there.secret, lambda: None)
        await client.connect()
        handle = await client.attach(PLUGIN, lambda kind, message: None)

        async def rooms() -> list:
            listed, _ = await client.message(handle, {"request": "list", "admin_key": there.admin_key})
            return listed["list"]

        browser = Browser(address=there.address)
        await join(media, browser, Leg.APPLICANT, "c")
        (room,) = await rooms()
        forward = {
            "request": "rtp_forward",
            "room": room["room"],
            "publisher_id": "p",
            "host": "127.0.0.1",
            "streams": [],
        }
        for request in (forward, {"request": "create", "room": "mine"}):
            for key in ({}, {"admin_key": "guessed"}):
                with pytest.raises(JanusRefused, match=r"admin_key|Unauthorized"):
                    await client.message(handle, request | key)
        await media.close("c")
        assert await rooms() == []
        assert set(media._client._handles) == {media._control}
        again = Browser(address=there.address)
        await join(media, again, Leg.APPLICANT, "c")
        await media._client._socket.close()
        third = Browser(address=there.address)
        await join(media, third, Leg.APPLICANT, "d")
        assert len(await rooms()) == 1  # that of the call before, which nobody ended, is gone
        for one in (browser, again, third):
            await one.close()
        await client.aclose()
        await media.aclose()


async def test_a_wrong_secret_is_refused():
    async with running_janus() as there:
        media = JanusMedia(there.url, "wrong", there.admin_key)
        with pytest.raises(JanusUnavailable):
            await media.start()
        await media.aclose()


async def test_without_janus_an_offer_is_refused_with_a_word_once_it_did_not_come_back(monkeypatch):
    monkeypatch.setattr(janus, "COMES_BACK", 0.3)
    tried = []
    connect = JanusClient.connect

    async def counted(client):
        tried.append(client)
        await connect(client)

    monkeypatch.setattr(JanusClient, "connect", counted)
    media = JanusMedia("ws://127.0.0.1:9", "secret", "key")
    with pytest.raises(JanusUnavailable):
        await media.start()
    assert len(tried) == 1
    browser = Browser()
    offer = await browser.offer()
    with pytest.raises(MediaError) as refused:
        await media.answer("c", Leg.APPLICANT, offer)
    assert len(tried) > 2
    assert refused.value.code == "media_unavailable"
    assert media.statistics("c", Leg.APPLICANT) is None
    await browser.close()
    await media.aclose()
    await asyncio.sleep(0)


def test_the_configuration_listens_on_nothing_but_the_api(tmp_path):
    JanusConfiguration("192.0.2.1", "secret", announced="203.0.113.5").write(tmp_path)
    text = (tmp_path / "janus.jcfg").read_text()
    assert 'api_secret = "secret"' in text
    assert 'nat_1_1_mapping = "203.0.113.5"' in text
    assert (tmp_path / "janus.jcfg").stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "janus.jcfg",
        "janus.plugin.videoroom.jcfg",
        "janus.transport.websockets.jcfg",
    ]
    with pytest.raises(ValueError, match="quotes"):
        JanusConfiguration("192.0.2.1", 'sec"ret').write(tmp_path)


def test_forwarding_is_locked_by_a_key_that_differs_each_time(tmp_path):
    keys = set()
    for _ in range(2):
        JanusConfiguration("192.0.2.1", "secret").write(tmp_path)
        path = tmp_path / "janus.plugin.videoroom.jcfg"
        assert path.stat().st_mode & 0o077 == 0
        text = path.read_text()
        assert "lock_rtp_forward = true" in text
        keys.add(text.split('admin_key = "')[1].split('"')[0])
    assert len(keys) == 2
    assert all(len(key) > 30 for key in keys)
