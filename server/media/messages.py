"""Messages between the server and its media processes: JSON with a binary part, over a pipe.

length of the JSON (4), length of the binary part (4), JSON, binary part        big-endian
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from verification.contract import Frame

_HEAD = struct.Struct("!LL")
LARGEST_TEXT = 1 << 20
LARGEST_BINARY = 64 << 20  # a handful of 1920x1920 pictures


def pack(message: Mapping[str, Any], binary: bytes = b"") -> bytes:
    text = json.dumps(message).encode()
    return _HEAD.pack(len(text), len(binary)) + text + binary


async def unpack(reader: asyncio.StreamReader) -> tuple[dict[str, Any], bytes]:
    """The next message. Raises IncompleteReadError at the end of the pipe, ValueError where it makes no sense."""
    text, binary = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    if text > LARGEST_TEXT or binary > LARGEST_BINARY:
        raise ValueError("a media process's message is too long")
    message = json.loads(await reader.readexactly(text))
    if not isinstance(message, dict):
        raise ValueError("a media process's message is not an object")
    return message, await reader.readexactly(binary)


def pack_frames(frames: Sequence[Frame]) -> tuple[list[dict[str, Any]], bytes]:
    heads = [
        {
            "height": frame.pixels.shape[0],
            "width": frame.pixels.shape[1],
            "timestamp": frame.rtp_timestamp,
            "at": frame.received_at,
        }
        for frame in frames
    ]
    return heads, b"".join(frame.pixels.tobytes() for frame in frames)


def unpack_frames(heads: Sequence[Mapping[str, Any]], binary: bytes) -> list[Frame]:
    frames: list[Frame] = []
    position = 0
    for head in heads:
        height, width = int(head["height"]), int(head["width"])
        pixels = np.frombuffer(binary, np.uint8, height * width * 3, position).reshape(height, width, 3)
        position += height * width * 3
        frames.append(Frame(pixels, int(head["timestamp"]), float(head["at"])))
    return frames
