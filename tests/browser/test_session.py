"""The whole identification in two real browsers, on the real server: the right face, a wrong one, and power cuts."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs12

from tests.browser import e2e
from tests.browser.journey import PASSWORD, Opened, by

DATA = Path(__file__).resolve().parents[1] / "data"
PORTRAIT = DATA / "obama.jpg"
SAME_PERSON = DATA / "obama2.jpg"
OTHER_PERSON = DATA / "biden.jpg"
SCREENSHOTS = Path(__file__).resolve().parents[2] / "test-results" / "screenshots"

pytestmark = pytest.mark.timeout(420)


def openssl(*words: str) -> str:
    # The names of keys are Cyrillic; openssl prints the lower byte of each letter, which is no UTF-8.
    done = subprocess.run(
        ["openssl", *words], capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def the_key_file_holds_what_was_certified(p12: Path, chain: Path, tmp_path: Path) -> None:
    """openssl accepts both certificates with the published chain, and the file's keys are theirs."""
    names = ["-passin", f"pass:{PASSWORD}"]
    certificates = openssl("pkcs12", "-in", str(p12), "-clcerts", "-nokeys", *names)
    pems = [part + "-----END CERTIFICATE-----\n" for part in certificates.split("-----END CERTIFICATE-----\n")[:-1]]
    assert len(pems) == 2
    issuing, root = (
        part + "-----END CERTIFICATE-----\n" for part in chain.read_text().split("-----END CERTIFICATE-----\n")[:2]
    )
    (tmp_path / "root.pem").write_text(root)
    (tmp_path / "issuing.pem").write_text(issuing)
    certified = set()
    for number, pem in enumerate(pems):
        file = tmp_path / f"leaf{number}.pem"
        file.write_text(pem[pem.index("-----BEGIN") :])
        trusted = ["-CAfile", str(tmp_path / "root.pem"), "-untrusted", str(tmp_path / "issuing.pem")]
        assert "OK" in openssl("verify", "-x509_strict", *trusted, str(file))
        certified.add(openssl("x509", "-in", str(file), "-noout", "-pubkey"))
    keys = openssl("pkcs12", "-in", str(p12), "-nocerts", "-nodes", *names)
    private = [part + "-----END PRIVATE KEY-----\n" for part in keys.split("-----END PRIVATE KEY-----\n")[:-1]]
    held = set()
    for number, pem in enumerate(private):
        file = tmp_path / f"key{number}.pem"
        file.write_text(pem[pem.index("-----BEGIN") :])
        held.add(openssl("pkey", "-in", str(file), "-pubout"))
    assert held == certified

    # A key that Python's library reads too, with the certificate that belongs to it.
    key, certificate, _ = pkcs12.load_key_and_certificates(p12.read_bytes(), PASSWORD.encode())
    assert key is not None and certificate is not None
    spki = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert key.public_key().public_bytes(*spki) == certificate.public_key().public_bytes(*spki)


async def test_the_right_face_leaves_with_a_certificate(tmp_path: Path) -> None:
    report = await e2e.run(PORTRAIT, SAME_PERSON, "issued", tmp_path, SCREENSHOTS)
    assert report["met"], report
    assert report["comparison"] == "passed"
    assert report["score"] >= 0.348

    the_key_file_holds_what_was_certified(Path(report["files"]["p12"]), Path(report["files"]["chain"]), tmp_path)
    dossier = report["dossier"]
    assert dossier["chain"]["verified"]
    assert set(dossier["images"].values()) == {"present"}
    kinds = {event["kind"] for event in dossier["events"]}
    assert {"check_recorded", "decision_made", "approved", "certificates_issued", "certificates_saved"} <= kinds
    face = next(check for check in dossier["checks"] if check["check"] == "face_match")
    assert face["model"] and face["version"] and face["frames"]


async def test_another_persons_face_does_not(tmp_path: Path) -> None:
    report = await e2e.run(PORTRAIT, OTHER_PERSON, "refused", tmp_path)
    assert report["met"], report
    assert report["comparison"] in ("failed", "inconclusive")
    face = next(check for check in report["dossier"]["checks"] if check["check"] == "face_match")
    assert face["score"] < face["threshold"], "two faces were compared: a picture without one refuses nobody"
    assert report["dossier"]["certificates"] == []


async def test_after_a_power_cut_in_any_state_both_sides_go_on(tmp_path: Path) -> None:
    async with Opened() as stack:
        journey, front, back = await stack.open(tmp_path, PORTRAIT, SAME_PERSON)
        served = journey.served

        async def power_cut() -> None:
            await served.kill()
            await served.start()

        await journey.apply(front, back)  # nobody is on duty yet: she waits
        await power_cut()
        assert await journey.session_state() == "waiting"
        await journey.sign_in()
        await journey.meet()
        await power_cut()
        await asyncio.gather(
            *(journey.plays(by(page, "call-remote")) for page in (journey.citizen, journey.consultant))
        )
        assert await journey.interview() == "passed"
        await by(journey.consultant, "approve").click()
        await by(journey.consultant, "undo").wait_for()
        await power_cut()  # the decision is a row with a due time: it is sealed after the start
        await journey.on_screen(journey.citizen, "signature")
        await power_cut()
        collected = await journey.collect()
        assert collected["p12"].stat().st_size > 1000
        assert await journey.session_state() == "issued"
        assert "0 broken" in await served.command("audit", "verify")
