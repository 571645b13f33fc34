"""The video codecs that a call may run on. VP8 is the rule; H.264 where a browser offers nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from server.media import h264, vp8
from server.media.frames import Depacketiser


@dataclass(frozen=True, slots=True)
class Codec:
    """What the media path has to know of a codec."""

    name: str
    """In a session description."""
    decoder: str
    """libavcodec's name."""
    container: str
    """libavformat's name of what a recording is: WebM permits no H.264, so that is plain Matroska."""
    depacketiser: Callable[[], Depacketiser]
    announced_size: Callable[[bytes], tuple[int, int] | None]
    """(width, height) that an RTP payload (at least one byte) announces."""
    picture_size: Callable[[bytes], tuple[int, int] | None]
    """(width, height) that a frame announces; None where it announces none. Raises ValueError."""


VP8 = Codec("VP8", "vp8", "webm", vp8.Depacketiser, vp8.announced_size, vp8.picture_size)
H264 = Codec("H264", "h264", "matroska", h264.Depacketiser, h264.announced_size, h264.picture_size)
CODECS = {codec.name: codec for codec in (VP8, H264)}
"""By name, the preferred one first."""
