"""The decoding worker: encoded frames in on standard input, pictures that were asked for out on standard output.

A process of its own, because a decoder holds the processor for milliseconds and reads bytes that a stranger's browser
made. ``python -m server.media.decoding`` runs it; ``server.media.tap`` is the other end. Messages are a fixed header
and a body:

    request   kind (0 forget, 1 decode, 2 decode and return the next picture), codec (place in NAMES), stream, RTP
              timestamp, time, length
    reply     kind (0 not decodable: a key frame is needed, 1 picture, 2 hello), stream, RTP timestamp, time, width,
              height

A picture's body is its BGR bytes, width * height * 3.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

import av
import numpy as np
from av import CodecContext
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from server.media.codecs import CODECS, Codec

REQUEST = struct.Struct("!BBLLdL")
REPLY = struct.Struct("!BLLdHH")
FORGET, DECODE, RETURN = 0, 1, 2
UNDECODABLE, PICTURE, HELLO = 0, 1, 2
NAMES = tuple(CODECS)

MOST_PIXELS = 1920 * 1920  # per picture; bounds a decoder's memory to about 20 MB


class _Stream:
    """The decoder of one leg's video."""

    def __init__(self, codec: Codec) -> None:
        decoder = CodecContext.create(codec.decoder, "r")
        assert isinstance(decoder, VideoCodecContext)
        decoder.options = {"max_pixels": str(MOST_PIXELS)}  # whatever the bytes say later on
        decoder.flags |= Flags.low_delay  # a picture is not held back for others that may come to stand before it
        decoder.thread_count = 1  # two threads were no faster and cost wall time on a busy machine (measured)
        self._decoder = decoder
        self._picture_size = codec.picture_size
        self._reformatter = VideoReformatter()
        self.wanted = False

    def decode(self, data: bytes) -> VideoFrame | None:
        """The picture in these bytes, if there is one to show. Raises ValueError where it cannot be decoded."""
        size = self._picture_size(data)
        if size is not None and not 0 < size[0] * size[1] <= MOST_PIXELS:
            raise ValueError("picture size")
        try:
            frames = self._decoder.decode(av.Packet(data))
        except av.FFmpegError as error:
            raise ValueError("bitstream") from error
        return frames[-1] if frames else None

    def pixels(self, frame: VideoFrame) -> bytes:
        picture = self._reformatter.reformat(frame, format="bgr24", threads=1)
        plane = picture.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        return bytes(rows[:, : plane.width * 3].tobytes())


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until ``source`` ends."""
    sink.write(REPLY.pack(HELLO, 0, 0, 0.0, 0, 0))
    sink.flush()
    streams: dict[int, _Stream] = {}
    while len(header := source.read(REQUEST.size)) == REQUEST.size:
        kind, codec, stream_id, timestamp, received_at, length = REQUEST.unpack(header)
        data = source.read(length)
        if kind == FORGET:
            streams.pop(stream_id, None)
            continue
        stream = streams.get(stream_id)
        if stream is None:
            stream = streams[stream_id] = _Stream(CODECS[NAMES[codec]])
        stream.wanted = stream.wanted or kind == RETURN
        try:
            frame = stream.decode(data)
        except ValueError:
            del streams[stream_id]
            sink.write(REPLY.pack(UNDECODABLE, stream_id, timestamp, received_at, 0, 0))
            sink.flush()
            continue
        if frame is not None and stream.wanted:
            stream.wanted = False
            sink.write(REPLY.pack(PICTURE, stream_id, timestamp, received_at, frame.width, frame.height))
            sink.write(stream.pixels(frame))
            sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
