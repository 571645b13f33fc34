"""What bad input, strangers and crashes get: a coded error, and a service that goes on."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from pathlib import Path

import pytest
from aiohttp import WSMsgType
from openapi_spec_validator import validate
from yarl import URL

from server.api import signalling
from server.api.routes import ROUTES, Access, openapi_document
from tests.api.conftest import PICTURE, House, house_on
from tests.fakes import fresh_database


async def test_nobody_without_a_sign_in_gets_behind_it(house: House) -> None:
    stranger = await house.person("/api/session")
    for route in ROUTES:
        if route.access is Access.PUBLIC:
            continue
        path = route.path.replace("{side:front|back}", "front").replace("{name:front|back|portrait}", "front")
        path = path.replace("{sha256:[0-9a-f]{64}}", "0" * 64).replace("{session:[A-Za-z0-9_-]{1,64}}", "s")
        path = path.replace("{leg:applicant|operator|interpreter}", "operator").replace("{number:[0-9]{1,4}}", "1")
        assert await stranger.refused(route.method, path, 401) == "not_signed_in", route.path


async def test_an_applicant_is_no_operator_and_an_operator_no_applicant(house: House) -> None:
    applicant, operator = await house.applicant(), await house.operator()
    assert await applicant.refused("GET", "/api/operator", 401) == "not_signed_in"
    assert await operator.refused("GET", "/api/session", 401) == "not_signed_in"


async def test_a_sign_in_link_works_once(house: House) -> None:
    from server.consultation import operating
    from server.proofing import Role

    limits = house.desk.limits
    _, token = await operating.new_link(house.desk.store, "A", Role.OPERATOR, None, house.clock.now(), limits.link)
    person = await house.person("/api/operator")
    await person.ask("POST", "/api/operator/sign-in", json={"token": token})
    assert await person.refused("POST", "/api/operator/sign-in", 403, json={"token": token}) == "link_invalid"
    await person.ask("POST", "/api/operator/sign-out")
    assert await person.refused("GET", "/api/operator", 401) == "not_signed_in"


async def test_a_sign_out_ends_the_open_page(house: House) -> None:
    operator = await house.operator()
    await operator.ask("POST", "/api/operator/sign-out")
    assert (await operator.receive("bye"))["code"] == "signed_out"
    assert operator.socket is not None
    await operator.socket.receive(timeout=5)
    assert operator.socket.closed


async def test_signing_out_tells_the_open_page(house: House) -> None:
    operator = await house.operator(ready=False)
    await operator.ask("POST", "/api/operator/sign-out")
    assert (await operator.receive("bye"))["code"] == "signed_out"
    assert await operator.refused("GET", "/api/operator", 401) == "not_signed_in"


async def test_a_sign_in_ends(house: House) -> None:
    operator = await house.operator()
    house.clock.advance(12 * 3600 + 1)
    assert await operator.refused("GET", "/api/operator", 401) == "not_signed_in"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://elsewhere.invalid"}],
)
async def test_another_sites_page_is_refused(house: House, headers: dict[str, str]) -> None:
    applicant = await house.applicant()
    assert await applicant.refused("POST", "/api/session/leave", 403, headers=headers) == "origin_refused"
    assert await applicant.refused("GET", "/api/session/ws", 403, headers=headers) == "origin_refused"
    assert (await applicant.ask("GET", "/api/session"))["session"]["state"] == "consented"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"{", "application/json", 400, "request_invalid"),
        (b"[]", "application/json", 400, "request_invalid"),
        (b'{"language": "de"}', "application/json", 400, "request_invalid"),
        (b'{"language": "kk", "more": 1}', "application/json", 400, "request_invalid"),
        (b'{"language": "kk"}', "text/plain", 415, "content_type_unsupported"),
        (b"x" * 70_000, "application/json", 413, "body_too_large"),
    ],
)
async def test_bodies_of_the_wrong_shape(house: House, body: bytes, kind: str, status: int, code: str) -> None:
    applicant = await house.applicant()
    headers = {"Content-Type": kind}
    assert await applicant.refused("PUT", "/api/session/language", status, data=body, headers=headers) == code


async def test_pictures_too_large_or_of_another_type(house: House) -> None:
    applicant = await house.applicant()
    path = "/api/session/evidence/front"
    text = {"Content-Type": "text/html"}
    assert await applicant.refused("PUT", path, 415, data=b"x", headers=text) == "content_type_unsupported"
    large = io.BytesIO(b"x" * (12 * 1024 * 1024 + 1))
    assert await applicant.refused("PUT", path, 413, data=large, headers=PICTURE) == "body_too_large"
    assert house.checker.calls == []


async def test_unknown_addresses_and_methods(house: House) -> None:
    stranger = await house.person("")
    assert await stranger.refused("GET", "/nowhere", 404) == "not_found"
    assert await stranger.refused("GET", "/locales/../server/app.py", 404) == "not_found"
    assert await stranger.refused("DELETE", "/api/service", 405) == "method_not_allowed"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("not json", "message_invalid"),
        ("[]", "message_invalid"),
        ('{"type": "unknown"}', "message_invalid"),
        ('{"type": "offer"}', "message_invalid"),
        ('{"type": "chat", "text": "", "client_id": "1"}', "message_invalid"),
        ('{"type": "offer", "call": "another", "sdp": "v=0"}', "call_unknown"),
        ('{"type": "chat", "text": "is anybody there", "client_id": "1"}', "chat_closed"),
    ],
)
async def test_messages_of_the_wrong_shape_or_time_leave_the_socket_open(house: House, text: str, code: str) -> None:
    applicant = await house.waiting()
    assert applicant.socket is not None
    await applicant.socket.send_str(text)
    error = await applicant.receive("error")
    assert error["code"] == code
    await applicant.send(type="ping")
    await applicant.receive("pong")


@pytest.mark.parametrize("length", [65_000, 10_000_000])
async def test_a_message_too_large_closes_the_socket_and_keeps_the_place(house: House, length: int) -> None:
    applicant = await house.waiting()
    assert applicant.socket is not None
    with contextlib.suppress(ConnectionError):  # the server may close before all of it was sent
        await applicant.socket.send_str(json.dumps({"type": "chat", "text": "x" * length, "client_id": "1"}))
    while not applicant.socket.closed:
        await applicant.socket.receive(timeout=5)
    assert applicant.socket.close_code in (1009, 1006)  # 1006: closed before the word was read
    snapshot = await applicant.open_page()
    assert snapshot["session"]["state"] == "waiting"


async def test_a_flood_of_messages_is_answered_with_a_word(house: House) -> None:
    applicant = await house.waiting()
    for _ in range(40):
        await applicant.send(type="ping")
    assert (await applicant.receive("error"))["code"] == "too_many_messages"


async def test_a_page_that_answers_no_ping_is_gone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling, "HEARTBEAT_SECONDS", 0.2)
    hung = await house.applicant()
    kinds: list[WSMsgType] = []
    async with hung.http.ws_connect(f"{house.base}/api/session/ws", autoping=False) as socket:
        while not socket.closed:
            kinds.append((await socket.receive(timeout=5)).type)
    assert kinds.count(WSMsgType.PING) == 1
    while house.desk.presence.applicants:  # its place is kept, its slot is not
        await asyncio.sleep(0.01)


async def test_a_page_that_says_nothing_and_answers_pings_stays(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signalling, "HEARTBEAT_SECONDS", 0.2)
    quiet = await house.applicant()
    await quiet.open_page()
    assert quiet.socket is not None
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(quiet.receive("never"), 1)
    assert not quiet.socket.closed


async def test_a_page_whose_message_takes_long_is_not_taken_for_gone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signalling, "HEARTBEAT_SECONDS", 0.2)

    async def slow(*_: object) -> None:
        await asyncio.sleep(1)

    monkeypatch.setattr(signalling, "_act", slow)
    applicant = await house.applicant()
    await applicant.open_page()
    await applicant.send(type="chat", text="there?", client_id="1")
    await applicant.send(type="ping")
    await applicant.receive("pong")
    assert applicant.socket is not None
    assert not applicant.socket.closed


async def test_a_ping_of_the_protocol_is_answered(house: House) -> None:
    applicant = await house.applicant()
    async with applicant.http.ws_connect(f"{house.base}/api/session/ws", autoping=False) as socket:
        await socket.ping(b"there?")
        while (message := await socket.receive(timeout=5)).type is not WSMsgType.PONG:
            assert message.type is WSMsgType.TEXT
        assert message.data == b"there?"


async def test_an_operator_sees_pictures_of_her_case_only(house: House) -> None:
    applicant, operator, _ = await house.in_call()
    session_id = (await applicant.ask("GET", "/api/session"))["session"]["id"]
    other = await house.vault.put(session_id, b"not named by the case")
    assert await operator.refused("GET", f"/api/operator/case/images/{other}", 404) == "not_found"


async def test_too_many_pictures_in_one_session_are_refused(house: House) -> None:
    applicant = await house.applicant()
    path = "/api/session/evidence/front"
    for _ in range(house.desk.limits.uploads):
        await applicant.ask("PUT", path, data=b"picture", headers=PICTURE)
    assert await applicant.refused("PUT", path, 429, data=b"picture", headers=PICTURE) == "too_many_pictures"


async def test_after_a_restart_both_sides_go_on(tmp_path: Path) -> None:
    url = await fresh_database(tmp_path)
    async with house_on(url) as before:
        applicant, operator, call = await before.in_call()
        await before.prepared(operator)
        cookies = [
            person.http.cookie_jar.filter_cookies(URL(before.base + person.prefix)) for person in (applicant, operator)
        ]
    async with house_on(url) as after:
        citizen, consultant = await after.person("/api/session"), await after.person("/api/operator")
        for person, kept in zip((citizen, consultant), cookies, strict=True):
            for name, morsel in kept.items():
                person.http.cookie_jar.update_cookies({name: morsel.value})
        assert (await citizen.open_page())["session"]["state"] == "suspended"
        case = (await consultant.open_page())["case"]
        assert case["call_id"] == call and case["recommendation"]["approval"] == "allowed"
        from server.ports import Leg

        for leg, person in ((Leg.APPLICANT, citizen), (Leg.OPERATOR, consultant)):
            await person.send(type="offer", call=call, sdp="v=0\r\n")
            await person.receive("answer")
            after.media.connect(call, leg)
        assert (await consultant.until("in_call"))["steps"]


async def test_every_answer_carries_the_headers_that_confine_pages(house: House) -> None:
    stranger = await house.person("")
    for path in ("/", "/operator.html", "/api/service", "/nowhere"):
        async with stranger.http.get(house.base + path) as response:
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert "unsafe" not in response.headers["Content-Security-Policy"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_metrics_health_and_readiness(house: House) -> None:
    stranger = await house.person("")
    assert (await stranger.ask("GET", "/healthz"))["alive"] is True
    assert (await stranger.ask("GET", "/readyz"))["ready"] is True
    async with stranger.http.get(house.base + "/metrics") as response:
        assert response.status == 200
    for name in ("eds.invalid", "127.0.0.1.eds.invalid:80", ""):  # a proxy on this machine passes the public name on
        path = "/metrics"
        assert await stranger.refused("GET", path, 403, headers={"Host": name}) == "loopback_only", name


def test_the_openapi_document_is_valid_and_whole() -> None:
    document = openapi_document("0")
    validate(document)
    assert sum(len(methods) for methods in document["paths"].values()) == len(ROUTES)
