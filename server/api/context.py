"""What a handler is handed, and how it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from aiohttp import web

from server.api.errors import ApiError
from server.consultation.desk import Desk
from server.proofing import Interpreter, Operator, Session

B = TypeVar("B")


@dataclass(frozen=True, slots=True)
class Service:
    """What the HTTP layer knows of the deployment."""

    profile: str
    version: str
    secure: bool
    retention_days: int
    ice_servers: Callable[[], list[dict[str, Any]]]
    ice_policy: str
    """RTCConfiguration.iceTransportPolicy of the pages: "all", or "relay" for TURN alone."""
    """Made anew for each page: TURN credentials are short-lived."""
    ready: Callable[[], Any]
    """Awaitable of {part: whether it answers}."""


DESK = web.AppKey("DESK", Desk)
SERVICE = web.AppKey("SERVICE", Service)


@dataclass(frozen=True, slots=True)
class Context:
    """One request: who asks and what came with it."""

    request: web.Request
    desk: Desk
    service: Service
    session: Session | None
    operator: Operator | None
    body: Any
    interpreter: Interpreter | None = None

    @property
    def applicant(self) -> Session:
        """The applicant's session; the route's role guarantees it."""
        if self.session is None:
            raise ApiError(401, "not_signed_in", "You are not signed in, or the sign-in has ended.")
        return self.session

    @property
    def staff(self) -> Operator:
        """The signed-in operator; the route's role guarantees it."""
        if self.operator is None:
            raise ApiError(401, "not_signed_in", "You are not signed in, or the sign-in has ended.")
        return self.operator

    @property
    def third(self) -> Interpreter:
        """The signed-in interpreter; the route's role guarantees it."""
        if self.interpreter is None:
            raise ApiError(401, "not_signed_in", "You are not signed in, or the sign-in has ended.")
        return self.interpreter

    def parsed(self, kind: type[B]) -> B:
        """The validated body."""
        if not isinstance(self.body, kind):
            raise TypeError(f"the route's table does not say {kind.__name__}")
        return self.body


class Handler(Protocol):
    async def __call__(self, context: Context) -> web.StreamResponse | Mapping[str, Any]: ...


def private(response: web.StreamResponse) -> web.StreamResponse:
    """Personal data: no cache keeps it."""
    response.headers["Cache-Control"] = "no-store"
    return response


async def picture(desk: Desk, session_id: str, sha256: str) -> web.StreamResponse:
    """A stored picture of a session. Raises ApiError not_found."""
    try:
        content = await desk.vault.get(session_id, sha256)
    except (KeyError, ValueError) as error:
        raise ApiError(404, "not_found", "There is no such picture.") from error
    kind = "image/png" if content[:4] == b"\x89PNG" else "image/webp" if content[8:12] == b"WEBP" else "image/jpeg"
    return private(web.Response(body=content, content_type=kind))
