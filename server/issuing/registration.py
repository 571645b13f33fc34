"""The registration authority: builds the subject from verified attributes and examines certificate requests."""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Mapping

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID, SignatureAlgorithmOID

from server.ports import IssuanceRefused

MAX_CSR_BYTES = 8192
"""A request with an RSA-4096 key and the longest subject that ``subject`` builds takes under 2 500 bytes."""
MIN_RSA_BITS = 2048  # NIST SP 800-57 part 1 rev. 5, table 2: 112 bits of security
MAX_RSA_BITS = 4096  # above, verifying costs the server more than it gives the applicant
MIN_RSA_EXPONENT = 65537  # NIST SP 800-56B rev. 2, 6.2: 2**16 < e < 2**256, odd
MAX_RSA_EXPONENT_BITS = 256
_SMALL_PRIMES = math.prod(n for n in range(3, 752) if all(n % d for d in range(2, math.isqrt(n) + 1)))
"""CA/Browser Forum baseline requirements 6.1.6: a modulus has no factor below 752."""
_CLOSE_PRIME_ROUNDS = 100  # CA/Browser Forum baseline requirements 6.1.1.3: Fermat's method, 100 rounds
_COMMON_NAME_MAX = 64  # RFC 5280, ub-common-name
_NAME_MAX = 128  # no attribute of a card is longer; bounds what is signed
_SIGNATURES = frozenset(
    {
        SignatureAlgorithmOID.RSA_WITH_SHA256,
        SignatureAlgorithmOID.RSA_WITH_SHA384,
        SignatureAlgorithmOID.RSA_WITH_SHA512,
        SignatureAlgorithmOID.ECDSA_WITH_SHA256,
        SignatureAlgorithmOID.ECDSA_WITH_SHA384,
        SignatureAlgorithmOID.ECDSA_WITH_SHA512,
    }
)
_IIN = re.compile(r"[0-9]{12}", re.ASCII)


def _clean(value: str) -> str:
    """One spelling for one name: Unicode NFC, single spaces. Raises IssuanceRefused subject_invalid."""
    text = " ".join(unicodedata.normalize("NFC", value).split())
    if len(text) > _NAME_MAX or any(unicodedata.category(character)[0] == "C" for character in text):
        raise IssuanceRefused("subject_invalid", "A name is too long or has characters that no name has.")
    return text


def build_subject(attributes: Mapping[str, str], country: str) -> bytes:
    """DER of the subject: CN, SURNAME, GIVENNAME (the patronymic, as the national CA has it), serialNumber, C.

    Takes the attributes surname, given_names, patronymic and iin; a name's part that is absent is left out. Raises
    IssuanceRefused subject_invalid where there is no name at all, or no IIN of 12 digits.
    """
    surname, given, patronymic = (_clean(attributes.get(key, "")) for key in ("surname", "given_names", "patronymic"))
    iin = attributes.get("iin", "")
    full_name = f"{surname} {given}".strip()
    if not full_name:
        raise IssuanceRefused("subject_invalid", "A certificate needs a name.")
    if not _IIN.fullmatch(iin):
        raise IssuanceRefused(
            "subject_invalid", "A certificate needs an individual identification number of 12 digits."
        )
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, full_name[:_COMMON_NAME_MAX].rstrip())]
    if surname:
        parts.append(x509.NameAttribute(NameOID.SURNAME, surname))
    if patronymic:
        parts.append(x509.NameAttribute(NameOID.GIVEN_NAME, patronymic))
    parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, f"IIN{iin}"))
    parts.append(x509.NameAttribute(NameOID.COUNTRY_NAME, country))
    return x509.Name(parts).public_bytes()


def _examine_rsa(key: rsa.RSAPublicKey) -> None:
    numbers = key.public_numbers()
    modulus, exponent = numbers.n, numbers.e
    if modulus.bit_length() > MAX_RSA_BITS:
        raise IssuanceRefused("csr_key_unsupported", f"An RSA key has at most {MAX_RSA_BITS} bits here.")
    if modulus.bit_length() < MIN_RSA_BITS:
        raise IssuanceRefused("csr_key_weak", f"An RSA key needs at least {MIN_RSA_BITS} bits.")
    if exponent < MIN_RSA_EXPONENT or exponent.bit_length() > MAX_RSA_EXPONENT_BITS or exponent % 2 == 0:
        raise IssuanceRefused("csr_key_weak", "The RSA key's public exponent is outside 2^16 .. 2^256, or even.")
    if modulus % 2 == 0 or math.gcd(modulus, _SMALL_PRIMES) != 1:
        raise IssuanceRefused("csr_key_weak", "The RSA key's modulus has a small factor.")
    root = math.isqrt(modulus)
    for candidate in range(root, root + _CLOSE_PRIME_ROUNDS + 1):
        rest = candidate * candidate - modulus
        if rest >= 0 and math.isqrt(rest) ** 2 == rest:
            raise IssuanceRefused("csr_key_weak", "The RSA key's primes are too close to each other.")


def _public_key(request: x509.CertificateSigningRequest) -> CertificatePublicKeyTypes:
    try:
        key = request.public_key()
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        # The loader itself refuses exotic curves, malformed points and moduli or exponents beyond all reason.
        raise IssuanceRefused("csr_key_unsupported", "The request's public key cannot be used.") from error
    if isinstance(key, rsa.RSAPublicKey):
        _examine_rsa(key)
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
        raise IssuanceRefused("csr_key_unsupported", "The key must be RSA, or elliptic-curve P-256 or P-384.")
    return key


def examine_request(csr_der: bytes, subject_der: bytes) -> CertificatePublicKeyTypes:
    """The public key of a request that is well formed, strong, signed with its own key, and for this very subject.

    Extensions that the request asks for are not looked at: what a certificate contains is the profile's matter.
    Raises IssuanceRefused with csr_malformed, csr_key_unsupported, csr_key_weak, csr_signature_invalid or
    csr_subject_mismatch.
    """
    if len(csr_der) > MAX_CSR_BYTES:
        raise IssuanceRefused("csr_malformed", f"The certificate request is larger than {MAX_CSR_BYTES} bytes.")
    try:
        request = x509.load_der_x509_csr(csr_der)
        subject = request.subject.public_bytes()
        # The signature is whole bytes: the loader lets a count of unused bits pass where those bits are zero.
        whole = csr_der[-len(request.signature) - 1] == 0
        canonical = whole and request.public_bytes(Encoding.DER) == csr_der
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise IssuanceRefused("csr_malformed", "The certificate request is not a PKCS#10 request in DER.") from error
    if not canonical:
        raise IssuanceRefused("csr_malformed", "The certificate request is not a PKCS#10 request in DER.")
    key = _public_key(request)
    if request.signature_algorithm_oid not in _SIGNATURES:
        raise IssuanceRefused(
            "csr_signature_invalid", "The request must be signed with RSA PKCS#1 v1.5 or ECDSA, and SHA-256 or better."
        )
    try:
        signed = request.is_signature_valid
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        signed = False
    if not signed:
        raise IssuanceRefused("csr_signature_invalid", "The request is not signed with the key that it is for.")
    if subject != subject_der:
        raise IssuanceRefused("csr_subject_mismatch", "The request is for another subject than the one established.")
    return key


def spki_sha256(key: CertificatePublicKeyTypes) -> str:
    """Hex SHA-256 of the key's SubjectPublicKeyInfo, in the one encoding that goes into certificates."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
