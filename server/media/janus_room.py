"""A call's room in Janus's VideoRoom: its requests, and nothing of what they are for.

A feed is what one publisher sends. Requests raise JanusUnavailable, and JanusRefused unless they say otherwise.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from server.media.janus_client import JanusClient, JanusEvent
from server.media.streams import KINDS
from server.ports import Leg

PLUGIN = "janus.plugin.videoroom"
MOST_PUBLISHERS = 2 * len(Leg)  # each leg, and the connection that it replaces
UNBOUND = 10_000_000
"""Bits per second, more than any page sends. Janus 1.1 has no word for none: it tells browsers 0 as 0. And the first
packets of a publisher are answered by a fourth, a third and half of it, which has to be enough too."""
_SRTP_TAG = 80  # bits: AES_CM_128_HMAC_SHA1_80, RFC 4568 section 6.2.1

NAMED = "betpe-"
"""How the names of the product's rooms begin."""

Mids = Mapping[str, str]
"""Kind of media -> mid of its section."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a feed is sent to, as SRTP."""

    host: str
    port: int
    key: str
    """Master key and salt (30 bytes), base64."""
    ssrcs: Mapping[str, int]
    payload_types: Mapping[str, int]


class Room:
    """A private room; ``await create()`` first."""

    def __init__(self, client: JanusClient, control: int, admin_key: str, name: str = "") -> None:
        """``control``: a handle that is in no room, for what is asked of all of them. ``name``: of a room that there
        is; a new one gets its own. The secret follows from the name, so that a room can be destroyed by who did not
        make it."""
        self.client = client
        self._control = control
        self._admin_key = admin_key
        self._name = name or NAMED + secrets.token_urlsafe(16)
        self._secret = hmac.new(admin_key.encode(), self._name.encode(), "sha256").hexdigest()
        self._pin = secrets.token_urlsafe(16)

    def go_through(self, client: JanusClient, control: int) -> None:
        """Use another session with Janus."""
        self.client, self._control = client, control

    async def create(self) -> None:
        await self.client.message(
            self._control,
            {
                "request": "create",
                "admin_key": self._admin_key,
                "room": self._name,
                "secret": self._secret,
                "pin": self._pin,
                "is_private": True,
                "publishers": MOST_PUBLISHERS,
                "bitrate": UNBOUND,
                "audiocodec": "opus",
                "videocodec": "vp8,h264",
                "opus_fec": True,
                "audiolevel_ext": False,
                "videoorient_ext": False,  # a phone turns its picture itself then, as what looks at it expects
                "playoutdelay_ext": False,
            },
        )

    async def destroy(self) -> None:
        await self.client.message(self._control, {"request": "destroy", "room": self._name, "secret": self._secret})

    async def attach(self, on_event: JanusEvent) -> int:
        """A handle for one publisher or subscriber. Raises JanusUnavailable alone."""
        return await self.client.attach(PLUGIN, on_event)

    async def publish(self, handle: int, feed: str, offer: str, codec: str) -> tuple[str, Mids]:
        """The answer to a page that sends, and the sections that it sends in."""
        joined, answer = await self.client.message(
            handle,
            {
                **self._join("publisher"),
                "request": "joinandconfigure",
                "id": feed,
                "audiocodec": "opus",
                "videocodec": codec.lower(),
            },
            offer=offer,
        )
        return answer, _mids(joined.get("streams", ()))

    async def subscribe(self, handle: int, feed: str) -> tuple[str, Mids]:
        """The offer to a page that is to receive this feed, all candidates in it."""
        attached, offer = await self.client.message(
            handle,
            {**self._join("subscriber"), "request": "join", "autoupdate": False, "streams": [{"feed": feed}]},
        )
        return offer, _mids(attached.get("streams", ()))

    async def start(self, handle: int, answer: str) -> None:
        """Send to a subscriber what it has answered to."""
        await self.client.message(handle, {"request": "start"}, answer=answer)

    async def switch(self, handle: int, mids: Mids, feed: str, feed_mids: Mids) -> str:
        """Send another feed over a subscriber's connection. An offer where its former feed had gone: it starts with
        the answer to that."""
        streams = [{"feed": feed, "mid": feed_mids[kind], "sub_mid": mids[kind]} for kind in KINDS]
        _, offer = await self.client.message(handle, {"request": "switch", "streams": streams})
        return offer

    async def key_frame(self, handle: int) -> None:
        """Ask a publisher's browser for a key frame."""
        await self.client.message(handle, {"request": "configure", "keyframe": True})

    async def allow(self, handle: int, bits_per_second: int = UNBOUND) -> None:
        """Tell a publisher's browser how much to send at most."""
        await self.client.message(handle, {"request": "configure", "bitrate": bits_per_second})

    async def forward(self, feed: str, mids: Mids, to: Destination) -> None:
        """Send a feed to this process, until its publisher leaves."""
        await self.client.message(
            self._control,
            {
                "request": "rtp_forward",
                "admin_key": self._admin_key,
                "room": self._name,
                "secret": self._secret,
                "publisher_id": feed,
                "host": to.host,
                "srtp_suite": _SRTP_TAG,
                "srtp_crypto": to.key,
                "streams": [
                    {"mid": mids[kind], "port": to.port, "ssrc": to.ssrcs[kind], "pt": to.payload_types[kind]}
                    for kind in KINDS
                ],
            },
        )

    def _join(self, role: str) -> dict[str, Any]:
        return {"ptype": role, "room": self._name, "pin": self._pin}


async def empty_rooms(client: JanusClient, control: int, admin_key: str) -> set[str]:
    """Names of the product's rooms that nobody sends in, whoever made them."""
    listed, _ = await client.message(control, {"request": "list", "admin_key": admin_key})
    rooms = listed.get("list", ())
    return {room["room"] for room in rooms if room["room"].startswith(NAMED) and not room["num_participants"]}


def _mids(streams: Iterable[Mapping[str, Any]]) -> Mids:
    return {str(stream["type"]): str(stream["mid"]) for stream in streams}
