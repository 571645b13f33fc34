"""What every Store does: operators, their links and sign-ins, certificates."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from server.ports import (
    CertificateOrder,
    CertificateProfile,
    Conflict,
    IssuanceRefused,
    IssuedCertificate,
    Store,
    Timer,
)
from server.proofing import Availability, Operator, Role, Session
from tests.fakes import NOON, fresh_store
from tests.records import MATCHED, a_session, event, in_call, ready, waiting

LATER = NOON + timedelta(hours=1)
SIGN, AUTH = CertificateProfile.SIGN, CertificateProfile.AUTH


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with fresh_store(tmp_path) as fresh:
        yield fresh


async def test_a_link_works_once(store: Store) -> None:
    operator = await ready(store, "o")
    assert await store.redeem_link("link-o", "cookie", LATER, NOON) == operator
    assert await store.redeem_link("link-o", "another", LATER, NOON) is None
    assert await store.operator_by_token("cookie", NOON) == operator
    assert await store.operator_by_token("another", NOON) is None


async def test_a_link_used_by_many_at_once_works_once(store: Store) -> None:
    await ready(store, "o")
    tries = await asyncio.gather(*(store.redeem_link("link-o", f"cookie-{n}", LATER, NOON) for n in range(8)))
    assert sum(operator is not None for operator in tries) == 1


async def test_a_link_and_a_sign_in_end(store: Store) -> None:
    operator = await ready(store, "o")
    assert await store.redeem_link("unknown", "cookie", LATER, NOON) is None
    assert await store.redeem_link("link-o", "cookie", LATER, NOON + timedelta(days=1)) is None
    assert await store.redeem_link("link-o", "cookie", LATER, NOON) == operator
    assert await store.operator_by_token("cookie", LATER) is None
    assert await store.operator_by_token("cookie", LATER - timedelta(microseconds=1)) == operator
    await store.end_sign_in("cookie")
    await store.end_sign_in("cookie")
    assert await store.operator_by_token("cookie", NOON) is None


async def test_a_new_link_ends_the_unused_one_and_leaves_the_work_in_hand(store: Store) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    await store.assign_next("o", NOON, MATCHED)
    again = Operator("o", "Aigul Serik", Role.SUPERVISOR)
    await store.add_operator(again, "new-link", LATER, event("system", "operator_added", operator="o"))
    assert await store.redeem_link("link-o", "cookie", LATER, NOON) is None
    operator = await store.redeem_link("new-link", "cookie", LATER, NOON)
    assert operator is not None
    assert (operator.name, operator.role) == ("Aigul Serik", Role.SUPERVISOR)
    assert (operator.availability, operator.session_id) == (Availability.READY, "a")
    assert [stored.kind for stored in await store.audit_events("system")] == ["operator_added"]


async def test_operators_come_by_id(store: Store) -> None:
    second, first = await ready(store, "p"), await ready(store, "o", role=Role.SUPERVISOR)
    assert await store.operators() == [first, second]
    assert await store.operator("p") == second
    assert await store.operator("x") is None


async def test_a_pause_that_was_read_before_a_match_does_not_undo_it(store: Store) -> None:
    await waiting(store, "a")
    read_before = await ready(store, "o")
    await store.assign_next("o", NOON, MATCHED)
    paused = replace(read_before, availability=Availability.PAUSED, pause_reason="lunch", since=LATER)
    await store.save_operator(paused, event("system", "availability_set"))
    assert await store.operator("o") == replace(paused, session_id="a")
    assert len(await store.audit_events("system")) == 1


async def test_an_end_that_was_read_before_a_pause_does_not_undo_it(store: Store) -> None:
    await waiting(store, "a")
    await ready(store, "o")
    held = await in_call(store, "a", "o")
    read_before = await store.operator("o")
    assert read_before is not None
    paused = replace(read_before, availability=Availability.PAUSED, pause_reason="lunch")
    await store.save_operator(paused)
    await store.save(held, operator=replace(read_before, wrapping=True))
    assert await store.operator("o") == replace(paused, wrapping=True)


async def test_a_session_no_longer_in_hand_leaves_the_operator_alone(store: Store) -> None:
    first = await waiting(store, "a")
    await ready(store, "o")
    first = await in_call(store, "a", "o")
    operator = await store.operator("o")
    assert operator is not None
    first = await store.save(first, operator=replace(operator, session_id=None))
    await waiting(store, "b")
    await store.assign_next("o", NOON, MATCHED)
    await store.save(first, operator=replace(operator, session_id=None))
    now = await store.operator("o")
    assert now is not None
    assert now.session_id == "b"


async def test_an_unknown_operator_cannot_be_saved(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.save_operator(Operator("x", "X"), event("system", "availability_set"))
    assert await store.audit_events() == []


# --- certificates -----------------------------------------------------------------------------------

BIG = 2**159 - 1
"""A serial number of 20 octets, the longest that RFC 5280 allows."""


def order(session: str, profile: CertificateProfile = SIGN, number: int = BIG) -> CertificateOrder:
    return CertificateOrder(session, profile, b"csr", b"subject", number, NOON, LATER)


def issued(session: str, profile: CertificateProfile = SIGN, number: int = BIG, key: str = "k1") -> IssuedCertificate:
    return IssuedCertificate(session, profile, number, key, b"der\x00\xff", LATER)


async def _new(store: Store, name: str) -> Session:
    return await store.create_session(a_session(name))


async def test_orders_are_kept_with_the_move(store: Store) -> None:
    session = await _new(store, "a")
    placed = [order("a", AUTH, 7), order("a", SIGN)]
    keys = {SIGN: "k1", AUTH: "k2"}
    told = event("a", "certificates_requested")
    after = await store.place_orders(session, placed, keys, told, timers={Timer.ISSUANCE: NOON})
    assert after == await store.session("a") == replace(session, version=2)
    assert await store.orders("a") == [order("a", SIGN), order("a", AUTH, 7)]
    assert await store.orders("b") == []
    assert [stored.kind for stored in await store.audit_events("a")] == ["certificates_requested"]
    assert await store.due_timers(NOON) == [("a", Timer.ISSUANCE)]


async def test_orders_on_a_stale_session_are_not_placed(store: Store) -> None:
    session = await _new(store, "a")
    await store.save(session)
    with pytest.raises(Conflict):
        await store.place_orders(session, [order("a")], {SIGN: "k1"}, event("a"))
    assert await store.orders("a") == []
    assert await store.audit_events("a") == []


async def test_a_session_orders_each_profile_once(store: Store) -> None:
    session = await store.place_orders(await _new(store, "a"), [order("a")], {SIGN: "k1"})
    with pytest.raises(Conflict):
        await store.place_orders(session, [order("a", SIGN, 8)], {SIGN: "k9"}, event("a"))
    assert await store.orders("a") == [order("a")]
    assert await store.session("a") == session


async def test_two_requests_at_once_place_one_order(store: Store) -> None:
    session = await _new(store, "a")
    tries = [store.place_orders(session, [order("a", SIGN, n)], {SIGN: f"k{n}"}) for n in range(1, 6)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Session) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 4
    assert len(await store.orders("a")) == 1


async def test_a_key_is_ordered_once_whoever_asks(store: Store) -> None:
    await store.place_orders(await _new(store, "a"), [order("a")], {SIGN: "k1"})
    other = await _new(store, "b")
    for keys in ({SIGN: "k1", AUTH: "k2"}, {SIGN: "k2", AUTH: "k1"}, {SIGN: "k3", AUTH: "k3"}):
        with pytest.raises(IssuanceRefused) as refusal:
            await store.place_orders(other, [order("b", SIGN, 8), order("b", AUTH, 9)], keys, event("b"))
        assert refusal.value.code == "csr_key_reused"
    assert await store.session("b") == other
    assert await store.orders("b") == []
    assert await store.audit_events("b") == []


async def test_a_key_that_many_order_at_once_goes_to_one(store: Store) -> None:
    sessions = [await _new(store, name) for name in "abcde"]
    tries = [
        store.place_orders(session, [order(session.id, SIGN, number)], {SIGN: "k1"})
        for number, session in enumerate(sessions, start=1)
    ]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, Session) for result in results) == 1
    assert sum(isinstance(result, IssuanceRefused) for result in results) == 4


async def test_a_key_of_a_certificate_made_elsewhere_is_not_ordered(store: Store) -> None:
    await store.record_certificates(await _new(store, "a"), [issued("a", key="k1")])
    with pytest.raises(IssuanceRefused):
        await store.place_orders(await _new(store, "b"), [order("b")], {SIGN: "k1"})


async def test_certificates_are_kept_with_the_move(store: Store) -> None:
    session = await _new(store, "a")
    made = [issued("a", AUTH, 7, "k2"), issued("a")]
    told = event("a", "certificates_issued")
    after = await store.record_certificates(session, made, told, timers={Timer.ISSUANCE: None})
    assert after == await store.session("a")
    assert await store.certificates("a") == [issued("a"), issued("a", AUTH, 7, "k2")]
    assert await store.revoked() == []
    with pytest.raises(Conflict):
        await store.record_certificates(session, made, told)
    assert len(await store.audit_events("a")) == 1


async def test_a_session_is_revoked_as_a_whole_and_once(store: Store) -> None:
    await store.record_certificates(await _new(store, "a"), [issued("a"), issued("a", AUTH, 7, "k2")])
    await store.record_certificates(await _new(store, "b"), [issued("b", SIGN, 8, "k3")])
    told = event("a", "certificates_revoked")
    assert await store.revoke("a", NOON, told) == 2
    assert await store.revoke("a", LATER, told) == 0
    assert await store.revoke("nobody", NOON, told) == 0
    assert [(one.serial_number, one.revoked_at) for one in await store.revoked()] == [(7, NOON), (BIG, NOON)]
    assert await store.certificates("b") == [issued("b", SIGN, 8, "k3")]
    assert [stored.kind for stored in await store.audit_events("a")] == ["certificates_revoked"]


async def test_a_revocation_keeps_the_moment_of_an_earlier_one(store: Store) -> None:
    earlier = replace(issued("a"), revoked_at=NOON)
    await store.record_certificates(await _new(store, "a"), [earlier, issued("a", AUTH, 7, "k2")])
    assert await store.revoke("a", LATER, event("a", "certificates_revoked")) == 1
    assert [one.revoked_at for one in await store.certificates("a")] == [NOON, LATER]


async def test_revocations_at_once_are_told_once(store: Store) -> None:
    await store.record_certificates(await _new(store, "a"), [issued("a"), issued("a", AUTH, 7, "k2")])
    told = event("a", "certificates_revoked")
    counts = await asyncio.gather(*(store.revoke("a", NOON, told) for _ in range(5)))
    assert sorted(counts) == [0, 0, 0, 0, 2]
    assert len(await store.audit_events("a")) == 1


async def test_a_certificate_is_revoked(store: Store) -> None:
    session = await store.record_certificates(await _new(store, "a"), [issued("a"), issued("a", AUTH, 7, "k2")])
    revoked = replace(issued("a"), revoked_at=LATER)
    session = await store.record_certificates(session, [revoked], event("a", "certificates_revoked"))
    assert await store.revoked() == [revoked]
    assert await store.certificates("a") == [revoked, issued("a", AUTH, 7, "k2")]
    earlier = replace(issued("a", AUTH, 7, "k2"), revoked_at=NOON)
    await store.record_certificates(session, [earlier])
    assert await store.revoked() == [earlier, revoked]
