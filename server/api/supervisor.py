"""Watching a call that goes on. For supervisors."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.api.context import Context, private
from server.api.errors import ApiError
from server.consultation import supervising
from server.ports import Leg

_MATROSKA = b"matroska"
_EBML_HEAD = 128  # bytes; the kind of document is named in the first element


async def get_calls(context: Context) -> Mapping[str, Any]:
    return {"calls": await supervising.calls(context.desk, context.staff)}


async def watch(context: Context) -> web.StreamResponse:
    """Picture and sound of one end as they are recorded, until the connection of that end or of the page ends."""
    named = context.request.match_info
    async with supervising.watched(context.desk, context.staff, named["session"], Leg(named["leg"])) as stream:
        try:
            part = await anext(stream, b"")
        except KeyError as error:
            raise ApiError(404, "call_not_watchable", "There is no such call, or it is not yours to watch.") from error
        response = web.StreamResponse()
        response.content_type = "video/x-matroska" if _MATROSKA in part[:_EBML_HEAD] else "video/webm"
        private(response)
        await response.prepare(context.request)
        with contextlib.suppress(ConnectionResetError):  # the page was closed
            await response.write(part)
            async for part in stream:
                await response.write(part)
            await response.write_eof()
    return response
