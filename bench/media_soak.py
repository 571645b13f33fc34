"""What hundreds of joins and leaves leave behind in the media processes: memory, sockets, threads, warnings.

Each call has two real aiortc peers that connect, is recorded, and is closed. ``python -m bench.media_soak`` is the soak
itself; ``measure`` runs it in a process of its own and counts what was said on standard error.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription

from bench.rows import Row, result_row
from server.media.processes import MediaProcesses
from server.ports import PAIR, Leg, RecordingPlan

ROOT = Path(__file__).parents[1]
HOW = "make bench ONLY=media_soak"
PROCESSES = 2
WARM_UP = 50  # calls before memory is looked at: caches, arenas, worker threads
CALLS = 250
CONNECTED_SECONDS = 15.0
SETTLE_SECONDS = 2.0
MOST_KILOBYTES = 20.0  # per call, so 10 per join, as of the engine alone (bench.media_parts)


async def _join(media: MediaProcesses, call: str, leg: Leg) -> RTCPeerConnection:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connected = asyncio.Event()

    def changed() -> None:
        if peer.connectionState == "connected":
            connected.set()

    peer.on("connectionstatechange", changed)
    for kind in ("audio", "video"):
        peer.addTransceiver(kind, direction="sendrecv")
    await peer.setLocalDescription(await peer.createOffer())
    answer = await media.answer(call, leg, peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(sdp=answer, type="answer"))
    async with asyncio.timeout(CONNECTED_SECONDS):
        await connected.wait()
    return peer


async def _call(media: MediaProcesses, number: int, folder: Path) -> None:
    call = f"call {number}"
    await media.record(call, RecordingPlan(folder, f"s{number}", bytes(32)))
    peers = await asyncio.gather(*(_join(media, call, leg) for leg in PAIR))
    await media.stop_recording(call)
    await media.close(call)
    await asyncio.gather(*(peer.close() for peer in peers))


def _held(processes: list[psutil.Process]) -> dict[str, int]:
    """What the media processes hold: private memory (bytes), UDP sockets, threads, open files."""
    return {
        "memory": sum(process.memory_full_info().uss for process in processes),
        "sockets": sum(len(process.net_connections(kind="udp")) for process in processes),
        "threads": sum(process.num_threads() for process in processes),
        "files": sum(process.num_fds() for process in processes),
    }


async def soak() -> dict[str, Any]:
    """Figures of the whole soak."""
    media = MediaProcesses(PROCESSES, addresses=["127.0.0.1"])
    await media.start()
    processes = [psutil.Process(pid) for pid in media.pids]
    own = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(WARM_UP):
            await _call(media, number, Path(folder))
        await asyncio.sleep(SETTLE_SECONDS)
        before = _held(processes)
        for number in range(WARM_UP, WARM_UP + CALLS):
            await _call(media, number, Path(folder))
        await asyncio.sleep(SETTLE_SECONDS)
        after = _held(processes)
    await media.aclose()
    gc.collect()
    return {
        "kilobytes": (after["memory"] - before["memory"]) / CALLS / 1000,
        "sockets": after["sockets"],
        "threads": after["threads"] - before["threads"],
        "files": after["files"] - before["files"],
        "processes": len([one for one in processes if one.is_running()]) + len(own.children()),
    }


def measure() -> list[Row]:
    """The rows of this bench."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.media_soak"],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "always"},
        capture_output=True,
        text=True,
        timeout=900,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    said = [line for line in done.stderr.splitlines() if line.strip()]
    if said:
        print("\n".join(said[:20]), file=sys.stderr)
    left = found["sockets"] + max(0, found["threads"]) + max(0, found["files"]) + found["processes"]
    kept = round(found["kilobytes"], 1)
    goal = f"at most {MOST_KILOBYTES:g}"
    return [
        result_row(HOW, "media_soak_memory", kept, f"kB kept per call, of {CALLS}", None, goal, kept <= MOST_KILOBYTES),
        result_row(HOW, "media_soak_left", left, "sockets, threads, files, processes left", None, "0", left == 0),
        result_row(HOW, "media_soak_warnings", len(said), "lines on standard error", None, "0", not said),
    ]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(soak())))
