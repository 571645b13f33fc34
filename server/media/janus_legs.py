"""What is known of a call that Janus carries: its room, its legs, and over which connection each page receives."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.media.forwarded import Forwarded
from server.media.janus_room import Mids, Room
from server.media.lines import Line
from server.media.offers import Spoken
from server.media.tap import Tap
from server.ports import Leg, LegEvent, LegStatistics

MOST_EVENTS = 1024  # kept for a listener that is late


@dataclass(slots=True, eq=False)
class Receiving:
    """A connection over which a page receives: Janus offered it."""

    number: int
    handle: int
    offer: str
    mids: Mids
    source: JanusLeg
    line: Line
    """Of the page, by what it loses."""
    answer: str = ""
    """The page's, once it has come."""


class JanusLeg:
    """One browser in a call: a publisher of its own feed, and the connection over which it receives."""

    def __init__(self, spoken: Spoken) -> None:
        self.spoken = spoken
        self.feed = secrets.token_urlsafe(12)
        self.handle = 0
        self.mids: Mids = {}
        self.candidates = 0
        self.early: list[Mapping[str, object]] = []
        """Candidates that came before there was a handle."""
        self.answered = False
        self.ended = False
        self.up = False
        self.received: set[str] = set()
        """Kinds of media that Janus receives."""
        self.silent = False
        self.timers: list[asyncio.TimerHandle] = []
        self.subscribing = asyncio.Lock()
        self.receiving: Receiving | None = None
        self.forwarding = asyncio.Lock()
        self.tried = False
        """For figures alone it is not tried again."""
        self.forwarded: Forwarded | None = None
        self.tap: Tap | None = None

    def statistics(self) -> LegStatistics:
        connected = self.up and not self.silent
        if self.forwarded is None:
            return LegStatistics(connected, 0.0, 0, 0, 0, 0.0)
        video = self.forwarded.terminal.incoming["video"]
        lost = video.reception.lost + self.forwarded.terminal.incoming["audio"].reception.lost
        figures = self.forwarded
        return LegStatistics(connected, figures.frames_per_second, *video.size, max(0, lost), figures.bits_per_second)

    def end(self) -> Forwarded | None:
        """Nothing happens to it any more; what was forwarded of it."""
        self.ended = True
        self.up = False
        for timer in self.timers:
            timer.cancel()
        if self.tap is not None:
            self.tap.close()
        forwarded, self.forwarded = self.forwarded, None
        return forwarded


@dataclass(slots=True, eq=False)
class JanusCall:
    """A call's legs, and its room once there is one."""

    legs: dict[Leg, JanusLeg] = field(default_factory=dict)
    room: Room | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def made(self, make: Callable[[], Awaitable[Room]]) -> Room:
        """The room, made where there is none. Raises what ``make`` raises."""
        async with self._making:
            if self.room is None:
                self.room = await make()
            return self.room


class JanusCalls(dict[str, JanusCall]):
    """All calls by id, what is told of them, and what is being done for them."""

    def __init__(self) -> None:
        super().__init__()
        self.events: asyncio.Queue[LegEvent] = asyncio.Queue(MOST_EVENTS)
        self.tasks: set[asyncio.Task[None]] = set()

    def legs(self, call: str) -> dict[Leg, JanusLeg]:
        held = self.get(call)
        return {} if held is None else held.legs

    def holds(self, call: str, leg: Leg, state: JanusLeg) -> bool:
        """Whether it is still that leg, and was not replaced."""
        return self.legs(call).get(leg) is state

    def remove(self, call: str, held: JanusCall, leg: Leg, state: JanusLeg) -> None:
        """Take a leg out, and with the last one the call."""
        if held.legs.get(leg) is state:
            del held.legs[leg]
            if not held.legs and self.get(call) is held:
                del self[call]

    def tell(self, event: LegEvent) -> None:
        if self.events.full():
            self.events.get_nowait()
        self.events.put_nowait(event)

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
