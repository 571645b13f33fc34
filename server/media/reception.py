"""What a receiver knows of one RTP stream: counts for reports (RFC 3550 A.3, A.8), and packets to ask for again."""

from __future__ import annotations

from server.media.rtcp import ReceptionReport

REPAIRABLE_GAP = 200  # packets; more missing at once is an outage: a key frame is cheaper than the repair
FIRST_RETRY = 0.04  # seconds; doubled with each repetition (40, 80, 160, 320 ms reach past a 300 ms round trip)
TRIES = 5


class Reception:
    """Sequence numbers of one SSRC as they arrive. Holds at most 2 * REPAIRABLE_GAP missing numbers."""

    __slots__ = (
        "_base",
        "_cycles",
        "_expected_before",
        "_jitter",
        "_missing",
        "_received_before",
        "_repair",
        "_transit",
        "clock_rate",
        "highest",
        "received",
    )

    def __init__(self, clock_rate: int, repair: bool) -> None:
        self.clock_rate = clock_rate
        self.highest: int | None = None
        self.received = 0
        self._repair = repair
        self._base = 0
        self._cycles = 0
        self._expected_before = 0
        self._received_before = 0
        self._jitter = 0.0
        self._transit: float | None = None
        self._missing: dict[int, tuple[float, int]] = {}

    @property
    def missing(self) -> int:
        return len(self._missing)

    def awaits(self, sequence: int) -> bool:
        """Whether a repaired packet with this number is still wanted."""
        return sequence in self._missing

    def take(self, sequence: int, timestamp: int, now: float) -> tuple[bool, bool]:
        """Count a packet that arrived at ``now`` seconds.

        Returns (new, outage): a duplicate is not new; an outage is a gap too wide to repair.
        """
        highest = self.highest
        outage = False
        if highest is None:
            self.highest = self._base = sequence
        else:
            ahead = (sequence - highest) & 0xFFFF
            if ahead == 0:
                return False, False
            if ahead < 0x8000:
                if ahead > 1 and self._repair:
                    if ahead <= REPAIRABLE_GAP and len(self._missing) <= REPAIRABLE_GAP:
                        for lost in range(1, ahead):
                            self._missing[(highest + lost) & 0xFFFF] = (now, 0)
                    else:
                        self._missing.clear()
                        outage = True
                if sequence < highest:
                    self._cycles += 0x10000
                self.highest = sequence
            elif self._repair and self._missing.pop(sequence, None) is None:
                return False, False
        self.received += 1
        transit = now * self.clock_rate - timestamp
        if self._transit is not None:
            change = abs(transit - self._transit)
            if change < self.clock_rate:  # more than a second is a wrapped timestamp or a pause, not jitter
                self._jitter += (change - self._jitter) / 16
        self._transit = transit
        return True, outage

    def to_ask(self, now: float) -> list[int]:
        """Missing numbers that are due to be asked for (again), oldest first; those asked often enough are given up."""
        due: list[int] = []
        for sequence, (since, tries) in list(self._missing.items()):
            if tries >= TRIES:
                if now - since >= FIRST_RETRY * (2**TRIES - 1):
                    del self._missing[sequence]
            elif now - since >= FIRST_RETRY * (2**tries - 1):
                self._missing[sequence] = (since, tries + 1)
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
