"""RTP from one end of a call to the other without touching what is inside (an RTP translator, RFC 3550 section 7.1).

A ``Terminal`` stands for one browser: it has an ``Incoming`` per kind (audio, video) with repair and reports towards
that browser, and an ``Outgoing`` per kind that carries another terminal's stream under an SSRC, sequence numbers and
timestamps of its own, so that a source may be replaced (reconnect) without the receiver noticing but for a pause.
Everything is bounded: the packet cache by its slots, repair by ``reception``, feedback by its interval.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable

from server.media import rtcp
from server.media.reception import AFTER_OUTAGE, DUPLICATE, LONGEST_RETRY, SHORTEST_RETRY
from server.media.streams import CACHED_PACKETS, KINDS, RTP, SEQUENCE, Incoming, Outgoing, StreamParameters, Wire

KEY_FRAME_INTERVAL = 0.34
"""Seconds between key frame requests. libwebrtc drops, and does not put off, one that reaches it within 300 ms of the
one before, so requests that leave 300 ms apart lose one in two to the network's jitter, and the picture comes a third
of a second later."""
FEEDBACK_INTERVAL = 0.1  # seconds; libwebrtc sends transport feedback every 50 to 250 ms, 100 ms at first
FEEDBACK_PACKETS = 500  # flush earlier than the interval when so many arrived
REPORT_INTERVAL = 1.0  # seconds, randomised by half as RFC 3550 section 6.3.1 asks
_clock = time.monotonic
_unpack = RTP.unpack_from
NO_CAP = 100_000_000  # bits per second; takes an earlier REMB back


class Terminal:
    """One browser's end of a call. All methods run in the event loop."""

    def __init__(self, wire: Wire, parameters: dict[str, StreamParameters]) -> None:
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._ssrc = secrets.randbits(32)
        self.incoming = {kind: Incoming(kind, parameters[kind]) for kind in KINDS}
        self.outgoing = {kind: Outgoing(wire, parameters[kind]) for kind in KINDS}
        self.closed = False
        self.on_key_frame_wanted: Callable[[], None] = _nothing
        """Called when this browser cannot show what it is sent."""
        self.on_bitrate: Callable[[int], None] = _nothing_with
        """Called with the bits per second that this browser can take."""
        self.source: Terminal | None = None
        """Whose stream this browser gets."""
        self._bounds: dict[Terminal, int] = {}
        """Receiver of this browser's stream -> the bits per second that it can take."""
        self._by_ssrc: dict[int, tuple[Incoming, bool]] = {}
        self._by_payload_type: dict[int, tuple[Incoming, bool]] = {}
        for incoming in self.incoming.values():
            agreed = incoming.parameters
            self._by_payload_type[agreed.payload_type] = (incoming, False)
            if agreed.rtx_payload_type is not None:
                self._by_payload_type[agreed.rtx_payload_type] = (incoming, True)
            if agreed.remote_ssrc is not None:
                self._by_ssrc[agreed.remote_ssrc] = (incoming, False)
            if agreed.remote_rtx_ssrc is not None:
                self._by_ssrc[agreed.remote_rtx_ssrc] = (incoming, True)
        self._video = self.incoming["video"]
        self._video_ssrc = self._video.parameters.remote_ssrc
        self._audio_ssrc = self.incoming["audio"].parameters.remote_ssrc
        self._by_local_ssrc = {outgoing.parameters.local_ssrc: outgoing for outgoing in self.outgoing.values()}
        self._arrivals: dict[int, float] = {}
        self._newest_arrival: int | None = None
        self._feedback_count = 0
        self._feedback_timer: asyncio.TimerHandle | None = None
        self._repair_timer: asyncio.TimerHandle | None = None
        self._report_timer = self._loop.call_later(self._report_delay(), self._report)
        self._key_frame_timer: asyncio.TimerHandle | None = None
        self._key_frame_asked = -KEY_FRAME_INTERVAL
        self._key_frame_wanted = 0.0

    # --- media -------------------------------------------------------------------------------------

    def on_rtp(self, packet: bytes) -> None:
        """One RTP packet, already unprotected. A packet that makes no sense is dropped."""
        if len(packet) < 12:
            return
        first, second, sequence, timestamp, ssrc = _unpack(packet)
        route = self._by_ssrc.get(ssrc) or self._learn(ssrc, second & 0x7F)
        if route is None:
            return
        incoming, repaired = route
        now = _clock()
        start = 12 + 4 * (first & 0x0F)
        if first & 0x10:
            start = self._extensions(packet, start, incoming.transport_cc, now)
        end = len(packet)
        if first & 0x20:
            end -= packet[-1]
        reception = incoming.reception
        if repaired:
            if end < start + 2:
                return  # padding that probes the bandwidth
            (sequence,) = SEQUENCE.unpack_from(packet, start)
            start += 2
            if not reception.awaits(sequence):
                return
        arrival = reception.take(sequence, timestamp, now, second > 0x7F)
        video = self._video.reception
        if video.open and not incoming.video:
            video.look_for_tail(now)
        if video.unasked:
            self._repair()
        if arrival is AFTER_OUTAGE:
            self.request_key_frame()
        if arrival is not DUPLICATE and start < end:
            incoming.take(sequence, timestamp, second & 0x80, packet[start:end], now)

    def _learn(self, ssrc: int, payload_type: int) -> tuple[Incoming, bool] | None:
        """A browser may send under an SSRC that its offer did not name; the newest one takes the place."""
        route = self._by_payload_type.get(payload_type)
        if route is None:
            return None
        incoming, repaired = route
        for known in [known for known, other in self._by_ssrc.items() if other == route]:
            del self._by_ssrc[known]
        self._by_ssrc[ssrc] = route
        if not repaired:
            incoming.renew()
            if incoming.video:
                self._video_ssrc = ssrc
            else:
                self._audio_ssrc = ssrc
        return route

    def _extensions(self, packet: bytes, start: int, transport_cc: int | None, now: float) -> int:
        """Where the payload starts; notes the transport-wide number on the way (one-byte headers, RFC 8285)."""
        if start + 4 > len(packet):
            return len(packet)
        end = start + 4 + 4 * (packet[start + 2] << 8 | packet[start + 3])
        if transport_cc is None or packet[start] != 0xBE or end > len(packet):
            return end
        position = start + 4
        wanted = transport_cc << 4 | 1  # the element's head: its id, and one less than its two bytes
        while position < end:
            head = packet[position]
            if head == wanted and position + 3 <= end:
                self._note_arrival(packet[position + 1] << 8 | packet[position + 2], now)
                break
            position += 2 + (head & 0x0F) if head else 1
        return end

    # --- towards the sender ------------------------------------------------------------------------

    def request_key_frame(self) -> None:
        """Ask the browser for a key frame; requests within KEY_FRAME_INTERVAL are one. The last is not lost, unless a
        key frame came after it: on a weak line one too many is half a second of the picture."""
        self._key_frame_wanted = time.monotonic()
        if self.closed or self._video_ssrc is None or self._key_frame_timer is not None:
            return
        wait = self._key_frame_asked + KEY_FRAME_INTERVAL - self._key_frame_wanted
        if wait > 0:
            self._key_frame_timer = self._loop.call_later(wait, self._ask_unless_it_came)
        else:
            self._ask_key_frame()

    def _ask_unless_it_came(self) -> None:
        self._key_frame_timer = None
        if self._video.key_frame_at < self._key_frame_wanted:
            self._ask_key_frame()

    def _ask_key_frame(self) -> None:
        self._key_frame_asked = time.monotonic()
        if self._video_ssrc is not None:
            self._wire.send_rtcp(rtcp.picture_loss(self._ssrc, self._video_ssrc))

    def allow_bitrate(self, bits_per_second: int) -> None:
        """Tell the browser how much the other end can take."""
        if not self.closed and self._video_ssrc is not None:
            self._wire.send_rtcp(rtcp.allow_bitrate(self._ssrc, self._video_ssrc, bits_per_second))

    def bound(self, receiver: Terminal, bits_per_second: int | None) -> None:
        """What one receiver can take (None: it receives no more): the browser hears of the least that any can."""
        if bits_per_second is None:
            self._bounds.pop(receiver, None)
        else:
            self._bounds[receiver] = bits_per_second
        self.allow_bitrate(min(self._bounds.values(), default=NO_CAP))

    def _repair(self) -> None:
        if self._repair_timer is not None:
            self._repair_timer.cancel()
            self._repair_timer = None
        reception = self._video.reception
        due = reception.to_ask(time.monotonic())
        if due and self._video_ssrc is not None:
            self._wire.send_rtcp(rtcp.negative_acknowledgement(self._ssrc, self._video_ssrc, due))
        if reception.missing:
            self._repair_timer = self._loop.call_later(reception.retry, self._repair)

    def _note_arrival(self, number: int, now: float) -> None:
        newest = self._newest_arrival
        if newest is None:
            self._newest_arrival = newest = number
        ahead = (number - newest + 0x8000 & 0xFFFF) - 0x8000
        if ahead > 0:
            self._newest_arrival = newest + ahead
        arrivals = self._arrivals
        arrivals[newest + ahead] = now
        if self._feedback_timer is None:
            self._feedback_timer = self._loop.call_later(FEEDBACK_INTERVAL, self._send_feedback)
        elif len(arrivals) >= FEEDBACK_PACKETS:
            self._send_feedback()

    def _send_feedback(self) -> None:
        if self._feedback_timer is not None:
            self._feedback_timer.cancel()
            self._feedback_timer = None
        arrivals = sorted(self._arrivals.items())
        self._arrivals.clear()
        if arrivals[-1][0] - arrivals[0][0] > 2 * FEEDBACK_PACKETS:
            return  # numbers that jump about are not a measurement
        self._wire.send_rtcp(rtcp.transport_feedback(self._ssrc, self._video_ssrc or 0, arrivals, self._feedback_count))
        self._feedback_count += 1

    def _report_delay(self) -> float:
        return REPORT_INTERVAL * random.uniform(0.5, 1.5)  # noqa: S311 - spreads the load, hides nothing

    def _report(self) -> None:
        self._report_timer = self._loop.call_later(self._report_delay(), self._report)
        reports: list[rtcp.ReceptionReport] = []
        now = time.monotonic()
        for incoming, ssrc in ((self.incoming["audio"], self._audio_ssrc), (self.incoming["video"], self._video_ssrc)):
            if ssrc is None:
                continue
            middle = delay = 0
            if incoming.sender_report is not None:
                middle = incoming.sender_report[0] >> 16 & 0xFFFFFFFF
                delay = int((now - incoming.sender_report_at) * 0x10000)
            report = incoming.reception.report(ssrc, middle, delay)
            if report is not None:
                reports.append(report)
        if reports:
            self._wire.send_rtcp(rtcp.receiver_report(self._ssrc, reports))

    # --- from the receiver -------------------------------------------------------------------------

    def on_rtcp(self, data: bytes) -> None:
        """One RTCP compound, already unprotected. One that makes no sense is dropped."""
        try:
            packets = rtcp.parse(data)
        except ValueError:
            return
        for packet in packets:
            if packet.kind in (rtcp.SENDER_REPORT, rtcp.RECEIVER_REPORT):
                self._on_report(packet)
                if packet.kind == rtcp.SENDER_REPORT:
                    self._on_sender_report(packet)
            elif packet.kind == rtcp.TRANSPORT_FEEDBACK and packet.count == rtcp.NACK:
                asked = rtcp.nacked(packet)
                if asked is not None and asked[0] == self.outgoing["video"].parameters.local_ssrc:
                    self.outgoing["video"].repeat(asked[1][:CACHED_PACKETS])
            elif packet.kind == rtcp.PAYLOAD_FEEDBACK:
                if packet.count in (rtcp.PLI, rtcp.FIR):
                    self.on_key_frame_wanted()
                elif (bitrate := rtcp.estimated_bitrate(packet)) is not None:
                    self.on_bitrate(bitrate)

    def _on_report(self, packet: rtcp.Packet) -> None:
        for ssrc, last, delay in rtcp.answered_reports(packet):
            outgoing = self._by_local_ssrc.get(ssrc)
            round_trip = outgoing.round_trip(last, delay) if outgoing is not None else None
            if round_trip is not None:
                reception = self._video.reception
                reception.retry = min(LONGEST_RETRY, max(SHORTEST_RETRY, round_trip))

    def _on_sender_report(self, packet: rtcp.Packet) -> None:
        info = rtcp.sender_info(packet)
        if info is None or (route := self._by_ssrc.get(info[0])) is None or route[1]:
            return
        incoming = route[0]
        incoming.sender_report = info[1:]
        incoming.sender_report_at = time.monotonic()
        for output in incoming.outputs:
            output.report(incoming)

    def close(self) -> None:
        """Stop every timer; nothing is sent any more."""
        self.closed = True
        for timer in (self._report_timer, self._feedback_timer, self._repair_timer, self._key_frame_timer):
            if timer is not None:
                timer.cancel()
        self.on_key_frame_wanted = _nothing
        self.on_bitrate = _nothing_with
        self.source = None
        self._bounds.clear()
        for incoming in self.incoming.values():
            incoming.outputs = ()
            incoming.taps = ()


def _nothing() -> None:
    return None


def _nothing_with(bits_per_second: int) -> None:
    del bits_per_second


def connect(one: Terminal, other: Terminal) -> None:
    """Let two terminals see and hear each other, from a key frame on."""
    carry(one, other)
    carry(other, one)


def carry(sender: Terminal, receiver: Terminal, *, least: int = 0) -> None:
    """Let one terminal see and hear the other from a key frame on, in place of whom it saw before.

    ``least``: bits per second below which this receiver's line does not bring the sender; beyond that, what it gets
    breaks up, and nobody else's picture does.
    """
    if receiver.source is not None:
        _leave(receiver.source, receiver)
    for kind in KINDS:
        sender.incoming[kind].outputs = (*sender.incoming[kind].outputs, receiver.outgoing[kind])
    receiver.source = sender
    receiver.on_key_frame_wanted = sender.request_key_frame
    receiver.on_bitrate = lambda bits: sender.bound(receiver, max(bits, least))
    sender.bound(receiver, NO_CAP)
    sender.request_key_frame()


def part(one: Terminal, other: Terminal) -> None:
    """Neither sends to the other any more."""
    for sender, receiver in ((one, other), (other, one)):
        if receiver.source is sender:
            _leave(sender, receiver)


def _leave(sender: Terminal, receiver: Terminal) -> None:
    for kind in KINDS:
        incoming, outgoing = sender.incoming[kind], receiver.outgoing[kind]
        incoming.outputs = tuple(output for output in incoming.outputs if output is not outgoing)
        outgoing.leave()
    receiver.source = None
    receiver.on_key_frame_wanted = _nothing
    receiver.on_bitrate = _nothing_with
    sender.bound(receiver, None)
