"""The media engine inside the server: aiortc's ICE and DTLS, the product's own RTP. Nothing is transcoded."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any

from server.media import translator
from server.media.aiortc_internals import Network, Peer, PortsExhausted, check_versions, host_addresses
from server.media.call_recording import CallRecording
from server.media.lines import least_for
from server.media.offers import Offer, Spoken, agree, read_candidate, read_offer
from server.media.recorder import LEAST_FREE, Recorder
from server.media.streams import StreamParameters
from server.media.tap import Decoder, Tap
from server.media.translator import Terminal
from server.ports import RECEIVES, Leg, LegEvent, LegStatistics, MediaError, RecordedSegment, RecordingPlan
from verification.contract import Frame

SILENCE = 3.0  # seconds without any datagram (media, reports or STUN) after which a leg is called silent
TICK = 0.5  # seconds between looks at a leg's counters
CONNECT_DEADLINE = 20.0  # seconds from answer to media; a browser gives its ICE up after about 15 to 30
MOST_EVENTS = 1024  # events kept for a listener that is late
MOST_CANDIDATES = 64  # trickled, per leg

_log = logging.getLogger(__name__)


class _LegState:
    """One browser in a call."""

    def __init__(self, engine: EmbeddedMedia, call: str, leg: Leg, spoken: Spoken) -> None:
        self.call = call
        self.leg = leg
        self.spoken = spoken
        self.terminal: Terminal | None = None
        self.tap: Tap | None = None
        self.candidates = 0
        self.frames_per_second = 0.0
        self.bits_per_second = 0.0
        self._engine = engine
        self._loop = asyncio.get_running_loop()
        self.peer = Peer(engine.network, engine.start_bitrate, self._on_ready, self._on_gone, codec=spoken.codec)
        self._timer = self._loop.call_later(CONNECT_DEADLINE, self._on_gone)
        self._datagrams = 0
        self._heard = 0.0
        self._silent = False
        self._measured = (0.0, 0, 0)

    def _on_ready(self, parameters: dict[str, StreamParameters]) -> None:
        self._timer.cancel()
        self.terminal = Terminal(self.peer, parameters)
        self.peer.on_rtp = self.terminal.on_rtp
        self.peer.on_rtcp = self.terminal.on_rtcp
        self.tap = Tap(self._engine.decoder, self.terminal.incoming["video"], self.terminal.request_key_frame)
        self._heard = time.monotonic()
        self._measured = (self._heard, 0, 0)
        self._timer = self._loop.call_later(TICK, self._tick)
        self._engine.leg_ready(self)

    def _on_gone(self) -> None:
        self._engine.leg_gone(self)

    def _tick(self) -> None:
        self._timer = self._loop.call_later(TICK, self._tick)
        now = time.monotonic()
        self.peer.follow_path()
        if self.peer.datagrams != self._datagrams:
            self._datagrams = self.peer.datagrams
            self._heard = now
            if self._silent:
                self._silent = False
                self._engine.tell(self, "connected")
        elif not self._silent and now - self._heard >= SILENCE - TICK:
            self._silent = True
            self._engine.tell(self, "silent")
        since, frames, octets = self._measured
        if now - since >= 1.0 and self.terminal is not None:
            video = self.terminal.incoming["video"]
            total = video.bytes + self.terminal.incoming["audio"].bytes
            self.frames_per_second = (video.frames - frames) / (now - since)
            self.bits_per_second = 8 * (total - octets) / (now - since)
            self._measured = (now, video.frames, total)

    def statistics(self) -> LegStatistics:
        if self.terminal is None:
            return LegStatistics(False, 0.0, 0, 0, 0, 0.0)
        video = self.terminal.incoming["video"]
        lost = video.reception.lost + self.terminal.incoming["audio"].reception.lost
        return LegStatistics(
            connected=not self._silent,
            frames_per_second=self.frames_per_second,
            width=video.size[0],
            height=video.size[1],
            packets_lost=max(0, lost),
            bits_per_second=self.bits_per_second,
        )

    async def close(self) -> None:
        self._timer.cancel()
        if self.tap is not None:
            self.tap.close()
        if self.terminal is not None:
            self.terminal.close()
        await self.peer.close()


class EmbeddedMedia:
    """server.ports.Media in this process. Construct it inside a running event loop; end it with ``aclose``."""

    def __init__(
        self,
        *,
        addresses: Sequence[str] | None = None,
        ports: tuple[int, int] | None = None,
        announced: str | None = None,
        loopback: bool = False,
        max_calls: int = 100,
        start_bitrate: int = 600_000,
        least_free: int = LEAST_FREE,
    ) -> None:
        """``addresses``: local addresses to bind, None for all of this host's (with ``loopback``, 127.0.0.1 too).

        ``ports``: first and last UDP port, one is used per leg and address. ``announced``: the address told to
        browsers where it is not the local one. ``start_bitrate``: bits per second at which a browser's encoder begins
        (Chromium takes 10 s to reach its rate without it). ``least_free``: bytes of room without which no recording
        begins. Raises InternalsChanged with an unknown aiortc.
        """
        check_versions()
        self.network = Network(
            addresses=tuple(addresses) if addresses is not None else host_addresses(loopback),
            ports=ports,
            announced=announced,
        )
        self.start_bitrate = start_bitrate
        self.decoder = Decoder()
        self.recorder = Recorder(least_free=least_free)
        self._recordings: dict[str, CallRecording] = {}
        self._max_calls = max_calls
        self._calls: dict[str, dict[Leg, _LegState]] = {}
        self._warming: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue(MOST_EVENTS)

    def warm(self) -> None:
        """Have the decoding worker ready before the first look."""
        if self._warming is None:
            self._warming = asyncio.create_task(self.decoder.start())

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """See server.ports.Media.answer."""
        offer = read_offer(sdp)
        if call not in self._calls and len(self._calls) >= self._max_calls:
            raise MediaError("media_full", "The server carries as many calls as it may.")
        spoken = self._agreed(call, leg, offer)
        state = _LegState(self, call, leg, spoken)
        legs = self._calls.setdefault(call, {})
        before = legs.get(leg)
        legs[leg] = state
        if before is not None:
            self._end(before)
        self.warm()
        try:
            return await state.peer.answer(offer)
        except BaseException as error:
            replaced = not self._remove(state)
            if not replaced:
                self._end(state)
            if isinstance(error, PortsExhausted):
                raise MediaError("media_full", "The server has no free port for this call.") from error
            if replaced and isinstance(error, Exception):
                # its peer was closed while it gathered, and aiortc stumbled over that somewhere
                raise MediaError("media_superseded", "A newer offer took this one's place.") from error
            raise

    def _agreed(self, call: str, leg: Leg, offer: Offer) -> Spoken:
        """What this leg is to run on; those that run on another codec are asked to offer again."""
        others = [state for other, state in self._calls.get(call, {}).items() if other is not leg]
        codec = agree(offer, [state.spoken for state in others])
        for state in others:
            if state.spoken.codec != codec:
                self.tell(state, "offer_again")
        return Spoken(codec, tuple(offer.payload_types))

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        """See server.ports.Media.accept: this engine offers nothing, one connection carries both directions."""
        raise MediaError("media_superseded", "The server did not offer this connection.")

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any], receiving: int = 0) -> None:
        """See server.ports.Media.add_candidate. One for a leg that is not there any more is passed over."""
        read = read_candidate(candidate)
        state = self._leg(call, leg)
        if state is None or read is None or receiving:
            return
        state.candidates += 1
        if state.candidates > MOST_CANDIDATES:
            raise MediaError("media_candidate_invalid", "The leg has too many candidates.")
        try:
            await state.peer.add_candidate(*read)
        except ValueError as error:
            raise MediaError("media_candidate_invalid", "The candidate cannot be read.") from error

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.request_keyframe."""
        state = self._leg(call, leg)
        if state is not None and state.terminal is not None:
            state.terminal.request_key_frame()

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        """See server.ports.Media.frames."""
        state = self._leg(call, leg)
        if state is None or state.tap is None:
            raise MediaError("media_not_connected", "That end of the call is not connected.")
        return await state.tap.look(count, within)

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None:
        """See server.ports.Media.statistics; figures are of the last second."""
        state = self._leg(call, leg)
        return None if state is None else state.statistics()

    def all_statistics(self) -> Iterator[tuple[str, Leg, LegStatistics]]:
        """(call, leg, figures) of every leg."""
        for call, legs in self._calls.items():
            for leg, state in legs.items():
                yield call, leg, state.statistics()

    async def events(self) -> AsyncIterator[LegEvent]:
        """See server.ports.Media.events."""
        while True:
            yield await self._events.get()

    async def record(self, call: str, plan: RecordingPlan) -> None:
        """See server.ports.Media.record."""
        if call in self._recordings:
            return

        def tell(leg: Leg, kind: str) -> None:
            self._tell(call, leg, kind)

        try:
            recording = await CallRecording.prepare(self.recorder, plan, tell)
        except OSError as error:
            raise MediaError("media_recording_failed", "The call cannot be recorded: " + _reason(error)) from error
        if self._recordings.setdefault(call, recording) is not recording:
            return
        for state in self._calls.get(call, {}).values():
            if state.terminal is not None:
                recording.begin(state.leg, state.terminal)

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        """See server.ports.Media.stop_recording."""
        recording = self._recordings.pop(call, None)
        return [] if recording is None else await recording.close()

    async def hang_up(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.hang_up."""
        state = self._leg(call, leg)
        if state is not None and self._remove(state):
            await self._close_leg(state)

    async def close(self, call: str) -> None:
        """See server.ports.Media.close."""
        await self.stop_recording(call)
        for state in self._calls.pop(call, {}).values():
            self._end(state)
        if self._closing:
            await asyncio.wait(list(self._closing))

    async def aclose(self) -> None:
        """End every call and the decoding worker."""
        for call in {*self._calls, *self._recordings}:
            await self.close(call)
        if self._closing:
            await asyncio.wait(list(self._closing))
        if self._warming is not None:
            await self._warming
        await self.recorder.aclose()
        await self.decoder.aclose()

    # --- what legs tell ----------------------------------------------------------------------------

    def leg_ready(self, state: _LegState) -> None:
        """A leg's media can flow: join it to those who receive it and to whom it receives, where they are there."""
        legs = self._calls.get(state.call, {})
        if legs.get(state.leg) is not state or state.terminal is None:
            return
        for other in legs.values():
            if other.terminal is None or other.spoken.codec != state.spoken.codec:
                continue
            for sender, receiver in ((state, other), (other, state)):
                if RECEIVES[receiver.leg] is sender.leg and sender.terminal and receiver.terminal:
                    least = least_for(sender.leg, receiver.leg)
                    translator.carry(sender.terminal, receiver.terminal, least=least)
        if not state.terminal.incoming["video"].outputs:
            # nobody asks for one, and the browser's first may have come before its keys
            state.terminal.request_key_frame()
        self.tell(state, "connected")
        recording = self._recordings.get(state.call)
        if recording is not None:
            recording.begin(state.leg, state.terminal)

    def leg_gone(self, state: _LegState) -> None:
        """A leg's connection failed or its browser closed it."""
        if self._remove(state):
            self._end(state)
            self.tell(state, "closed")

    def tell(self, state: _LegState, kind: str) -> None:
        self._tell(state.call, state.leg, kind)

    def _tell(self, call: str, leg: Leg, kind: str) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(LegEvent(call, leg, kind))

    # --- bookkeeping -------------------------------------------------------------------------------

    def _leg(self, call: str, leg: Leg) -> _LegState | None:
        return self._calls.get(call, {}).get(leg)

    def _remove(self, state: _LegState) -> bool:
        """Take a leg out of its call; False if another one has its place."""
        legs = self._calls.get(state.call, {})
        if legs.get(state.leg) is not state:
            return False
        del legs[state.leg]
        if not legs:
            del self._calls[state.call]
        return True

    def _end(self, state: _LegState) -> None:
        task = asyncio.get_running_loop().create_task(self._close_leg(state))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_leg(self, state: _LegState) -> None:
        for other in self._calls.get(state.call, {}).values():
            if other.terminal is not None and state.terminal is not None:
                translator.part(other.terminal, state.terminal)
        recording = self._recordings.get(state.call)
        if recording is not None and state.terminal is not None:
            recording.end(state.leg, state.terminal)
        with contextlib.suppress(ConnectionError):
            await state.close()


def _reason(error: OSError) -> str:
    return f"{error.strerror or 'it cannot be written'}."
