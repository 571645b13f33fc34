"""A supervisor watches a call: who may, that both are told, and that coming and going is on record."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.media.playback import SealedRecordings
from server.ports import PAIR, Leg
from server.proofing import Role
from tests.api.conftest import House, Person
from tests.fakes import FakeMedia
from tests.recordings import KEY_EVERY, SegmentWriter

CALLS = "/api/operator/calls"


class GrowingMedia(FakeMedia):
    """Its segments grow when a key frame is asked for, and then they end."""

    def __init__(self, house: House) -> None:
        super().__init__()
        self._events = house.media._events
        self.segments: dict[Leg, SegmentWriter] = {}
        self.others_then: list[list[str]] = []
        self._house = house

    def begin(self, folder: Path, session: str, key: bytes) -> None:
        for leg in PAIR:
            self.segments[leg] = SegmentWriter(folder, session, leg, key=key)
            self.segments[leg].write(5)

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        self.others_then.append(self._house.desk.presence.others(self._house.desk.presence.calls[call]))
        self.segments[leg].write(KEY_EVERY)
        self.segments[leg].close()


@pytest.fixture
async def talking(house: House, tmp_path: Path) -> tuple[House, Person, Person, str]:
    """A recorded call: the house, its applicant, its operator, the session's id."""
    media = GrowingMedia(house)
    house.media = house.desk.media = media
    house.record(tmp_path)
    assert house.desk.recording_rule is not None
    key = house.desk.recording_rule.key
    house.desk.recordings = SealedRecordings(tmp_path, key)
    applicant, operator, call = await house.in_call()
    await house.segments_begin(call)
    while call not in house.desk.recorded:
        await operator.receive("state")
    session = (await operator.ask("GET", "/api/operator"))["case"]["id"]
    media.begin(tmp_path, session, key)
    return house, applicant, operator, session


async def test_both_are_told_that_a_supervisor_watches(talking: tuple[House, Person, Person, str]) -> None:
    house, applicant, operator, session = talking
    supervisor = await house.staff(Role.SUPERVISOR)
    (row,) = (await supervisor.ask("GET", CALLS))["calls"]
    assert (row["id"], row["state"], row["operator_name"]) == (session, "in_call", "Operator")
    for leg in PAIR:
        async with supervisor.http.get(f"{supervisor.base}{CALLS}/{session}/{leg}") as response:
            assert (response.status, response.headers["Content-Type"]) == (200, "video/webm")
            assert response.headers["Cache-Control"] == "no-store"
            assert (await response.read()).startswith(b"\x1a\x45\xdf\xa3")
    assert isinstance(house.media, GrowingMedia)
    assert house.media.others_then == [["supervisor"], ["supervisor"]]
    assert (await operator.ask("GET", "/api/operator"))["case"]["others"] == ["supervisor"]
    assert (await applicant.ask("GET", "/api/session"))["session"]["call"]["others"] == ["supervisor"]
    await house.pass_time(4)
    assert (await operator.ask("GET", "/api/operator"))["case"]["others"] == ["supervisor"]
    await house.pass_time(2)
    assert (await operator.ask("GET", "/api/operator"))["case"]["others"] == []
    events = [e.kind for e in await house.desk.store.audit_events(session) if e.kind.startswith("supervisor")]
    assert events == ["supervisor_joined", "supervisor_left"]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.AUDITOR])
async def test_nobody_but_a_supervisor_watches(talking: tuple[House, Person, Person, str], role: Role) -> None:
    house, _, operator, session = talking
    for person in (await house.staff(role), operator):
        assert (await person.ask("GET", CALLS))["calls"] == []
        path = f"{CALLS}/{session}/{Leg.APPLICANT}"
        assert await person.refused("GET", path, 404) == "call_not_watchable"
    assert await house.desk.store.audit_events(session) != []
    assert house.desk.presence.watching == {}


async def test_what_is_not_recorded_or_over_is_not_watched(talking: tuple[House, Person, Person, str]) -> None:
    house, _, operator, session = talking
    supervisor = await house.staff(Role.SUPERVISOR)
    path = f"{CALLS}/{session}/{Leg.APPLICANT}"
    assert await supervisor.refused("GET", f"{CALLS}/another/applicant", 404) == "call_not_watchable"
    recorded, house.desk.recorded = house.desk.recorded, set()
    assert await supervisor.refused("GET", path, 404) == "call_not_watchable"
    house.desk.recorded = recorded
    await house.prepared(operator)
    await operator.ask("POST", "/api/operator/case/decision", json={"outcome": "approve"})
    await house.pass_time(6)
    assert (await supervisor.ask("GET", CALLS))["calls"] == []
    assert await supervisor.refused("GET", path, 404) == "call_not_watchable"
