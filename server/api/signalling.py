"""One WebSocket per page: snapshots out, offers, candidates and chat in. Bounded, ordered, one page a person."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import structlog
from aiohttp import WSMsgType, web
from pydantic import ValidationError
from pydantic_core import to_json

from server.api import errors
from server.api.context import DESK, Context
from server.api.errors import ApiError
from server.api.models import MESSAGE, Camera, Candidate, Chat, Message, Offer, Ping, Received
from server.consultation import applying, calling, interpreting, operating, talking, views, watching
from server.consultation.desk import Desk, offer_topic, receive_topic
from server.ports import INTERPRETED, SIDE, Leg
from server.proofing import Session

log = structlog.get_logger(__name__)

MESSAGE_BYTES = 64_000
HEARTBEAT_SECONDS = 10.0
"""A page that does not answer a ping within half of this is gone: its place is kept, its slot is not."""
RATE_MESSAGES, RATE_SECONDS = 30, 10.0
CANDIDATES = 200
"""Candidates of one page after an offer or an answer of it: a browser with many interfaces sends some dozens."""
QUEUE_REFRESH_SECONDS = 15.0
"""Waits change with time alone, so a waiting page is told again this often."""

_PONG = to_json({"type": "pong"})
_ENDS = (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED)
_validate = MESSAGE.validator.validate_json

Negotiation = Offer | Received | Candidate
"""What concerns the media; it is done in its order."""


class Page:
    """One connected page: sends in order, one snapshot at a time, and is closed with a word."""

    def __init__(self, socket: web.WebSocketResponse, snapshot: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._socket = socket
        self._snapshot = snapshot
        self._sent: str | None = None
        self._lock = asyncio.Lock()
        self._dismissed = False
        self.heard = time.monotonic()
        """When it said something last, if only that it is there."""
        self.busy = False
        """Whether what it said is being done: what it says meanwhile is not read."""

    async def refresh(self) -> None:
        """Send the snapshot if it differs from the last one. Other messages do not wait while it is made."""
        text = to_json(await self._snapshot()).decode()
        async with self._lock:
            if text != self._sent and not self._dismissed:
                self._sent = text
                await self._send_text(text)

    async def send(self, message: dict[str, Any]) -> None:
        """Not behind the lock: a message leaves whole before anything is waited for, so in the order of the calls."""
        await self._send_text(to_json(message).decode())

    async def pong(self) -> None:
        """The one message of which there are many."""
        await self._send_frame(_PONG, WSMsgType.TEXT)

    async def answer(self, ping: bytes) -> None:
        """Answer a ping of the protocol."""
        await self._send_frame(ping, WSMsgType.PONG)

    async def watch(self, transport: asyncio.Transport) -> None:
        """Ping a page that says nothing, and cut the connection to one that does not answer.

        aiohttp's own heartbeat sets its timer anew at each message, for an eighth of what that costs
        (``make bench ONLY=media``).
        """
        while not self._socket.closed:
            silent = time.monotonic() - self.heard
            if silent < HEARTBEAT_SECONDS:
                await asyncio.sleep(HEARTBEAT_SECONDS - silent)
                continue
            before = self.heard
            with contextlib.suppress(TimeoutError):  # a full buffer is no answer either
                await asyncio.wait_for(self._send_frame(b"", WSMsgType.PING), HEARTBEAT_SECONDS / 2)
            await asyncio.sleep(HEARTBEAT_SECONDS / 2)
            if self.heard == before and not self.busy:
                transport.abort()
                return

    async def _send_text(self, text: str) -> None:
        await self._send_frame(text.encode(), WSMsgType.TEXT)

    async def _send_frame(self, content: bytes, kind: Literal[WSMsgType.TEXT, WSMsgType.PING, WSMsgType.PONG]) -> None:
        if self._socket.closed:
            return
        try:
            await self._socket.send_frame(content, kind)
        except ConnectionError:  # it went away meanwhile: the reader notices
            return

    async def bye(self, code: str) -> None:
        """Tell the page why, and close; the last that it hears."""
        await self.send({"type": "bye", "code": code})
        self._dismissed = True
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._socket.close(code=4001, message=code.encode()), 2)


PAGES: web.AppKey[set[Page]] = web.AppKey("PAGES", set)


async def say_goodbye(page: object, code: str) -> None:
    """Tell a connected page (Presence keeps them) why it ends, and close it; nothing where none is connected."""
    if isinstance(page, Page):
        await page.bye(code)


async def applicant_socket(context: Context) -> web.StreamResponse:
    desk, session_id = context.desk, context.applicant.id

    async def current() -> Session | None:
        return await desk.store.session(session_id)

    async def snapshot() -> dict[str, Any]:
        session = await current()
        return await views.applicant_snapshot(desk, session or context.applicant)

    async def opened(page: Page) -> None:
        earlier = desk.presence.applicants.get(session_id)
        await applying.page_opened(desk, await current() or context.applicant, page)
        await say_goodbye(earlier, "opened_elsewhere")

    async def closed(page: Page) -> None:
        await applying.page_closed(desk, session_id, page)

    topics = (f"session:{session_id}", "queue")
    asked = offer_topic(Leg.APPLICANT, session_id)
    return await _serve(context, Leg.APPLICANT, snapshot, current, opened, closed, topics, asked)


async def operator_socket(context: Context) -> web.StreamResponse:
    desk, operator_id = context.desk, context.staff.id

    async def current() -> Session | None:
        operator = await desk.store.operator(operator_id)
        return await desk.store.session(operator.session_id) if operator and operator.session_id else None

    async def snapshot() -> dict[str, Any]:
        operator = await desk.store.operator(operator_id)
        return await views.operator_snapshot(desk, operator or context.staff)

    async def opened(page: Page) -> None:
        earlier = desk.presence.operators.get(operator_id)
        await operating.page_opened(desk, operator_id, page)
        await say_goodbye(earlier, "opened_elsewhere")

    async def closed(page: Page) -> None:
        await operating.page_closed(desk, operator_id, page)

    topics = (f"operator:{operator_id}", "queue")
    asked = offer_topic(Leg.OPERATOR, operator_id)
    return await _serve(context, Leg.OPERATOR, snapshot, current, opened, closed, topics, asked)


async def interpreter_socket(context: Context) -> web.StreamResponse:
    desk, interpreter_id, session_id = context.desk, context.third.id, context.third.session_id
    pages = desk.presence.interpreters

    async def current() -> Session | None:
        one = await interpreting.living(desk, session_id)
        return await desk.store.session(session_id) if one is not None and one.id == interpreter_id else None

    async def snapshot() -> dict[str, Any]:
        return await interpreting.snapshot(desk, context.third)

    async def opened(page: Page) -> None:
        earlier, pages[interpreter_id] = pages.get(interpreter_id), page
        await say_goodbye(earlier, "opened_elsewhere")

    async def closed(page: Page) -> None:
        if pages.get(interpreter_id) is page:
            del pages[interpreter_id]

    asked = offer_topic(Leg.INTERPRETER, interpreter_id)
    topics = (f"session:{session_id}",)
    return await _serve(context, Leg.INTERPRETER, snapshot, current, opened, closed, topics, asked)


async def _serve(
    context: Context,
    leg: Leg,
    snapshot: Callable[[], Awaitable[dict[str, Any]]],
    current: Callable[[], Awaitable[Session | None]],
    opened: Callable[[Page], Awaitable[None]],
    closed: Callable[[Page], Awaitable[None]],
    topics: tuple[str, ...],
    asked: str,
) -> web.StreamResponse:
    socket = web.WebSocketResponse(autoping=False, max_msg_size=MESSAGE_BYTES, compress=False)
    if not socket.can_prepare(context.request).ok:
        raise ApiError(426, "websocket_expected", "A WebSocket connection is expected here.")
    await socket.prepare(context.request)
    transport = context.request.transport
    if transport is None:
        return socket  # it went away meanwhile
    page = Page(socket, snapshot)
    pages = context.request.app[PAGES]
    pages.add(page)
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pushing: asyncio.Task[None] | None = None
    asking: asyncio.Task[None] | None = None
    waiting: asyncio.Queue[Negotiation | None] = asyncio.Queue(CANDIDATES + 1)

    async def act(message: Message) -> None:
        await _act_or_say_why(context, leg, page, message, current, asked)

    carrying = asyncio.create_task(_carry(act, waiting))
    watching_over = asyncio.create_task(page.watch(transport))
    bus = context.desk.bus
    try:
        offers = {asked, *(receive_topic(asked, one) for one in (leg, SIDE[leg]))}
        async with bus.subscribe(*topics) as changes, bus.subscribe(*offers) as asks:
            await opened(page)
            pushing = asyncio.create_task(_push(page, changes, left))
            asking = asyncio.create_task(_tell_offers(page, context.desk, asks))
            await _read(socket, page, act, waiting)
    finally:
        pages.discard(page)
        # By a word, not by cancelling: a statement of aiosqlite that is cancelled twice never ends, and with it the
        # process (its forced close stops the thread that the graceful one still waits for).
        left.set_result(None)
        watching_over.cancel()
        await asyncio.wait({watching_over})
        if pushing is not None:
            await asyncio.wait({pushing})
        if asking is not None:
            asking.cancel()  # it touches no row
            await asyncio.wait({asking})
        await closed(page)
        while not waiting.empty():
            waiting.get_nowait()
        waiting.put_nowait(None)
        await asyncio.wait({carrying})
    return socket


async def _push(page: Page, changes: AsyncIterator[str], left: asyncio.Future[None]) -> None:
    """Send the snapshot at once, on every change, and now and then because time passes; until the page has left."""
    pending = asyncio.ensure_future(anext(changes))
    try:
        while not left.done():
            try:
                await page.refresh()
            except Exception as error:
                # One snapshot that cannot be built must not silence the page for good: the next change tries again.
                log.error("snapshot_failed", error=type(error).__name__, exc_info=True)
            either: set[asyncio.Future[Any]] = {pending, left}
            await asyncio.wait(either, timeout=QUEUE_REFRESH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if pending.done():
                pending.result()
                pending = asyncio.ensure_future(anext(changes))
    finally:
        pending.cancel()


async def _tell_offers(page: Page, desk: Desk, asks: AsyncIterator[str]) -> None:
    """Tell the page to offer again when its media process is gone, and hand it the offers of the media engine.

    Beside the snapshots: it does not wait for one. A page that is not there hears of neither, and misses nothing: it
    offers anew when it comes back, which replaces both of its connections.
    """
    async for topic in asks:
        call = desk.presence.lost.get(topic)
        offer = desk.presence.receive.get(topic)
        if call is not None:
            await page.send({"type": "offer_again", "call": call})
        elif offer is not None:
            named = {"call": offer.call, "number": offer.number, "side": offer.leg in SIDE.values()}
            await page.send({"type": "receive", **named, "sdp": offer.sdp})


async def _carry(act: Callable[[Message], Awaitable[None]], waiting: asyncio.Queue[Negotiation | None]) -> None:
    """What concerns the media, in its order: an offer may wait for a media process, and a word of the chat may not."""
    while (message := await waiting.get()) is not None:
        await act(message)


async def _read(
    socket: web.WebSocketResponse,
    page: Page,
    act: Callable[[Message], Awaitable[None]],
    waiting: asyncio.Queue[Negotiation | None],
) -> None:
    recent: deque[float] = deque(maxlen=RATE_MESSAGES)
    candidates = 0
    while (message := await socket.receive()).type not in _ENDS:
        page.heard = now = time.monotonic()
        if message.type is not WSMsgType.TEXT:
            if message.type is WSMsgType.BINARY:
                await page.send(_error("message_invalid", "Messages are text."))
            elif message.type is WSMsgType.PING:
                await page.answer(message.data)
            continue
        try:
            parsed = _validate(message.data)
        except ValidationError:
            await page.send(_error("message_invalid", "The message is not of a known shape."))
            continue
        if isinstance(parsed, Candidate):
            candidates += 1
            if candidates > CANDIDATES:
                continue
        else:
            if len(recent) == RATE_MESSAGES and now - recent[0] < RATE_SECONDS:
                await page.send(_error("too_many_messages", "Too many messages at once.", re=parsed.type))
                continue
            recent.append(now)
            if isinstance(parsed, Ping):
                await page.pong()
                continue
            if isinstance(parsed, Offer | Received):
                candidates = 0
        page.busy = True
        if isinstance(parsed, Negotiation):
            await waiting.put(parsed)
        else:
            await act(parsed)
        page.busy, page.heard = False, time.monotonic()


async def _act_or_say_why(
    context: Context,
    leg: Leg,
    page: Page,
    message: Message,
    current: Callable[[], Awaitable[Session | None]],
    asked: str,
) -> None:
    try:
        if isinstance(message, Candidate) and calling.offered(context.desk, message.call, _seat(leg, message), asked):
            # A browser sends dozens of them: the offer before them asked the database whether this page may.
            await _add_candidate(context.desk, _seat(leg, message), message)
        else:
            await _act(context, leg, page, message, await current())
    except Exception as error:
        known = errors.describe(error)
        if known is None:
            log.exception("message_failed", kind=message.type)
            known = (500, "internal", "Something went wrong here; nothing of yours is lost.", {})
        await page.send(_error(known[1], known[2], re=message.type, details=dict(known[3])))


def _seat(leg: Leg, message: Negotiation) -> Leg:
    """Which of the page's connections it is about."""
    return SIDE[leg] if message.side else leg


async def _add_candidate(desk: Desk, leg: Leg, message: Candidate) -> None:
    if message.candidate is not None and message.candidate.candidate:
        await calling.add_candidate(desk, leg, message.call, message.candidate.model_dump(), message.receiving)


async def _act(context: Context, leg: Leg, page: Page, message: Message, session: Session | None) -> None:
    desk = context.desk
    if session is None:
        raise ApiError(409, "no_case", "You have no citizen at the moment.")
    if leg is Leg.INTERPRETER and not isinstance(message, Negotiation):
        raise ApiError(403, "role_not_allowed", "An interpreter speaks in the call, and does nothing else.")
    match message:
        case Offer():
            seat = _seat(leg, message)
            answering = interpreting.answer if seat in INTERPRETED else calling.answer
            sdp = await answering(desk, session, seat, message.call, message.sdp)
            await page.send({"type": "answer", "call": message.call, "attempt": message.attempt, "sdp": sdp})
        case Received():
            seat = _seat(leg, message)
            await calling.require_part(desk, session, seat, message.call)
            await calling.accept(desk, seat, message.call, message.number, message.sdp)
        case Candidate():
            seat = _seat(leg, message)
            await calling.require_part(desk, session, seat, message.call)
            await _add_candidate(desk, seat, message)
        case Camera():
            if leg is Leg.APPLICANT:
                await watching.camera_told(desk, session, message.call, message.label, message.resizes)
        case Chat():
            await talking.say(desk, session, leg, message.text, message.client_id)


def _error(code: str, text: str, re: str = "", details: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": text, "details": details or {}, "re": re}


async def close_pages(app: web.Application) -> None:
    """At the server's end: tell every page, so that it comes back by itself."""
    app[DESK].presence.applicants.clear()
    app[DESK].presence.operators.clear()
    app[DESK].presence.interpreters.clear()
    pages = app[PAGES]
    await asyncio.gather(*(page.bye("server_stopping") for page in tuple(pages)))
