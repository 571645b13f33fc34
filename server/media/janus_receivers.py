"""What pages receive over connections that Janus offers: who is offered one when, and what comes over it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Mapping
from typing import Any

from server.media.answers import read_answer, same_offer
from server.media.janus_client import JanusRefused, JanusUnavailable
from server.media.janus_legs import JanusCalls, JanusLeg, Receiving
from server.media.janus_room import UNBOUND, Room
from server.media.lines import Line, least_for
from server.ports import RECEIVES, Leg, LegEvent, MediaError

GROW = 1.0  # seconds; Janus counts losses each second
OFFER_AGAIN = 1.0  # seconds until a page whose receiving connection failed is offered another one

_log = logging.getLogger(__name__)


class Receivers:
    """The receiving connections of all calls."""

    def __init__(self, calls: JanusCalls) -> None:
        self._calls = calls
        self._numbers = itertools.count(1)
        self._growing: asyncio.TimerHandle | None = None

    def find(self, call: str, leg: Leg, number: int) -> Receiving | None:
        """The leg's newest connection, if that is its number."""
        state = self._calls.legs(call).get(leg)
        receiving = None if state is None else state.receiving
        return receiving if receiving is not None and receiving.number == number else None

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        """See server.ports.Media.accept."""
        held = self._calls.get(call)
        receiving = self.find(call, leg, number)
        if held is None or held.room is None or receiving is None or receiving.answer:
            raise MediaError("media_superseded", "This connection was ended, or a newer offer took its place.")
        answer = receiving.answer = read_answer(sdp)
        try:
            await held.room.start(receiving.handle, answer)
        except JanusRefused as error:
            receiving.answer = ""
            raise MediaError("media_offer_invalid", "The answer cannot be read.") from error
        except JanusUnavailable as error:
            raise MediaError("media_superseded", "The media server does not answer; offer again.") from error

    async def see_to(self, call: str, leg: Leg, state: JanusLeg) -> None:
        """See that a leg's page gets what it is to receive: by the connection that it has for it, or by a new one."""
        async with state.subscribing:
            held = self._calls.get(call)
            source = self._calls.legs(call).get(RECEIVES[leg])
            if held is None or held.room is None or not self._calls.holds(call, leg, state) or not state.answered:
                return
            if source is None or not source.up or source.spoken.codec != state.spoken.codec:
                return
            try:
                await self._subscribe(held.room, call, leg, state, source)
            except (JanusUnavailable, JanusRefused) as error:
                if self._calls.holds(call, leg, state) and source.up:
                    _log.warning("a page cannot receive: %s", error)

    async def _subscribe(self, room: Room, call: str, leg: Leg, state: JanusLeg, source: JanusLeg) -> None:
        before = state.receiving
        if before is not None:
            if before.source is source:
                return
            if before.answer and await self._switch(room, before, source):
                before.line = Line()
                return
            self.let_go(call, state)
            await room.client.detach(before.handle)
        number = next(self._numbers)

        def on_event(kind: str, message: Mapping[str, Any]) -> None:
            receiving = self.find(call, leg, number)
            if receiving is None:
                return
            if kind == "hangup":
                self._lost(room, call, leg, state)
            elif kind == "slowlink" and message["media"] == "video":
                self._on_loss(call, receiving, message["lost"])

        handle = await room.attach(on_event)
        try:
            offer, mids = await room.subscribe(handle, source.feed)
        except JanusRefused:
            await room.client.detach(handle)
            raise
        if state.ended:
            await room.client.detach(handle)
            return
        state.receiving = Receiving(number, handle, offer, mids, source, Line())
        self._calls.tell(LegEvent(call, leg, "receive", offer, number))

    async def _switch(self, room: Room, receiving: Receiving, source: JanusLeg) -> bool:
        """Whether the page gets another feed over the connection that it has, without knowing of it."""
        try:
            offer = await room.switch(receiving.handle, receiving.mids, source.feed, source.mids)
            if offer:
                # The former feed had gone, and VideoRoom wants the connection answered anew; where it offers what it
                # did, so does the page's answer.
                if not same_offer(offer, receiving.offer):
                    return False
                await room.start(receiving.handle, receiving.answer)
        except JanusRefused as error:
            _log.info("a page is offered another connection to receive over: %s", error)
            return False
        receiving.source = source
        return True

    def _lost(self, room: Room, call: str, leg: Leg, state: JanusLeg) -> None:
        """A receiving connection failed while the page's other one stands."""
        assert state.receiving is not None
        self._calls.run(room.client.detach(state.receiving.handle))
        self.let_go(call, state)

        def again() -> None:
            self._calls.run(self.see_to(call, leg, state))

        state.timers.append(asyncio.get_running_loop().call_later(OFFER_AGAIN, again))

    # --- what their lines take ---------------------------------------------------------------------

    def let_go(self, call: str, state: JanusLeg) -> None:
        """A leg receives over its connection no more, and binds nobody."""
        receiving, state.receiving = state.receiving, None
        if receiving is not None and receiving.line.allowed is not None:
            self._bind(call, receiving.source)

    def _on_loss(self, call: str, receiving: Receiving, packets: int) -> None:
        figures = receiving.source.forwarded
        if figures is None or not receiving.line.lost(packets, figures.packets_per_second, figures.bits_per_second):
            return
        self._bind(call, receiving.source)
        if self._growing is None:
            self._growing = asyncio.get_running_loop().call_later(GROW, self._grow)

    def _grow(self) -> None:
        """Let those that bind a sender do so less and less; no timer runs where nobody does."""
        self._growing = None
        for call, held in self._calls.items():
            for state in held.legs.values():
                if state.receiving is not None and state.receiving.line.allowed is not None:
                    if state.receiving.line.second():
                        self._bind(call, state.receiving.source)
                    self._growing = self._growing or asyncio.get_running_loop().call_later(GROW, self._grow)

    def _bind(self, call: str, source: JanusLeg) -> None:
        """Let a page send as much as the least line takes of those that it is sent over."""
        held = self._calls.get(call)
        sender = next((leg for leg, state in self._calls.legs(call).items() if state is source), None)
        if held is None or held.room is None or sender is None:
            return
        bounds = [
            max(state.receiving.line.allowed, least_for(sender, leg))
            for leg, state in held.legs.items()
            if state.receiving is not None
            and state.receiving.source is source
            and state.receiving.line.allowed is not None
        ]
        self._calls.run(self._allow(held.room, source.handle, int(min(bounds, default=UNBOUND))))

    async def _allow(self, room: Room, handle: int, bits_per_second: int) -> None:
        with contextlib.suppress(JanusUnavailable, JanusRefused):
            await room.allow(handle, bits_per_second)
