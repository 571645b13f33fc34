"""Every media engine carries a call in the same way: two real WebRTC peers try it."""

from __future__ import annotations

import asyncio
import io
import itertools
from contextlib import asynccontextmanager

import av
import pytest

from server.media.embedded import EmbeddedMedia
from server.media.playback import SealedRecordings
from server.media.processes import MediaProcesses
from server.media.sealed import verify
from server.ports import ENDS, PAIR, SIDE, Leg, MediaError, RecordingPlan
from tests.media.janus_server import own_address, running_janus
from tests.media.peers import Browser, Pages, join, next_event, read_number

CALL = "call-1"
KEY = bytes(32)


@asynccontextmanager
async def embedded():
    media = EmbeddedMedia(addresses=["127.0.0.1"])
    yield media
    await media.aclose()


@asynccontextmanager
async def processes():
    media = MediaProcesses(1, addresses=["127.0.0.1"])
    await media.start()
    yield media
    await media.aclose()


@asynccontextmanager
async def janus():
    async with running_janus() as there:
        media = there.media()
        await media.start()
        yield media
        await media.aclose()


@pytest.fixture(params=[embedded, processes, janus], ids=lambda make: make.__name__)
async def media(request):
    before = asyncio.all_tasks()
    async with request.param() as engine:
        pages = Pages(engine)
        yield pages
        await pages.leave()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


@pytest.fixture
async def browsers(media, request):
    opened: list[Browser] = []
    address = own_address() if "janus" in request.node.name else "127.0.0.1"

    def make(**options) -> Browser:
        opened.append(Browser(address=address, **options))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.close()


async def test_picture_and_sound_go_both_ways(media, browsers):
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    assert 3000 <= await applicant.seen_number() < 4000
    assert 1000 <= await operator.seen_number() < 2000
    assert await applicant.heard_frequency() == pytest.approx(operator.frequency, rel=0.05)
    assert await operator.heard_frequency() == pytest.approx(applicant.frequency, rel=0.05)


async def test_the_first_one_may_wait_alone(media, browsers):
    events = media.events()
    operator = browsers(first_number=3000)
    await join(media, operator, Leg.OPERATOR, CALL)
    await next_event(events, "connected", Leg.OPERATOR)
    applicant = browsers(first_number=1000)
    await join(media, applicant, Leg.APPLICANT, CALL)
    assert 1000 <= await operator.seen_number() < 2000
    assert 3000 <= await applicant.seen_number() < 4000


async def test_frames_are_the_newest_of_the_sender(media, browsers):
    applicant = browsers(first_number=1000)
    events = media.events()
    await join(media, applicant, Leg.APPLICANT, CALL)
    await next_event(events, "connected", Leg.APPLICANT)
    frames = await media.frames(CALL, Leg.APPLICANT, 3, 3.0)
    numbers = [read_number(frame.pixels) for frame in frames]
    assert len(frames) == 3
    assert numbers == sorted(set(numbers))
    assert 0 <= applicant.number - numbers[-1] < 30
    assert frames[0].pixels.shape == (240, 320, 3)
    stamps = [frame.rtp_timestamp for frame in frames]
    assert [(b - a) & 0xFFFFFFFF > 0 for a, b in itertools.pairwise(stamps)] == [True, True]


async def test_frames_without_a_leg(media):
    with pytest.raises(MediaError) as refused:
        await media.frames(CALL, Leg.APPLICANT, 1, 0.1)
    assert refused.value.code == "media_not_connected"


async def test_an_answer_to_what_was_not_offered(media):
    with pytest.raises(MediaError) as refused:
        await media.accept(CALL, Leg.APPLICANT, 1, "v=0")
    assert refused.value.code == "media_superseded"
    candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.9 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    await media.add_candidate(CALL, Leg.APPLICANT, candidate, 1)  # passed over


async def test_a_leg_that_comes_back_takes_its_place(media, browsers):
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    assert 1000 <= await operator.seen_number() < 2000
    again = browsers(first_number=5000)
    await join(media, again, Leg.APPLICANT, CALL)
    assert await operator.seen_number(at_least=5000) < 6000
    assert 3000 <= await again.seen_number() < 4000
    assert operator.state == "connected"


@pytest.mark.timeout(90)
async def test_a_browser_without_vp8_is_met_in_h264(media, browsers, tmp_path):
    """The other one, who speaks VP8 already, is asked to offer again; the call is kept and looked at as any other."""
    events = media.events()
    operator = browsers(first_number=3000)
    await join(media, operator, Leg.OPERATOR, CALL)
    await next_event(events, "connected", Leg.OPERATOR)
    applicant = browsers(first_number=1000, codec="H264")
    await join(media, applicant, Leg.APPLICANT, CALL)
    await next_event(events, "offer_again", Leg.OPERATOR)
    await next_event(events, "connected", Leg.APPLICANT)
    await media.record(CALL, RecordingPlan(tmp_path, "s1", KEY))
    again = browsers(first_number=5000)
    await join(media, again, Leg.OPERATOR, CALL)
    assert await applicant.seen_number(at_least=5000) < 6000
    assert 1000 <= await again.seen_number() < 2000
    frames = await media.frames(CALL, Leg.APPLICANT, 2, 3.0)
    assert [1000 <= read_number(frame.pixels) < 2000 for frame in frames] == [True, True]
    await applicant.sent_seconds(2)
    figures = media.statistics(CALL, Leg.APPLICANT)
    assert (figures.width, figures.height) == (320, 240)
    assert {segment.leg for segment in await media.stop_recording(CALL)} == set(PAIR)
    archive = SealedRecordings(tmp_path, KEY)
    newest = {segment.leg: segment for segment in await archive.segments("s1")}  # before it, the operator's VP8
    for segment in newest.values():
        assert segment.verified
        assert segment.media_type == "video/x-matroska"
        content = await archive.read("s1", segment.leg, segment.number, 0, segment.size)
        with av.open(io.BytesIO(content)) as container:
            shown = [read_number(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
        assert len(shown) > 20
        assert shown == sorted(shown)


async def test_browsers_without_a_codec_in_common(media, browsers):
    events = media.events()
    await join(media, browsers(codec="VP8"), Leg.OPERATOR, CALL)
    await next_event(events, "connected", Leg.OPERATOR)
    with pytest.raises(MediaError) as refused:
        await join(media, browsers(codec="H264"), Leg.APPLICANT, CALL)
    assert refused.value.code == "media_codec_unsupported"
    await join(media, browsers(first_number=1000), Leg.APPLICANT, CALL)
    await next_event(events, "connected", Leg.APPLICANT)


async def test_silence_and_closing_are_told(media, browsers):
    events = media.events()
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    await next_event(events, "connected", Leg.APPLICANT)
    applicant.go_dark()
    await next_event(events, "silent", Leg.APPLICANT, timeout=5.0)
    applicant.come_back()
    await next_event(events, "connected", Leg.APPLICANT, timeout=5.0)
    await applicant.close()
    await next_event(events, "closed", Leg.APPLICANT)
    assert media.statistics(CALL, Leg.APPLICANT) is None
    assert media.statistics(CALL, Leg.OPERATOR) is not None


async def test_statistics_say_what_arrives(media, browsers):
    applicant = browsers(first_number=1000)
    events = media.events()
    await join(media, applicant, Leg.APPLICANT, CALL)
    await next_event(events, "connected", Leg.APPLICANT)
    assert media.statistics(CALL, Leg.APPLICANT) is not None
    assert media.statistics(CALL, Leg.OPERATOR) is None
    await applicant.sent_seconds(2)
    figures = media.statistics(CALL, Leg.APPLICANT)
    assert figures.connected
    assert (figures.width, figures.height) == (320, 240)
    assert 10 < figures.frames_per_second < 35
    assert figures.packets_lost == 0
    assert figures.bits_per_second > 10_000


async def test_an_interpreter_is_seen_by_both_and_sees_both(media, browsers):
    """Two connections of each page: one of each end sends, the other only receives what it is there for."""
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT, CALL)
    await join(media, operator, Leg.OPERATOR, CALL)
    interpreter = browsers(first_number=5000, frequency=1500.0)
    await join(media, interpreter, Leg.INTERPRETER, CALL)
    sides = {leg: browsers(first_number=9000, frequency=3000.0) for leg in SIDE.values()}
    for leg, side in sides.items():
        await join(media, side, leg, CALL)
    assert 1000 <= await interpreter.seen_number() < 2000
    assert await interpreter.heard_frequency() == pytest.approx(applicant.frequency, rel=0.05)
    assert 3000 <= await sides[Leg.INTERPRETER_SIDE].seen_number() < 4000
    assert await sides[Leg.INTERPRETER_SIDE].heard_frequency() == pytest.approx(operator.frequency, rel=0.05)
    for leg in (Leg.APPLICANT_SIDE, Leg.OPERATOR_SIDE):
        assert 5000 <= await sides[leg].seen_number() < 6000
        assert await sides[leg].heard_frequency() == pytest.approx(1500.0, rel=0.05)
    assert 3000 <= await applicant.seen_number() < 4000  # the pair sees each other as before
    assert 1000 <= await operator.seen_number() < 2000

    again = browsers(first_number=7000)
    await join(media, again, Leg.INTERPRETER, CALL)
    assert 7000 <= await sides[Leg.APPLICANT_SIDE].seen_number(at_least=7000) < 8000
    assert 1000 <= await again.seen_number() < 2000

    for leg in (Leg.INTERPRETER, *SIDE.values()):
        await media.hang_up(CALL, leg)
        await media.hang_up(CALL, leg)
    assert media.statistics(CALL, Leg.INTERPRETER) is None
    newest = applicant.number
    assert newest <= await operator.seen_number(at_least=newest) < 2000


async def test_what_an_interpreter_says_is_recorded(media, browsers, tmp_path):
    events = media.events()
    await join(media, browsers(first_number=1000), Leg.APPLICANT, CALL)
    await join(media, browsers(first_number=3000), Leg.OPERATOR, CALL)
    await media.record(CALL, RecordingPlan(tmp_path, "s1", bytes(32)))
    interpreter, side = browsers(first_number=5000), browsers(first_number=9000)
    await join(media, interpreter, Leg.INTERPRETER, CALL)
    await join(media, side, Leg.APPLICANT_SIDE, CALL)
    await next_event(events, "recording", Leg.INTERPRETER)
    assert 5000 <= await side.seen_number() < 6000
    await interpreter.sent_seconds(1)
    segments = await media.stop_recording(CALL)
    assert [segment.leg for segment in segments] == list(ENDS)  # and nothing of a connection that only receives
    for segment in segments:
        assert verify(segment.path, "").ok
        assert segment.size > 1000
