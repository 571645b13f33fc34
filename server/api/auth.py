"""Who is asking: opaque cookies, and the refusal of requests that another site's page makes."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from server.api.errors import ApiError
from server.consultation.desk import Desk, token_digest
from server.proofing import Interpreter, Operator, Session

APPLICANT_COOKIE = "betpe_applicant"
OPERATOR_COOKIE = "betpe_operator"
INTERPRETER_COOKIE = "betpe_interpreter"
PATHS = {APPLICANT_COOKIE: "/api/session", OPERATOR_COOKIE: "/api/operator", INTERPRETER_COOKIE: "/api/interpreter"}
DAY = 86_400


def set_cookie(response: web.StreamResponse, name: str, token: str, *, secure: bool, seconds: int = DAY) -> None:
    response.set_cookie(name, token, path=PATHS[name], max_age=seconds, httponly=True, secure=secure, samesite="Strict")


def clear_cookie(response: web.StreamResponse, name: str) -> None:
    response.del_cookie(name, path=PATHS[name])


def refuse_other_sites(request: web.Request) -> None:
    """Raises ApiError origin_refused when a page of another site is behind the request (Fetch Metadata; Origin)."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    foreign = site is not None and site not in ("same-origin", "none")
    if origin is not None and urlsplit(origin).netloc != request.host:
        foreign = True
    if foreign:
        raise ApiError(403, "origin_refused", "This request came from another site and was refused.")


def _not_signed_in() -> ApiError:
    return ApiError(401, "not_signed_in", "You are not signed in, or the sign-in has ended.")


async def applicant_of(request: web.Request, desk: Desk) -> Session:
    """The session that the cookie opens. Raises ApiError not_signed_in."""
    token = request.cookies.get(APPLICANT_COOKIE, "")
    session = await desk.store.session_by_token(token_digest(token)) if 0 < len(token) < 200 else None
    if session is None:
        raise _not_signed_in()
    return session


async def operator_of(request: web.Request, desk: Desk) -> Operator:
    """The operator whom the cookie signs in. Raises ApiError not_signed_in."""
    token = request.cookies.get(OPERATOR_COOKIE, "")
    operator = (
        await desk.store.operator_by_token(token_digest(token), desk.clock.now()) if 0 < len(token) < 200 else None
    )
    if operator is None:
        raise _not_signed_in()
    return operator


async def interpreter_of(request: web.Request, desk: Desk) -> Interpreter:
    """The interpreter whom the cookie signs in. Raises ApiError not_signed_in."""
    token = request.cookies.get(INTERPRETER_COOKIE, "")
    interpreter = await desk.store.interpreter_by_token(token_digest(token)) if 0 < len(token) < 200 else None
    if interpreter is None:
        raise _not_signed_in()
    return interpreter
