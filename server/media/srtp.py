"""SRTP by libsrtp, called as pylibsrtp calls it but with less around it: half of a packet's processor time was that.

The one module that touches private names of pylibsrtp; ``aiortc_internals`` pins its version and checks NAMES at start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pylibsrtp
from pylibsrtp import _binding

Transform = Callable[[bytes], bytes | None]
"""A datagram made of another one; None where it cannot be."""

LARGEST: Final = 1500
"""Bytes of a datagram, as in pylibsrtp: what an Ethernet carries."""
_LONGER: Final = 148
"""Bytes that protecting may add, as in pylibsrtp: tag and key identifier, and SRTCP's index."""

_FUNCTIONS = ("srtp_unprotect", "srtp_unprotect_rtcp", "srtp_protect", "srtp_protect_rtcp")
NAMES: Final[tuple[tuple[object, tuple[str, ...]], ...]] = ((_binding, ("ffi", "lib")), (_binding.lib, _FUNCTIONS))
"""What is touched: (owner, names)."""


def receiving(session: pylibsrtp.Session) -> tuple[Transform, Transform]:
    """(RTP, RTCP) of what the other end protected; None where it is forged, replayed or damaged."""
    rtp, report, _, _ = _FUNCTIONS
    return _transform(session, rtp, 0), _transform(session, report, 0)


def sending(session: pylibsrtp.Session) -> tuple[Transform, Transform]:
    """Protected (RTP, RTCP); None where it is longer than a datagram, or a repetition older than the replay window."""
    _, _, rtp, report = _FUNCTIONS
    return _transform(session, rtp, _LONGER), _transform(session, report, _LONGER)


def _transform(session: pylibsrtp.Session, name: str, longer: int) -> Transform:
    ffi = _binding.ffi
    pointer = session._srtp[0]
    memory = ffi.new("char[]", LARGEST)
    buffer: Any = ffi.buffer(memory)
    length = ffi.new("int *")
    function = getattr(_binding.lib, name)
    most = LARGEST - longer

    def transform(data: bytes) -> bytes | None:
        size = len(data)
        if size > most:
            return None
        buffer[0:size] = data
        length[0] = size
        # ``session`` owns what ``pointer`` points to
        if function(pointer, memory, length) or not session:
            return None
        found: bytes = buffer[0 : length[0]]
        return found

    return transform
