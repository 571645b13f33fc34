"""Rooms in Janus that a killed service left: nobody is in them, and nobody comes any more."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from server.media.janus_client import JanusClient, JanusRefused, JanusUnavailable
from server.media.janus_room import Room, empty_rooms

AGAIN = 60.0
"""Seconds until the second look. A room that another service has just made is empty too, but for less than the 10 s
that Janus may take to answer its first page."""

_log = logging.getLogger(__name__)


async def clear(client: JanusClient, control: int, admin_key: str) -> None:
    """Destroy the product's rooms that are empty now and after AGAIN seconds. Ends early when Janus is gone."""
    with contextlib.suppress(JanusUnavailable, JanusRefused):
        empty = await empty_rooms(client, control, admin_key)
        if not empty:
            return
        await asyncio.sleep(AGAIN)
        left = empty & await empty_rooms(client, control, admin_key)
        for name in left:
            await Room(client, control, admin_key, name).destroy()
        if left:
            _log.info("%d empty rooms of a service that ended were taken out of Janus", len(left))
