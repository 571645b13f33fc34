"""The record of one session as one JSON document, with the verdict on its hash chain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from typing import Any

from server.audit import first_fault
from server.ports import Store, Vault
from server.proofing import DomainError


def _plain(value: Any) -> Any:
    """JSON-able: dates as ISO 8601, bytes as their SHA-256."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return {"sha256": hashlib.sha256(value).hexdigest(), "bytes": len(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


async def dossier(
    store: Store, vault: Vault, session_id: str, recordings: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """All that is kept of one session; ``recordings``: what the seals of each recorded segment say.

    Raises DomainError session_unknown.
    """
    session = await store.session(session_id)
    if session is None:
        raise DomainError("session_unknown", "There is no such session.")
    events = await store.audit_events(session_id)
    checks = await store.checks(session_id)
    record = asdict(session)
    record.pop("token_sha256")
    names = {*session.images.values(), *(str(still["image"]) for still in session.stills)}
    names.update(str(kept["original"]) for kept in session.readings.values())
    for check in checks:
        names.update(check["images"].values())
    fault = first_fault(events)
    return {
        "session": _plain(record),
        "checks": _plain(checks),
        "matchers": _matchers(checks),
        "messages": _plain([asdict(message) for message in await store.messages(session_id)]),
        "interpreters": _plain([asdict(one) for one in await store.interpreters(session_id)]),
        "orders": _plain([asdict(order) for order in await store.orders(session_id)]),
        "certificates": _plain([asdict(one) for one in await store.certificates(session_id)]),
        "recordings": [dict(one) for one in recordings],
        "images": {name: await _state(vault, session_id, name) for name in sorted(names)},
        "events": _plain([asdict(event) for event in events]),
        "chain": {
            "events": len(events),
            "verified": fault is None,
            "first_fault": fault,
            "head_sha256": events[-1].sha256 if events else None,
        },
    }


def _matchers(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What compared the faces of this session, each once: model, calibration and the error rates that it stands for."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in checks:
        if row["check"] == "face_match":
            named = {key: row.get(key) for key in ("model", "version", "threshold", "fmr")}
            told = {key: row["details"].get(key) for key in ("fnmr", "calibration", "condition", "licence")}
            found[tuple(named.values())] = {**named, **told}
    return list(found.values())


async def _state(vault: Vault, session_id: str, name: str) -> str:
    """present: the blob decrypts to what its name says; otherwise missing or damaged."""
    try:
        await vault.get(session_id, name)
    except KeyError:
        return "missing"
    except ValueError:
        return "damaged"
    return "present"
