"""Rooms in Janus that a killed service left: nobody is in them, and nobody comes any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from server.media.janus_client import JanusClient, JanusRefused, JanusUnavailable
from server.media.janus_room import Room, empty_rooms

AGAIN = 65.0
"""Seconds until the first look, and from it to the second. Where a service's machine is gone without a word, Janus
keeps its publishers for a session_timeout, 60 s. And a room that another service has just made is empty too, but for
less than the 20 s that Janus may take to answer its first page."""

_log = logging.getLogger(__name__)


async def clear(client: JanusClient, control: int, admin_key: str) -> None:
    """Destroy the product's rooms that are empty after AGAIN seconds and after as many more. Ends early when Janus is
    gone."""
    with contextlib.suppress(JanusUnavailable, JanusRefused):
        await asyncio.sleep(AGAIN)
        empty = await empty_rooms(client, control, admin_key)
        if not empty:
            return
        await asyncio.sleep(AGAIN)
        left = empty & await empty_rooms(client, control, admin_key)
        for name in left:
            with contextlib.suppress(JanusRefused):  # another service took it out
                await Room(client, control, admin_key, name).destroy()
        if left:
            _log.info("%d empty rooms of a service that ended were taken out of Janus", len(left))
