"""Looking at what was kept: the list, one record, its pictures and its recordings. For auditors, and own cases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.api.context import Context, picture, private
from server.api.errors import ApiError
from server.consultation import reviewing
from server.ports import Leg

PART = 256 * 1024
"""Bytes that are decrypted and sent at once."""
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


async def get_listing(context: Context) -> Mapping[str, Any]:
    staff = context.staff
    return {
        "viewer": {"id": staff.id, "name": staff.name, "role": str(staff.role)},
        "minutes": round(context.desk.limits.review.total_seconds() / 60),
        "records": await reviewing.listing(context.desk, staff),
    }


async def get_record(context: Context) -> Mapping[str, Any]:
    return await reviewing.open_record(context.desk, context.staff, context.request.match_info["session"])


async def get_image(context: Context) -> web.StreamResponse:
    named = context.request.match_info
    await reviewing.require_image(context.desk, context.staff, named["session"], named["sha256"])
    return await picture(context.desk, named["session"], named["sha256"])


async def get_segment(context: Context) -> web.StreamResponse:
    """A seekable WebM, or the part of it that is asked for (RFC 9110, section 14), decrypted as it is sent."""
    named, desk = context.request.match_info, context.desk
    leg, number = Leg(named["leg"]), int(named["number"])
    segment = await reviewing.open_segment(desk, context.staff, named["session"], leg, number)
    asked = context.request.headers.get("Range")
    first, last = wanted(asked, segment.size)
    response = web.StreamResponse(status=200 if asked is None else 206)
    response.content_type = segment.media_type
    response.content_length = last - first + 1
    response.headers["Accept-Ranges"] = "bytes"
    if asked is not None:
        response.headers["Content-Range"] = f"bytes {first}-{last}/{segment.size}"
    private(response)
    await response.prepare(context.request)
    assert desk.recordings is not None
    while first <= last:
        length = min(PART, last - first + 1)
        try:
            part = await desk.recordings.read(named["session"], leg, number, first, length)
        except (KeyError, ValueError) as error:
            raise ConnectionResetError("the recording changed while it was sent") from error
        try:
            await response.write(part)
        except ConnectionResetError:
            return response  # the player has what it wants, and asks for another part
        first += length
    await response.write_eof()
    return response


def wanted(asked: str | None, size: int) -> tuple[int, int]:
    """First and last byte of a Range header. Raises ApiError range_invalid (416): not one range of this size."""
    if asked is None:
        return 0, size - 1
    found = _RANGE.fullmatch(asked)
    begin, end = found.groups() if found else ("", "")
    if begin:
        first, last = int(begin), min(int(end) if end else size - 1, size - 1)
    elif end:
        first, last = max(0, size - int(end)), size - 1
    else:
        first, last = size, 0
    if first > last:
        raise ApiError(416, "range_invalid", "There is no such part of this recording.", size=size)
    return first, last
