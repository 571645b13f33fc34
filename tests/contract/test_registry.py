"""Both registries answer alike; the one over HTTP survives whatever stands at the other end."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.ports import Registry, RegistryUnavailable
from server.registry import ANSWER_BYTES, HttpAccess, HttpRegistry, LocalRegistry, RegistrySetUp
from verification.contract import DocumentStatus, RegistryQuery, RegistryRecord

VALID = {"iin": "880412401006", "document_number": "041236587", "status": "valid", "surname": "СЕЙДАХМЕТОВА"}
LOST = {"iin": "900101300001", "document_number": "000000001", "status": "lost"}
UNKNOWN = {"iin": "900101300001", "document_number": "000000002", "status": "unknown"}
SPECIMEN = RegistryQuery("880412100000", "012345678", "KAZ")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def query(listed: dict[str, str]) -> RegistryQuery:
    return RegistryQuery(listed["iin"], listed["document_number"], "KAZ")


async def authority(request: web.Request) -> web.Response:
    """A registry as docs/operations.md describes it."""
    asked = await request.json()
    assert set(asked) == {"iin", "document_number", "issuing_state"}
    for listed in (VALID, LOST, UNKNOWN):
        if (listed["iin"], listed["document_number"]) == (asked["iin"], asked["document_number"]):
            return web.json_response({k: v for k, v in listed.items() if k not in ("iin", "document_number")})
    return web.json_response({}, status=404) if asked["iin"] != SPECIMEN.iin else web.json_response({"status": "valid"})


async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> TestServer:
    application = web.Application()
    application.router.add_post("/documents", handler)
    server = TestServer(application, scheme="https" if tls else "http")
    await server.start_server(ssl=tls)
    return server


@pytest.fixture(params=["local", "http"])
async def registry(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Registry]:
    if request.param == "local":
        (tmp_path / "documents.json").write_text(json.dumps([VALID, LOST, UNKNOWN]))
        yield LocalRegistry.from_file(tmp_path / "documents.json")
        return
    server = await serving(authority)
    made = HttpRegistry(HttpAccess(str(server.make_url("/documents")), 5.0))
    try:
        yield made
    finally:
        await made.aclose()
        await server.close()


async def test_both_answer_alike(registry: Registry) -> None:
    assert await registry.look_up(query(VALID)) == RegistryRecord(DocumentStatus.VALID, "СЕЙДАХМЕТОВА")
    assert await registry.look_up(query(LOST)) == RegistryRecord(DocumentStatus.LOST)
    assert await registry.look_up(query(UNKNOWN)) is None
    assert await registry.look_up(SPECIMEN) == RegistryRecord(DocumentStatus.VALID)
    assert registry.name
    await registry.aclose()


async def test_the_local_one_does_not_claim_to_know_the_living() -> None:
    with pytest.raises(RegistryUnavailable) as unavailable:
        await LocalRegistry().look_up(query(VALID))
    assert unavailable.value.code == "registry_not_asked"


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, "{", "registry_answer_invalid"),
        (200, "[]", "registry_answer_invalid"),
        (200, '{"status": "splendid"}', "registry_answer_invalid"),
        (200, '{"status": "valid", "surname": 7}', "registry_answer_invalid"),
        (200, '{"status": "valid", "surname": "' + "A" * ANSWER_BYTES + '"}', "registry_answer_invalid"),
        (302, "", "registry_unreachable"),
        (401, "", "registry_refused"),
        (500, "", "registry_unreachable"),
    ],
)
async def test_an_answer_that_is_none(status: int, body: str, code: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers={"Location": "/elsewhere"} if status == 302 else None)

    server = await serving(odd)
    made = HttpRegistry(HttpAccess(str(server.make_url("/documents")), 5.0))
    with pytest.raises(RegistryUnavailable) as unavailable:
        await made.look_up(SPECIMEN)
    assert unavailable.value.code == code
    await made.aclose()
    await server.close()


async def test_one_that_does_not_answer_costs_no_more_than_its_time() -> None:
    never = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    server = await serving(silent)
    made = HttpRegistry(HttpAccess(str(server.make_url("/documents")), 0.1))
    with pytest.raises(RegistryUnavailable) as unavailable:
        await made.look_up(SPECIMEN)
    assert unavailable.value.code == "registry_timed_out"
    never.set()
    await made.aclose()
    closed = HttpRegistry(HttpAccess(str(server.make_url("/documents")), 5.0))
    await server.close()
    with pytest.raises(RegistryUnavailable) as unavailable:
        await closed.look_up(SPECIMEN)
    assert unavailable.value.code == "registry_unreachable"
    await closed.aclose()


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of its own for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / f"{name}.pem", folder / f"{name}.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


async def test_both_ends_prove_who_they_are_and_the_token_is_read_anew(tmp_path: Path) -> None:
    tokens: list[str | None] = []

    async def counting(request: web.Request) -> web.Response:
        tokens.append(request.headers.get("Authorization"))
        return await authority(request)

    theirs, ours = certificate(tmp_path, "registry"), certificate(tmp_path, "service")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*theirs)
    context.load_verify_locations(ours[0])
    context.verify_mode = ssl.CERT_REQUIRED
    server = await serving(counting, context)
    token = tmp_path / "token"
    token.write_text("first\n")
    whole = HttpAccess(str(server.make_url("/documents")), 5.0, token, theirs[0], *ours)
    made = HttpRegistry(whole)
    assert await made.look_up(query(LOST)) == RegistryRecord(DocumentStatus.LOST)
    token.write_text("second\n")
    await made.look_up(query(LOST))
    assert tokens == ["Bearer first", "Bearer second"]
    await made.aclose()
    for less in (replace(whole, ca_file=None), replace(whole, certificate=None, key=None)):
        stranger = HttpRegistry(less)
        with pytest.raises(RegistryUnavailable) as unavailable:
            await stranger.look_up(query(LOST))
        assert unavailable.value.code == "registry_unreachable"
        await stranger.aclose()
    token.unlink()
    lacking = HttpRegistry(whole)
    with pytest.raises(RegistryUnavailable) as unavailable:
        await lacking.look_up(query(LOST))
    assert unavailable.value.code == "registry_refused"
    await lacking.aclose()
    await server.close()
    assert len(tokens) == 2


def test_files_that_cannot_be_used_are_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "documents.json").write_text('[{"iin": "1", "document_number": "2", "status": "splendid"}]')
    with pytest.raises(RegistrySetUp) as refused:
        LocalRegistry.from_file(tmp_path / "documents.json")
    assert refused.value.code == "registry_file_invalid"
    with pytest.raises(RegistrySetUp) as refused:
        LocalRegistry.from_file(tmp_path / "absent.json")
    assert refused.value.code == "registry_file_unreadable"
    with pytest.raises(RegistrySetUp) as refused:
        HttpRegistry(HttpAccess("https://127.0.0.1/documents", 1.0, ca_file=tmp_path / "absent.pem"))
    assert refused.value.code == "registry_file_unreadable"
