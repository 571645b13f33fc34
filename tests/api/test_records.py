"""Looking at what was kept: who may, what they see, and that each look is told."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import av
import pytest
from aiohttp import ClientSession

from server.api.errors import ApiError
from server.api.records import wanted
from server.audit import first_fault
from server.ports import PAIR, Leg
from tests.api.conftest import House, Person
from tests.recordings import SESSION_SECONDS, number_in, recorded_session, write_segment

RECORDS = "/api/operator/records"


@pytest.fixture
async def recorded(house: House, tmp_path: Path) -> tuple[House, Person, str]:
    """A session that was approved and recorded: the house, its operator, the session's id."""
    operator, session = await recorded_session(house, tmp_path)
    return house, operator, session


async def part(person: Person, path: str, **headers: str) -> tuple[int, bytes, Any]:
    http: ClientSession = person.http
    async with http.get(person.base + path, headers=headers) as response:
        return response.status, await response.read(), response.headers


async def looks(house: House, session: str) -> list[tuple[str, str]]:
    events = await house.desk.store.audit_events(session)
    assert first_fault(events) is None
    return [(e.kind, e.data.get("role", "")) for e in events if e.kind in ("dossier_read", "recording_played")]


async def test_an_auditor_sees_the_record_and_plays_it(recorded: tuple[House, Person, str]) -> None:
    house, _, session = recorded
    auditor = await house.auditor()
    listed = await auditor.ask("GET", RECORDS)
    assert [row["id"] for row in listed["records"]] == [session]
    assert listed["records"][0]["outcome"] == "approve"
    record = await auditor.ask("GET", f"{RECORDS}/{session}")
    assert record["session"]["attributes"]["surname"] == "ULGI"
    assert record["chain"] == {"events": record["chain"]["events"], "verified": True, "first_fault": None}
    assert [(one["leg"], one["verdict"], one["playable"]) for one in record["segments"]] == [
        ("applicant", "intact", True),
        ("operator", "intact", True),
    ]
    assert record["seconds"] == pytest.approx(SESSION_SECONDS, abs=0.2)
    marks = {(mark["kind"], mark["data"].get("step")): mark["seconds"] for mark in record["marks"]}
    assert all(0 <= marks["step_recorded", step] <= SESSION_SECONDS for step in ("greet", "questions", "face_in_frame"))
    assert 1 <= marks["step_recorded", "greet"] < 2
    assert marks["decision_made", None] is not None
    path = f"{RECORDS}/{session}/recordings/applicant/1"
    status, whole, headers = await part(auditor, path)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, "video/webm", "no-store")
    assert int(headers["Content-Length"]) == len(whole)
    with av.open(io.BytesIO(whole)) as container:
        container.seek(2_500_000)
        shown = next(container.decode(video=0))
        assert number_in(shown.to_ndarray(format="bgr24")) == round(10 * shown.time)
    status, some, headers = await part(auditor, path, Range="bytes=100-299")
    assert (status, some, headers["Content-Range"]) == (206, whole[100:300], f"bytes 100-299/{len(whole)}")
    status, _, _ = await part(auditor, path, Range=f"bytes={len(whole)}-")
    assert status == 416
    assert await looks(house, session) == [("dossier_read", "auditor"), ("recording_played", "auditor")]
    house.clock.advance(601)
    await part(auditor, path, Range="bytes=50-60")
    assert (await looks(house, session))[-1] == ("recording_played", "auditor")
    assert len(await looks(house, session)) == 3


async def test_an_operator_sees_her_own_case_and_only_for_a_while(recorded: tuple[House, Person, str]) -> None:
    house, operator, session = recorded
    other = await house.operator("Other", ready=False)
    assert (await other.ask("GET", RECORDS))["records"] == []
    for path in ("", "/recordings/applicant/1", "/images/" + "0" * 64):
        assert await other.refused("GET", f"{RECORDS}/{session}{path}", 404) == "record_unknown"
    assert [row["id"] for row in (await operator.ask("GET", RECORDS))["records"]] == [session]
    await operator.ask("GET", f"{RECORDS}/{session}")
    house.clock.advance(3601)
    assert (await operator.ask("GET", RECORDS))["records"] == []
    assert await operator.refused("GET", f"{RECORDS}/{session}", 404) == "record_unknown"
    assert await operator.refused("GET", f"{RECORDS}/{session}/recordings/operator/1", 404) == "record_unknown"
    assert await looks(house, session) == [("dossier_read", "operator")]


async def test_nobody_looks_while_the_talk_goes_on(house: House) -> None:
    _, operator, _ = await house.in_call()
    auditor = await house.auditor()
    (row,) = (await auditor.ask("GET", RECORDS))["records"]
    assert row["under_way"]
    assert await auditor.refused("GET", f"{RECORDS}/{row['id']}", 409) == "record_under_way"
    assert (await operator.ask("GET", RECORDS))["records"] == []
    assert await auditor.refused("GET", f"{RECORDS}/nobody", 404) == "record_unknown"


async def test_an_auditor_takes_no_calls(house: House) -> None:
    auditor = await house.auditor()
    assert (await auditor.ask("GET", "/api/operator"))["operator"]["role"] == "auditor"
    body = {"availability": "ready"}
    assert await auditor.refused("PUT", "/api/operator/availability", 403, json=body) == "role_not_allowed"
    for method, path in (("POST", "case/compare"), ("POST", "case/decision/undo"), ("GET", "ws")):
        assert await auditor.refused(method, f"/api/operator/{path}", 403) == "role_not_allowed"
    await auditor.ask("POST", "/api/operator/sign-out")


async def test_pictures_of_a_record_and_of_no_other(recorded: tuple[House, Person, str]) -> None:
    house, _, session = recorded
    auditor = await house.auditor()
    record = await auditor.ask("GET", f"{RECORDS}/{session}")
    status, content, _ = await part(auditor, f"{RECORDS}/{session}/images/{record['images']['portrait']}")
    assert (status, content[:11]) == (200, b"portrait of")
    assert await auditor.refused("GET", f"{RECORDS}/{session}/images/{'0' * 64}", 404) == "picture_unknown"


async def test_what_is_damaged_replaced_or_gone_is_told(recorded: tuple[House, Person, str]) -> None:
    house, _, session = recorded
    auditor = await house.auditor()
    assert house.desk.recording_rule is not None
    folder = house.desk.recording_rule.folder
    one, two = (folder / f"{session}.{leg}.0001.rec" for leg in PAIR)
    spoilt = bytearray(one.read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    one.write_bytes(spoilt)
    began = house.clock.now()
    two.unlink()
    write_segment(folder, session, Leg.OPERATOR, seconds=2, began=began)

    async def verdicts() -> dict[str, dict[str, Any]]:
        record = await auditor.ask("GET", f"{RECORDS}/{session}")
        return {segment["leg"]: segment for segment in record["segments"]}

    found = await verdicts()
    assert found["applicant"]["verdict"] == "damaged"
    assert found["applicant"]["damaged"]
    assert found["applicant"]["playable"]
    assert found["operator"]["verdict"] == "foreign"
    await asyncio.to_thread(two.unlink)
    assert (await verdicts())["operator"]["verdict"] == "missing"
    path = f"{RECORDS}/{session}/recordings/operator/1"
    assert await auditor.refused("GET", path, 404) == "recording_not_playable"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (None, (0, 99)),
        ("bytes=0-", (0, 99)),
        ("bytes=10-19", (10, 19)),
        ("bytes=90-500", (90, 99)),
        ("bytes=-10", (90, 99)),
        ("bytes=-500", (0, 99)),
    ],
)
def test_a_part_that_is_asked_for(asked: str | None, found: tuple[int, int]) -> None:
    assert wanted(asked, 100) == found


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=5-4", "bytes=-", "bytes=-0", "bytes=0-1,5-6", "lines=1-2", "x"])
def test_a_part_that_is_not_there(asked: str) -> None:
    with pytest.raises(ApiError) as refused:
        wanted(asked, 100)
    assert (refused.value.status, refused.value.code) == (416, "range_invalid")
