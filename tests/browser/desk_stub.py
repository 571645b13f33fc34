"""The operator's page with a server of the test's own making: snapshots are given, commands are written down.

Files come from web/ under the service's own policy; the WebSocket and the API are Playwright's routes: no port is open.
"""

from __future__ import annotations

import asyncio
import json
import mimetypes
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Page, Route, WebSocketRoute

from server.adjudication import DEFAULT_POLICY
from server.api.pages import POLICY
from server.proofing import PAUSE_REASONS, REFER_REASONS, REJECT_REASONS, STEPS

WEB = Path(__file__).parents[2] / "web"
ORIGIN = "http://localhost:1"
"""Localhost is a secure context, which cameras need; nothing listens there: every request is routed."""
PATIENCE_SECONDS = 20
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d494844520000000100000001080200000090"
    "7753de0000000c49444154789c63606060000000040001f61738550000000049454e44ae426082"
)
AT = "2026-11-22T10:00:00.000Z"
SERVICE = {
    "profile": "demo", "version": "test", "languages": ["kk", "ru", "en"], "undo_seconds": 5,
    "reject_reasons": REJECT_REASONS, "refer_reasons": REFER_REASONS, "pause_reasons": PAUSE_REASONS,
    "steps": STEPS, "ice_servers": [], "ice_policy": "all", "required_checks": list(DEFAULT_POLICY.rules),
}  # fmt: skip


def check(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    """One check as the snapshot has it."""
    result: dict[str, Any] = {
        "check": name, "outcome": outcome, "score": None, "threshold": None, "fmr": None, "model": "m",
        "version": "1", "milliseconds": 3.0, "reasons": [], "details": {}, "images": {}, "at": AT,
    }  # fmt: skip
    return {**result, **more}


def part(name: str, outcome: str, effect: str, remedy: str = "", reasons: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"check": name, "outcome": outcome, "effect": effect, "remedy": remedy, "reasons": list(reasons)}


def case(**more: Any) -> dict[str, Any]:
    """A running call in which everything passed; ``more`` changes it."""
    parts = [part(name, "passed", "supports") for name in DEFAULT_POLICY.rules if name != "typed_text"]
    result: dict[str, Any] = {
        "id": "c1", "state": "in_call", "language": "kk", "purpose": "first_eds", "attempt": 1, "call_id": "call-1",
        "call_started_at": AT, "second_person": False, "wrapping": False, "applicant_connected": True,
        "applicant_present": True, "attributes": {"surname": "ҮЛГІБЕК", "iin": "750214200018"}, "corrections": {},
        "mrz_lines": [], "images": {}, "checks": [check(one["check"], "passed") for one in parts], "history": [],
        "steps": [], "next_step": "greet", "stills": [], "recommendation": {"approval": "allowed", "parts": parts},
        "decision": None, "earlier_decisions": [], "statistics": None, "guidance": None, "challenge": None,
        "messages": [],
    }  # fmt: skip
    return {**result, **more}


async def static_file(route: Route, path: str) -> None:
    """A file of web/, with the policy under which the service serves it."""
    file = WEB / path.lstrip("/")
    if not file.is_file():
        await route.fulfill(status=404, body="")
        return
    kind = mimetypes.guess_type(file.name)[0] or "text/plain"
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Content-Security-Policy": POLICY}
    await route.fulfill(body=file.read_bytes(), headers=headers)


@dataclass
class DeskStub:
    """What the page is told (``case``, ``operator``), and what it asked for (``commands``)."""

    case: dict[str, Any] | None = None
    picture: bytes = PIXEL
    signed_in: bool = True
    availability: str = "paused"
    commands: list[tuple[str, Any]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """Errors of the page's console, but for answers that a test asked to fail."""
    sockets: list[WebSocketRoute] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def snapshot(self) -> dict[str, Any]:
        operator = {
            "id": "op1", "name": "Үлгі Маман", "role": "operator", "availability": self.availability,
            "pause_reason": "break" if self.availability == "paused" else "", "since": AT,
        }  # fmt: skip
        today = {"calls": 0, "approved": 0, "rejected": 0, "referred": 0, "mean_seconds": None}
        queue = {"waiting": 2, "longest_seconds": 61, "operators": 1}
        return {"type": "state", "operator": operator, "queue": queue, "today": today, "case": self.case}

    def push(self) -> None:
        for socket in self.sockets:
            socket.send(json.dumps(self.snapshot()))

    def show(self, shown: dict[str, Any] | None) -> None:
        self.case = shown
        self.push()

    async def asked(self, name: str) -> Any:
        """The body of the newest command of that name, once it has come."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (bodies := [body for command, body in self.commands if command == name]):
                self.came.clear()
                await self.came.wait()
        return bodies[-1]

    async def attach(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self._hear(message.type, message.text))
        await page.route("**/*", self._answer)
        await page.route_web_socket("**/api/operator/ws", self._open)

    def _hear(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:
            self.complaints.append(text)

    def _open(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda _message: None)
        socket.send(json.dumps(self.snapshot()))

    async def _answer(self, route: Route) -> None:
        path = route.request.url.removeprefix(ORIGIN).split("?")[0]
        if not path.startswith("/api/"):
            await static_file(route, path)
        elif path == "/api/service":
            await route.fulfill(json=SERVICE)
        elif path.startswith("/api/operator/case/images/"):
            await route.fulfill(body=self.picture, content_type="image/png")
        elif path == "/api/operator/sign-in" and route.request.post_data_json == {"token": "used"}:
            await self._refuse(route, 403, "link_invalid")
        elif not self.signed_in and path != "/api/operator/sign-in":
            await self._refuse(route, 401, "not_signed_in")
        else:
            self._obey(route, path)
            await route.fulfill(json=self.snapshot())

    def _obey(self, route: Route, path: str) -> None:
        if route.request.method == "GET":
            return
        name, body = path.removeprefix("/api/operator/"), route.request.post_data_json
        self.commands.append((name, body))
        self.came.set()
        if name == "sign-in":
            self.signed_in = True
        elif name == "availability":
            self.availability = str((body or {})["availability"])

    async def _refuse(self, route: Route, status: int, code: str) -> None:
        await route.fulfill(status=status, json={"error": {"code": code, "message": code, "details": {}}})
