"""The application on a port, until it is told to end; what a running service can be told from outside."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from aiohttp import web

from server.api.context import DESK
from server.app import build
from server.consultation import calling
from server.consultation.desk import Desk
from server.ports import Renewable
from server.settings import Settings

log = structlog.get_logger(__name__)

DRAIN_SECONDS = 2.0
"""Between looks at whether the last call is over."""


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's own TLS, where a certificate is configured."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    return context


@dataclass(slots=True)
class Orders:
    """What the running service can be told from outside (signals)."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """End now; calls go on when the service is back."""
    drain: asyncio.Event = field(default_factory=asyncio.Event)
    """Begin no further call, and end with the last one."""
    renew_media: asyncio.Event = field(default_factory=asyncio.Event)
    """Put a new media process beside each old one, which ends with its last call."""


async def renew_when_told(desk: Desk, orders: Orders) -> None:
    """Carry out ``renew_media`` whenever it is set."""
    while True:
        await orders.renew_media.wait()
        orders.renew_media.clear()
        if not isinstance(desk.media, Renewable):
            log.warning("media_not_renewed", hint="calls are not carried by media processes (BETPE_MEDIA)")
            continue
        try:
            await desk.media.renew()
        except (TimeoutError, OSError) as error:
            log.error("media_not_renewed", error=type(error).__name__)
        else:
            log.info("media_renewed")


async def drain_when_told(desk: Desk, orders: Orders) -> None:
    """After ``drain``: no further match, and ``stop`` once nobody is in a call."""
    await orders.drain.wait()
    desk.draining = True
    while not orders.stop.is_set() and (calls := await calling.held_count(desk)) > 0:
        log.info("draining", calls=calls)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(orders.stop.wait(), DRAIN_SECONDS)
    orders.stop.set()


async def serve(settings: Settings, web_folder: Path, started: asyncio.Future[int], orders: Orders) -> None:
    """Run until ``orders.stop`` is set. ``started`` gets the TCP port once requests are answered."""
    app = build(settings, web_folder)
    followed: list[asyncio.Task[None]] = []
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=tls_context(settings))
        await site.start()
        assert runner.addresses
        followed += [asyncio.create_task(follow(app[DESK], orders)) for follow in (renew_when_told, drain_when_told)]
        started.set_result(runner.addresses[0][1])
        await orders.stop.wait()
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
            return
        raise
    finally:
        for task in followed:
            task.cancel()
        await asyncio.gather(*followed, return_exceptions=True)
        with contextlib.suppress(asyncio.CancelledError):
            await runner.cleanup()
