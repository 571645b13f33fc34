"""A slow line: packets from one network namespace to this one as through a narrow, long cable (where netem is missing).

``python tests/media/slow_line.py NAMESPACE NAME FAR NEAR`` makes a tun device called NAME in both, with those addresses
(/24), and carries packets between until it is killed. Each line on standard input, "KILOBITS SECONDS", is how much goes
up and how long it takes from then on; down is not held. A queue of more than QUEUE_SECONDS loses what comes on top.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import struct
import subprocess
import sys
import time
from collections import deque

QUEUE_SECONDS = 0.3
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEAD = 0x1001
_NEW_NET = 0x40000000
_LARGEST = 2048  # bytes; the devices' MTU is 1500


def device(name: str, address: str) -> int:
    """A descriptor that reads and writes the packets of a new tun device in the namespace of this process."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH", name.encode(), _TUN_WITHOUT_HEAD))
    for command in (("addr", "add", f"{address}/24", "dev", name), ("link", "set", name, "up")):
        subprocess.run(("ip", *command), check=True)
    return descriptor


class Upward:
    """What waits to go up."""

    def __init__(self) -> None:
        self.rate = 1e9
        self.delay = 0.0
        self._free = 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()

    def put(self, packet: bytes, now: float) -> None:
        free = max(now, self._free) + 8 * len(packet) / self.rate
        if free - now <= QUEUE_SECONDS:
            self._free = free
            self._waiting.append((free + self.delay, packet))

    def due(self, now: float) -> list[bytes]:
        found = []
        while self._waiting and self._waiting[0][0] <= now:
            found.append(self._waiting.popleft()[1])
        return found

    def wait(self, now: float) -> float | None:
        return max(0.0, self._waiting[0][0] - now) if self._waiting else None


def packets(descriptor: int) -> list[bytes]:
    found = []
    while True:
        try:
            found.append(os.read(descriptor, _LARGEST))
        except BlockingIOError:
            return found


def main(namespace: str, name: str, far_address: str, near_address: str) -> None:
    near = device(name, near_address)
    inside = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(inside, _NEW_NET):
        raise OSError(ctypes.get_errno(), "setns")
    far = device(name, far_address)
    up = Upward()
    print("there", flush=True)
    while True:
        ready, _, _ = select.select([near, far, sys.stdin], [], [], up.wait(time.monotonic()))
        now = time.monotonic()
        if sys.stdin in ready:
            words = sys.stdin.readline().split()
            if not words:
                return
            up.rate, up.delay = 1000 * float(words[0]), float(words[1])
        if far in ready:
            for packet in packets(far):
                up.put(packet, now)
        for packet in up.due(now):
            os.write(near, packet)
        if near in ready:
            for packet in packets(near):
                os.write(far, packet)


if __name__ == "__main__":
    main(*sys.argv[1:])
