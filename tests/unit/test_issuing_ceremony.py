"""The authority's first start and the ones after it: made once, made whole, and opened only as it was made."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from server import keyfiles
from server.issuing import AuthorityConfig, AuthorityError, EmbeddedIssuer, create_authority

SECRET = b"a secret of the tests, long enough"
CONFIG = AuthorityConfig()


def make(folder: Path) -> EmbeddedIssuer:
    return create_authority(folder, CONFIG, SECRET)


def code_of(folder: Path, secret: bytes | None = SECRET) -> str:
    with pytest.raises(AuthorityError) as error:
        create_authority(folder, CONFIG, secret)
    return error.value.code


def test_the_second_start_opens_what_the_first_made(tmp_path: Path) -> None:
    assert make(tmp_path).chain() == make(tmp_path).chain()


def test_files_are_encrypted_and_private(tmp_path: Path) -> None:
    make(tmp_path)
    for name in ("root", "issuing"):
        path = tmp_path / "authority" / name / "key.pem"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        assert isinstance(load_pem_private_key(path.read_bytes(), SECRET), ec.EllipticCurvePrivateKey)
    assert stat.S_IMODE((tmp_path / "authority").stat().st_mode) == 0o700
    assert not (tmp_path / "secret").exists()


def test_root_and_issuing_are_apart(tmp_path: Path) -> None:
    issuing, root = (x509.load_der_x509_certificate(der) for der in make(tmp_path).chain())
    root.verify_directly_issued_by(root)
    issuing.verify_directly_issued_by(root)
    assert issuing.public_key() != root.public_key()
    constraints = issuing.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(ca=True, path_length=0)
    assert "Demonstration" in issuing.subject.rfc4514_string()


def test_the_root_key_is_not_needed_again(tmp_path: Path) -> None:
    chain = make(tmp_path).chain()
    (tmp_path / "authority" / "root" / "key.pem").unlink()  # moved to where it is safe
    assert make(tmp_path).chain() == chain


def test_a_secret_of_its_own_is_made_once(tmp_path: Path) -> None:
    chain = create_authority(tmp_path, CONFIG).chain()
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert create_authority(tmp_path, CONFIG).chain() == chain
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(keyfiles.KeyFileError) as error:
        create_authority(tmp_path, CONFIG)
    assert error.value.code == "key_file_exposed"
    (tmp_path / "secret").unlink()
    assert code_of(tmp_path, None) == "authority_secret_missing"


def test_wrong_and_weak_secrets(tmp_path: Path) -> None:
    assert code_of(tmp_path, b"short") == "authority_secret_weak"
    assert not (tmp_path / "authority").exists()
    make(tmp_path)
    assert code_of(tmp_path, SECRET + b"!") == "authority_secret_wrong"
    assert make(tmp_path).chain()


class PowerCut(BaseException):
    """What no handler of the product catches."""


def crash_points(monkeypatch: pytest.MonkeyPatch, folder: Path, at: int) -> bool:
    """Make the authority, cutting the power at the ``at``-th touch of the disk; True if that moment came."""
    touched = 0
    real_write, real_sync, real_rename = keyfiles.write_new, keyfiles.sync_folder, os.rename

    def cut() -> None:
        nonlocal touched
        touched += 1
        if touched == at:
            raise PowerCut

    def write_new(path: Path, content: bytes, mode: int = 0o600) -> None:
        half = len(content) // 2
        real_write(path, content[:half], mode)  # a file that is there, and not whole
        cut()
        path.unlink()
        real_write(path, content, mode)

    def sync_folder(path: Path) -> None:
        cut()
        real_sync(path)

    def rename(source: Path, target: Path) -> None:
        cut()
        real_rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(keyfiles, "write_new", write_new)
        patched.setattr(keyfiles, "sync_folder", sync_folder)
        patched.setattr(os, "rename", rename)
        try:
            make(folder)
        except PowerCut:
            return True
    return False


def test_a_crash_at_any_moment_leaves_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = 1
    while crash_points(monkeypatch, tmp_path / str(moment), moment):
        issuer = make(tmp_path / str(moment))  # opens, and its parts belong together
        assert make(tmp_path / str(moment)).chain() == issuer.chain()
        assert sorted(entry.name for entry in (tmp_path / str(moment)).iterdir()) == [".lock", "authority"]
        moment += 1
    assert moment > 8  # five files, three folders and the rename were all cut once


def replaced_key(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(SECRET))
    (folder / "authority" / "issuing" / "key.pem").write_bytes(pem)


def plain_key(folder: Path) -> None:
    path = folder / "authority" / "issuing" / "key.pem"
    key = load_pem_private_key(path.read_bytes(), SECRET)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def foreign(part: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        make(folder / "other")
        source = folder / "other" / "authority" / part
        (folder / "authority" / part).write_bytes(source.read_bytes())

    return replace


def missing(part: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "authority" / part).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(replaced_key, id="another key"),
        pytest.param(plain_key, id="a key that is not encrypted"),
        pytest.param(foreign("root/certificate.pem"), id="another root"),
        pytest.param(foreign("issuing/certificate.pem"), id="another issuing certificate"),
        pytest.param(foreign("root/crl.der"), id="another root's CRL"),
        pytest.param(missing("issuing/key.pem"), id="no key"),
        pytest.param(missing("root/certificate.pem"), id="no root"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    make(tmp_path)
    damage(tmp_path)
    assert code_of(tmp_path) == "authority_damaged"


def test_the_root_says_that_the_issuing_certificate_stands(tmp_path: Path) -> None:
    issuer = make(tmp_path)
    crl = x509.load_der_x509_crl(issuer.root_crl())
    issuing, root = (x509.load_der_x509_certificate(der) for der in issuer.chain())
    assert crl.is_signature_valid(root.public_key())  # type: ignore[arg-type]
    assert len(crl) == 0
    assert crl.next_update_utc == issuing.not_valid_after_utc
    assert crl.last_update_utc <= datetime.now(UTC)


def start_one(folder: str, results: multiprocessing.SimpleQueue[bytes]) -> None:
    results.put(create_authority(Path(folder), CONFIG).chain()[0])


def test_processes_that_start_together_share_one_authority(tmp_path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    results: multiprocessing.SimpleQueue[bytes] = context.SimpleQueue()
    processes = [context.Process(target=start_one, args=(str(tmp_path), results)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len({results.get() for _ in processes}) == 1
    results.close()
