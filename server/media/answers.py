"""SDP answers where another engine makes or takes them: what is added to its own, and what a page's may look like."""

from __future__ import annotations

import re

from server.media.offers import LARGEST_OFFER, LONGEST_CANDIDATE, MOST_CANDIDATES, usable_candidate
from server.ports import MediaError

_FIRST_CODEC = re.compile(r"^a=rtpmap:(\d{1,3}) [^\r\n]+", re.MULTILINE)
_SECTION = re.compile(r"^(?=m=)", re.MULTILINE)
_NEEDED = ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:")


def extend_answer(sdp: str, start_bitrate: int) -> str:
    """Janus's answer with what the embedded engine's says too: Opus repairs itself, the encoder begins at
    ``start_bitrate`` (bits per second; Chromium takes 10 s to reach its rate without it)."""
    session, *sections = _SECTION.split(sdp)
    wanted = {"m=audio": "minptime=10;useinbandfec=1", "m=video": f"x-google-start-bitrate={start_bitrate // 1000}"}
    return session + "".join(_with_format(section, wanted.get(section[:7], "")) for section in sections)


def _with_format(section: str, parameters: str) -> str:
    codec = _FIRST_CODEC.search(section)
    if codec is None or not parameters:
        return section
    line = re.compile(rf"^a=fmtp:{codec.group(1)} [^\r\n]+", re.MULTILINE)
    known = line.search(section)
    if known is None:
        return section[: codec.end()] + f"\r\na=fmtp:{codec.group(1)} {parameters}" + section[codec.end() :]
    names = {part.partition("=")[0].strip() for part in known.group().partition(" ")[2].split(";")}
    missing = [part for part in parameters.split(";") if part.partition("=")[0] not in names]
    return section[: known.end()] + "".join(f";{part}" for part in missing) + section[known.end() :]


def read_answer(sdp: str) -> str:
    """A page's answer without candidates of no use (TCP, mDNS names). Raises MediaError media_offer_invalid."""
    if len(sdp) > LARGEST_OFFER or len(sdp.encode("utf-8", "replace")) > LARGEST_OFFER:
        raise _invalid("The answer is larger than 64 kB.")
    if not sdp.startswith("v=0") or "\0" in sdp:
        raise _invalid("The answer is not a session description.")
    if sorted(section[:7] for section in _SECTION.split(sdp)[1:]) != ["m=audio", "m=video"]:
        raise _invalid("The answer must have exactly one audio and one video section.")
    lines: list[str] = []
    candidates = 0
    for line in sdp.splitlines():
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MOST_CANDIDATES or len(line) > LONGEST_CANDIDATE:
                raise _invalid("The answer has too many candidates.")
            if not usable_candidate(line[len("a=candidate:") :]):
                continue
        lines.append(line)
    if not all(any(line.startswith(needed) for line in lines) for needed in _NEEDED):
        raise _invalid("The answer has no ICE user name, no password or no certificate fingerprint.")
    return "\r\n".join(lines) + "\r\n"


def same_offer(one: str, other: str) -> bool:
    """Whether two offers of one connection differ in nothing but their version: the same answer answers both."""
    return _unversioned(one) == _unversioned(other)


def _unversioned(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if not line.startswith("o=")]


def _invalid(message: str) -> MediaError:
    return MediaError("media_offer_invalid", message)
