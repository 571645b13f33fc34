"""What a browser may offer, checked on the text before anything parses it in earnest."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from server.media.codecs import CODECS, H264, VP8
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
_CODEC = re.compile(r"^a=rtpmap:(\d{1,3}) ([\w-]+)/", re.MULTILINE)
_FORMAT = re.compile(r"^a=fmtp:(\d{1,3}) (.+?)\s*$", re.MULTILINE)
_OF_PAYLOAD_TYPE = re.compile(r"^a=(?:rtpmap|fmtp|rtcp-fb):(\d{1,3}) ")
_PROFILE = re.compile(r"[0-9a-fA-F]{6}")
_BASELINE, _CONSTRAINED = "42", 0x40  # profile_idc, and constraint_set1_flag of profile-iop: RFC 6184 table 5


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be answered."""

    sdp: str
    """Without candidates that the server does not use (TCP, mDNS names)."""
    transport_cc: int | None
    """Header extension id of the transport-wide sequence number in the video section, where it was offered."""
    payload_types: Mapping[str, int]
    """Video codec (of server.media.codecs, the preferred one first) -> the payload type under which it is taken."""

    def only(self, codec: str) -> str:
        """The offer with no other video codec than this one and its retransmissions."""
        wanted = self.payload_types[codec]
        lines: list[str] = []
        kept: set[str] = set()
        for line in self.sdp.splitlines():
            if line.startswith("m="):
                kept = set()
                if line.startswith("m=video "):
                    repaired = re.compile(rf"^a=fmtp:(\d{{1,3}}) apt={wanted}\s*$", re.MULTILINE).findall(self.sdp)
                    kept = {str(wanted), *repaired}
                    head, *types = line.rsplit(" ", len(line.split(" ")) - 3)
                    line = " ".join([head, *(one for one in types if one in kept)])
            elif kept and (named := _OF_PAYLOAD_TYPE.match(line)) is not None and named.group(1) not in kept:
                continue
            lines.append(line)
        return "\r\n".join(lines) + "\r\n"


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
    payload_types = _payload_types(video)
    if not payload_types:
        raise MediaError("media_codec_unsupported", "The browser offers neither VP8 nor constrained baseline H.264.")
    if "OPUS" not in {name.upper() for _, name in _CODEC.findall(audio)}:
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
        payload_types=payload_types,
    )


def _payload_types(video: str) -> dict[str, int]:
    """The first payload type of each codec that is spoken, by name; H.264 where any decoder takes it."""
    formats = {number: dict(_parameters(text)) for number, text in _FORMAT.findall(video)}
    found: dict[str, int] = {}
    for number, name in _CODEC.findall(video):
        if name.upper() == VP8.name or (name.upper() == H264.name and _plain(formats.get(number, {}))):
            found.setdefault(name.upper(), int(number))
    return {name: found[name] for name in CODECS if name in found}


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        name, _, value = part.strip().partition("=")
        yield name.lower(), value


def _plain(parameters: Mapping[str, str]) -> bool:
    """Constrained baseline in packets that may be cut and joined (packetization-mode 1), RFC 6184 section 8.1."""
    profile = parameters.get("profile-level-id", "")
    if parameters.get("packetization-mode") != "1" or not _PROFILE.fullmatch(profile):
        return False
    return profile[:2] == _BASELINE and int(profile[2:4], 16) & _CONSTRAINED != 0


@dataclass(frozen=True, slots=True)
class Spoken:
    """What another connection of the call runs on, and could."""

    codec: str
    offered: Collection[str]


def agree(offer: Offer, others: Collection[Spoken]) -> str:
    """The video codec of the call for this offer: that of the others, or else the first that all can.

    The others that run on another one have to offer again then. Raises MediaError media_codec_unsupported.
    """
    running = {other.codec for other in others}
    if len(running) == 1 and running <= offer.payload_types.keys():
        return running.pop()
    for name in offer.payload_types:
        if all(name in other.offered for other in others):
            return name
    raise MediaError("media_codec_unsupported", "The browsers of this call have no video codec in common.")


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
