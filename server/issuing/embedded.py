"""A small RA and CA in the server's own process, for demonstration: the production profile refuses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from server.issuing.ceremony import Authority, key_identifier, make_or_open
from server.issuing.configuration import AuthorityConfig, AuthorityError
from server.issuing.profiles import applicant_extensions
from server.issuing.registration import build_subject, examine_request, spki_sha256
from server.ports import CertificateOrder, CertificateProfile, IssuanceRefused, IssuedCertificate


def _whole_second(moment: datetime) -> datetime:
    """X.509 times have no fraction (RFC 5280, 4.1.2.5). Raises ValueError for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).replace(microsecond=0)


class EmbeddedIssuer:
    """The Issuer port on an authority in a local folder. Signs ECDSA deterministically (RFC 6979)."""

    demonstration: bool = True
    """Its certificates say that they are for demonstration; the production profile refuses such an issuer."""

    def __init__(self, authority: Authority, config: AuthorityConfig) -> None:
        self._authority = authority
        self._config = config
        self._key_identifier = key_identifier(authority.certificate)

    def subject(self, attributes: Mapping[str, str]) -> bytes:
        """DER of the subject Name. Raises IssuanceRefused subject_invalid."""
        return build_subject(attributes, self._config.country)

    def examine(self, csr_der: bytes, subject_der: bytes) -> str:
        """SPKI SHA-256 (hex) of an acceptable request. Raises IssuanceRefused."""
        return spki_sha256(examine_request(csr_der, subject_der))

    def order(
        self, session: str, profile: CertificateProfile, csr_der: bytes, subject_der: bytes, now: datetime
    ) -> CertificateOrder:
        """Fix everything that determines the certificate: a random serial number (159 bits) and the validity.

        Raises IssuanceRefused as ``examine`` does, and authority_expiring when the certificate would outlive the
        issuing CA.
        """
        examine_request(csr_der, subject_der)
        start = _whole_second(now)
        order = CertificateOrder(
            session=session,
            profile=profile,
            csr_der=csr_der,
            subject_der=subject_der,
            serial_number=x509.random_serial_number(),
            not_before=start,
            not_after=start + self._config.validity,
        )
        self._check_period(order)
        return order

    async def enrol(self, order: CertificateOrder) -> bytes:
        """DER of the certificate for an order made by ``order``; the same bytes for the same order.

        The request is examined again: nothing is signed that the RA would refuse. Raises IssuanceRefused,
        ValueError for an order that ``order`` cannot have made.
        """
        key = examine_request(order.csr_der, order.subject_der)
        self._check_period(order)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.load_der_x509_csr(order.csr_der).subject)  # equal to the RA's subject, byte for byte
            .issuer_name(self._authority.certificate.subject)
            .public_key(key)
            .serial_number(order.serial_number)
            .not_valid_before(order.not_before)
            .not_valid_after(order.not_after)
        )
        for extension, critical in applicant_extensions(order.profile, key, self._key_identifier, self._config):
            builder = builder.add_extension(extension, critical)
        certificate = builder.sign(self._authority.key, SHA256(), ecdsa_deterministic=True)
        # A deterministic signature made wrong by a fault gives the key away: never let one out.
        certificate.verify_directly_issued_by(self._authority.certificate)
        return certificate.public_bytes(Encoding.DER)

    def chain(self) -> list[bytes]:
        """DER of the issuing certificate and of the root, in this order."""
        return [
            certificate.public_bytes(Encoding.DER)
            for certificate in (self._authority.certificate, self._authority.root)
        ]

    async def crl(self, revoked: Sequence[IssuedCertificate], now: datetime) -> bytes:
        """DER of the list (version 2) as of ``now``; its number is that moment in microseconds, so it only grows.

        Raises ValueError for a certificate without ``revoked_at``.
        """
        start = _whole_second(now)
        number = int(now.timestamp() * 1_000_000)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._authority.certificate.subject)
            .last_update(start)
            .next_update(start + self._config.crl_lifetime)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._key_identifier), False)
            .add_extension(x509.CRLNumber(number), False)
        )
        moments = {}
        for certificate in revoked:
            if certificate.revoked_at is None:
                raise ValueError("a certificate that is not revoked does not belong on the list")
            moments[certificate.serial_number] = _whole_second(certificate.revoked_at)
        for serial_number, moment in sorted(moments.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(moment).build()
            builder = builder.add_revoked_certificate(entry)
        crl = builder.sign(self._authority.key, SHA256(), ecdsa_deterministic=True)
        issuing_key = self._authority.certificate.public_key()
        if not isinstance(issuing_key, ec.EllipticCurvePublicKey) or not crl.is_signature_valid(issuing_key):
            raise AuthorityError("authority_damaged", "The revocation list just signed does not verify.")
        return crl.public_bytes(Encoding.DER)

    def root_crl(self) -> bytes:
        """DER of the root's list, made at the first start: the issuing certificate is not revoked."""
        return self._authority.root_crl_der

    def _check_period(self, order: CertificateOrder) -> None:
        if (
            _whole_second(order.not_before) != order.not_before
            or order.not_after - order.not_before > self._config.validity
        ):
            raise ValueError("the order's validity is not one that this authority gives")
        if order.not_after > self._authority.certificate.not_valid_after_utc:
            raise IssuanceRefused(
                "authority_expiring", "The issuing CA ends before the certificate would; renew it first."
            )


def create_authority(folder: Path, config: AuthorityConfig, secret: bytes | None = None) -> EmbeddedIssuer:
    """Open the authority in ``folder``, making it at the first start. Safe to repeat, and after a crash at any moment.

    ``secret`` encrypts the key files (20 bytes or more); None makes one beside them, for demonstration only.
    Raises AuthorityError; KeyFileError when a key file can be read by others.
    """
    return EmbeddedIssuer(make_or_open(folder, config, secret), config)
