"""H.264 packets become the frames that were sent; what a stranger sends instead costs no more than itself."""

from __future__ import annotations

import fractions
import io

import av
import numpy as np
import pytest
from aiortc.codecs.h264 import H264Encoder
from hypothesis import given
from hypothesis import strategies as st

from server.media import h264
from server.media.codecs import H264
from server.media.frames import LARGEST_FRAME, Assembler, EncodedFrame, FrameLost
from server.media.recorder import WebmTrack
from server.media.webm_index import WebmIndex


def encoded(width: int, height: int, count: int = 6) -> list[bytes]:
    """Pictures of noise as a browser would send them: an IDR with its parameter sets, then others."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.framerate, encoder.time_base = fractions.Fraction(30), fractions.Fraction(1, 30)
    encoder.options = {"profile": "baseline", "level": "31", "tune": "zerolatency", "preset": "ultrafast"}
    random = np.random.default_rng(7)
    found: list[bytes] = []
    for number in range(count):
        noise = random.integers(0, 255, (height, width, 3), np.uint8)
        frame = av.VideoFrame.from_ndarray(noise, format="bgr24")
        frame.pts = number
        found += [bytes(packet) for packet in encoder.encode(frame)]
    return found


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    return encoded(160, 120)


def packets(frames: list[bytes], start: int = 65530) -> list[tuple[int, int, bool, bytes]]:
    found, number = [], start
    for index, frame in enumerate(frames):
        payloads = H264Encoder._packetize(H264Encoder._split_bitstream(frame))
        for place, payload in enumerate(payloads):
            found.append((number & 0xFFFF, index * 3000, place == len(payloads) - 1, payload))
            number += 1
    return found


def assembled(pushed) -> tuple[list[EncodedFrame], int]:
    frames: list[EncodedFrame] = []
    gaps: list[int] = []
    assembler = Assembler(h264.Depacketiser(), frames.append, lambda: gaps.append(1), patience=64)
    for packet in pushed:
        assembler.push(*packet)
    return frames, len(gaps)


def kinds(data: bytes) -> list[int]:
    return [unit[0] & 0x1F for unit in h264.units(data)]


def test_frames_come_out_as_they_went_in(pictures):
    frames, gaps = assembled(packets(pictures))
    assert [list(h264.units(frame.data)) for frame in frames] == [list(h264.units(sent)) for sent in pictures]
    assert [frame.key for frame in frames] == [True, *[False] * 5]
    assert [frame.timestamp for frame in frames] == [3000 * number for number in range(6)]
    assert gaps == 0
    decoder = av.CodecContext.create("h264", "r")
    assert len([one for frame in frames for one in decoder.decode(av.Packet(frame.data))]) > 0


@given(data=st.data())
def test_any_order_within_the_patience(pictures, data):
    sent = packets(pictures[:2])
    frames, gaps = assembled([sent[0], *data.draw(st.permutations(sent[1:]))])
    assert [frame.key for frame in frames] == [True, False]
    assert gaps == 0


def test_a_hole_costs_its_frame_only(pictures):
    sent = packets(pictures * 4)
    hole = next(place for place, packet in enumerate(sent) if packet[1] == 3000)
    del sent[hole]
    frames, gaps = assembled(sent)
    assert gaps == 1
    whole = [list(h264.units(picture)) for picture in pictures]
    assert all(list(h264.units(frame.data)) in whole for frame in frames)
    assert len(frames) >= 22


def test_parameter_sets_that_came_once_stand_before_each_key_frame(pictures):
    bare = b"".join(h264.START + unit for unit in h264.units(pictures[0]) if unit[0] & 0x1F == h264.IDR)
    frames, _ = assembled(packets([pictures[0], bare]))
    assert [frame.key for frame in frames] == [True, True]
    assert kinds(frames[1].data)[:2] == [h264.PARAMETERS, h264.PICTURE_PARAMETERS]
    alone, _ = assembled(packets([bare]))
    assert [frame.key for frame in alone] == [False]


@pytest.mark.parametrize("size", [(640, 480), (160, 120), (1280, 720), (480, 640), (322, 242)])
def test_the_parameter_set_says_the_size(size):
    (picture,) = encoded(*size, count=1)
    assert h264.picture_size(picture) == size
    announced = [h264.announced_size(payload) for _, _, _, payload in packets([picture])]
    assert size in announced


@pytest.mark.parametrize(
    "payload",
    [
        b"\x7c\x85",  # a fragment without a body
        b"\x7c\x05x",  # one that goes on where none began
        b"\x78\x00\x05abc",  # an aggregate that is cut off
        b"\x78\x00\x00abc",
        b"\x79abc",  # interleaved
        b"\x60abc",
        b"\x7c\x9cab",  # a fragment of a fragment
    ],
)
def test_what_cannot_be_is_given_up(payload):
    depacketiser = h264.Depacketiser()
    depacketiser.take(1, False, b"\x67abc")
    with pytest.raises(FrameLost):
        depacketiser.take(1, False, payload)


def test_a_frame_that_never_ends_is_given_up():
    gaps: list[int] = []
    depacketiser = h264.Depacketiser()
    assembler = Assembler(depacketiser, lambda _: None, lambda: gaps.append(1))
    assembler.push(0, 1, False, b"\x7c\x85" + bytes([0x88]) * 1000)
    for number in range(1, LARGEST_FRAME // 1000 + 10):
        assembler.push(number, 1, False, b"\x7c\x05" + bytes(1000))
        assert len(depacketiser._data) <= LARGEST_FRAME + 2000
    assert gaps == [1]


@given(
    pushed=st.lists(
        st.tuples(
            st.integers(0, 40),
            st.integers(0, 3),
            st.booleans(),
            st.one_of(
                st.binary(max_size=30),
                st.binary(max_size=20).map(lambda rest: b"\x7c" + rest),
                st.binary(max_size=20).map(lambda rest: b"\x78\x00\x04" + rest),
                st.binary(max_size=20).map(lambda rest: b"\x67\x42\xc0\x1f" + rest),
            ),
        )
    )
)
def test_any_packets_are_survived_in_bounded_memory(pushed):
    frames: list[EncodedFrame] = []
    depacketiser = h264.Depacketiser()
    assembler = Assembler(depacketiser, frames.append, lambda: None, patience=8)
    total = 0
    for packet in pushed:
        assembler.push(*packet)
        total += len(packet[3]) + 4 * len(packet[3])
        assert len(assembler._waiting) < 8
        assert len(depacketiser._data) <= total
        assert len(depacketiser._parameters) <= 2
    for frame in frames:
        with_size_or_refused(frame.data)


def with_size_or_refused(data: bytes) -> None:
    try:
        size = h264.picture_size(data)
    except ValueError:
        return
    assert size is None or (0 < size[0] <= 1 << 14 and 0 < size[1] <= 1 << 15)


@given(st.binary(min_size=1, max_size=60), st.booleans())
def test_any_parameter_set_is_survived(body, plausible):
    unit = b"\x67\x42\xc0\x1f" + body if plausible else body
    size = h264.parameters_size(unit)
    assert size is None or min(size) > 0
    h264.announced_size(unit)
    h264.from_lengths(unit)


def recorded(sizes: list[tuple[int, int]]) -> bytes:
    """What the recorder keeps of pictures of these sizes, one after the other."""
    sink = io.BytesIO()
    track = WebmTrack(sink, *sizes[0], H264)
    frames, _ = assembled(packets([picture for size in sizes for picture in encoded(*size)]))
    for number, frame in enumerate(frames):
        track.put(True, 33 * number, frame.key, frame.data)
        track.put(False, 33 * number, True, b"\xfc\xff\xfe")
    track.close()
    return sink.getvalue()


@pytest.mark.parametrize("lost", [0, 500])
def test_a_recording_is_played_through_a_change_of_size_and_with_its_head_lost(lost):
    """The first bytes of a file name codec, size and parameter sets; a key frame says it all too."""
    sizes = [(160, 120), (320, 240)]
    content = recorded(sizes)
    index = WebmIndex()
    index.gap(lost)
    index.feed(content[lost:])
    index.finish()
    assert index.media_type == "video/x-matroska"
    seekable = index.head + b"".join(content[one.start : one.start + one.size] for one in index.extents)
    with av.open(io.BytesIO(seekable)) as container:
        shown = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert shown == [size for size in sizes for _ in range(6)]
