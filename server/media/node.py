"""A media process: the embedded engine behind a pipe. ``python -m server.media.node '{"addresses": [...], ...}'``

Reads requests on standard input, writes replies, events and a heartbeat on standard output (server.media.messages).
It ends when standard input does: with the server, whatever became of that.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from server.event_loop import new_event_loop
from server.media.embedded import EmbeddedMedia
from server.media.messages import pack, pack_frames, unpack
from server.media.rehearsal import rehearse
from server.ports import Leg, MediaError, RecordingPlan

HEARTBEAT = 0.25  # seconds
WARM = 2.0  # seconds after the start: the service itself comes first, and a call that is taken over needs its core
MOST_AT_ONCE = 256  # requests in work
MOST_UNREAD = 1 << 20  # bytes that a server which stands still has not read; no heartbeat is added to them

log = logging.getLogger(__name__)


class Node:
    """Answers one server's requests."""

    def __init__(self, media: EmbeddedMedia, writer: asyncio.StreamWriter) -> None:
        self._media = media
        self._writer = writer
        self._working: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Until the pipe ends."""
        background = [asyncio.create_task(self._beat()), asyncio.create_task(self._tell())]
        try:
            while True:
                message, _ = await unpack(reader)
                while len(self._working) >= MOST_AT_ONCE:
                    await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)
                task = asyncio.create_task(self._answer(message))
                self._working.add(task)
                task.add_done_callback(self._working.discard)
        except asyncio.IncompleteReadError:
            return
        finally:
            for task in [*background, *self._working]:
                task.cancel()

    async def _answer(self, message: dict[str, Any]) -> None:
        binary = b""
        reply: dict[str, Any] = {"id": message["id"]}
        try:
            if message["do"] == "frames":
                frames = await self._media.frames(
                    message["call"], Leg(message["leg"]), message["count"], message["within"]
                )
                reply["result"], binary = pack_frames(frames)
            else:
                reply["result"] = await self._do(message["do"], message)
        except MediaError as error:
            reply["error"] = [error.code, error.message]
        except Exception as error:
            log.error("a request failed: %s: %s", message["do"], type(error).__name__, exc_info=True)
            reply["error"] = ["internal", "The media process failed at this request."]
        self._send(reply, binary)

    async def _do(self, what: str, message: Mapping[str, Any]) -> Any:
        media, call = self._media, message["call"]
        if what == "answer":
            return await media.answer(call, Leg(message["leg"]), message["sdp"])
        if what == "candidate":
            return await media.add_candidate(call, Leg(message["leg"]), message["candidate"])
        if what == "keyframe":
            return await media.request_keyframe(call, Leg(message["leg"]))
        if what == "record":
            key = bytes.fromhex(message["key"])
            plan = RecordingPlan(Path(message["folder"]), message["session"], key, message["previous"])
            return await media.record(call, plan)
        if what == "stop_recording":
            return [
                [str(segment.leg), segment.number, str(segment.path), segment.chain, segment.size]
                for segment in await media.stop_recording(call)
            ]
        if what == "hang_up":
            return await media.hang_up(call, Leg(message["leg"]))
        if what == "close":
            return await media.close(call)
        raise ValueError(f"unknown request {what!r}")

    async def _beat(self) -> None:
        """Also carries every leg's figures, so that the server can answer for them at once."""
        while True:
            figures = [
                [
                    call,
                    str(leg),
                    [
                        found.connected,
                        found.frames_per_second,
                        found.width,
                        found.height,
                        found.packets_lost,
                        found.bits_per_second,
                    ],
                ]
                for call, leg, found in self._media.all_statistics()
            ]
            if self._writer.transport.get_write_buffer_size() < MOST_UNREAD:
                self._send({"beat": figures})
            await asyncio.sleep(HEARTBEAT)

    async def _tell(self) -> None:
        async for event in self._media.events():
            self._send({"event": [event.call, str(event.leg), event.kind]})

    def _send(self, message: Mapping[str, Any], binary: bytes = b"") -> None:
        self._writer.write(pack(message, binary))


async def pipes() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, asyncio.ReadTransport]:
    """Standard input and output as streams, and the transport of the input, which closes with no stream."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    source, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin.buffer)
    transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, sys.stdout.buffer)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop), source


async def _warm(media: EmbeddedMedia) -> None:
    """Have ready what the first call, or one that is taken over, would have to wait for."""
    await asyncio.sleep(WARM)
    await rehearse()
    media.warm()


async def main(options: dict[str, Any]) -> None:
    reader, writer, source = await pipes()
    if options.get("ports"):
        options["ports"] = tuple(options["ports"])
    media = EmbeddedMedia(**options)
    warming = asyncio.create_task(_warm(media))
    try:
        await Node(media, writer).serve(reader)
    finally:
        warming.cancel()
        await asyncio.wait({warming})
        await media.aclose()
        writer.close()
        source.close()
        await asyncio.sleep(0)  # the transports close at the loop's next turn


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main(json.loads(sys.argv[1])))
