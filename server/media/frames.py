"""Frames of a stream put together again from packets in any order; what a packet says is the codec's affair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

LARGEST_FRAME = 4_000_000  # bytes; a 1280x720 I420 picture without any compression is 1.4 MB


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One compressed picture."""

    timestamp: int
    """RTP timestamp, 1/90000 s, modulo 2**32."""
    key: bool
    layer: int
    """Temporal layer (TID); 0 where the browser sends none."""
    data: bytes
    sync: bool = False
    """It refers to the base layer only, so that its layer can be decoded from here on."""


class FrameLost(Exception):
    """The frame that these packets began cannot be made whole."""


class Depacketiser(Protocol):
    """Makes frames of one stream's payloads, which come in order and without a hole."""

    def take(self, timestamp: int, last: bool, payload: bytes) -> EncodedFrame | None:
        """The frame that this packet completes. Before the first start of a frame nothing comes. Raises FrameLost."""

    def abandon(self) -> None:
        """There is a hole before the next payload."""


class Assembler:
    """Puts the packets of one stream together into frames.

    Packets may come in any order. A hole is waited for until ``patience`` later packets are there (a repair takes a
    round trip); then the frame is given up, ``on_gap`` is called and nothing is delivered until a frame starts anew.
    At most ``patience`` packets are kept, and a frame of more than ``LARGEST_FRAME`` bytes is given up.
    """

    def __init__(
        self,
        depacketiser: Depacketiser,
        on_frame: Callable[[EncodedFrame], None],
        on_gap: Callable[[], None],
        patience: int = 128,
    ) -> None:
        self._depacketiser = depacketiser
        self._on_frame = on_frame
        self._on_gap = on_gap
        self._patience = patience
        self._next: int | None = None
        self._waiting: dict[int, tuple[int, bool, bytes]] = {}

    def push(self, sequence: int, timestamp: int, last: bool, payload: bytes) -> None:
        """One packet: RTP sequence number and timestamp, marker bit, payload."""
        if self._next is None:
            self._next = sequence
        distance = (sequence - self._next) & 0xFFFF
        if distance >= 0x8000:
            return
        if distance:
            self._waiting[sequence] = (timestamp, last, payload)
            if len(self._waiting) < self._patience:
                return
            expected = self._next
            self._next = min(self._waiting, key=lambda waiting: (waiting - expected) & 0xFFFF)
            self._abandon()
        else:
            self._take(timestamp, last, payload)
            self._next = (sequence + 1) & 0xFFFF
        while self._waiting and (packet := self._waiting.pop(self._next, None)) is not None:
            self._take(*packet)
            self._next = (self._next + 1) & 0xFFFF

    def reset(self) -> None:
        """The next packet is of another stream."""
        self._next = None
        self._waiting.clear()
        self._abandon()

    def _abandon(self) -> None:
        self._depacketiser.abandon()
        self._on_gap()

    def _take(self, timestamp: int, last: bool, payload: bytes) -> None:
        try:
            frame = self._depacketiser.take(timestamp, last, payload)
        except FrameLost:
            self._abandon()
            return
        if frame is not None:
            self._on_frame(frame)
