"""The part of Janus's WebSocket API that calls need: a session, handles, messages, events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

KEEPALIVE = 20.0  # seconds; Janus ends a session after 60 s without a request
ANSWERED = 10.0  # seconds that a request may take
LARGEST_MESSAGE = 16 << 20  # bytes; a list of rooms has 0.6 kB for each
UNREADABLE = (464, 465, 469)  # Janus's JSEP_UNKNOWN_TYPE, JSEP_INVALID_SDP, UNEXPECTED_ANSWER

_log = logging.getLogger(__name__)

JanusEvent = Callable[[str, Mapping[str, Any]], None]
"""(kind of event, the whole message)."""


class JanusUnavailable(ConnectionError):
    """Janus is not there, refuses, or does not answer in time."""


class JanusRefused(Exception):
    """Janus does not take an SDP, or the plugin does not do what it was asked for; ``code`` is its own number."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class JanusClient:
    """One session with Janus."""

    def __init__(self, url: str, api_secret: str, on_gone: Callable[[], None]) -> None:
        self._url = url
        self._secret = api_secret
        self._on_gone = on_gone
        self._http: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._waiting: dict[str, tuple[asyncio.Future[dict[str, Any]], bool]] = {}
        self._handles: dict[int, JanusEvent] = {}
        self._session: int | None = None

    async def connect(self) -> None:
        """Raises JanusUnavailable."""
        self._http = aiohttp.ClientSession()
        try:
            self._socket = await self._http.ws_connect(
                self._url, protocols=["janus-protocol"], max_msg_size=LARGEST_MESSAGE
            )
        except (aiohttp.ClientError, OSError) as error:
            await self._http.close()
            raise JanusUnavailable("Janus cannot be reached") from error
        self._tasks = [asyncio.create_task(self._read(self._socket))]
        try:
            self._session = (await self._ask(janus="create"))["data"]["id"]
        except JanusUnavailable:
            await self.aclose()
            raise
        self._tasks.append(asyncio.create_task(self._keep_alive()))

    @property
    def connected(self) -> bool:
        return self._session is not None and self._socket is not None and not self._socket.closed

    async def attach(self, plugin: str, on_event: JanusEvent) -> int:
        """A new handle. Raises JanusUnavailable."""
        handle = int((await self._ask(janus="attach", plugin=plugin))["data"]["id"])
        self._handles[handle] = on_event
        return handle

    async def detach(self, handle: int) -> None:
        """Let a handle go, and its connection with it; 0 is none. Where Janus is gone, so is the handle."""
        if self._handles.pop(handle, None) is not None and self.connected:
            with contextlib.suppress(JanusUnavailable):
                await self._ask(janus="detach", handle_id=handle)

    async def message(
        self, handle: int, body: Mapping[str, Any], *, offer: str | None = None, answer: str | None = None
    ) -> tuple[Mapping[str, Any], str]:
        """Send a message to the plugin, with an SDP or without: what it replies, and its SDP ("" where it has none).

        Raises JanusUnavailable, JanusRefused.
        """
        request: dict[str, Any] = {"janus": "message", "handle_id": handle, "body": dict(body)}
        if offer is not None or answer is not None:
            request["jsep"] = {"type": "answer" if offer is None else "offer", "sdp": offer or answer}
        reply = await self._ask(past_ack=True, **request)
        data = reply.get("plugindata", {}).get("data", {})
        if "error_code" in data:
            raise JanusRefused(int(data["error_code"]), str(data.get("error")))
        return data, str(reply.get("jsep", {}).get("sdp", ""))

    async def trickle(self, handle: int, candidate: Mapping[str, Any]) -> None:
        """Raises JanusUnavailable."""
        await self._ask(janus="trickle", handle_id=handle, candidate=dict(candidate))

    async def _ask(self, past_ack: bool = False, **request: Any) -> dict[str, Any]:
        if self._socket is None or self._socket.closed:
            raise JanusUnavailable("Janus is gone")
        transaction = secrets.token_hex(8)
        request |= {"transaction": transaction, "apisecret": self._secret}
        if self._session is not None:
            request["session_id"] = self._session
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[transaction] = (future, past_ack)
        try:
            await self._socket.send_json(request)
            reply = await asyncio.wait_for(future, ANSWERED)
        except (TimeoutError, ConnectionError) as error:
            raise JanusUnavailable("Janus does not answer") from error
        finally:
            del self._waiting[transaction]
        if reply["janus"] == "error":
            if reply["error"].get("code") in UNREADABLE:
                raise JanusRefused(reply["error"]["code"], str(reply["error"].get("reason")))
            raise JanusUnavailable(f"Janus refuses: {reply['error'].get('reason')}")
        return reply

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for received in socket:
            if received.type is not aiohttp.WSMsgType.TEXT:
                break
            message = received.json()
            future, past_ack = self._waiting.get(message.get("transaction", ""), (None, False))
            if future is not None and not future.done() and not (past_ack and message["janus"] == "ack"):
                future.set_result(message)
            elif (on_event := self._handles.get(message.get("sender", 0))) is not None:
                on_event(message["janus"], message)
        for future, _ in self._waiting.values():
            if not future.done():
                future.set_exception(JanusUnavailable("Janus is gone"))
        self._session = None
        self._on_gone()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEPALIVE)
            try:
                await self._ask(janus="keepalive")
            except JanusUnavailable:
                _log.warning("Janus does not answer a keepalive")

    async def aclose(self) -> None:
        """End the session; Janus frees all its handles."""
        self._on_gone = _nothing
        try:
            if self.connected:
                await self._ask(janus="destroy")
        except JanusUnavailable:
            _log.info("Janus was gone before its session ended")
        for task in self._tasks[1:]:
            task.cancel()
        if self._socket is not None:
            await self._socket.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()


def _nothing() -> None:
    return None
