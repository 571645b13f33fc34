"""Janus carries the calls (server.ports.Media); this process only negotiates, and taps what it has to see or keep.

Janus relays with a script of the product's own (janus_files/calls.js, duktape plugin): one peer connection per browser,
as with the embedded engine; VideoRoom would want two, and pages that know it. A tap is one more peer connection, from
this process, that receives one leg; the same frames and recordings are made of it as in the embedded engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any

from server.media.aiortc_internals import Network, Peer, check_versions, host_addresses
from server.media.call_recording import CallRecording
from server.media.janus_client import JanusClient, JanusUnavailable
from server.media.offers import Offer, Spoken, agree, read_candidate, read_offer
from server.media.recorder import LEAST_FREE, Recorder
from server.media.streams import StreamParameters
from server.media.tap import Decoder, Tap
from server.media.translator import Terminal
from server.ports import ENDS, RECEIVES, Leg, LegEvent, LegStatistics, MediaError, RecordedSegment, RecordingPlan
from verification.contract import Frame

PLUGIN = "janus.plugin.betpecalls"
TAPPED = 10.0  # seconds that a tap's connection may take
SILENCE = 3.0  # seconds; the same as no_media_timer in the configuration
MOST_EVENTS = 1024
MEASURE = 1.0  # seconds between looks at a tap's counters

_log = logging.getLogger(__name__)


class _TapConnection:
    """A peer connection from this process to Janus that receives one leg."""

    def __init__(self, network: Network, codec: str) -> None:
        self.handle = 0
        self.terminal: Terminal | None = None
        self.frames_per_second = 0.0
        self.bits_per_second = 0.0
        self._ready = asyncio.Event()
        self._measured = (0.0, 0, 0)
        self._timer: asyncio.TimerHandle | None = None
        self.peer = Peer(network, 0, self._on_ready, self._ready.set, receive_only=True, codec=codec)

    def _on_ready(self, parameters: dict[str, StreamParameters]) -> None:
        self.terminal = Terminal(self.peer, parameters)
        self.peer.on_rtp = self.terminal.on_rtp
        self.peer.on_rtcp = self.terminal.on_rtcp
        self._ready.set()
        self._measure()

    def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(MEASURE, self._measure)
        assert self.terminal is not None
        self.peer.follow_path()
        video = self.terminal.incoming["video"]
        total = video.bytes + self.terminal.incoming["audio"].bytes
        since, frames, octets = self._measured
        elapsed = loop.time() - since
        if since and elapsed > 0:
            self.frames_per_second = (video.frames - frames) / elapsed
            self.bits_per_second = 8 * (total - octets) / elapsed
        self._measured = (loop.time(), video.frames, total)

    async def wait(self) -> Terminal:
        """Raises MediaError media_not_connected where Janus does not send."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), TAPPED)
        if self.terminal is None:
            raise MediaError("media_not_connected", "Janus does not send that end of the call.")
        return self.terminal

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.terminal is not None:
            self.terminal.close()
        await self.peer.close()


class _JanusLeg:
    """One browser in a call."""

    def __init__(self, spoken: Spoken) -> None:
        self.handle = 0
        self.spoken = spoken
        self.up = False
        self.received: set[str] = set()
        """Kinds of media that Janus receives."""
        self.silent = False
        self.timer: asyncio.TimerHandle | None = None
        self.tapping = asyncio.Lock()
        self.untappable = False
        self.connection: _TapConnection | None = None
        self.tap: Tap | None = None


class JanusMedia:
    """server.ports.Media over one Janus. ``await start()`` first; end it with ``aclose``."""

    def __init__(
        self,
        url: str,
        api_secret: str,
        *,
        addresses: Sequence[str] | None = None,
        max_calls: int = 500,
        least_free: int = LEAST_FREE,
    ) -> None:
        """``url``: ws:// of Janus's API. ``addresses``: local addresses that taps bind. Raises InternalsChanged."""
        check_versions()
        self._url = url
        self._secret = api_secret
        self._network = Network(tuple(addresses) if addresses is not None else host_addresses(loopback=False))
        self._max_calls = max_calls
        self._client = JanusClient(url, api_secret, self._gone)
        self._calls: dict[str, dict[Leg, _JanusLeg]] = {}
        self._recordings: dict[str, CallRecording] = {}
        self._decoder = Decoder()
        self._recorder = Recorder(least_free=least_free)
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue(MOST_EVENTS)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Raises JanusUnavailable."""
        await self._client.connect()

    # --- the port ----------------------------------------------------------------------------------

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        """See server.ports.Media.answer."""
        offer = read_offer(sdp)
        if call not in self._calls and len(self._calls) >= self._max_calls:
            raise MediaError("media_full", "The server carries as many calls as it may.")
        state = _JanusLeg(self._agreed(call, leg, offer))
        legs = self._calls.setdefault(call, {})
        before = legs.get(leg)
        legs[leg] = state
        try:
            if not self._client.connected:
                await self._reconnect()
            if before is not None:
                await self._end(before, call, leg)

            def on_event(kind: str, message: Mapping[str, Any]) -> None:
                self._on_event(call, leg, state, kind, message)

            state.handle = await self._client.attach(PLUGIN, on_event)
            codec = state.spoken.codec
            body = {"request": "join", "call": call, "leg": str(leg), "receives": str(RECEIVES[leg])}
            answer = await self._client.message(state.handle, {**body, "codec": codec.lower()}, offer.only(codec))
        except JanusUnavailable as error:
            self._remove(call, leg, state)
            _log.warning("an offer was not answered: %s", error)
            raise MediaError("media_full", "The media server does not answer; offer again.") from error
        if answer is None:
            self._remove(call, leg, state)
            raise MediaError("media_offer_invalid", "The offer cannot be read.")
        if self._calls.get(call, {}).get(leg) is not state:
            await self._end(state, call, leg)
            raise MediaError("media_superseded", "This connection was ended, or a newer offer took its place.")
        return answer

    def _agreed(self, call: str, leg: Leg, offer: Offer) -> Spoken:
        """What this leg is to run on; those that run on another codec are asked to offer again."""
        others = {other: state for other, state in self._calls.get(call, {}).items() if other is not leg}
        codec = agree(offer, [state.spoken for state in others.values()])
        for other, state in others.items():
            if state.spoken.codec != codec:
                self._tell(call, other, "offer_again")
        return Spoken(codec, tuple(offer.payload_types))

    async def _reconnect(self) -> None:
        await self._client.aclose()
        self._client = JanusClient(self._url, self._secret, self._gone)
        await self._client.connect()

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        """See server.ports.Media.accept: one connection carries both directions."""
        raise MediaError("media_superseded", "The server did not offer this connection.")

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any], receiving: int = 0) -> None:
        """See server.ports.Media.add_candidate."""
        read = read_candidate(candidate)
        state = self._calls.get(call, {}).get(leg)
        if read is None or state is None or not state.handle or receiving:
            return
        line, mid, index = read
        with contextlib.suppress(JanusUnavailable):
            await self._client.trickle(
                state.handle, {"candidate": f"candidate:{line}", "sdpMid": mid, "sdpMLineIndex": index}
            )

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.request_keyframe."""
        state = self._calls.get(call, {}).get(leg)
        if state is not None and state.up:
            with contextlib.suppress(JanusUnavailable):
                await self._client.message(state.handle, {"request": "keyframe"})

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        """See server.ports.Media.frames. The first look opens a tap, which takes about 0.2 s more."""
        state = self._calls.get(call, {}).get(leg)
        if state is None or not state.up:
            raise MediaError("media_not_connected", "That end of the call is not connected.")
        await self._tapped(call, leg, state)
        assert state.tap is not None
        return await state.tap.look(count, within)

    async def _tapped(self, call: str, leg: Leg, state: _JanusLeg) -> Terminal:
        async with state.tapping:
            if state.connection is None or state.connection.terminal is None:
                connection = _TapConnection(self._network, state.spoken.codec)
                try:
                    connection.handle = await self._client.attach(PLUGIN, lambda kind, message: None)
                    codec = state.spoken.codec.lower()
                    body = {"request": "tap", "call": call, "receives": str(leg), "codec": codec}
                    answer = await self._client.message(connection.handle, body, await connection.peer.offer())
                    await connection.peer.accept(answer or "")
                    terminal = await connection.wait()
                    if not state.up:
                        raise MediaError("media_not_connected", "That end of the call has left.")
                except (JanusUnavailable, MediaError, ValueError) as error:
                    await connection.close()
                    raise MediaError("media_not_connected", "Janus does not send that end of the call.") from error

                def key_frame() -> None:
                    terminal.request_key_frame()
                    self._run(self.request_keyframe(call, leg))

                state.connection = connection
                state.tap = Tap(self._decoder, terminal.incoming["video"], key_frame)
            assert state.connection.terminal is not None
            return state.connection.terminal

    async def _tap_for_figures(self, call: str, leg: Leg, state: _JanusLeg) -> None:
        try:
            await self._tapped(call, leg, state)
        except MediaError:
            state.untappable = True
            _log.exception("a leg cannot be tapped: it has no figures")

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None:
        """See server.ports.Media.statistics. The first call opens a tap that counts."""
        state = self._calls.get(call, {}).get(leg)
        if state is None:
            return None
        connected = state.up and not state.silent
        connection = state.connection
        if connection is None or connection.terminal is None:
            if state.up and not state.tapping.locked() and not state.untappable:
                self._run(self._tap_for_figures(call, leg, state))
            return LegStatistics(connected, 0.0, 0, 0, 0, 0.0)
        video = connection.terminal.incoming["video"]
        lost = max(0, video.reception.lost)
        return LegStatistics(connected, connection.frames_per_second, *video.size, lost, connection.bits_per_second)

    async def events(self) -> AsyncIterator[LegEvent]:
        """See server.ports.Media.events; ``lost`` is told for every leg when Janus is gone."""
        while True:
            yield await self._events.get()

    async def record(self, call: str, plan: RecordingPlan) -> None:
        """See server.ports.Media.record."""
        if call in self._recordings:
            return

        def tell(leg: Leg, kind: str) -> None:
            self._tell(call, leg, kind)

        try:
            recording = await CallRecording.prepare(self._recorder, plan, tell)
        except OSError as error:
            raise MediaError("media_recording_failed", "The call cannot be recorded.") from error
        self._recordings[call] = recording
        for leg, state in self._calls.get(call, {}).items():
            if state.up:
                self._run(self._begin(call, leg, state))

    async def _begin(self, call: str, leg: Leg, state: _JanusLeg) -> None:
        recording = self._recordings.get(call)
        if recording is None or leg not in ENDS:
            return
        try:
            recording.begin(leg, await self._tapped(call, leg, state))
        except MediaError:
            _log.exception("a leg cannot be recorded")
            self._tell(call, leg, "recording_failed")

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        """See server.ports.Media.stop_recording."""
        recording = self._recordings.pop(call, None)
        return [] if recording is None else await recording.close()

    async def hang_up(self, call: str, leg: Leg) -> None:
        """See server.ports.Media.hang_up."""
        state = self._calls.get(call, {}).get(leg)
        if state is not None:
            self._remove(call, leg, state)
            await self._end(state, call, leg)

    async def close(self, call: str) -> None:
        """See server.ports.Media.close."""
        await self.stop_recording(call)
        for leg, state in self._calls.pop(call, {}).items():
            await self._end(state, call, leg)

    async def aclose(self) -> None:
        """End every call and the session with Janus; Janus itself goes on."""
        for call in {*self._calls, *self._recordings}:
            await self.close(call)
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        await self._client.aclose()
        await self._recorder.aclose()
        await self._decoder.aclose()

    # --- what Janus tells --------------------------------------------------------------------------

    def _on_event(self, call: str, leg: Leg, state: _JanusLeg, kind: str, message: Mapping[str, Any]) -> None:
        if self._calls.get(call, {}).get(leg) is not state:
            return
        if kind == "webrtcup":
            state.up = True
            self._tell(call, leg, "connected")
            # Janus tells that media stops only where it had begun
            loop = asyncio.get_running_loop()
            state.timer = loop.call_later(SILENCE, self._look_at_silence, call, leg, state)
            if call in self._recordings:
                self._run(self._begin(call, leg, state))
        elif kind == "media":
            (state.received.add if message["receiving"] else state.received.discard)(message["type"])
            self._look_at_silence(call, leg, state)
        elif kind == "hangup":
            self._remove(call, leg, state)
            self._run(self._end(state, call, leg))
            self._tell(call, leg, "closed")

    def _look_at_silence(self, call: str, leg: Leg, state: _JanusLeg) -> None:
        if state.up and state.silent == bool(state.received):
            state.silent = not state.received
            self._tell(call, leg, "silent" if state.silent else "connected")

    def _gone(self) -> None:
        """The connection to Janus is lost, and with it every call."""
        calls, self._calls = self._calls, {}
        for call, legs in calls.items():
            for leg, state in legs.items():
                self._run(self._end(state, call, leg))
                self._tell(call, leg, "lost")

    # --- bookkeeping -------------------------------------------------------------------------------

    async def _end(self, state: _JanusLeg, call: str, leg: Leg) -> None:
        state.up = False
        if state.timer is not None:
            state.timer.cancel()
        if state.tap is not None:
            state.tap.close()
        connection, state.connection = state.connection, None
        recording = self._recordings.get(call)
        if recording is not None and connection is not None and connection.terminal is not None:
            recording.end(leg, connection.terminal)
        for handle in (state.handle, connection.handle if connection is not None else 0):
            if handle and self._client.connected:
                with contextlib.suppress(JanusUnavailable):
                    await self._client.detach(handle)
        if connection is not None:
            await connection.close()

    def _remove(self, call: str, leg: Leg, state: _JanusLeg) -> None:
        legs = self._calls.get(call, {})
        if legs.get(leg) is state:
            del legs[leg]
            if not legs:
                del self._calls[call]

    def _tell(self, call: str, leg: Leg, kind: str) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(LegEvent(call, leg, kind))

    def _run(self, step: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(step)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
