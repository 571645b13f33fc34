"""How much of a sender's stream its receivers' lines take, and so how much the sender is to send.

The embedded engine passes the estimates of the receivers' browsers on. Janus does not: it tells how many packets each
receiver lost, and ``Line`` judges by that.
"""

from __future__ import annotations

from server.ports import PAIR, Leg

LEAST_FOR_A_THIRD = 300_000  # bits per second of the pair's video whatever a third party's line takes: checks see it
MUCH_LOSS, LITTLE_LOSS = 0.10, 0.02
"""Shares of the packets: above the one the rate falls by half the share, below the other it grows by GROWTH (the
loss-based controller of draft-ietf-rmcat-gcc-02, section 6); between them it stays."""
GROWTH = 1.05
LITTLE_SENT = 300_000
"""Bits per second. Who sends less, with the camera off, tells nothing of the line: one bad second of it is not to bind
the picture for a minute. A line that is narrower still is found from here by the seconds that follow."""
LEAST = 30_000  # bits per second; libwebrtc sends no video below
MOST = 1_500_000  # bits per second, what a page sends at most: a line that takes it is not bound


def least_for(sender: Leg, receiver: Leg) -> int:
    """Bits per second below which this receiver's line does not bring that sender."""
    return LEAST_FOR_A_THIRD if sender in PAIR and receiver not in PAIR else 0


class Line:
    """One receiver's line, judged by what it loses."""

    def __init__(self) -> None:
        self.allowed: float | None = None
        """Bits per second, LEAST..MOST; None: as many as the sender likes."""
        self._clear = True

    def lost(self, packets: int, sent: float, bits_per_second: float) -> bool:
        """Of the ``sent`` packets of the last second, ``packets`` did not come; the stream had so many bits a second.
        Whether less is allowed now.

        More than twice what was sent is no count: Janus has told such (its issue 2943).
        """
        if not 0 < packets <= 2 * sent:
            return False
        share = min(1.0, packets / sent)
        self._clear = self._clear and share < LITTLE_LOSS
        if share <= MUCH_LOSS:
            return False
        sent_bits = max(bits_per_second, LITTLE_SENT)
        self.allowed = max(LEAST, min(self.allowed or MOST, sent_bits) * (1 - share / 2))
        return True

    def second(self) -> bool:
        """Each second, once its losses are told. Whether more is allowed now."""
        clear, self._clear = self._clear, True
        if self.allowed is None or not clear:
            return False
        self.allowed = self.allowed * GROWTH if self.allowed * GROWTH < MOST else None
        return True
