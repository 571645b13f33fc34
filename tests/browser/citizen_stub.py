"""The citizen's page with a server of the test's own making: the session is given, what the page asks is written down.

Files come from web/ under the service's own policy; the WebSocket and the API are Playwright's routes: no port is open.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page, Route, WebSocketRoute

from tests.browser.desk_stub import AT, ORIGIN, PIXEL, static_file

PATIENCE_SECONDS = 20
SERVICE = {
    "profile": "demo", "version": "test", "languages": ["kk", "ru", "en"], "purposes": ["first_eds", "renew_eds"],
    "consent_version": "2026-11", "retention_days": 2555, "specimen": True, "ice_servers": [], "ice_policy": "all",
}  # fmt: skip
ATTRIBUTES = {
    "surname": "ҮЛГІБЕКОВА-ҚОСПАЕВА", "given_names": "АЙГЕРІМ", "patronymic": "ҮЛГІҚЫЗЫ", "iin": "550121175259",
    "document_number": "012345678", "birth_date": "1855-01-21", "sex": "F", "expiry_date": "2031-04-11",
}  # fmt: skip


def reading(side: str, *problems: str) -> dict[str, Any]:
    usable = not problems
    attributes = ATTRIBUTES if usable else {}
    return {"side": side, "usable": usable, "problems": problems, "attributes": attributes, "mrz_lines": []}


def session(state: str, **more: Any) -> dict[str, Any]:
    """A snapshot in that state, with what the protocol says it has then; ``more`` changes it."""
    called = state in ("matched", "in_call", "suspended", "deciding")
    made: dict[str, Any] = {
        "id": "s1", "version": 2, "state": state, "language": "kk", "purpose": "first_eds",
        "readings": {"front": None, "back": None}, "attributes": {}, "corrections": {}, "can_confirm": False,
        "queue": None, "call": None, "decision": None, "issuance": "not_approved", "saved": False, "revoked_at": None,
        "ended": state if state in ("abandoned", "expired") else None, "messages": [],
    }  # fmt: skip
    if state in ("waiting", "referred"):
        made["queue"] = {"position": 4, "wait": {"low": 240, "high": 420}, "operators": 3, "second_person": False}
    if called:
        made["call"] = {
            "id": "call-1", "operator_name": "Үлгі Маман", "step": "show_card", "prompt": None, "guidance": [],
            "peer_connected": True, "recording": True,
        }  # fmt: skip
    return {**made, **more}


def read_session(**more: Any) -> dict[str, Any]:
    """Both sides are photographed and read."""
    readings = {side: reading(side) for side in ("front", "back")}
    return session("consented", readings=readings, can_confirm=True, **more)


@dataclass
class CitizenStub:
    """What the page is told (``session``, ``issuance``, ``answers``), and what it asked for (``commands``)."""

    session: dict[str, Any] | None = None
    issuance: dict[str, Any] = field(default_factory=lambda: {"status": "not_approved", "saved": False})
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Path after /api/ -> (status, code): refuse that request."""
    next_reading: dict[str, Any] | None = None
    commands: list[tuple[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    """What came over the sockets."""
    sockets: list[WebSocketRoute] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, shown: dict[str, Any] | None) -> None:
        self.session = shown
        for socket in self.sockets:
            socket.send(json.dumps({"type": "state", "session": shown}))

    def tell(self, message: dict[str, Any]) -> None:
        self.sockets[-1].send(json.dumps(message))

    async def asked(self, name: str) -> Any:
        return await self._newest(lambda: [body for command, body in self.commands if command == name])

    async def sent(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._newest(lambda: [m for m in self.messages if m["type"] == kind])
        return found

    async def _newest(self, find: Any) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := find()):
                self.came.clear()
                await self.came.wait()
        return found[-1]

    async def attach(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._hear(message.type, message.text))
        await page.route("**/*", self._answer)
        await page.route_web_socket("**/api/session/ws", self._open)

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def _open(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda message: self._receive(socket, json.loads(message)))
        socket.send(json.dumps({"type": "state", "session": self.session}))

    def _receive(self, socket: WebSocketRoute, message: dict[str, Any]) -> None:
        if message["type"] == "ping":
            socket.send('{"type": "pong"}')
        self.messages.append(message)
        self.came.set()

    async def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).split("?")[0]
        name = path.removeprefix("/api/").removeprefix("session/")
        if name in self.answers:
            status, code = self.answers[name]
            await route.fulfill(status=status, json={"error": {"code": code, "message": code, "details": {}}})
        elif path == "/api/service":
            await route.fulfill(json=SERVICE)
        elif not path.startswith("/api/"):
            await static_file(route, "/index.html" if path == "/" else path)
        elif name.startswith("images/"):
            await route.fulfill(body=PIXEL, content_type="image/png")
        elif route.request.method == "GET" and name == "issuance":
            await route.fulfill(json=self.issuance)
        else:
            await self._command(route, name)

    async def _command(self, route: Route, name: str) -> None:
        upload = name.startswith("evidence/") and name != "evidence/confirm"
        if route.request.method != "GET":
            body = route.request.post_data_buffer if upload else route.request.post_data_json
            self.commands.append((name, body))
            self.came.set()
        if name == "session" and route.request.method == "POST":
            self.session = session("consented")
        if name == "leave":
            self.session = session("abandoned", version=9)
        if name == "issuance/revoke":
            self.issuance = {**self.issuance, "revoked_at": AT}
        if self.session is None:
            await route.fulfill(status=401, json={"error": {"code": "not_signed_in", "message": "", "details": {}}})
        elif upload:
            side = name.removeprefix("evidence/")
            read = self.next_reading or reading(side)
            self.session["readings"][side] = read
            await route.fulfill(json={"reading": read, "session": self.session})
        else:
            await route.fulfill(json={"type": "state", "session": self.session})
