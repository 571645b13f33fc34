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
KEY: Final = 16 + 14
"""Bytes of a master key and its salt, RFC 3711 section 8.2."""
_LONGER: Final = 148
"""Bytes that protecting may add, as in pylibsrtp: tag and key identifier, and SRTCP's index."""

_FUNCTIONS = ("srtp_unprotect", "srtp_unprotect_rtcp", "srtp_protect", "srtp_protect_rtcp")
NAMES: Final[tuple[tuple[object, tuple[str, ...]], ...]] = ((_binding, ("ffi", "lib")), (_binding.lib, _FUNCTIONS))
"""What is touched: (owner, names)."""


def receiving(session: pylibsrtp.Session) -> tuple[Transform, Transform]:
    """(RTP, RTCP) of what the other end protected; None where it is forged, replayed or damaged."""
    rtp, report, _, _ = _FUNCTIONS
    return _transform(session, rtp, 0), _transform(session, report, 0)


def receiving_with(key: bytes, window: int) -> Transform:
    """RTP that was protected with a key of both ends' own: KEY bytes, AES_CM_128_HMAC_SHA1_80, any SSRC.

    ``window``: packets that one may come late by.
    """
    policy = pylibsrtp.Policy(
        key=key,
        ssrc_type=pylibsrtp.Policy.SSRC_ANY_INBOUND,
        srtp_profile=pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    )
    policy.window_size = window
    return receiving(pylibsrtp.Session(policy))[0]


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
