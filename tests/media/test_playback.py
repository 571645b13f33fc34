"""Looking at a recording: seekable, decrypted in memory, honest about what is damaged."""

from __future__ import annotations

import io
import os
import struct
import sys
from pathlib import Path

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.media.playback import SealedRecordings
from server.media.salvage import Hole, Piece, Second, salvage
from server.media.webm_index import WebmIndex
from server.ports import KeptSegment, Leg
from tests.fakes import NOON
from tests.recordings import KEY, KEY_EVERY, RATE, number_in, write_segment

FILE = "s1.applicant.0001.rec"
SECONDS = 6
ALL = sys.maxsize


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A segment of six seconds."""
    folder = tmp_path_factory.mktemp("recorded")
    write_segment(folder, "s1", Leg.APPLICANT, seconds=SECONDS)
    return (folder / FILE).read_bytes()


async def looked_at(folder: Path) -> tuple[KeptSegment, bytes]:
    archive = SealedRecordings(folder, KEY)
    (kept,) = await archive.segments("s1")
    return kept, await archive.read("s1", Leg.APPLICANT, 1, 0, ALL)


def pictures(webm: bytes) -> dict[int, int]:
    """Milliseconds -> the number in the picture."""
    with av.open(io.BytesIO(webm)) as container:
        return {
            round(1000 * frame.time): number_in(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)
        }


async def test_a_recording_is_seekable_and_the_same_whatever_part_is_asked_for(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    kept, webm = await looked_at(tmp_path)
    assert (kept.verified, kept.complete, kept.damaged, kept.began) == (True, True, (), NOON)
    assert kept.seconds == pytest.approx(SECONDS, abs=0.2)
    assert len(webm) == kept.size
    archive = SealedRecordings(tmp_path, KEY)
    for offset, length in ((0, 1), (len(webm) - 1, 99), (100, 3000), (2500, 1), (len(webm), 5)):
        assert await archive.read("s1", Leg.APPLICANT, 1, offset, length) == webm[offset : offset + length]
    assert pictures(webm) == {100 * number: number for number in range(SECONDS * RATE)}
    with av.open(io.BytesIO(webm)) as container:
        assert container.duration == pytest.approx(SECONDS * 1e6, rel=0.05)
        container.seek(4_500_000)
        assert next(container.decode(video=0)).time == 4.0  # the key frame before
        assert container.streams.audio[0].codec_context.name == "opus"


async def test_nothing_of_it_is_written_anywhere(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    opened: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)
    await looked_at(tmp_path)
    watching = False
    assert opened == []
    assert os.listdir(tmp_path) == [FILE]


def second_of(recorded: bytes, folder: Path, place: int) -> int:
    """The seal that covers a byte of the file."""
    (folder / "whole.rec").write_bytes(recorded)
    second = 0
    for item in salvage(folder / "whole.rec", KEY):
        if isinstance(item, Piece) and item.position + item.length > place:
            return second
        second += isinstance(item, Second)
    raise AssertionError(place)


async def test_one_damaged_piece_costs_its_second_and_the_pictures_until_a_key_frame(
    recorded: bytes, tmp_path: Path
) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    pieces = [item for item in salvage(tmp_path / FILE, KEY) if isinstance(item, Piece)]
    hit = pieces[14]
    spoilt = bytearray(recorded)
    spoilt[hit.position + 5] ^= 1
    (tmp_path / FILE).write_bytes(spoilt)
    kept, webm = await looked_at(tmp_path)
    assert not kept.verified
    ((first, last),) = kept.damaged
    assert 0.5 < last - first < 1.5
    shown = pictures(webm)
    assert all(moment == 100 * number for moment, number in shown.items())
    missing = sorted(set(range(SECONDS * RATE)) - set(shown.values()))
    next_key = (missing[0] // KEY_EVERY + 1) * KEY_EVERY
    assert missing == list(range(missing[0], next_key))
    assert first <= missing[0] / RATE <= last
    with av.open(io.BytesIO(webm)) as container:
        heard = sum(1 for packet in container.demux(audio=0) if packet.size)
    assert SECONDS * RATE * 5 - 25 < heard < SECONDS * RATE * 5  # the sound around it is there


async def test_a_damaged_length_hides_no_more_than_its_second(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    pieces = [item for item in salvage(tmp_path / FILE, KEY) if isinstance(item, Piece)]
    spoilt = bytearray(recorded)
    spoilt[pieces[14].position - 3] ^= 0x10  # its length field
    (tmp_path / FILE).write_bytes(spoilt)
    assert any(isinstance(item, Hole) for item in salvage(tmp_path / FILE, KEY))
    kept, webm = await looked_at(tmp_path)
    ((first, last),) = kept.damaged
    assert last - first < 2.5
    shown = pictures(webm)
    assert all(moment == 100 * number for moment, number in shown.items())
    assert {0, 10, 40, 50, SECONDS * RATE - 1} <= set(shown.values())


@settings(max_examples=60)
@given(data=st.data())
async def test_any_flipped_bit_is_shown_where_it_is_and_never_played(
    recorded: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    spoilt = bytearray(recorded)
    at = data.draw(st.integers(0, len(recorded) - 1))
    spoilt[at] ^= 1 << data.draw(st.integers(0, 7))
    (folder / FILE).write_bytes(spoilt)
    kept, webm = await looked_at(folder)
    assert not kept.verified
    if kept.size:
        assert kept.damaged or at < 300
        assert sum(last - first for first, last in kept.damaged) < 3.5
        assert all(moment == 100 * number for moment, number in pictures(webm).items())


async def test_two_damages_neither_hide_the_rest_nor_take_for_ever(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    pieces = [item for item in salvage(tmp_path / FILE, KEY) if isinstance(item, Piece)]
    spoilt = bytearray(recorded)
    spoilt[pieces[14].position - 3] ^= 0x10  # a length
    seal = next(
        place
        for place in range(pieces[14].position, len(recorded))
        if recorded[place : place + 1] == b"S" and recorded[place + 5 : place + 13] == struct.pack("!Q", place)
    )
    spoilt[seal + 1] ^= 0x80  # the number of the seal behind it: two thousand million more
    (tmp_path / FILE).write_bytes(spoilt)
    kept, webm = await looked_at(tmp_path)
    assert not kept.verified
    shown = pictures(webm)
    assert all(moment == 100 * number for moment, number in shown.items())
    assert SECONDS * RATE - 1 in shown.values()


async def test_a_head_that_is_damaged_is_made_anew(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    first = next(item for item in salvage(tmp_path / FILE, KEY) if isinstance(item, Piece))
    spoilt = bytearray(recorded)
    spoilt[first.position] ^= 1
    (tmp_path / FILE).write_bytes(spoilt)
    kept, webm = await looked_at(tmp_path)
    assert kept.damaged
    assert set(range(KEY_EVERY, SECONDS * RATE)) <= set(pictures(webm).values())


async def test_a_torn_end_is_no_damage(tmp_path: Path) -> None:
    write_segment(tmp_path, "s1", Leg.APPLICANT, seconds=4, closed=False)
    raw = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(raw[:-7])
    kept, webm = await looked_at(tmp_path)
    assert (kept.verified, kept.complete, kept.damaged) == (True, False, ())
    assert len(pictures(webm)) >= 35


@pytest.mark.parametrize("content", [b"", b"BPSEAL1\n" + struct.pack("!L", 2) + b"{}", b"RIFF" * 100])
async def test_what_is_no_recording_is_told_and_not_played(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    kept, webm = await looked_at(tmp_path)
    assert (kept.size, kept.began, kept.complete, webm) == (0, None, False, b"")


async def test_a_recording_of_another_key_is_not_played(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    archive = SealedRecordings(tmp_path, bytes(32))
    (kept,) = await archive.segments("s1")
    assert kept.size == 0


async def test_what_is_not_there(tmp_path: Path) -> None:
    archive = SealedRecordings(tmp_path, KEY)
    assert await archive.segments("s1") == []
    assert await archive.segments("../s1") == []
    for session in ("s1", "../s1"):
        with pytest.raises(KeyError):
            await archive.read(session, Leg.APPLICANT, 1, 0, 10)


async def test_a_file_that_changes_is_looked_at_anew(recorded: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(recorded)
    archive = SealedRecordings(tmp_path, KEY)
    (before,) = await archive.segments("s1")
    spoilt = bytearray(recorded)
    spoilt[len(spoilt) // 2] ^= 1
    (tmp_path / FILE).write_bytes(spoilt)
    os.utime(tmp_path / FILE, ns=(1, 1))
    (after,) = await archive.segments("s1")
    assert before.verified
    assert not after.verified


@given(junk=st.binary(max_size=3000), cuts=st.lists(st.integers(1, 400), max_size=8))
def test_content_that_is_no_webm_does_no_harm(junk: bytes, cuts: list[int]) -> None:
    index, at = WebmIndex(), 0
    for cut in cuts:
        index.feed(junk[at : at + cut])
        index.gap(cut)
        at += cut
    index.feed(junk[at:])
    index.finish()
    assert all(extent.size > 0 for extent in index.extents)
