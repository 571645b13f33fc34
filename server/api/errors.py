"""Every error as {"error": {code, message, details}}: a code for programs, a sentence for people, no traceback."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import web
from pydantic import ValidationError

from server.ports import CheckUnavailable, Conflict, IssuanceRefused, MediaError
from server.proofing import DomainError
from verification.contract import UnusableInput

log = structlog.get_logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiError(Exception):
    """What the HTTP layer itself refuses."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.details = status, code, message, details


STATUS: Mapping[str, int] = {
    "consent_outdated": 409,
    "session_unknown": 404,
    "record_unknown": 404,
    "call_not_watchable": 404,
    "recording_not_playable": 404,
    "picture_unknown": 404,
    "not_in_this_profile": 403,
    "operator_unknown": 404,
    "link_invalid": 403,
    "too_many_pictures": 429,
    "correction_invalid": 422,
    "reason_needed": 422,
    "note_needed": 422,
    "override_reason_needed": 422,
    "pause_reason_unknown": 422,
    "step_unknown": 422,
    "interpreter_name_needed": 422,
    "interpreter_language_unknown": 422,
    "feature_unknown": 422,
    "issuance_interrupted": 503,
    "retry_later": 429,
}
"""Status of a domain error; what is not here is 409: the request is fine, the session's state is not."""


def describe(error: Exception) -> tuple[int, str, str, Mapping[str, Any]] | None:
    """(status, code, message, details) of an error that is meant for people; None for a fault of ours."""
    match error:
        case ApiError():
            return error.status, error.code, error.message, error.details
        case DomainError():
            return STATUS.get(error.code, 409), error.code, error.message, error.details
        case UnusableInput():
            return 422, error.code, error.message, {}
        case IssuanceRefused():
            return 422, error.code, error.message, {}
        case MediaError():
            return 409, error.code, error.message, {}
        case CheckUnavailable():
            return 503, error.code, error.message, {}
        case Conflict():
            return 409, "conflict", "Somebody changed this at the same moment; please try again.", {}
        case ValidationError():
            # Where and what kind, never the value: it may be personal data.
            faults = [{"at": ".".join(map(str, fault["loc"])), "kind": fault["type"]} for fault in error.errors()]
            return 400, "request_invalid", "The request is not of the shape that is expected.", {"faults": faults[:10]}
    return None


def body(code: str, message: str, details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "details": dict(details or {})}}


HTTP_CODES: Mapping[int, tuple[str, str]] = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that kind of request."),
    413: ("body_too_large", "What was sent is too large."),
}


@web.middleware
async def error_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception into a coded answer; a fault of ours gets an incident number and a log line."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code, message = HTTP_CODES.get(error.status, ("request_refused", "The request was refused."))
        return web.json_response(body(code, message), status=error.status)
    except ConnectionError:
        raise
    except Exception as error:
        known = describe(error)
        if known is not None:
            status, code, message, details = known
            return web.json_response(body(code, message, details), status=status)
        incident = secrets.token_hex(4)
        route = request.match_info.route.resource
        log.exception(
            "request_failed", incident=incident, route=route.canonical if route else "", method=request.method
        )
        answer = body("internal", "Something went wrong here; nothing of yours is lost.", {"incident": incident})
        return web.json_response(answer, status=500)
