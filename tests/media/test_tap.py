"""A look waits for a key frame, and asks again when the browser did not hear."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from server.media import tap as tap_module
from server.media.codecs import VP8, Codec
from server.media.frames import EncodedFrame
from server.media.streams import Incoming, StreamParameters
from server.media.tap import Decoder, Tap


class NoDecoder:
    """Takes whatever it is given."""

    def __init__(self) -> None:
        self.given: list[EncodedFrame] = []

    def register(self, tap: Tap) -> int:
        return 1

    def submit(self, tap_id: int, codec: Codec, frame: EncodedFrame, received_at: float, wanted: bool) -> bool:
        self.given.append(frame)
        return True


class NoVideo:
    """An incoming stream that taps can be put on."""

    taps: tuple[Any, ...] = ()
    parameters = StreamParameters(90000, 96, None, None, None, None, None, 1, 2, VP8.name)


def encoded(key: bool) -> EncodedFrame:
    return EncodedFrame(data=b"x", timestamp=0, key=key, layer=0)


def test_a_key_frame_that_does_not_come_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    asked: list[float] = []
    decoder = NoDecoder()
    tap = Tap(cast(Decoder, decoder), cast(Incoming, NoVideo()), lambda: asked.append(now[0]))
    tap._open()
    tap._on_frame(encoded(key=False))
    assert asked == [100.0]  # just asked: the answer is on its way
    now[0] += tap_module.ASK_AGAIN + 0.1
    tap._on_frame(encoded(key=False))
    tap._on_frame(encoded(key=False))
    assert asked == [100.0, now[0]]
    assert decoder.given == []
    tap._on_frame(encoded(key=True))
    now[0] += 10
    tap._on_frame(encoded(key=False))
    assert len(asked) == 2
    assert len(decoder.given) == 2
