"""VP8 packets become the frames that were sent, whatever order they come in."""

from __future__ import annotations

import pytest
from aiortc.codecs.vpx import Vp8Encoder
from hypothesis import given
from hypothesis import strategies as st

from server.media import vp8
from server.media.frames import Assembler, EncodedFrame

KEY = bytes((0x10, 2, 0, 0x9D, 0x01, 0x2A, 0x80, 0x02, 0xE0, 0x01))  # 640x480


def packets(frames: list[bytes], start: int = 65530) -> list[tuple[int, int, bool, bytes]]:
    found, number = [], start
    for index, frame in enumerate(frames):
        payloads = Vp8Encoder._packetize(frame, index)
        for place, payload in enumerate(payloads):
            found.append((number & 0xFFFF, index * 3000, place == len(payloads) - 1, payload))
            number += 1
    return found


def assembled(pushed) -> tuple[list[EncodedFrame], int]:
    frames, gaps = [], []
    assembler = Assembler(vp8.Depacketiser(), frames.append, lambda: gaps.append(1), patience=16)
    for packet in pushed:
        assembler.push(*packet)
    return frames, len(gaps)


frames_sent = [KEY + bytes(3000), b"\x11" + bytes(500), b"\x11" + bytes(2600), b"\x11" + bytes(10)]


def test_in_order():
    frames, gaps = assembled(packets(frames_sent))
    assert [frame.data for frame in frames] == frames_sent
    assert [frame.key for frame in frames] == [True, False, False, False]
    assert [frame.timestamp for frame in frames] == [0, 3000, 6000, 9000]
    assert gaps == 0


@given(data=st.data())
def test_any_order_within_the_patience(data):
    sent = packets(frames_sent)
    mixed = [sent[0], *data.draw(st.permutations(sent[1:]))]
    frames, gaps = assembled(mixed)
    assert [frame.data for frame in frames] == frames_sent
    assert gaps == 0


@given(lost=st.integers(1, 6))
def test_a_lost_packet_costs_its_frame_only(lost: int):
    sent = packets(frames_sent + [b"\x11" + bytes(1200)] * 20)
    del sent[lost]
    frames, gaps = assembled(sent)
    assert gaps == 1
    assert all(frame.data in {*frames_sent, b"\x11" + bytes(1200)} for frame in frames)
    assert len(frames) >= 22


def test_a_repeated_packet_changes_nothing():
    sent = packets(frames_sent)
    frames, _ = assembled([packet for packet in sent for _ in range(2)])
    assert [frame.data for frame in frames] == frames_sent


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", None),
        (b"\x10", None),
        (b"\x10x", (1, 0, False)),
        (b"\x80", None),
        (b"\x90\x80\x01x", (3, 0, False)),
        (b"\x90\x80\x81\x01x", (4, 0, False)),
        (b"\x90\xa0\x81\x01\x80x", (5, 2, False)),
        (b"\x90\xe0\x81\x01\x07\x60x", (6, 1, True)),
        (b"\x90\xe0\x81\x01\x07", None),
    ],
)
def test_payload_descriptor(payload, expected):
    assert vp8.descriptor(payload) == expected


def test_picture_size_of_a_key_frame():
    assert vp8.picture_size(KEY) == (640, 480)
    assert vp8.picture_size(b"\x11" + KEY[1:]) is None
    assert vp8.picture_size(KEY[:9]) is None


@given(pushed=st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 9), st.booleans(), st.binary(max_size=20))))
def test_any_packets_are_survived_in_bounded_memory(pushed):
    assembler = Assembler(vp8.Depacketiser(), lambda _: None, lambda: None, patience=8)
    for packet in pushed:
        assembler.push(*packet)
        assert len(assembler._waiting) < 8
