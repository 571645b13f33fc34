"""What is of Janus alone: recording through a tap, losing Janus, its configuration."""

from __future__ import annotations

import asyncio

import pytest

from server.media.janus import JanusMedia
from server.media.janus_client import JanusUnavailable
from server.media.janus_configuration import JanusConfiguration
from server.media.sealed import verify
from server.ports import Leg, MediaError, RecordingPlan
from tests.media.janus_server import running_janus
from tests.media.peers import Browser, join, next_event


async def test_a_call_in_janus_is_recorded_and_its_loss_is_told(tmp_path):
    async with running_janus() as (url, secret, address):
        media = JanusMedia(url, secret, addresses=[address], least_free=0)
        await media.start()
        events = media.events()
        await media.record("c", RecordingPlan(tmp_path, "s1", bytes(32)))
        applicant = Browser(first_number=1000, address=address)
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
        again = Browser(first_number=3000, address=address)
        await join(media, again, Leg.APPLICANT, "c")  # the session with Janus is made anew
        await next_event(events, "connected", Leg.APPLICANT)
        await media.aclose()
        await applicant.close()
        await again.close()


async def test_a_wrong_secret_is_refused():
    async with running_janus() as (url, _, address):
        media = JanusMedia(url, "wrong", addresses=[address])
        with pytest.raises(JanusUnavailable):
            await media.start()
        await media.aclose()


async def test_without_janus_an_offer_is_refused_with_a_word():
    media = JanusMedia("ws://127.0.0.1:9", "secret", addresses=["127.0.0.1"])
    with pytest.raises(JanusUnavailable):
        await media.start()
    browser = Browser()
    offer = await browser.offer()
    with pytest.raises(MediaError) as refused:
        await media.answer("c", Leg.APPLICANT, offer)
    assert refused.value.code == "media_full"
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
        "calls.js",
        "janus.jcfg",
        "janus.plugin.duktape.jcfg",
        "janus.transport.websockets.jcfg",
    ]
    with pytest.raises(ValueError, match="quotes"):
        JanusConfiguration("192.0.2.1", 'sec"ret').write(tmp_path)
