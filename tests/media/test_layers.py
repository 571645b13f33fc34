"""Of a stream with layers as much is decoded as somebody asks for, and no frame whose references are not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from server.media.frames import EncodedFrame
from server.media.layers import Layers

PATTERN = ((0, False), (2, True), (1, True), (2, False), (0, False), (2, False), (1, False), (2, False))
"""Layer and sync bit of the frames of libvpx's L1T3, one after the other."""


def stream(count: int, first: int = 0) -> list[EncodedFrame]:
    """Frames of L1T3, the first of all a key frame. The data says which one it is."""
    found = []
    for number in range(first, first + count):
        layer, sync = PATTERN[number % 8]
        found.append(EncodedFrame(number * 3000, number == 0, layer, number.to_bytes(4, "big"), sync))
    return found


def decoded(layers: Layers, rate: float, count: int, first: int = 0) -> list[EncodedFrame]:
    """Those of the stream that are decoded, when it comes at this rate."""
    return [frame for frame in stream(count, first) if layers.takes(frame, (frame.timestamp / 3000) / rate)]


def settled(rate: float, looks: tuple[int, float]) -> float:
    """Frames decoded a second, once the stream's rate is known, while such looks follow each other."""
    layers, taken = Layers(), 0
    for number in range(6):
        layers.look(*looks, now=float(number))
        found = decoded(layers, rate, round(rate), round(number * rate))
        taken += len(found) if number >= 3 else 0
    return taken / 3


def test_a_look_now_and_then_takes_the_base_layer_alone():
    assert 7 <= settled(30, (1, 0.3)) <= 8
    assert 7 <= settled(30, (2, 0.6)) <= 8


def test_a_challenge_takes_half_of_the_frames():
    assert 14 <= settled(30, (5, 0.3)) <= 16
    assert 11 <= settled(24, (5, 0.3)) <= 13


def test_a_slow_camera_is_decoded_whole():
    """Half of 15 frames a second would be less than the judge wants."""
    assert 14 <= settled(15, (5, 0.3)) <= 16


def test_all_is_decoded_until_the_rate_is_known():
    layers = Layers()
    layers.look(1, 0.3, 0.0)
    assert len(decoded(layers, 30, 20)) == 20


def test_a_stream_without_layers_is_decoded_whole():
    layers = Layers()
    layers.look(1, 0.3, 0.0)
    frames = [EncodedFrame(n, n == 0, 0, b"") for n in range(120)]
    assert all(layers.takes(frame, n / 30) for n, frame in enumerate(frames))


def test_more_is_taken_up_where_the_stream_says_that_it_can_be():
    layers = Layers()
    layers.look(1, 0.3, 0.0)
    decoded(layers, 30, 75)
    layers.look(5, 0.3, 75 / 30)
    more = decoded(layers, 30, 16, 75)
    first = next(frame for frame in more if frame.layer == 1)
    assert first.sync
    assert [frame.layer for frame in more[more.index(first) :]] == [1, *[0, 1] * 4][: len(more) - more.index(first)]


@given(
    looks=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 10), st.floats(0.05, 3.0)), max_size=8),
    rate=st.floats(5, 60),
)
def test_no_frame_is_decoded_without_what_it_refers_to(looks, rate):
    """A frame refers to the newest one of each layer up to its own, one with a sync bit to layer 0 alone."""
    layers = Layers()
    newest: dict[int, int] = {}
    have: dict[int, int] = {}
    for number, frame in enumerate(stream(300)):
        for at, count, within in looks:
            if at == number:
                layers.look(count, within, number / rate)
        taken = layers.takes(frame, number / rate)
        if taken:
            refers = [] if frame.key else [0] if frame.sync else range(frame.layer + 1)
            assert all(have.get(layer) == newest.get(layer) for layer in refers if layer in newest)
        newest[frame.layer] = number
        if taken:
            have[frame.layer] = number
        if frame.layer == 0:
            assert taken


def test_the_pause_between_frames_is_that_of_the_layers_in_use():
    layers = Layers()
    assert layers.interval(0.0) == 0.0
    layers.look(5, 0.3, 0.0)
    decoded(layers, 30, 75)
    layers.look(5, 0.3, 2.5)
    assert abs(layers.interval(2.5) - 1 / 15) < 0.01
