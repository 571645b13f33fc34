"""Which temporal layers of a stream have to be decoded so that somebody sees enough frames a second.

A browser that sends L1T3 gives every fourth frame to layer 0, every second one to layers 0 and 1, and all to 0 to 2. A
layer refers only to itself and those below, so what is above can be left out at any frame; it can be taken up again at
a key frame, or at one that says it refers to layer 0 alone (the Y bit, RFC 7741 section 4.2; libvpx sends one every
eight frames).
"""

from __future__ import annotations

from server.media.frames import EncodedFrame

HIGHEST = 3  # a TID has two bits
WINDOW = 1.0  # seconds over which frames are counted
ENOUGH = 0.7
"""Share of the frames asked for that is enough: a challenge asks for 16.7 a second, a camera in a dim room gives 24, so
half of them is taken for it, and the judge wants 8."""
HELD = 1.0  # seconds for which a look counts after its end: looks of one kind follow each other with small pauses


class Layers:
    """Decides of each frame of one stream, in order. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._counts = [0] * (HIGHEST + 1)
        self._since = 0.0
        self._rates: list[float] | None = None
        self._looks: dict[float, float] = {}
        """Frames a second that a look wants -> until when."""
        self._valid = HIGHEST
        """Highest layer whose references the decoder has."""

    def look(self, count: int, within: float, now: float) -> None:
        """Somebody wants ``count`` frames within so many seconds from now on: at least one must fall into them."""
        wanted = max(ENOUGH * count, 1.0) / within
        self._looks[wanted] = max(self._looks.get(wanted, 0.0), now + within + HELD)

    def takes(self, frame: EncodedFrame, now: float) -> bool:
        """Whether this frame is to be decoded."""
        self._count(frame.layer, now)
        if frame.key:
            self._valid = HIGHEST
            return True
        if frame.layer > self._needed(now):
            self._valid = min(self._valid, frame.layer - 1)
            return False
        if frame.layer == self._valid + 1 and frame.sync:
            self._valid = frame.layer
        return frame.layer <= self._valid

    def interval(self, now: float) -> float:
        """Seconds from one frame that is decoded to the next; 0 while that is not known."""
        rate = sum(self._rates[: self._needed(now) + 1]) if self._rates is not None else 0.0
        return 1 / rate if rate else 0.0

    def _count(self, layer: int, now: float) -> None:
        elapsed = now - self._since
        if elapsed >= WINDOW:
            whole = elapsed < 2 * WINDOW  # else there was no stream, or nobody looked at it, for a while
            self._rates = [count / elapsed for count in self._counts] if whole else None
            self._counts = [0] * (HIGHEST + 1)
            self._since = now
        self._counts[layer] += 1

    def _needed(self, now: float) -> int:
        """The lowest layer that gives as many frames a second as anybody wants; all until that is known."""
        self._looks = {wanted: until for wanted, until in self._looks.items() if until > now}
        if self._rates is None:
            return HIGHEST
        wanted, given = max(self._looks, default=0.0), 0.0
        for layer, rate in enumerate(self._rates):
            given += rate
            if given >= wanted:
                return layer
        return HIGHEST
