"""Issuing: orders, certificates and who makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class CertificateProfile(StrEnum):
    SIGN = "sign"
    AUTH = "auth"


class IssuanceRefused(Exception):
    """The certificate request cannot be honoured. ``code`` is stable: csr_malformed, csr_signature_invalid,
    csr_subject_mismatch, csr_key_weak, csr_key_unsupported, csr_key_reused, csr_keys_identical, subject_invalid."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class CertificateOrder:
    """All that determines one certificate, recorded before signing, so that a repeat yields the same one."""

    session: str
    profile: CertificateProfile
    csr_der: bytes
    subject_der: bytes
    serial_number: int
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    session: str
    profile: CertificateProfile
    serial_number: int
    spki_sha256: str
    der: bytes
    not_after: datetime
    revoked_at: datetime | None = None


class Issuer(Protocol):
    """RA checks and CA enrolment. The caller enrols only on a recorded approval."""

    demonstration: bool

    def subject(self, attributes: Mapping[str, str]) -> bytes:
        """DER of the subject Name built from verified attributes (FIELD: CN, SURNAME, GIVENNAME, serialNumber, C)."""

    def examine(self, csr_der: bytes, subject_der: bytes) -> str:
        """Check proof of possession, subject, key type and strength; return the key's SPKI SHA-256 (hex).

        Raises IssuanceRefused.
        """

    def order(
        self, session: str, profile: CertificateProfile, csr_der: bytes, subject_der: bytes, now: datetime
    ) -> CertificateOrder: ...

    async def enrol(self, order: CertificateOrder) -> bytes:
        """DER of the certificate. The same order gives the same certificate, byte for byte."""

    def chain(self) -> list[bytes]:
        """DER of the issuing certificate and of the root, in this order."""

    async def crl(self, revoked: Sequence[IssuedCertificate], now: datetime) -> bytes:
        """DER of the current certificate revocation list."""

    def root_crl(self) -> bytes:
        """DER of the root's revocation list: whether the issuing certificate stands."""
