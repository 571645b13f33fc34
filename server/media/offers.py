"""What a browser may offer, checked on the text before anything parses it in earnest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.ports import MediaError

LARGEST_OFFER = 64 * 1024  # bytes; Chromium's offer of one audio and one video section is about 6 kB
MOST_CANDIDATES = 64  # per leg; a phone on Wi-Fi, cellular and VPN offers about 20
LONGEST_CANDIDATE = 512  # bytes

TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

_EXTENSION = re.compile(rf"^a=extmap:(\d{{1,2}})(?:/\w+)? {re.escape(TRANSPORT_CC)}\s*$", re.MULTILINE)
_FEEDBACK = re.compile(r"^a=rtcp-fb:(?:\*|\d{1,3}) transport-cc\s*$", re.MULTILINE)
_BUNDLE = re.compile(r"^a=group:BUNDLE (\S+) (\S+)\s*$", re.MULTILINE)
_MID = re.compile(r"^a=mid:(\S+)\s*$", re.MULTILINE)
_SECRETS = (re.compile(r"^a=ice-ufrag:\S+\s*$", re.MULTILINE), re.compile(r"^a=ice-pwd:\S+\s*$", re.MULTILINE))
_FINGERPRINT = re.compile(r"^a=fingerprint:(?:sha-256|sha-384|sha-512) [0-9A-Fa-f:]+\s*$", re.MULTILINE)
_CODEC = re.compile(r"^a=rtpmap:\d{1,3} (\w+)/", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be answered."""

    sdp: str
    """Without candidates that the server does not use (TCP, mDNS names)."""
    transport_cc: int | None
    """Header extension id of the transport-wide sequence number in the video section, where it was offered."""


def _invalid(message: str) -> MediaError:
    return MediaError("media_offer_invalid", message)


def usable_candidate(line: str) -> bool:
    """Whether a candidate (the text after ``candidate:``) is a UDP one with a plain address.

    Names (mDNS) are not looked up: the browser's own connectivity check tells the address (RFC 8445 section 7.3.1.3).
    """
    parts = line.split()
    return len(parts) >= 8 and parts[2].lower() == "udp" and not parts[4].lower().endswith(".local")


def read_offer(sdp: str) -> Offer:
    """Check an offer. Raises MediaError media_offer_invalid or media_codec_unsupported."""
    if len(sdp) > LARGEST_OFFER or len(sdp.encode("utf-8", "replace")) > LARGEST_OFFER:
        raise _invalid("The offer is larger than 64 kB.")
    if not sdp.startswith("v=0") or "\0" in sdp:
        raise _invalid("The offer is not a session description.")
    session, *sections = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    kinds = sorted(section[2:].split(" ", 1)[0] for section in sections)
    if kinds != ["audio", "video"]:
        raise _invalid("The offer must have exactly one audio and one video section.")
    bundle = _BUNDLE.search(session)
    mids = [_MID.search(section) for section in sections]
    if (
        bundle is None
        or {mid and mid.group(1) for mid in mids} != set(bundle.groups())
        or len(set(bundle.groups())) != 2
    ):
        raise _invalid("The audio and the video section must share one transport (BUNDLE).")
    for section in sections:
        if not re.search(r"^a=sendrecv\s*$", section, re.MULTILINE):
            raise _invalid("Both sections must be sendrecv.")
        if not re.search(r"^a=rtcp-mux\s*$", section, re.MULTILINE):
            raise _invalid("RTP and RTCP must share a port (rtcp-mux).")
        for secret in _SECRETS:
            if not secret.search(section) and not secret.search(session):
                raise _invalid("The offer has no ICE user name or password.")
        if not _FINGERPRINT.search(section) and not _FINGERPRINT.search(session):
            raise _invalid("The offer has no certificate fingerprint.")
    video = next(section for section in sections if section.startswith("m=video"))
    audio = next(section for section in sections if section.startswith("m=audio"))
    if "VP8" not in {name.upper() for name in _CODEC.findall(video)}:
        raise MediaError("media_codec_unsupported", "The browser offers no VP8 video.")
    if "OPUS" not in {name.upper() for name in _CODEC.findall(audio)}:
        raise MediaError("media_codec_unsupported", "The browser offers no Opus audio.")
    lines: list[str] = []
    candidates = 0
    for line in sdp.splitlines():
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MOST_CANDIDATES or len(line) > LONGEST_CANDIDATE:
                raise _invalid("The offer has too many candidates.")
            if not usable_candidate(line[len("a=candidate:") :]):
                continue
        if not line.startswith(
            "a=end-of-candidates"
        ):  # aioice refuses candidates after it; the connection has a deadline
            lines.append(line)
    extension = _EXTENSION.search(video)
    return Offer(
        sdp="\r\n".join(lines) + "\r\n",
        transport_cc=int(extension.group(1)) if extension and _FEEDBACK.search(video) else None,
    )


def read_candidate(candidate: Mapping[str, Any]) -> tuple[str, str | None, int | None] | None:
    """(line after ``candidate:``, sdpMid, sdpMLineIndex), or None for one that says the end or is not used.

    Raises MediaError media_candidate_invalid.
    """
    line = candidate.get("candidate")
    mid = candidate.get("sdpMid")
    index = candidate.get("sdpMLineIndex")
    if (
        not isinstance(line, str)
        or len(line) > LONGEST_CANDIDATE
        or not isinstance(mid, str | None)
        or isinstance(index, bool)
        or not isinstance(index, int | None)
        or (mid is None and index is None)
    ):
        raise MediaError("media_candidate_invalid", "The candidate is not {candidate, sdpMid, sdpMLineIndex}.")
    text = line.removeprefix("a=").removeprefix("candidate:").strip()
    if not text:
        return None
    if len(text.split()) < 8:
        raise MediaError("media_candidate_invalid", "The candidate is cut off.")
    return (text, mid, index) if usable_candidate(text) else None
