"""What is kept of a call: one chain of sealed, encrypted, playable files."""

from __future__ import annotations

import asyncio
import io
import itertools
import os
import sys
import time
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.app import recordings
from server.media import recorder, sealed
from server.media.call_recording import segment_files
from server.media.embedded import EmbeddedMedia
from server.media.frames import EncodedFrame
from server.media.playback import SealedRecordings
from server.media.recorder import LARGEST_STEP, Timeline
from server.media.sealed import NotASealedFile, SealedWriter, read, verify
from server.media.streams import Incoming, StreamParameters
from server.ports import Leg, MediaError, RecordingPlan
from server.settings import Settings
from tests.media.peers import Browser, join, next_event, read_number

KEY = bytes(range(32))


def written(path: Path, seconds: int = 5, **header) -> list[bytes]:
    """A sealed file of so many sealed seconds; what was written in each."""
    writer = SealedWriter(path, KEY, header)
    content = []
    for second in range(seconds):
        content.append(f"second {second} ".encode() * 50)
        writer.write(content[-1])
        writer.tick(time.monotonic() + 10 * (second + 1))
    writer.close()
    return content


def test_what_is_written_is_read_and_verifies(tmp_path):
    content = written(tmp_path / "a.rec", session="s")
    assert b"".join(read(tmp_path / "a.rec", KEY)) == b"".join(content)
    found = verify(tmp_path / "a.rec")
    assert (found.ok, found.complete, found.seals, found.tail_bytes) == (True, True, 6, 0)
    assert found.header["session"] == "s"
    assert b"second 1" not in (tmp_path / "a.rec").read_bytes()


def test_a_segment_that_was_taken_away_is_missed(tmp_path):
    chain = "the session's newest audit hash"
    (tmp_path / "recordings").mkdir()
    paths = [tmp_path / "recordings" / f"s1.applicant.{number:04}.rec" for number in (1, 2, 3)]
    for path in paths:
        written(path, session="s1", previous=chain)
        chain = verify(path).chain
    kept = Settings(data_dir=tmp_path)
    assert [one["verified"] for one in recordings(kept, "s1")] == [True, True, True]
    paths[1].unlink()
    assert [one["verified"] for one in recordings(kept, "s1")] == [True, False]


@settings(max_examples=60)
@given(data=st.data())
def test_one_flipped_bit_is_found_at_its_second(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "a.rec"
    written(path)
    raw = bytearray(path.read_bytes())
    ends, position = [], raw.index(b"}") + 1
    with path.open("rb") as source:
        sealed.read_header(source)
        for kind, body in sealed._records(source):
            position += 1 + len(body)
            if kind != b"D":
                ends.append(position)
    assert ends[-1] == len(raw)
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(raw)
    try:
        found = verify(path)
    except NotASealedFile:
        assert at < raw.index(b"{") + 1
        return
    assert not found.ok
    assert found.broken_at == next(index for index, end in enumerate(ends) if at < end)


def test_another_file_in_its_place_is_noticed(tmp_path):
    written(tmp_path / "a.rec", previous="")
    first = verify(tmp_path / "a.rec")
    written(tmp_path / "b.rec", previous=first.chain)
    assert verify(tmp_path / "b.rec", previous=first.chain).ok
    assert not verify(tmp_path / "b.rec", previous="00").ok


def test_a_wrong_key_opens_nothing(tmp_path):
    written(tmp_path / "a.rec")
    with pytest.raises(ValueError, match="decrypt"):
        list(read(tmp_path / "a.rec", bytes(32)))


def test_what_is_not_a_recording(tmp_path):
    for content in (b"", b"BPSEAL1", b"BPSEAL1\n\xff\xff\xff\xff{}", b"RIFF" * 100):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(NotASealedFile):
            verify(tmp_path / "x")


@given(
    steps=st.lists(st.tuples(st.integers(-5, 100), st.floats(0, 0.2)), max_size=60),
    jump=st.integers(0, 0xFFFFFFFF),
)
def test_time_is_monotone_whatever_the_clock_does(steps, jump):
    line = Timeline(90000, 0.0, least_step=1)
    stamp, now, last = 0xFFFFF000, 0.0, -1
    for index, (frames, wait) in enumerate(steps):
        stamp, now = stamp + 3000 * frames, now + wait
        if index == 20:
            stamp = jump
        if index == 30:
            line.reset()
        moment = line.at(stamp & 0xFFFFFFFF, now)
        assert moment > last
        last = moment
        if index < 10 and all(0 <= f <= 6 for f, _ in steps[:10]):
            assert moment <= 1000 * (now + LARGEST_STEP) + index


def test_distances_are_those_of_the_sender():
    line = Timeline(90000, 0.0, least_step=1)
    moments = [
        line.at((0xFFFFFF00 + 3000 * index) & 0xFFFFFFFF, 1 + index / 30 + 0.01 * (index % 3)) for index in range(60)
    ]
    assert [later - earlier for earlier, later in itertools.pairwise(moments)].count(33) > 30
    assert moments[-1] - moments[0] == pytest.approx(59 * 1000 / 30, abs=2)


@pytest.fixture
async def media():
    engine = EmbeddedMedia(addresses=["127.0.0.1"], least_free=0)
    yield engine
    await engine.aclose()


@pytest.fixture
async def browsers():
    opened: list[Browser] = []

    def make(**options) -> Browser:
        opened.append(Browser(**options))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.close()


def pictures(webm: bytes) -> list[int]:
    with av.open(io.BytesIO(webm)) as container:
        return [read_number(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]


async def test_a_call_is_kept_over_a_reconnect(media, browsers, tmp_path):
    events = media.events()
    plan = RecordingPlan(tmp_path, "s1", KEY, previous="ab")
    await media.record("c", plan)
    applicant, operator = browsers(first_number=1000), browsers(first_number=3000)
    await join(media, applicant, Leg.APPLICANT, "c")
    await join(media, operator, Leg.OPERATOR, "c")
    await next_event(events, "recording", Leg.OPERATOR)
    await applicant.sent_seconds(2)
    again = browsers(first_number=5000)
    await join(media, again, Leg.APPLICANT, "c")
    await next_event(events, "recording", Leg.APPLICANT)
    await again.sent_seconds(2)
    segments = await media.stop_recording("c")
    assert [(s.leg, s.number) for s in segments] == [(Leg.APPLICANT, 1), (Leg.APPLICANT, 2), (Leg.OPERATOR, 1)]
    first, second, other = (verify(s.path) for s in segments)
    assert first.ok
    assert first.complete
    assert first.header["previous"] == other.header["previous"] == "ab"
    assert verify(segments[1].path, previous=first.chain).ok
    assert second.chain == segments[1].chain
    for segment, low in zip(segments, (1000, 5000, 3000), strict=True):
        made = await SealedRecordings(tmp_path, KEY).read("s1", segment.leg, segment.number, 0, sys.maxsize)
        numbers = pictures(made)
        assert len(numbers) > 20
        assert numbers == sorted(numbers)
        assert low <= numbers[0] < numbers[-1] < low + 1000
        with av.open(io.BytesIO(made)) as container:
            assert container.duration > 0.5e6
            sound = sum(frame.samples for frame in container.decode(audio=0))
        assert sound > 24000


async def test_a_full_disk_is_told_and_no_recording_begins_without_room(media, browsers, tmp_path):
    full = EmbeddedMedia(addresses=["127.0.0.1"], least_free=1 << 62)
    with pytest.raises(MediaError) as refused:
        await full.record("c", RecordingPlan(tmp_path, "s1", KEY))
    assert refused.value.code == "media_recording_failed"
    await full.aclose()
    with pytest.raises(MediaError):
        await media.record("c", RecordingPlan(tmp_path / "missing", "s1", KEY))


async def test_a_disk_that_fills_up_is_told(media, browsers, tmp_path):
    reader, pipe = os.pipe()
    os.set_blocking(pipe, False)
    media.recorder._open_file = lambda path: os.dup(pipe)  # 64 kB of room, then an OSError
    events = media.events()
    await media.record("c", RecordingPlan(tmp_path, "s1", KEY))
    applicant = browsers(first_number=1000)
    await join(media, applicant, Leg.APPLICANT, "c")
    await next_event(events, "recording_failed", Leg.APPLICANT, timeout=20)
    await media.stop_recording("c")
    os.close(reader)
    os.close(pipe)


async def test_a_key_frame_that_does_not_come_is_asked_for_again(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(recorder.time, "monotonic", lambda: now[0])
    parameters = StreamParameters(90000, 96, None, None, None, 1, None, 2, 3)
    video, audio = Incoming("video", parameters), Incoming("audio", parameters)
    engine = recorder.Recorder(least_free=0)
    recording = engine.start(tmp_path / "s1.operator.0001.rec", KEY, {"previous": ""}, lambda _: None)
    asked: list[float] = []
    recording.attach(video, audio, lambda: asked.append(now[0]))
    for number in range(30):
        now[0] = 100 + number / 10
        recording.take_frame(EncodedFrame(number * 9000, False, 0, b"x"))
    assert asked == [100.0, pytest.approx(101.0), pytest.approx(102.0)]
    recording.take_frame(EncodedFrame(30 * 9000, True, 0, b"x"))
    now[0] += 10
    recording.take_frame(EncodedFrame(40 * 9000, False, 0, b"x"))
    assert len(asked) == 3
    await recording.stop()
    await engine.aclose()


CHILD = """
import asyncio, sys
from pathlib import Path
from server.media.recorder import Recorder
from server.media.frames import EncodedFrame

KEY = bytes((0x10, 2, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01))

async def main():
    path = Path(sys.argv[1]) / "s1.applicant.0001.rec"
    recording = Recorder(least_free=0).start(path, bytes(range(32)), {"previous": ""}, print)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for index in range(3000):
        if index % 3 == 0:
            frame = index // 3
            recording.take_frame(EncodedFrame(frame * 3000, frame == 0, 0, KEY + bytes(1500)))
            print(frame, flush=True)
        if index % 2 == 0:
            recording.take_sound(index // 2 * 960, bytes(80))
        await asyncio.sleep(max(0, start + (index + 1) / 90 - loop.time()))

asyncio.run(main())
"""


@pytest.mark.timeout(60)
async def test_a_killed_process_loses_next_to_nothing_and_the_chain_goes_on(media, browsers, tmp_path):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, str(tmp_path), cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE
    )
    last = 0
    while last < 110:
        last = int(await child.stdout.readline())
    child.kill()
    await child.wait()
    (path,) = segment_files(tmp_path, "s1", Leg.APPLICANT)
    found = verify(path)
    assert found.ok
    assert not found.complete
    assert found.seals >= 2
    with av.open(io.BytesIO(b"".join(read(path, KEY)))) as container:
        kept = sum(1 for packet in container.demux(video=0) if packet.size)
    assert last + 1 - kept <= 0.25 * 30
    events = media.events()
    await media.record("c", RecordingPlan(tmp_path, "s1", KEY))
    await join(media, browsers(first_number=3000), Leg.APPLICANT, "c")
    await next_event(events, "recording", Leg.APPLICANT)
    (segment,) = await media.stop_recording("c")
    assert segment.number == 2
    assert verify(segment.path, previous=found.chain).ok
