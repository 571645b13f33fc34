"""The command line: run, migrate, operator, dossier, audit, revoke, openapi. ``python -m server --help``."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

import server
from server.proofing import DomainError, Operator, RevocationReason, Role
from server.settings import Profile, Settings

cli = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
operators = typer.Typer(no_args_is_help=True, help="Operators and their one-time sign-in links.")
audit = typer.Typer(no_args_is_help=True, help="The audit trail.")
cli.add_typer(operators, name="operator")
cli.add_typer(audit, name="audit")

T = TypeVar("T")
WEB = Path(__file__).resolve().parent.parent / "web"
DEMO_OPERATOR = "demo"


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        for fault in error.errors():
            name = "BETPE_" + "_".join(str(part) for part in fault["loc"]).upper()
            typer.echo(f"Setting {name}: {fault['msg']}", err=True)
        raise typer.Exit(2) from None


def _with_store(use: Callable[[Any], Awaitable[T]]) -> T:
    """Open only the database, use it, close it."""
    from server.app import KEY_FAULTS, prepare_folder
    from server.store import SqlStore, migrate

    settings = _settings()

    async def go() -> T:
        prepare_folder(settings)
        await migrate(settings.database_url)
        store = SqlStore(settings.database_url)
        try:
            return await use(store)
        finally:
            await store.aclose()

    try:
        return asyncio.run(go())
    except (DomainError, *KEY_FAULTS) as error:
        typer.echo(f"{error.message} ({error.code})", err=True)
        raise typer.Exit(1) from None


@cli.command()
def run() -> None:
    """Start the service; in the demo profile print the addresses and a one-time operator sign-in link."""
    from server import app, serving
    from server.event_loop import new_event_loop
    from server.telemetry import configure_logging

    settings = _settings()
    configure_logging(settings.log_level)

    async def go() -> None:
        loop = asyncio.get_running_loop()
        orders = serving.Orders()
        for number, order in (
            (signal.SIGINT, orders.stop),
            (signal.SIGTERM, orders.stop),
            (signal.SIGUSR2, orders.renew_media),
            (signal.SIGUSR1, orders.drain),
        ):
            loop.add_signal_handler(number, order.set)
        started: asyncio.Future[int] = loop.create_future()
        running_task = asyncio.create_task(serving.serve(settings, WEB, started, orders))
        port = await started
        running = settings.model_copy(update={"port": port})
        await _welcome(running, app.public_url(running))
        await running_task

    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(go())
    except app.START_FAULTS as error:
        typer.echo(f"{error.message} ({error.code})", err=True)
        raise typer.Exit(1) from None
    except ConnectionError as error:
        typer.echo(f"The media engine of BETPE_JANUS_URL cannot be used: {error}.", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. Set BETPE_PORT to another port.",
            err=True,
        )
        raise typer.Exit(1) from None


async def _welcome(settings: Settings, url: str) -> None:
    lines = [f"Betpe-bet {server.__version__}, profile {settings.profile}", f"  citizen:    {url}/"]
    if settings.profile is Profile.DEMO:
        from server.store import SqlStore

        store = SqlStore(settings.database_url)
        try:
            _, token = await _link(store, "Demo operator", Role.OPERATOR, DEMO_OPERATOR, settings)
        finally:
            await store.aclose()
        lines += [
            f"  operator:   {url}/operator.html",
            f"  sign in as the operator, once: {url}/operator.html#token={token}",
        ]
        lines += ["  Certificates made here are for demonstration only.  Ctrl+C ends it."]
    print("\n".join(lines), flush=True)


async def _link(store: Any, name: str, role: Role, operator_id: str | None, settings: Settings) -> tuple[Operator, str]:
    from datetime import UTC, datetime, timedelta

    from server.consultation import operating

    return await operating.new_link(
        store, name, role, operator_id, datetime.now(UTC), timedelta(hours=settings.link_hours)
    )


@cli.command()
def migrate() -> None:
    """Bring the database to this version's form."""

    async def nothing(_: Any) -> None:
        return None

    _with_store(nothing)
    typer.echo("The database is up to date.")


@operators.command("add")
def operator_add(
    name: str,
    role: Annotated[Role, typer.Option(help="operator, supervisor or auditor")] = Role.OPERATOR,
) -> None:
    """Create an operator and print a one-time sign-in link."""
    _print_link(name, role, None)


@operators.command("link")
def operator_link(operator_id: str) -> None:
    """Print a new one-time sign-in link for an operator (see: operator list)."""
    _print_link("", Role.OPERATOR, operator_id)


def _print_link(name: str, role: Role, operator_id: str | None) -> None:
    from server.app import public_url

    settings = _settings()

    async def add(store: Any) -> tuple[Operator, str]:
        if operator_id is not None and await store.operator(operator_id) is None:
            raise DomainError("operator_unknown", "There is no such operator; see: python -m server operator list")
        return await _link(store, name, role, operator_id, settings)

    operator, token = _with_store(add)
    page = "records" if operator.role is Role.AUDITOR else "operator"
    typer.echo(f"{public_url(settings)}/{page}.html#token={token}")


@operators.command("list")
def operator_list() -> None:
    """Print every operator: id, role, availability, name."""

    async def rows(store: Any) -> Any:
        return await store.operators()

    for operator in _with_store(rows):
        typer.echo(f"{operator.id}\t{operator.role}\t{operator.availability}\t{operator.name}")


@cli.command()
def sessions(limit: Annotated[int, typer.Option(help="How many, newest first.")] = 20) -> None:
    """Print the latest sessions: id, state, when they began, how many calls. No personal data."""

    async def latest(store: Any) -> Any:
        return await store.recent(limit)

    for session in _with_store(latest):
        typer.echo(f"{session.id}\t{session.state}\t{session.created_at:%Y-%m-%d %H:%M:%S}Z\t{session.calls}")


@cli.command()
def dossier(
    session: str,
    pictures: Annotated[Path | None, typer.Option(help="A folder to write the decrypted pictures to.")] = None,
) -> None:
    """Print the record of one session as JSON; exit 1 when its chain or a picture does not verify."""
    from server import dossier as records
    from server.app import SystemClock, open_vault, recordings
    from server.audit import Event

    settings = _settings()

    async def collect(store: Any) -> dict[str, Any]:
        vault = open_vault(settings)
        at = SystemClock().now()
        if await store.session(session) is None:
            raise DomainError("session_unknown", "There is no such session; see: python -m server sessions")
        await store.append(Event(session, "dossier_read", "system", at, {"pictures": pictures is not None}))
        record = await records.dossier(store, vault, session, recordings(settings, session))
        if pictures is not None:
            pictures.mkdir(mode=0o700, parents=True, exist_ok=True)
            for name, state in record["images"].items():
                if state == "present":
                    (pictures / f"{name}.jpg").write_bytes(await vault.get(session, name))
        return record

    record = _with_store(collect)
    json.dump(record, sys.stdout, ensure_ascii=False, indent=2)
    print()
    faults = [one for one in record["recordings"] if not one["verified"]]
    if not record["chain"]["verified"] or set(record["images"].values()) - {"present"} or faults:
        raise typer.Exit(1)


@audit.command("verify")
def audit_verify() -> None:
    """Verify the hash chain of every stream; exit 1 and name the first fault of each that does not hold."""
    from itertools import groupby

    from server.audit import first_fault

    async def events(store: Any) -> Any:
        return await store.audit_events()

    broken = 0
    streams = 0
    ordered = sorted(_with_store(events), key=lambda event: (event.stream, event.number))
    for stream, chain in groupby(ordered, key=lambda event: event.stream):
        streams += 1
        fault = first_fault(chain)
        if fault is not None:
            broken += 1
            typer.echo(f"{stream}: broken at event {fault}")
    typer.echo(f"{streams} streams, {broken} broken")
    if broken:
        raise typer.Exit(1)


@cli.command()
def revoke(session: str, reason: Annotated[RevocationReason, typer.Option(help="Kept in the audit trail.")]) -> None:
    """Revoke the certificates issued in a session. It cannot be undone; the next revocation list names them."""
    from server.app import SystemClock
    from server.consultation import revoking

    async def go(store: Any) -> list[Any]:
        await revoking.revoke(store, SystemClock(), session, "system", reason)
        return list(await store.certificates(session))

    for one in _with_store(go):
        typer.echo(f"{one.profile}\t{one.serial_number:x}\trevoked {one.revoked_at.isoformat()}")


@cli.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from server.api.routes import openapi_document

    json.dump(openapi_document(server.__version__), sys.stdout, ensure_ascii=False, indent=2)
    print()


if __name__ == "__main__":
    cli()
