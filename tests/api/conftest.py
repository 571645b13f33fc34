"""The real application on fakes of its ports (the store is real), with people who use it over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, ClientWebSocketResponse, CookieJar, web
from aiohttp.test_utils import TestServer

from server import app as composition
from server.bus import LocalBus
from server.consultation import operating
from server.consultation.desk import Desk, Limits, RecordingRule
from server.ports import PAIR, Leg, LegEvent, Media
from server.proofing import Role
from server.settings import Settings
from server.store import SqlStore
from tests.fakes import FakeChecker, FakeClock, FakeIssuer, FakeMedia, FakeVault, fresh_database

WEB = Path(__file__).resolve().parents[2] / "web"
STEPS = ("greet", "purpose", "show_card", "tilt_card", "questions", "face_in_frame")
PATIENCE = 5.0


async def code_of(response: ClientResponse) -> str:
    """The error code of an answer that is an error."""
    body = await response.json()
    assert set(body["error"]) == {"code", "message", "details"}
    assert "Traceback" not in json.dumps(body)
    return str(body["error"]["code"])


class Served(TestServer):
    """As the service runs: a browser that goes away cancels no handler, which aiohttp's own test server would."""

    async def _make_runner(self, **kwargs: Any) -> web.AppRunner:
        # What is left of a body that was refused is read for a second, not ten, before the connection ends.
        return await super()._make_runner(**{**kwargs, "handler_cancellation": False, "lingering_time": 1.0})


@dataclass
class Person:
    """Somebody with a browser: cookies of her own, perhaps an open page."""

    http: ClientSession
    base: str
    prefix: str
    socket: ClientWebSocketResponse | None = None
    inbox: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, method: str, path: str, expect: int = 200, **how: Any) -> dict[str, Any]:
        async with self.http.request(method, self.base + path, **how) as response:
            assert response.status == expect, (response.status, await response.text())
            body: dict[str, Any] = await response.json()
            return body

    async def refused(self, method: str, path: str, expect: int, **how: Any) -> str:
        async with self.http.request(method, self.base + path, **how) as response:
            code = await code_of(response)
            assert response.status == expect, (response.status, code)
            return code

    async def open_page(self) -> dict[str, Any]:
        """Connect the page's WebSocket; the first snapshot."""
        self.socket = await self.http.ws_connect(f"{self.base}{self.prefix}/ws")
        return await self.receive("state")

    async def receive(self, kind: str) -> dict[str, Any]:
        """The next message of a kind."""
        assert self.socket is not None
        while True:
            message = await self.socket.receive_json(timeout=PATIENCE)
            self.inbox.append(message)
            if message["type"] == kind:
                return message  # type: ignore[no-any-return]

    async def until(self, state: str) -> dict[str, Any]:
        """The first snapshot whose session or case is in the state."""
        while True:
            snapshot = await self.receive("state")
            shown = snapshot.get("session") or snapshot.get("case")
            if shown and shown["state"] == state:
                return shown  # type: ignore[no-any-return]

    async def send(self, **message: Any) -> None:
        assert self.socket is not None
        await self.socket.send_json(message)

    async def leave(self) -> None:
        """As a browser that ends: a connection left to the collector is a warning, and so an error, somewhere."""
        if self.socket is not None:
            await self.socket.close()

    async def close_page(self) -> None:
        assert self.socket is not None
        await self.socket.close()
        self.socket = None


@dataclass
class House:
    """The running service and what its fakes can be told."""

    desk: Desk
    clock: FakeClock
    media: FakeMedia
    checker: FakeChecker
    vault: FakeVault
    issuer: FakeIssuer
    base: str
    stack: AsyncExitStack

    async def person(self, prefix: str) -> Person:
        http = await self.stack.enter_async_context(ClientSession(cookie_jar=CookieJar(unsafe=True)))
        person = Person(http, self.base, prefix)
        self.stack.push_async_callback(person.leave)
        return person

    async def applicant(self) -> Person:
        """Somebody who has consented."""
        person = await self.person("/api/session")
        body = {"language": "kk", "purpose": "first_eds", "consent_version": "2026-11"}
        await person.ask("POST", "/api/session", 201, json=body)
        return person

    async def waiting(self) -> Person:
        """Somebody whose card was read and whose page is open in the queue."""
        person = await self.applicant()
        for side in ("front", "back"):
            await person.ask("PUT", f"/api/session/evidence/{side}", data=b"picture", headers=PICTURE)
        await person.ask("POST", "/api/session/evidence/confirm", json={})
        await person.open_page()
        return person

    async def operator(self, name: str = "Operator", ready: bool = True) -> Person:
        """A signed-in operator whose panel is open."""
        now, limits = self.clock.now(), self.desk.limits
        _, token = await operating.new_link(self.desk.store, name, Role.OPERATOR, None, now, limits.link)
        person = await self.person("/api/operator")
        await person.ask("POST", "/api/operator/sign-in", json={"token": token})
        await person.open_page()
        if ready:
            await person.ask("PUT", "/api/operator/availability", json={"availability": "ready"})
        return person

    async def auditor(self) -> Person:
        """Somebody who may look at everything, and takes no calls."""
        return await self.staff(Role.AUDITOR)

    async def staff(self, role: Role) -> Person:
        """Somebody who is signed in, with no page open."""
        now, limits = self.clock.now(), self.desk.limits
        _, token = await operating.new_link(self.desk.store, role.value, role, None, now, limits.link)
        person = await self.person("/api/operator")
        await person.ask("POST", "/api/operator/sign-in", json={"token": token})
        return person

    async def connect(self, applicant: Person, operator: Person) -> str:
        """Bring the two into a call; its id."""
        case = await operator.until("matched")
        call = str(case["call_id"])
        for leg, person in ((Leg.APPLICANT, applicant), (Leg.OPERATOR, operator)):
            await person.send(type="offer", call=call, sdp="v=0\r\n")
            await person.receive("answer")
            self.media.connect(call, leg)
        await operator.until("in_call")
        return call

    async def in_call(self) -> tuple[Person, Person, str]:
        """An applicant and an operator in a call."""
        applicant, operator = await self.waiting(), await self.operator()
        return applicant, operator, await self.connect(applicant, operator)

    async def prepared(self, operator: Person) -> dict[str, Any]:
        """Every step done and the faces compared; the case."""
        for step in STEPS:
            await operator.ask("POST", "/api/operator/case/steps", json={"step": step, "outcome": "done"})
        snapshot = await operator.ask("POST", "/api/operator/case/compare")
        return snapshot["case"]  # type: ignore[no-any-return]

    async def pass_time(self, seconds: float) -> None:
        """Let the time pass and what is due then happen."""
        self.clock.advance(seconds)
        await composition.sweep_once(self.desk)

    async def approved(self) -> tuple[Person, Person]:
        applicant, operator, _ = await self.in_call()
        await self.prepared(operator)
        await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
        await self.pass_time(6)
        return applicant, operator

    def record(self, folder: Path) -> None:
        """From now on calls have to be recorded."""
        self.desk.recording_rule = RecordingRule(folder, b"r" * 32)

    async def segments_begin(self, call: str) -> None:
        """The engine writes both legs' segments."""
        async with asyncio.timeout(PATIENCE):
            while call not in self.media.recordings:
                await asyncio.sleep(0.01)
        for leg in PAIR:
            self.media.tell(LegEvent(call, leg, "recording"))

    def requests(self, issuance: dict[str, Any], sign: str = "key 1", auth: str = "key 2") -> dict[str, str]:
        """Certificate requests for an answer of GET /api/session/issuance."""
        subject = base64.b64decode(issuance["subject"])
        made = {"sign": self.issuer.request(sign, subject), "auth": self.issuer.request(auth, subject)}
        return {name: base64.b64encode(csr).decode() for name, csr in made.items()}


PICTURE = {"Content-Type": "image/jpeg"}


@asynccontextmanager
async def house_on(url: str, *, carrier: Media | None = None, **limits: Any) -> AsyncIterator[House]:
    """The service on a database; another house on the same URL is the service after a restart.

    ``carrier``: media for real browsers, in place of the fake.
    """
    clock, media, checker, vault, issuer = FakeClock(), FakeMedia(), FakeChecker(), FakeVault(), FakeIssuer()
    desk = Desk(
        store=SqlStore(url),
        bus=LocalBus(),
        media=carrier or media,
        checker=checker,
        issuer=issuer,
        vault=vault,
        clock=clock,
        person_key=b"k" * 32,
        limits=Limits(**{"probe_seconds": 0.01, **limits}),
        specimens=True,
    )

    async def opener(_: Settings) -> Desk:
        return desk

    application = composition.build(Settings(), WEB, opener)
    async with AsyncExitStack() as stack:
        server = Served(application)
        await server.start_server()
        stack.push_async_callback(server.close)
        yield House(desk, clock, media, checker, vault, issuer, str(server.make_url("")).rstrip("/"), stack)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with asyncio.timeout(60), house_on(await fresh_database(tmp_path)) as opened:
        yield opened
