"""What a receiver knows of one RTP stream: counts for reports (RFC 3550 A.3, A.8), and packets to ask for again."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from server.media.rtcp import ReceptionReport

REPAIRABLE_GAP = 200  # packets; more missing at once is an outage: a key frame is cheaper than the repair
FIRST_RETRY = 0.04  # seconds, until the round trip is known; doubled with each repetition
SHORTEST_RETRY, LONGEST_RETRY = 0.02, 0.16
"""Seconds; asked again after a round trip. libwebrtc's own receiver looks each 20 ms, and beyond half a second in all
(160, 320 ms ...) a frame is no use any more."""
TRIES = 5
SHORTEST_TAIL = 0.008
"""Seconds without the next packet of a frame after which it is taken for lost. A browser spaces the packets of a frame,
by 5 ms at 600 kbit/s and by more where it may send less, so it is also at least twice the widest space seen."""
LONGEST_TAIL_RETRY = 0.1
"""Seconds to the browser and back from which on nothing is gained: what does not come there waits in a queue."""


class Arrival(IntEnum):
    """What a packet is to the stream."""

    DUPLICATE = 0
    NEW = 1
    AFTER_OUTAGE = 2
    """New, and after a gap too wide to repair."""


DUPLICATE: Final = Arrival.DUPLICATE
NEW: Final = Arrival.NEW
AFTER_OUTAGE: Final = Arrival.AFTER_OUTAGE
# an Enum's own attributes are slow to look up, and this is done for each packet


class Reception:
    """Sequence numbers of one SSRC as they arrive. Holds at most 2 * REPAIRABLE_GAP missing numbers."""

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_before",
        "_jitter",
        "_latest",
        "_missed",
        "_received_before",
        "_repair",
        "_spacing",
        "_transit",
        "clock_rate",
        "highest",
        "latest_timestamp",
        "missing",
        "open",
        "received",
        "retry",
        "unasked",
    )

    def __init__(self, clock_rate: int, repair: bool) -> None:
        self.clock_rate = clock_rate
        self.highest: int | None = None
        self.received = 0
        self.retry = FIRST_RETRY
        """Seconds after which a missing packet is asked for again."""
        self.unasked = False
        """Whether there are missing numbers that nobody was asked for."""
        self._repair = repair
        self._base = 0
        self._cycles = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter = 0.0
        self._transit = 0.0
        self.open = False
        """Whether the newest packet was not the last one of its frame."""
        self._latest = 0.0
        self._spacing = 0.0
        self._missed = 0
        self.latest_timestamp = 0
        """RTP timestamp of the newest packet."""
        self.missing: dict[int, tuple[float, int]] = {}
        """Sequence number -> (seconds when it was missed, times it was asked for)."""

    def awaits(self, sequence: int) -> bool:
        """Whether a repaired packet with this number is still wanted."""
        return sequence in self.missing

    def take(self, sequence: int, timestamp: int, now: float, last: bool) -> Arrival:
        """Count a packet that arrived at ``now`` seconds; ``last`` of its frame or not."""
        highest = self.highest
        arrival = NEW
        clock_rate = self.clock_rate
        if highest is None:
            self.highest = self._base = sequence
            self.latest_timestamp = timestamp
            self._transit = now * clock_rate - timestamp
        else:
            ahead = (sequence - highest) & 0xFFFF
            if 0 < ahead < 0x8000:
                if self._repair:
                    if ahead > 1:
                        if not self._miss(highest, ahead, now):
                            arrival = AFTER_OUTAGE
                    elif self.open:
                        space = now - self._latest
                        self._spacing += (space - self._spacing) * (1 if space > self._spacing else 1 / 16)
                    elif self.missing:
                        self.missing.pop(sequence, None)
                    self.open = not last
                    self._latest = now
                if sequence < highest:
                    self._cycles += 0x10000
                self.highest = sequence
                self.latest_timestamp = timestamp
                transit = now * clock_rate - timestamp
                change = transit - self._transit
                self._transit = transit
                if change < 0:
                    change = -change
                if change < clock_rate:  # more than a second is a wrapped timestamp or a pause, not jitter
                    self._jitter += (change - self._jitter) / 16
            elif ahead == 0 or (self._repair and self.missing.pop(sequence, None) is None):
                return DUPLICATE
        self.received += 1
        return arrival

    def _miss(self, highest: int, ahead: int, now: float) -> bool:
        """Note the numbers between; False if they are too many to repair."""
        if ahead > REPAIRABLE_GAP or len(self.missing) > REPAIRABLE_GAP:
            self.missing.clear()
            return False
        for lost in range(1, ahead):
            self.missing.setdefault((highest + lost) & 0xFFFF, (now, 0))
        self._missed += ahead - 1
        self.unasked = True
        return True

    def look_for_tail(self, now: float) -> None:
        """Miss the next packet of a frame that stays open, without the next frame's to tell; on a lossy line alone.

        Whoever gets the stream sees no hole before a lost tail, so takes its repair for jitter and buffers more from
        then on; and a frame's time is a long wait. A sender that has not sent the number yet ignores the request.
        """
        if (
            self._missed
            and self.open
            and self.retry < LONGEST_TAIL_RETRY
            and now - self._latest > max(SHORTEST_TAIL, 2 * self._spacing)
        ):
            self.open = False
            self.missing[((self.highest or 0) + 1) & 0xFFFF] = (now, 0)
            self.unasked = True

    def to_ask(self, now: float) -> list[int]:
        """Missing numbers that are due to be asked for (again), oldest first; those asked often enough are given up."""
        due: list[int] = []
        self.unasked = False
        for sequence, (since, tries) in list(self.missing.items()):
            if tries >= TRIES:
                if now - since >= self.retry * (2**TRIES - 1):
                    del self.missing[sequence]
            elif now - since >= self.retry * (2**tries - 1):
                self.missing[sequence] = (since, tries + 1)
                due.append(sequence)
        return due

    @property
    def lost(self) -> int:
        """Packets expected and not received so far (RFC 3550: may be negative with duplicates)."""
        if self.highest is None:
            return 0
        return self._cycles + self.highest - self._base + 1 - self.received

    def report(self, ssrc: int, last_sender_report: int, delay: int) -> ReceptionReport | None:
        """The report block since the last call; None before the first packet."""
        if self.highest is None:
            return None
        extended = self._cycles + self.highest
        expected = extended - self._base + 1
        interval = expected - self._expected_before
        lost = interval - (self.received - self._received_before)
        self._expected_before = expected
        self._received_before = self.received
        self._missed //= 2
        fraction = min(255, (lost << 8) // interval) if interval > 0 and lost > 0 else 0
        return ReceptionReport(
            ssrc=ssrc,
            fraction_lost=fraction,
            packets_lost=expected - self.received,
            highest_sequence=extended,
            jitter=int(self._jitter),
            last_sender_report=last_sender_report,
            delay_since_sender_report=delay,
        )
