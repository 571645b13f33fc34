"""Janus carries the calls (server.ports.Media) by its VideoRoom plugin; this process negotiates, looks and records.

A call is a private room. Each page has a connection per direction, as VideoRoom wants: what it sends answers its offer
(a publisher), what it receives is offered to it (a subscriber, told as ``receive``). What this process has to see or
keep, Janus forwards to it as SRTP (``forwarded``); the same frames and recordings are made of it as in the embedded
engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from server.media import janus_leftovers
from server.media.aiortc_internals import check_versions
from server.media.answers import extend_answer
from server.media.call_recording import CallRecording
from server.media.forwarded import Forwarded, ForwardSocket, ForwardTo
from server.media.janus_client import JanusClient, JanusRefused, JanusUnavailable
from server.media.janus_legs import JanusCall, JanusCalls, JanusLeg
from server.media.janus_receivers import Receivers
from server.media.janus_room import PLUGIN, Room
from server.media.offers import MOST_CANDIDATES, Offer, Spoken, agree, read_candidate, read_offer
from server.media.recorder import LEAST_FREE, Recorder
from server.media.tap import Decoder, Tap
from server.media.translator import Terminal
from server.ports import ENDS, RECEIVES, Leg, LegEvent, LegStatistics, MediaError, RecordedSegment, RecordingPlan
from verification.contract import Frame

SILENCE = 3.0  # seconds; the same as no_media_timer in the configuration
COMES_BACK = 4.0  # seconds that an offer waits for a Janus that starts again; its page is patient for 5
TRIED_EACH = 0.2  # seconds
START_BITRATE = 600_000  # bits per second at which a browser's encoder begins

_log = logging.getLogger(__name__)


class JanusMedia:
    """server.ports.Media over one Janus. ``await start()`` first; end it with ``aclose``."""

    def __init__(
        self,
        url: str,
        api_secret: str,
        admin_key: str,
        *,
        forward: ForwardTo | None = None,
        max_calls: int = 500,
        least_free: int = LEAST_FREE,
    ) -> None:
        """``url``: ws:// of Janus's API. ``admin_key``: VideoRoom's; rooms and forwarding need it. ``forward``: where
        Janus sends what this process looks at or records. Raises InternalsChanged."""
        check_versions()
        self._url = url
        self._secret = api_secret
        self._admin_key = admin_key
        self._max_calls = max_calls
        self._client = JanusClient(url, api_secret, self._gone)
        self._control = 0
        self._connecting = asyncio.Lock()
        self._left: list[Room] = []
        """Rooms of calls that a lost connection ended: Janus keeps them until they are destroyed."""
        self._clearing: asyncio.Task[None] | None = None
        """Of rooms that a killed service left."""
        self._socket = ForwardSocket(forward or ForwardTo())
        self._calls = JanusCalls()
        self._receivers = Receivers(self._calls)
        self._recordings: dict[str, CallRecording] = {}
        self._decoder = Decoder()
        self._recorder = Recorder(least_free=least_free)

    async def start(self) -> None:
        """Raises JanusUnavailable."""
        await self._connect()

    # --- the port ----------------------------------------------------------------------------------

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """See server.ports.Media.answer."""
        offer = read_offer(sdp)
        if call not in self._calls and len(self._calls) >= self._max_calls:
            raise MediaError("media_full", "The server carries as many calls as it may.")
        state = JanusLeg(self._agreed(call, leg, offer))
        held = self._calls.setdefault(call, JanusCall())
        before = held.legs.get(leg)
        held.legs[leg] = state
        try:
            await self._connect_again()
            if before is not None:
                await self._end(before, call, leg)
            answer = await self._publish(call, held, leg, state, offer)
        except (JanusUnavailable, JanusRefused) as error:
            await self._drop(call, held, leg, state)
            if isinstance(error, JanusRefused):
                raise MediaError("media_offer_invalid", "The offer cannot be read.") from error
            _log.warning("an offer was not answered: %s", error)
            raise MediaError("media_unavailable", "The media server does not answer; offer again.") from error
        if not self._calls.holds(call, leg, state):
            await self._drop(call, held, leg, state)
            raise MediaError("media_superseded", "This connection was ended, or a newer offer took its place.")
        state.answered = True
        self._calls.run(self._receivers.see_to(call, leg, state))
        return answer

    def _agreed(self, call: str, leg: Leg, offer: Offer) -> Spoken:
        """What this leg is to run on; those that run on another codec are asked to offer again."""
        others = {other: state for other, state in self._calls.legs(call).items() if other is not leg}
        codec = agree(offer, [state.spoken for state in others.values()])
        for other, state in others.items():
            if state.spoken.codec != codec:
                self._calls.tell(LegEvent(call, other, "offer_again"))
        return Spoken(codec, tuple(offer.payload_types))

    async def _publish(self, call: str, held: JanusCall, leg: Leg, state: JanusLeg, offer: Offer) -> str:
        def on_event(kind: str, message: Mapping[str, Any]) -> None:
            if self._calls.holds(call, leg, state):
                self._on_sending(call, leg, state, kind, message)

        room = await held.made(self._new_room)
        state.handle = await room.attach(on_event)
        codec = state.spoken.codec
        answer, state.mids = await room.publish(state.handle, state.feed, offer.only(codec), codec)
        for candidate in state.early:
            await room.client.trickle(state.handle, candidate)
        return extend_answer(answer, START_BITRATE)

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        """See server.ports.Media.accept."""
        await self._receivers.accept(call, leg, number, sdp)

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any], receiving: int = 0) -> None:
        """See server.ports.Media.add_candidate."""
        read = read_candidate(candidate)
        state = self._calls.legs(call).get(leg)
        offered = self._receivers.find(call, leg, receiving)
        if read is None or state is None or (receiving and offered is None):
            return
        state.candidates += 1
        if state.candidates > 2 * MOST_CANDIDATES:  # of two connections
            raise MediaError("media_candidate_invalid", "The leg has too many candidates.")
        line, mid, index = read
        trickled = {"candidate": f"candidate:{line}", "sdpMid": mid, "sdpMLineIndex": index}
        handle = state.handle if offered is None else offered.handle
        if not handle:
            state.early.append(trickled)
            return
        with contextlib.suppress(JanusUnavailable):
            await self._client.trickle(handle, trickled)

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.request_keyframe."""
        held = self._calls.get(call)
        state = self._calls.legs(call).get(leg)
        if held is not None and held.room is not None and state is not None and state.up:
            with contextlib.suppress(JanusUnavailable, JanusRefused):
                await held.room.key_frame(state.handle)

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        """See server.ports.Media.frames. The first look has the leg forwarded from then on."""
        state = self._calls.legs(call).get(leg)
        if state is None or not state.up:
            raise MediaError("media_not_connected", "That end of the call is not connected.")
        await self._forwarded(call, leg, state)
        assert state.tap is not None
        return await state.tap.look(count, within)

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None:
        """See server.ports.Media.statistics. The first call has the leg forwarded, and counts from then on."""
        state = self._calls.legs(call).get(leg)
        if state is None:
            return None
        if leg in ENDS and state.up and state.forwarded is None and not state.tried:
            state.tried = True
            self._calls.run(self._forward_for_figures(call, leg, state))
        return state.statistics()

    async def events(self) -> AsyncIterator[LegEvent]:
        """See server.ports.Media.events; ``lost`` is told for every leg when Janus is gone."""
        while True:
            yield await self._calls.events.get()

    async def record(self, call: str, plan: RecordingPlan) -> None:
        """See server.ports.Media.record."""
        if call in self._recordings:
            return

        def tell(leg: Leg, kind: str) -> None:
            self._calls.tell(LegEvent(call, leg, kind))

        try:
            recording = await CallRecording.prepare(self._recorder, plan, tell)
        except OSError as error:
            raise MediaError("media_recording_failed", "The call cannot be recorded.") from error
        if self._recordings.setdefault(call, recording) is not recording:
            return
        for leg, state in self._calls.legs(call).items():
            if state.up:
                self._calls.run(self._begin(call, leg, state))

    async def _begin(self, call: str, leg: Leg, state: JanusLeg) -> None:
        recording = self._recordings.get(call)
        if recording is None or leg not in ENDS:
            return
        try:
            recording.begin(leg, await self._forwarded(call, leg, state))
        except MediaError:
            if not state.ended:
                _log.exception("a leg cannot be recorded")
                self._calls.tell(LegEvent(call, leg, "recording_failed"))

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        """See server.ports.Media.stop_recording."""
        recording = self._recordings.pop(call, None)
        return [] if recording is None else await recording.close()

    async def hang_up(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.hang_up."""
        held = self._calls.get(call)
        state = self._calls.legs(call).get(leg)
        if held is not None and state is not None:
            await self._drop(call, held, leg, state)

    async def close(self, call: str) -> None:
        """See server.ports.Media.close."""
        await self.stop_recording(call)
        held = self._calls.get(call)
        for leg, state in self._calls.legs(call).copy().items():
            if held is not None:
                await self._drop(call, held, leg, state)

    async def aclose(self) -> None:
        """End every call and the session with Janus; Janus itself goes on."""
        for call in {*self._calls, *self._recordings}:
            await self.close(call)
        while self._calls.tasks:
            await asyncio.wait(list(self._calls.tasks))
        if self._clearing is not None:
            self._clearing.cancel()
            await asyncio.wait([self._clearing])
        await self._client.aclose()
        self._socket.close()
        await self._recorder.aclose()
        await self._decoder.aclose()

    # --- what this process gets --------------------------------------------------------------------

    async def _forwarded(self, call: str, leg: Leg, state: JanusLeg) -> Terminal:
        """Raises MediaError media_not_connected where Janus does not forward."""
        held = self._calls.get(call)
        async with state.forwarding:
            if state.forwarded is not None:
                return state.forwarded.terminal
            if held is None or held.room is None or state.ended:
                raise MediaError("media_not_connected", "That end of the call has left.")

            def ask_key_frame() -> None:
                self._calls.run(self.request_keyframe(call, leg))

            forwarded = Forwarded(self._socket, state.spoken.codec, ask_key_frame)
            try:
                await held.room.forward(state.feed, state.mids, forwarded.destination)
            except (JanusUnavailable, JanusRefused) as error:
                forwarded.close()
                raise MediaError("media_not_connected", "Janus does not send that end of the call.") from error
            if state.ended:
                forwarded.close()
                raise MediaError("media_not_connected", "That end of the call has left.")
            state.forwarded = forwarded
            terminal = forwarded.terminal
            state.tap = Tap(self._decoder, terminal.incoming["video"], terminal.request_key_frame)
            return terminal

    async def _forward_for_figures(self, call: str, leg: Leg, state: JanusLeg) -> None:
        try:
            await self._forwarded(call, leg, state)
        except MediaError:
            _log.exception("a leg is not forwarded: it has no figures")

    # --- what Janus tells --------------------------------------------------------------------------

    def _on_sending(self, call: str, leg: Leg, state: JanusLeg, kind: str, message: Mapping[str, Any]) -> None:
        if kind == "webrtcup":
            state.up = True
            self._calls.tell(LegEvent(call, leg, "connected"))
            if leg in ENDS:
                # Janus tells that media stops only where it had begun
                loop = asyncio.get_running_loop()
                state.timers.append(loop.call_later(SILENCE, self._look_at_silence, call, leg, state))
            for other, receiver in self._calls.legs(call).items():
                if RECEIVES[other] is leg:
                    self._calls.run(self._receivers.see_to(call, other, receiver))
            if call in self._recordings:
                self._calls.run(self._begin(call, leg, state))
        elif kind == "media" and leg in ENDS:
            (state.received.add if message["receiving"] else state.received.discard)(message["type"])
            self._look_at_silence(call, leg, state)
        elif kind == "hangup":
            held = self._calls[call]
            self._calls.remove(call, held, leg, state)
            self._calls.run(self._drop(call, held, leg, state))
            self._calls.tell(LegEvent(call, leg, "closed"))

    def _look_at_silence(self, call: str, leg: Leg, state: JanusLeg) -> None:
        if state.up and state.silent == bool(state.received):
            state.silent = not state.received
            self._calls.tell(LegEvent(call, leg, "silent" if state.silent else "connected"))

    def _gone(self) -> None:
        """The connection to Janus is lost, and with it every call."""
        calls = dict(self._calls)
        self._calls.clear()
        for call, held in calls.items():
            if held.room is not None:
                self._left.append(held.room)
            for leg, state in held.legs.items():
                self._calls.run(self._end(state, call, leg))
                self._calls.tell(LegEvent(call, leg, "lost"))

    # --- bookkeeping -------------------------------------------------------------------------------

    async def _connect(self) -> None:
        """Raises JanusUnavailable."""
        async with self._connecting:
            if self._client.connected:
                return
            await self._client.aclose()
            self._client = JanusClient(self._url, self._secret, self._gone)
            await self._client.connect()
            try:
                await self._socket.open()
            except OSError as error:
                await self._client.aclose()
                raise JanusUnavailable("what Janus forwards cannot be received") from error
            self._control = await self._client.attach(PLUGIN, lambda kind, message: None)
            left, self._left = self._left, []
            for room in left:
                room.go_through(self._client, self._control)
                await self._destroy(room)
            if self._clearing is not None:
                self._clearing.cancel()
            self._clearing = asyncio.create_task(janus_leftovers.clear(self._client, self._control, self._admin_key))

    async def _connect_again(self) -> None:
        """As ``_connect``, of a Janus that may just be starting again. Raises JanusUnavailable."""
        last = asyncio.get_running_loop().time() + COMES_BACK
        while True:
            try:
                return await self._connect()
            except JanusUnavailable:
                if asyncio.get_running_loop().time() > last:
                    raise
            await asyncio.sleep(TRIED_EACH)

    async def _new_room(self) -> Room:
        room = Room(self._client, self._control, self._admin_key)
        await room.create()
        return room

    async def _destroy(self, room: Room) -> None:
        try:
            await room.destroy()
        except (JanusUnavailable, JanusRefused) as error:
            _log.info("a room is not there any more: %s", error)

    async def _drop(self, call: str, held: JanusCall, leg: Leg, state: JanusLeg) -> None:
        """End a leg, and with the last one the call."""
        self._calls.remove(call, held, leg, state)
        await self._end(state, call, leg)
        if not held.legs and held.room is not None:
            room, held.room = held.room, None
            await self._destroy(room)

    async def _end(self, state: JanusLeg, call: str, leg: Leg) -> None:
        forwarded, receiving = state.end(), state.receiving
        self._receivers.let_go(call, state)
        recording = self._recordings.get(call)
        if forwarded is not None:
            if recording is not None:
                recording.end(leg, forwarded.terminal)
            forwarded.close()
        for handle in (state.handle, 0 if receiving is None else receiving.handle):
            await self._client.detach(handle)
