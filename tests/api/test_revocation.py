"""Revocation: by the citizen of what is her own, by an administrator, and what openssl then says."""

from __future__ import annotations

import asyncio
import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from server import __main__ as command
from server import app as composition
from server.bus import LocalBus
from server.consultation.desk import Desk
from server.issuing import EmbeddedIssuer
from server.ports import CertificateProfile, IssuedCertificate
from server.proofing import State
from server.settings import Settings
from server.store import SqlStore, migrate
from tests.api.conftest import WEB, House, Person
from tests.fakes import FakeChecker, FakeMedia, FakeVault
from tests.records import a_session

RUNNER = CliRunner()
REVOKE = "/api/session/issuance/revoke"
LOST = {"reason": "keys_lost"}


async def issued(house: House) -> Person:
    applicant, _ = await house.approved()
    requests = house.requests(await applicant.ask("GET", "/api/session/issuance"))
    await applicant.ask("POST", "/api/session/issuance", json=requests)
    return applicant


async def listed(house: House, person: Person) -> list[int]:
    """Serial numbers on the (fake) authority's revocation list as it is published."""
    async with person.http.get(f"{house.base}/ca/crl.der") as response:
        assert response.content_type == "application/pkix-crl"
        return json.loads(await response.read())  # type: ignore[no-any-return]


async def test_a_citizen_revokes_both_certificates_of_her_own_once(house: House) -> None:
    applicant = await issued(house)
    before = await applicant.ask("GET", "/api/session/issuance")
    assert before["revoked_at"] is None
    assert await listed(house, applicant) == []
    after = await applicant.ask("POST", REVOKE, json=LOST)
    assert after["revoked_at"] is not None
    assert (after["status"], after["certificates"]) == ("issued", before["certificates"])
    snapshot = await applicant.ask("GET", "/api/session")
    assert snapshot["session"]["revoked_at"] == after["revoked_at"]
    numbers = sorted(int(number, 16) for number in after["serial_numbers"].values())
    assert await listed(house, applicant) == numbers
    house.clock.advance(60)
    again = await applicant.ask("POST", REVOKE, json={"reason": "no_longer_wanted"})
    assert again["revoked_at"] == after["revoked_at"]
    events = await house.desk.store.audit_events(snapshot["session"]["id"])
    (event,) = [event for event in events if event.kind == "certificates_revoked"]
    assert event.actor == "applicant"
    assert event.data == {"reason": "keys_lost", "serial_numbers": after["serial_numbers"]}


async def test_an_open_page_is_told_of_the_revocation(house: House) -> None:
    applicant = await issued(house)
    await applicant.until("issued")
    await applicant.ask("POST", REVOKE, json=LOST)
    shown = await applicant.until("issued")
    assert shown["revoked_at"] is not None


async def test_nothing_is_revoked_before_it_was_issued_or_for_no_reason(house: House) -> None:
    applicant, _ = await house.approved()
    assert await applicant.refused("POST", REVOKE, 409, json=LOST) == "wrong_state"
    assert await applicant.refused("POST", REVOKE, 400, json={"reason": "issued_wrongly"}) == "request_invalid"
    assert await applicant.refused("POST", REVOKE, 400, json={}) == "request_invalid"
    assert await listed(house, applicant) == []


async def test_only_ones_own_is_revoked(house: House) -> None:
    await issued(house)
    other = await house.applicant()
    assert await other.refused("POST", REVOKE, 409, json=LOST) == "wrong_state"
    assert await listed(house, other) == []


async def test_after_a_revocation_the_person_may_begin_again(house: House) -> None:
    applicant = await issued(house)
    await applicant.ask("POST", REVOKE, json=LOST)
    body = {"language": "kk", "purpose": "first_eds", "consent_version": "2026-11"}
    fresh = await applicant.ask("POST", "/api/session", 201, json=body)
    assert (fresh["session"]["state"], fresh["session"]["revoked_at"]) == ("consented", None)


async def test_the_authoritys_files_are_published(house: House) -> None:
    person = await house.person("")
    for name, kind in {"root.crl": "application/pkix-crl", "root.cer": "application/pkix-cert"}.items():
        async with person.http.get(f"{house.base}/ca/{name}") as response:
            assert (response.status, response.content_type) == (200, kind)
    assert await person.refused("GET", "/ca/key.pem", 404) == "not_found"


# --- the real authority, the command line and openssl -------------------------------------------------

ATTRIBUTES = {"surname": "ҮЛГІБЕК", "given_names": "Әсем", "patronymic": "Үлгіқызы", "iin": "750214200018"}
"""A specimen: the century digit 2 is of the nineteenth century, so this number is valid by rule and nobody's."""


async def _issue(store: SqlStore, issuer: EmbeddedIssuer) -> dict[CertificateProfile, bytes]:
    """A session in the state issued, with two certificates of the real authority."""
    now = datetime.now(UTC)
    subject = issuer.subject(ATTRIBUTES)
    made = []
    for profile in CertificateProfile:
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, f"{ATTRIBUTES['surname']} {ATTRIBUTES['given_names']}"),
                x509.NameAttribute(NameOID.SURNAME, ATTRIBUTES["surname"]),
                x509.NameAttribute(NameOID.GIVEN_NAME, ATTRIBUTES["patronymic"]),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, f"IIN{ATTRIBUTES['iin']}"),
                x509.NameAttribute(NameOID.COUNTRY_NAME, "KZ"),
            ]
        )
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        csr = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(Encoding.DER)
        order = issuer.order("one", profile, csr, subject, now)
        der = await issuer.enrol(order)
        spki = issuer.examine(csr, subject)
        made.append(IssuedCertificate("one", profile, order.serial_number, spki, der, order.not_after))
    session = await store.create_session(a_session("one", state=State.ISSUED))
    await store.record_certificates(session, made)
    return {one.profile: one.der for one in made}


async def _published(settings: Settings, folder: Path) -> None:
    """Fetch what anybody can fetch from the running service, as PEM files for openssl."""

    async def opener(_: Settings) -> Desk:
        return Desk(
            store=SqlStore(settings.database_url),
            bus=LocalBus(),
            media=FakeMedia(),
            checker=FakeChecker(),
            issuer=composition.open_issuer(settings),
            vault=FakeVault(),
            clock=composition.SystemClock(),
            person_key=b"k" * 32,
        )

    server = TestServer(composition.build(settings, WEB, opener))
    await server.start_server()
    try:
        async with ClientSession() as http:
            for name in ("chain.pem", "crl.der", "root.crl", "root.cer"):
                async with http.get(server.make_url(f"/ca/{name}")) as response:
                    (folder / name).write_bytes(await response.read())
    finally:
        await server.close()
    lists = [x509.load_der_x509_crl((folder / name).read_bytes()) for name in ("crl.der", "root.crl")]
    (folder / "crl.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in lists))
    root = x509.load_der_x509_certificate((folder / "root.cer").read_bytes())
    (folder / "root.pem").write_bytes(root.public_bytes(Encoding.PEM))


def _verify(folder: Path, profile: CertificateProfile) -> str:
    """What openssl says of the certificate with the published chain and both published lists."""
    files = ("-CAfile", "root.pem", "-untrusted", "chain.pem", "-CRLfile", "crl.pem", "-crl_check_all")
    words = ["openssl", "verify", *files, f"{profile}.pem"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout + done.stderr


def test_a_certificate_revoked_on_the_command_line_is_refused_by_openssl(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BETPE_DATA_DIR", str(tmp_path / "data"))
    settings = Settings()
    composition.prepare_folder(settings)
    issuer = composition.open_issuer(settings)

    async def prepare() -> dict[CertificateProfile, bytes]:
        await migrate(settings.database_url)
        store = SqlStore(settings.database_url)
        try:
            return await _issue(store, issuer)
        finally:
            await store.aclose()

    for profile, der in asyncio.run(prepare()).items():
        certificate = x509.load_der_x509_certificate(der)
        (tmp_path / f"{profile}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    asyncio.run(_published(settings, tmp_path))
    for profile in CertificateProfile:
        assert _verify(tmp_path, profile) == f"{profile}.pem: OK\n"

    wrong = RUNNER.invoke(command.cli, ["revoke", "another", "--reason", "keys_exposed"])
    assert (wrong.exit_code, "session_unknown" in wrong.output) == (1, True)
    done = RUNNER.invoke(command.cli, ["revoke", "one", "--reason", "keys_exposed"])
    assert done.exit_code == 0, done.output
    assert [line.split("\t")[0] for line in done.output.splitlines()] == ["sign", "auth"]

    asyncio.run(_published(settings, tmp_path))
    for profile in CertificateProfile:
        assert "certificate revoked" in _verify(tmp_path, profile)


def test_the_issuing_certificate_names_the_roots_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BETPE_PUBLIC_URL", "https://eds.invalid")
    settings = Settings()
    composition.prepare_folder(settings)
    issuing = x509.load_der_x509_certificate(composition.open_issuer(settings).chain()[0])
    assert issuing.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == settings.ca_organisation
    (point,) = issuing.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier("https://eds.invalid/ca/root.crl")]


async def test_an_organisations_own_arc_is_in_its_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BETPE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BETPE_CA_OID_ARC", "1.3.6.1.4.1.99999.7")
    settings = Settings()
    composition.prepare_folder(settings)
    await migrate(settings.database_url)
    store = SqlStore(settings.database_url)
    try:
        made = await _issue(store, composition.open_issuer(settings))
    finally:
        await store.aclose()
    certificate = x509.load_der_x509_certificate(made[CertificateProfile.SIGN])
    (policy,) = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert policy.policy_identifier.dotted_string == "1.3.6.1.4.1.99999.7.2.3"
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {"1.3.6.1.4.1.99999.7.4.1.1", "1.3.6.1.4.1.99999.7.4.3.2"} <= {one.dotted_string for one in purposes}


async def test_keys_lost_between_the_order_and_the_certificate_are_revoked_too(house: House) -> None:
    applicant, _ = await house.approved()
    requests = house.requests(await applicant.ask("GET", "/api/session/issuance"))
    house.issuer.failures.append(OSError("the CA is away"))
    assert await applicant.refused("POST", "/api/session/issuance", 503, json=requests) == "issuance_interrupted"
    after = await applicant.ask("POST", REVOKE, json=LOST)
    assert (after["status"], after["revoked_at"] is not None) == ("issued", True)
    assert len(await listed(house, applicant)) == 2
