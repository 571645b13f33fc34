"""At the end of retention nothing says any more who somebody was, and the audit trail still verifies."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from server.audit import first_fault
from server.consultation.forgetting import forget_due
from tests.api.conftest import House

SEVEN_YEARS = timedelta(days=2555)


async def forget(house: House, folder: Path) -> int:
    return await forget_due(house.desk.store, house.vault, house.clock, SEVEN_YEARS, folder)


async def test_what_is_over_is_deleted_and_what_is_not_stays(house: House, tmp_path: Path) -> None:
    applicant, _ = await house.approved()
    requests = house.requests(await applicant.ask("GET", "/api/session/issuance"))
    await applicant.ask("POST", "/api/session/issuance", json=requests)
    session_id = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    file = tmp_path / f"{session_id}.applicant.0001.rec"
    file.write_bytes(b"sealed")

    house.clock.advance((SEVEN_YEARS + timedelta(days=1)).total_seconds())
    assert await forget(house, tmp_path) == 0, "the certificate lived a year longer than the session"
    assert file.exists()
    house.clock.advance(timedelta(days=366).total_seconds())
    assert await forget(house, tmp_path) == 1
    assert await forget(house, tmp_path) == 0

    store = house.desk.store
    kept = await store.session(session_id)
    assert kept is not None
    assert (kept.attributes, kept.images, kept.readings, kept.person) == ({}, {}, {}, "")
    assert (await store.checks(session_id), await store.messages(session_id)) == ([], [])
    assert (await store.orders(session_id), await store.certificates(session_id)) == ([], [])
    assert await house.vault.delete_session(session_id) == 0
    assert not file.exists()
    events = await store.audit_events(session_id)
    assert events[-1].kind == "purged"
    assert first_fault(events) is None
    assert await applicant.refused("GET", "/api/session", 401) == "not_signed_in"


async def test_a_session_that_goes_on_is_never_deleted(house: House, tmp_path: Path) -> None:
    applicant = await house.waiting()
    house.clock.advance(2 * SEVEN_YEARS.total_seconds())
    assert await forget(house, tmp_path) == 0
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "waiting"
