"""The composition root: Settings -> adapters -> aiohttp Application. The only importer of adapters."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

import server
from server import keyfiles
from server.adjudication import policy
from server.api import signalling
from server.api.context import DESK, SERVICE, Service
from server.api.errors import error_middleware
from server.api.pages import add_pages, security_headers
from server.api.routes import PICTURE_BYTES, add_routes
from server.bus import LocalBus
from server.checker import MatcherRefused, WorkerChecker
from server.consultation import (
    applying,
    calling,
    challenging,
    deciding,
    forgetting,
    guiding,
    recording,
    supervising,
    watching,
)
from server.consultation.desk import Desk, Limits, RecordingRule
from server.issuing import DEMONSTRATION_ARC, AuthorityConfig, AuthorityError, EmbeddedIssuer, create_authority
from server.media.call_recording import segment_files
from server.media.playback import SealedRecordings
from server.media.processes import MediaProcesses
from server.media.sealed import NotASealedFile, verify
from server.ports import ENDS, Carrying, CheckUnavailable, Conflict, LegEvent, Media, Registry, Timer
from server.proofing import DomainError, State
from server.registry import HttpAccess, HttpRegistry, LocalRegistry, RegistrySetUp
from server.settings import Profile, ProfileRefused, Settings
from server.store import SqlStore, migrate
from server.turn import ice_servers
from server.vault import DiskVault, VaultError

log = structlog.get_logger(__name__)

SETTINGS = web.AppKey("SETTINGS", Settings)
OPENER: web.AppKey[Callable[[Settings], Awaitable[Desk]]] = web.AppKey("OPENER")
KEY_FAULTS = (AuthorityError, keyfiles.KeyFileError, VaultError)
"""What is wrong with stored keys, each with ``code`` and ``message`` for the person who starts the service."""
START_FAULTS = (*KEY_FAULTS, CheckUnavailable, MatcherRefused, ProfileRefused, RegistrySetUp)
"""What keeps the service from starting, each with ``code`` and ``message``."""
DAY_SECONDS = 86_400.0
SWEEP_SECONDS = 0.25
"""How late a timer may be: a quarter of a second is unnoticed in a time to undo of five."""
EVENTS_WAITING = 1024
"""Media events that wait for the database; more wait in the engine, which drops the oldest."""
PORTS_OF_A_CALL = 2
LEAST_MEDIA_PROCESSES = 2
"""With one alone a call would wait for a new process to come up when it dies."""


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def prepare_folder(settings: Settings) -> None:
    """Make the data folder, for its owner only."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (settings.data_dir / "keys").mkdir(mode=0o700, exist_ok=True)


def open_vault(settings: Settings) -> DiskVault:
    return DiskVault(settings.data_dir / "vault", settings.data_dir / "keys" / "vault.key")


def public_url(settings: Settings) -> str:
    scheme = "https" if settings.tls_certificate else "http"
    return settings.public_url.rstrip("/") or f"{scheme}://localhost:{settings.port}"


def open_issuer(settings: Settings) -> EmbeddedIssuer:
    base = f"{public_url(settings)}/ca"
    arc = settings.ca_oid_arc or DEMONSTRATION_ARC
    config = AuthorityConfig(
        organization=settings.ca_organisation,
        individual_purpose=f"{arc}.4.1.1",
        identification_purpose=f"{arc}.4.3.2",
        sign_policy=f"{arc}.2.3",
        auth_policy=f"{arc}.2.4",
        issuing_url=f"{base}/issuing.cer",
        crl_url=f"{base}/crl.der",
        root_url=f"{base}/root.cer",
        root_crl_url=f"{base}/root.crl",
    )
    secret = settings.secret.get_secret_value().encode() or None
    return create_authority(settings.data_dir / "authority", config, secret)


def open_registry(settings: Settings) -> Registry | None:
    """The register of documents that the settings name; in profile demo one that knows specimen cards.

    Raises RegistrySetUp.
    """
    if settings.registry_url:
        return HttpRegistry(
            HttpAccess(
                settings.registry_url,
                settings.registry_seconds,
                settings.registry_token_file,
                settings.registry_ca,
                settings.registry_certificate,
                settings.registry_key,
            )
        )
    if settings.profile is not Profile.DEMO:
        return None
    return LocalRegistry.from_file(settings.registry_file) if settings.registry_file else LocalRegistry()


def _verdict(path: Path, previous: str | None) -> dict[str, Any]:
    """What a segment's own seals say of it, and whether it follows the one before; needs no key."""
    try:
        found = verify(path, previous)
    except NotASealedFile:
        return {"file": path.name, "verified": False, "complete": False, "seals": 0, "chain": "", "previous": ""}
    return {
        "file": path.name,
        "verified": found.ok,
        "complete": found.complete,
        "seals": found.seals,
        "unsealed_bytes": found.tail_bytes,
        "broken_at_second": found.broken_at,
        "chain": found.chain,
        "previous": found.header.get("previous", ""),
    }


def recordings(settings: Settings, session_id: str) -> list[dict[str, Any]]:
    """What the seals of each recorded segment of a session say, in the order of recording, one end after the other."""
    folder = settings.data_dir / "recordings"
    found: list[dict[str, Any]] = []
    for leg in ENDS:
        previous: str | None = None
        for path in segment_files(folder, session_id, leg):
            found.append(_verdict(path, previous))
            previous = found[-1]["chain"] or previous  # none: it was cut off before its header was written
    return found


def limits(settings: Settings) -> Limits:
    return Limits(
        undo=timedelta(seconds=settings.undo_seconds),
        leg_resume=timedelta(seconds=settings.leg_resume_seconds),
        presence=timedelta(minutes=settings.presence_minutes),
        issuance=timedelta(hours=settings.issuance_hours),
        retry=timedelta(minutes=settings.retry_minutes),
        sign_in=timedelta(hours=settings.sign_in_hours),
        link=timedelta(hours=settings.link_hours),
        review=timedelta(minutes=settings.review_minutes),
    )


async def open_desk(settings: Settings) -> Desk:
    """Every adapter, opened. Raises START_FAULTS."""
    settings.refuse_insecure()
    checker = WorkerChecker(
        settings.workers,
        settings.check_seconds,
        settings.check_queue,
        settings.worker_memory_mb,
        settings.calibration,
    )
    try:
        return await _open_desk(settings, checker)
    except BaseException:
        await checker.aclose()
        raise


async def _open_desk(settings: Settings, checker: WorkerChecker) -> Desk:
    matcher = await checker.matcher()
    settings.refuse_embedded_authority()
    prepare_folder(settings)
    await migrate(settings.database_url)
    recording = _recording_rule(settings)
    return Desk(
        store=SqlStore(settings.database_url),
        bus=LocalBus(),
        checker=checker,
        issuer=open_issuer(settings),
        vault=open_vault(settings),
        clock=SystemClock(),
        matcher=matcher,
        registry=open_registry(settings),
        person_key=keyfiles.read_or_make(settings.data_dir / "keys" / "person.key", 32),
        limits=limits(settings),
        policy=policy(
            settings.liveness == "required",
            registry_asked=bool(settings.registry_url),
            card_checks_required=settings.card_checks == "required",
        ),
        specimens=settings.profile is Profile.DEMO,
        recording_rule=None if settings.recording == "off" else recording,
        recordings=SealedRecordings(recording.folder, recording.key),
        media=await open_media(settings),  # the last: nothing after it can fail and leave processes behind
    )


async def open_media(settings: Settings) -> Media:
    """The engine that carries the calls. Processes come up in the background; Janus has to be there (raises OSError).

    An engine is imported only where it is used: aiortc is not needed in this process while others carry the calls.
    """
    if settings.media == "janus":
        from server.media.forwarded import ForwardTo
        from server.media.janus import JanusMedia

        janus = JanusMedia(
            settings.janus_url,
            settings.janus_secret.get_secret_value(),
            settings.janus_admin_key.get_secret_value(),
            forward=ForwardTo(settings.janus_forward_address, settings.janus_forward_host, settings.janus_forward_port),
            max_calls=settings.media_max_calls,
        )
        await janus.start()
        return janus
    loopback = settings.media_loopback
    options: dict[str, Any] = {
        "addresses": settings.media_addresses or None,
        "ports": settings.port_range,
        "announced": settings.media_announced or None,
        "loopback": settings.profile is Profile.DEMO if loopback is None else loopback,
        "max_calls": settings.media_max_calls,
    }
    if settings.media == "embedded":
        from server.media.embedded import EmbeddedMedia

        return EmbeddedMedia(**options)
    count = settings.media_processes or max(LEAST_MEDIA_PROCESSES, len(os.sched_getaffinity(0)))
    if settings.port_range is not None:
        low, high = settings.port_range
        count = min(count, max(1, (high - low + 1) // PORTS_OF_A_CALL))  # a share without a port carries nothing
    processes = MediaProcesses(count, **options)
    processes.begin()
    return processes


def _recording_rule(settings: Settings) -> RecordingRule:
    folder = settings.data_dir / "recordings"
    folder.mkdir(mode=0o700, exist_ok=True)
    return RecordingRule(folder, keyfiles.read_or_make(settings.data_dir / "keys" / "recording.key", 32))


async def close_desk(desk: Desk) -> None:
    for session_id in tuple(desk.challenges):
        await challenging.stop(desk, session_id)
    for session_id in tuple(desk.watches):
        await watching.forget(desk, session_id)
    await desk.media.aclose()
    await desk.checker.aclose()
    if desk.registry is not None:
        await desk.registry.aclose()
    await desk.store.aclose()


def build(
    settings: Settings, web_folder: Path, opener: Callable[[Settings], Awaitable[Desk]] = open_desk
) -> web.Application:
    """The application; its parts (from ``opener``) open when it starts and close when it ends."""
    app = web.Application(
        middlewares=[security_headers(settings.secure), error_middleware], client_max_size=PICTURE_BYTES
    )
    app[SETTINGS] = settings
    app[OPENER] = opener
    app[signalling.PAGES] = set()
    add_routes(app)
    add_pages(app, web_folder)
    app.cleanup_ctx.append(_parts)
    app.on_shutdown.append(signalling.close_pages)
    return app


async def _parts(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    desk = await app[OPENER](settings)
    app[DESK] = desk

    async def ready() -> dict[str, bool]:
        carries = not isinstance(desk.media, Carrying) or desk.media.can_carry()
        return {"database": await _answers_database(desk), "authority": bool(desk.issuer.chain()), "media": carries}

    app[SERVICE] = Service(
        profile=str(settings.profile),
        version=server.__version__,
        secure=settings.secure,
        retention_days=settings.retention_days,
        ice_servers=lambda: ice_servers(
            settings.turn_urls, settings.turn_secret.get_secret_value(), settings.turn_minutes
        ),
        ice_policy="relay" if settings.turn_only else "all",
        ready=ready,
    )
    await desk.store.append(
        desk.system_event(
            "server_started",
            "system",
            version=server.__version__,
            profile=str(settings.profile),
            matcher=desk.matcher.version if desk.matcher else None,
            calibration=desk.matcher.calibration if desk.matcher else None,
        )
    )
    if desk.issuer.demonstration:
        log.warning(
            "demonstration_authority", hint="certificates of this authority identify nobody; not for production"
        )
    await calling.recover(desk)
    tasks = [
        asyncio.create_task(_listen(desk), name="media events"),
        asyncio.create_task(_sweep(desk), name="timers"),
        asyncio.create_task(_forget(desk, settings), name="retention"),
        asyncio.create_task(guiding.guide_for_ever(desk), name="guidance"),
        asyncio.create_task(_warm(desk), name="warm workers"),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_desk(desk)


async def _forget(desk: Desk, settings: Settings) -> None:
    """Once a day, and at the start, delete what may not be kept any longer."""
    folder = desk.recording_rule.folder if desk.recording_rule else None
    while True:
        try:
            retention = timedelta(days=settings.retention_days)
            count = await forgetting.forget_due(desk.store, desk.vault, desk.clock, retention, folder)
            if count:
                log.info("retention_over", sessions=count)
        except Exception as error:
            log.error("retention_failed", error=type(error).__name__, exc_info=True)
        await asyncio.sleep(DAY_SECONDS)


async def _answers_database(desk: Desk) -> bool:
    try:
        await asyncio.wait_for(desk.store.queue(), 2)
    except (SQLAlchemyError, TimeoutError, OSError) as error:
        log.error("database_not_ready", error=type(error).__name__)
        return False
    return True


async def _warm(desk: Desk) -> None:
    if isinstance(desk.checker, WorkerChecker):
        await desk.checker.warm()


async def _listen(desk: Desk) -> None:
    """Follow what the media engine reports, in order; what cannot wait for the rows of earlier events goes before."""
    reported: asyncio.Queue[LegEvent] = asyncio.Queue(EVENTS_WAITING)
    following = asyncio.create_task(_follow(desk, reported), name="leg events")
    try:
        async for event in desk.media.events():
            await calling.tell_page_first(desk, event)
            await reported.put(event)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _follow(desk: Desk, reported: asyncio.Queue[LegEvent]) -> None:
    """One event that fails must not end the listening."""
    while True:
        event = await reported.get()
        try:
            if event.kind.startswith("recording"):
                await recording.follow(desk, event)
            else:
                session = await calling.leg_changed(desk, event)
                if session is not None and session.state is State.IN_CALL and event.kind == "connected":
                    await recording.begin(desk, session)
        except Exception as error:
            log.error("leg_event_failed", kind=event.kind, error=type(error).__name__, exc_info=True)


async def _sweep(desk: Desk) -> None:
    """Do what is due, for ever."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await sweep_once(desk)
        except (SQLAlchemyError, OSError) as error:
            log.error("timers_not_read", error=type(error).__name__)


async def sweep_once(desk: Desk) -> None:
    """Do what is due now. A timer that fails is tried again at the next sweep."""
    await supervising.sweep(desk)
    for session_id, timer in await desk.store.due_timers(desk.clock.now()):
        try:
            await _due(desk, session_id, timer)
        except (Conflict, DomainError) as error:
            log.warning("timer_lost_a_race", timer=str(timer), error=type(error).__name__)
        except Exception as error:
            log.error("timer_failed", timer=str(timer), error=type(error).__name__, exc_info=True)


async def _due(desk: Desk, session_id: str, timer: Timer) -> None:
    if timer is Timer.DECISION_SEAL:
        await deciding.seal(desk, session_id)
    elif timer is Timer.LEG_RESUME:
        await calling.leg_timer_due(desk, session_id)
    else:
        await applying.expire(desk, session_id, timer)
