"""The first start: keys and certificates of the root and the issuing CA, made whole or not at all; and opening them.

Everything is made in a folder of another name, brought to the disk, and renamed to ``authority`` as the last step:
what a crash left half made is removed at the next start and made anew. The root key signs the issuing certificate
and one empty CRL during that first start, and is never read again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from server import keyfiles
from server.issuing.configuration import AuthorityConfig, AuthorityError
from server.issuing.profiles import Extension, issuing_extensions, root_extensions

_MADE = "authority"
_MAKING = "authority.making"
_SECRET = "secret"  # noqa: S105 - a file's name
_SECRET_BYTES = 32
MIN_SECRET_BYTES = 20
"""The key files' own key derivation is short (2048 rounds), so the secret must carry the strength: 20 random
characters of base64 are 120 bits."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An opened authority. The root's private key is not part of it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    root: x509.Certificate
    root_crl_der: bytes


def key_identifier(certificate: x509.Certificate) -> x509.SubjectKeyIdentifier:
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value


def _name(common_name: str, config: AuthorityConfig) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, config.country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, config.organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePrivateKey,
    until: datetime,
    extensions: list[Extension],
    now: datetime,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(until)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(signer, hashes.SHA384())


def _make(folder: Path, config: AuthorityConfig, secret: bytes, now: datetime) -> None:
    root_key, issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _name(config.root_name, config)
    root = _certificate(
        root_name,
        root_name,
        root_key.public_key(),
        root_key,
        now + config.root_lifetime,
        root_extensions(root_key.public_key()),
        now,
    )
    issuing = _certificate(
        _name(config.issuing_name, config),
        root_name,
        issuing_key.public_key(),
        root_key,
        now + config.issuing_lifetime,
        issuing_extensions(issuing_key.public_key(), key_identifier(root), config),
        now,
    )
    # The root is not at hand later to sign another: this list says "nothing revoked" as long as the issuing CA lives.
    root_crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root_name)
        .last_update(now)
        .next_update(issuing.not_valid_after_utc)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier(root)), False)
        .add_extension(x509.CRLNumber(1), False)
        .sign(root_key, hashes.SHA384())
    )
    for name, key, certificate in (("root", root_key, root), ("issuing", issuing_key, issuing)):
        part = folder / name
        part.mkdir(mode=0o700)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(secret))
        keyfiles.write_new(part / "key.pem", pem)
        keyfiles.write_new(part / "certificate.pem", certificate.public_bytes(Encoding.PEM), 0o644)
        if name == "root":
            keyfiles.write_new(part / "crl.der", root_crl.public_bytes(Encoding.DER), 0o644)
        keyfiles.sync_folder(part)
    keyfiles.sync_folder(folder)


def _open(folder: Path, secret: bytes) -> Authority:
    damaged = "The certification authority's files are damaged or do not belong together; restore them."
    try:
        pem = keyfiles.read_private(folder / "issuing" / "key.pem")
        issuing = x509.load_pem_x509_certificate((folder / "issuing" / "certificate.pem").read_bytes())
        root = x509.load_pem_x509_certificate((folder / "root" / "certificate.pem").read_bytes())
        root_crl_der = (folder / "root" / "crl.der").read_bytes()
        root_crl = x509.load_der_x509_crl(root_crl_der)
        issuing.verify_directly_issued_by(root)
        root.verify_directly_issued_by(root)
        root_key = root.public_key()
        crl_signed = isinstance(root_key, ec.EllipticCurvePublicKey) and root_crl.is_signature_valid(root_key)
    except (OSError, ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise AuthorityError("authority_damaged", damaged) from error
    if not pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----"):
        raise AuthorityError("authority_damaged", damaged)
    try:
        key = load_pem_private_key(pem, secret)
    except ValueError as error:
        raise AuthorityError(
            "authority_secret_wrong", "The secret does not open the certification authority's key."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != issuing.public_key() or not crl_signed:
        raise AuthorityError("authority_damaged", damaged)
    return Authority(key, issuing, root, root_crl_der)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time makes or opens the authority; the lock falls with its process."""
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def make_or_open(folder: Path, config: AuthorityConfig, secret: bytes | None) -> Authority:
    """The authority kept in ``folder``, made there at the first call.

    ``secret`` encrypts the key files; None makes one of 32 bytes (hex) in ``folder/secret``, mode 0600, which is
    only fit for a demonstration: whoever copies the folder has both. Raises AuthorityError, KeyFileError.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made, making = folder / _MADE, folder / _MAKING
    with _alone(folder):
        if secret is None:
            if made.exists() and not (folder / _SECRET).exists():
                raise AuthorityError("authority_secret_missing", "The certification authority's secret is missing.")
            secret = keyfiles.read_or_make(folder / _SECRET, _SECRET_BYTES).hex().encode()
        elif len(secret) < MIN_SECRET_BYTES:
            raise AuthorityError("authority_secret_weak", f"The secret needs at least {MIN_SECRET_BYTES} bytes.")
        if not made.exists():
            if making.exists():
                shutil.rmtree(making)
            making.mkdir(mode=0o700)
            _make(making, config, secret, datetime.now(UTC).replace(microsecond=0))
            os.rename(making, made)
            keyfiles.sync_folder(folder)
        return _open(made, secret)
