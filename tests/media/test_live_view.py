"""Watching what is being recorded: from the next key frame on, half a second late, nothing of it damaged."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import av
import pytest

from server.media import playback
from server.media.playback import SealedRecordings
from server.media.salvage import Piece, salvage
from server.ports import Leg
from tests.recordings import KEY, KEY_EVERY, RATE, SegmentWriter, number_in, write_segment


async def seen(folder: Path, writer: SegmentWriter, more: int, close: bool = True) -> bytes:
    """The stream of somebody who comes now, while so many more pictures are written."""

    async def ready() -> None:
        writer.write(more)
        if close:
            writer.close()

    archive = SealedRecordings(folder, KEY)
    return b"".join([part async for part in archive.follow("s1", Leg.APPLICANT, ready)])


async def test_the_stream_begins_with_the_next_key_frame_at_zero(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "s1", Leg.APPLICANT)
    writer.write(KEY_EVERY + 5)
    stream = await seen(tmp_path, writer, 2 * KEY_EVERY)
    first = 2 * KEY_EVERY
    with av.open(io.BytesIO(stream)) as container:
        frames = [(frame.time, number_in(frame.to_ndarray(format="bgr24"))) for frame in container.decode(video=0)]
    assert [number for _, number in frames] == list(range(first, writer.count))
    assert [moment for moment, _ in frames] == pytest.approx([(n - first) / RATE for _, n in frames], abs=0.11)
    with av.open(io.BytesIO(stream)) as container:
        assert sum(1 for packet in container.demux(audio=0) if packet.size) >= 5 * (writer.count - first)


async def test_a_segment_that_is_over_is_nothing_to_watch(tmp_path: Path) -> None:
    write_segment(tmp_path, "s1", Leg.APPLICANT, seconds=1)

    async def ready() -> None:
        return None

    archive = SealedRecordings(tmp_path, KEY)
    assert [part async for part in archive.follow("s1", Leg.APPLICANT, ready)] == []
    with pytest.raises(KeyError):
        await anext(archive.follow("s1", Leg.OPERATOR, ready))


async def test_who_waits_in_vain_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playback, "PATIENCE", 0.2)
    writer = SegmentWriter(tmp_path, "s1", Leg.APPLICANT)
    writer.write(5)
    assert await seen(tmp_path, writer, 2, close=False) == b""
    writer.close()


async def test_a_torn_record_is_waited_for(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, "whole", Leg.APPLICANT)
    writer.write(2 * KEY_EVERY)
    writer.close()
    content = writer.path.read_bytes()
    pieces = [item for item in salvage(writer.path, KEY) if isinstance(item, Piece)]
    cuts = [pieces[place].position + pieces[place].length // 2 for place in (3, 8)]
    growing = tmp_path / "s1.applicant.0001.rec"

    def append(part: bytes) -> None:
        with growing.open("ab") as file:
            file.write(part)

    async def ready() -> None:
        append(content[cuts[0] : cuts[1]])
        asyncio.get_running_loop().call_later(3 * playback.LOOK_AGAIN, append, content[cuts[1] :])

    append(content[: cuts[0]])
    archive = SealedRecordings(tmp_path, KEY)
    stream = b"".join([part async for part in archive.follow("s1", Leg.APPLICANT, ready)])
    with av.open(io.BytesIO(stream)) as container:
        shown = [number_in(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
    assert shown == list(range(KEY_EVERY, 2 * KEY_EVERY))
