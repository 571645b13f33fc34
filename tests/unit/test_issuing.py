"""The embedded RA and CA: what is signed, what is refused, and what openssl says of the outcome."""

from __future__ import annotations

import hashlib
import math
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.issuing import AuthorityConfig, EmbeddedIssuer, create_authority
from server.issuing.registration import MAX_CSR_BYTES
from server.ports import CertificateOrder, CertificateProfile, IssuanceRefused, IssuedCertificate, Issuer

# A specimen: the century digit 1 is of the nineteenth century, so this number is valid by rule and nobody's.
ATTRIBUTES = {"surname": "ҮЛГІБЕК", "given_names": "Әсем", "patronymic": "Үлгіқызы", "iin": "750214200018"}
SECRET = b"a secret of the tests, long enough"
CONFIG = AuthorityConfig(
    crl_url="http://ca.invalid/issuing.crl",
    issuing_url="http://ca.invalid/issuing.cer",
    root_crl_url="http://ca.invalid/root.crl",
    root_url="http://ca.invalid/root.cer",
)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedIssuer:
    return create_authority(tmp_path_factory.mktemp("authority"), CONFIG, SECRET)


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def subject(issuer: EmbeddedIssuer) -> bytes:
    return issuer.subject(ATTRIBUTES)


Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def name_of(attributes: dict[str, str]) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, f"{attributes['surname']} {attributes['given_names']}"),
            x509.NameAttribute(NameOID.SURNAME, attributes["surname"]),
            x509.NameAttribute(NameOID.GIVEN_NAME, attributes["patronymic"]),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, f"IIN{attributes['iin']}"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "KZ"),
        ]
    )


def request(key: Key, name: x509.Name | None = None, algorithm: hashes.HashAlgorithm | None = None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name or name_of(ATTRIBUTES))
    chosen = None if isinstance(key, ed25519.Ed25519PrivateKey) else algorithm or hashes.SHA256()
    return builder.sign(key, chosen).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def der(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def integer(value: int) -> bytes:
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
RSA_ENCRYPTION = bytes.fromhex("300d06092a864886f70d0101010500")


def raw_rsa_request(subject: bytes, modulus: int, exponent: int, private: int | None = None) -> bytes:
    """A request with any modulus and exponent, signed as well as ``private`` allows (else with rubbish)."""
    spki = der(0x30, RSA_ENCRYPTION, der(0x03, b"\0", der(0x30, integer(modulus), integer(exponent))))
    information = der(0x30, integer(0), subject, spki, der(0xA0))
    size = (modulus.bit_length() + 7) // 8
    digest = bytes.fromhex("3031300d060960864801650304020105000420") + hashlib.sha256(information).digest()
    padded = int.from_bytes(b"\0\1" + b"\xff" * (size - 3 - len(digest)) + b"\0" + digest, "big")
    signature = pow(padded, private, modulus) if private is not None else 12345
    return der(0x30, information, SHA256_WITH_RSA, der(0x03, b"\0", signature.to_bytes(size, "big")))


SMALL_FACTORS = math.prod(range(3, 2000, 2))


def prime(bits: int, exponent: int, start: int = 0) -> int:
    """A probable prime of that many bits (top two set), coprime to the exponent after subtracting one."""
    source = random.Random(bits + exponent + start)
    while True:
        candidate = source.getrandbits(bits) | (3 << (bits - 2)) | 1
        if math.gcd(candidate, SMALL_FACTORS) != 1 or (candidate - 1) % exponent == 0:
            continue
        if pow(3, candidate - 1, candidate) == 1:
            return candidate


def order(
    issuer: EmbeddedIssuer, key: Key, profile: CertificateProfile = CertificateProfile.SIGN, **changes: Any
) -> CertificateOrder:
    csr = request(key)
    made = issuer.order("session-1", profile, csr, issuer.subject(ATTRIBUTES), datetime.now(UTC))
    return replace(made, **changes)


def test_the_issuer_keeps_to_the_port(issuer: EmbeddedIssuer) -> None:
    port: Issuer = issuer
    assert port.demonstration


# --- the subject -------------------------------------------------------------------------------------------


def test_the_subject_is_the_national_one(issuer: EmbeddedIssuer, subject: bytes) -> None:
    assert subject == name_of(ATTRIBUTES).public_bytes()


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"surname": "SPECIMEN", "given_names": "", "iin": "1" * 12}, "CN=SPECIMEN"),
        ({"surname": "", "given_names": "MADINA", "iin": "1" * 12}, "CN=MADINA"),
        ({"surname": "  ABC  DEF ", "given_names": " G\tH ", "iin": "1" * 12}, "CN=ABC DEF G H"),
        ({"surname": "Й", "given_names": "А", "iin": "1" * 12}, "CN=Й А"),
        ({"surname": "A" * 60, "given_names": "B" * 60, "iin": "1" * 12}, "CN=" + "A" * 60 + " BBB"),
    ],
)
def test_names_of_all_kinds(
    issuer: EmbeddedIssuer, rsa_key: rsa.RSAPrivateKey, attributes: dict[str, str], expected: str
) -> None:
    built = issuer.subject(attributes)
    assert built == issuer.subject(attributes)
    modulus = rsa_key.public_key().public_numbers().n
    private = rsa_key.private_numbers().d
    csr = raw_rsa_request(built, modulus, 65537, private)  # what the browser does: the bytes as they came
    assert issuer.examine(csr, built)
    common_name = x509.load_der_x509_csr(csr).subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0]
    assert common_name.rfc4514_string() == expected


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"surname": "A", "given_names": "B"},
        {"surname": "A", "given_names": "B", "iin": "12345678901"},
        {"surname": "A", "given_names": "B", "iin": "12345678901x"},
        {"surname": "A", "given_names": "B", "iin": "٧50214200018"},
        {"surname": " ", "given_names": "", "iin": "1" * 12},
        {"surname": "A\0B", "given_names": "", "iin": "1" * 12},
        {"surname": "A\u202eB", "given_names": "", "iin": "1" * 12},
        {"surname": "A" * 129, "given_names": "", "iin": "1" * 12},
    ],
)
def test_attributes_that_make_no_subject(issuer: EmbeddedIssuer, attributes: dict[str, str]) -> None:
    with pytest.raises(IssuanceRefused) as refusal:
        issuer.subject(attributes)
    assert refusal.value.code == "subject_invalid"


# --- requests --------------------------------------------------------------------------------------------


def test_good_requests_are_named_by_their_key(
    issuer: EmbeddedIssuer, subject: bytes, rsa_key: rsa.RSAPrivateKey
) -> None:
    keys: list[Key] = [rsa_key, ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())]
    for key in keys:
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
            assert issuer.examine(request(key, algorithm=algorithm), subject) == hashlib.sha256(spki).hexdigest()


def bad_requests() -> dict[str, tuple[str, Callable[[bytes, rsa.RSAPrivateKey], bytes]]]:
    def tampered_signature(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        good = bytearray(request(key))
        good[-1] ^= 1
        return bytes(good)

    def other_key(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        other = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
        return request(key).replace(
            key.public_key().public_numbers().n.to_bytes(256, "big"), other.to_bytes(256, "big")
        )

    def pss(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(ATTRIBUTES))
        salted = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return builder.sign(key, hashes.SHA256(), rsa_padding=salted).public_bytes(Encoding.DER)

    def sha1(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        good = request(key)
        information = x509.load_der_x509_csr(good).tbs_certrequest_bytes
        signature = key.sign(information, padding.PKCS1v15(), hashes.SHA1())
        algorithm = bytes.fromhex("300d06092a864886f70d0101050500")
        return der(0x30, information, algorithm, der(0x03, b"\0", signature))

    def md5(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        return request(key).replace(SHA256_WITH_RSA, bytes.fromhex("300d06092a864886f70d0101040500"))

    def renamed(**changes: str) -> Callable[[bytes, rsa.RSAPrivateKey], bytes]:
        return lambda subject, key: request(key, name_of({**ATTRIBUTES, **changes}))

    def reordered(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        return request(key, x509.Name(list(name_of(ATTRIBUTES))[::-1]))

    def extra(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Government")
        return request(key, x509.Name([*name_of(ATTRIBUTES), organization]))

    def close_primes(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        first = prime(1024, 65537)
        second = first + 2
        while math.gcd(second, SMALL_FACTORS) != 1 or pow(3, second - 1, second) != 1:
            second += 2
        private = pow(65537, -1, (first - 1) * (second - 1))
        return raw_rsa_request(subject, first * second, 65537, private)

    def small_factor(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        first, second = 751, prime(2046, 65537)
        return raw_rsa_request(subject, first * second, 65537, pow(65537, -1, (first - 1) * (second - 1)))

    def exponent(value: int) -> Callable[[bytes, rsa.RSAPrivateKey], bytes]:
        def make(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
            first, second = prime(1024, value), prime(1024, value, 1)
            return raw_rsa_request(subject, first * second, value, pow(value, -1, (first - 1) * (second - 1)))

        return make

    def even_exponent(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        return raw_rsa_request(subject, key.public_key().public_numbers().n, 65538)

    def rsa_bits(bits: int) -> Callable[[bytes, rsa.RSAPrivateKey], bytes]:
        def make(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
            first, second = prime(bits // 2, 65537), prime(bits // 2, 65537, 1)
            return raw_rsa_request(subject, first * second, 65537, pow(65537, -1, (first - 1) * (second - 1)))

        return make

    def long_form_length(subject: bytes, key: rsa.RSAPrivateKey) -> bytes:
        good = request(key)
        assert good[1] == 0x82
        return good[:1] + b"\x83\x00" + good[2:]

    return {
        "empty": ("csr_malformed", lambda subject, key: b""),
        "text": ("csr_malformed", lambda subject, key: b"-----BEGIN CERTIFICATE REQUEST-----"),
        "truncated": ("csr_malformed", lambda subject, key: request(key)[:-1]),
        "trailing byte": ("csr_malformed", lambda subject, key: request(key) + b"\0"),
        "not DER": ("csr_malformed", long_form_length),
        "too large": ("csr_malformed", lambda subject, key: request(key) + b"\0" * MAX_CSR_BYTES),
        "a certificate": ("csr_malformed", lambda subject, key: subject),
        "signature tampered": ("csr_signature_invalid", tampered_signature),
        "another key inside": ("csr_signature_invalid", other_key),
        "PSS": ("csr_signature_invalid", pss),
        "SHA-1": ("csr_signature_invalid", sha1),
        "MD5": ("csr_signature_invalid", md5),
        "another name": ("csr_subject_mismatch", renamed(given_names="Айгүл")),
        "another IIN": ("csr_subject_mismatch", renamed(iin="750214200019")),
        "another case": ("csr_subject_mismatch", renamed(surname="Үлгібек")),
        "another order": ("csr_subject_mismatch", reordered),
        "one attribute more": ("csr_subject_mismatch", extra),
        "RSA 512": ("csr_key_weak", rsa_bits(512)),
        "RSA 1024": ("csr_key_weak", rsa_bits(1024)),
        "RSA 2046": ("csr_key_weak", rsa_bits(2046)),
        "RSA 4224": ("csr_key_unsupported", rsa_bits(4224)),
        "exponent 3": ("csr_key_weak", exponent(3)),
        "exponent 257": ("csr_key_weak", exponent(257)),
        "exponent even": ("csr_key_unsupported", even_exponent),
        "exponent huge": ("csr_key_weak", exponent((1 << 260) + 1)),
        "primes close": ("csr_key_weak", close_primes),
        "a factor of 751": ("csr_key_weak", small_factor),
        "P-521": ("csr_key_unsupported", lambda subject, key: request(ec.generate_private_key(ec.SECP521R1()))),
        "secp256k1": ("csr_key_unsupported", lambda subject, key: request(ec.generate_private_key(ec.SECP256K1()))),
        "Ed25519": ("csr_key_unsupported", lambda subject, key: request(ed25519.Ed25519PrivateKey.generate())),
    }


@pytest.mark.parametrize("case", bad_requests())
async def test_bad_requests_are_refused_and_nothing_is_signed(
    issuer: EmbeddedIssuer, subject: bytes, rsa_key: rsa.RSAPrivateKey, case: str
) -> None:
    code, make = bad_requests()[case]
    csr = make(subject, rsa_key)
    with pytest.raises(IssuanceRefused) as refusal:
        issuer.examine(csr, subject)
    assert refusal.value.code == code
    assert refusal.value.message.endswith(".")
    with pytest.raises(IssuanceRefused):
        issuer.order("session-1", CertificateProfile.SIGN, csr, subject, datetime.now(UTC))
    with pytest.raises(IssuanceRefused):  # nor by an order that somebody changed after it was made
        await issuer.enrol(order(issuer, rsa_key, csr_der=csr))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_changed_byte_anywhere_is_refused_in_words(
    issuer: EmbeddedIssuer, subject: bytes, rsa_key: rsa.RSAPrivateKey, data: st.DataObject
) -> None:
    csr = bytearray(request(rsa_key))
    position = data.draw(st.integers(0, len(csr) - 1))
    csr[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IssuanceRefused):
        issuer.examine(bytes(csr), subject)


# --- certificates ----------------------------------------------------------------------------------------


async def certificate(issuer: EmbeddedIssuer, key: Key, profile: CertificateProfile) -> x509.Certificate:
    return x509.load_der_x509_certificate(await issuer.enrol(order(issuer, key, profile)))


def usages(issued: x509.Certificate) -> set[str]:
    usage = issued.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    return {name for name in (*names, "key_cert_sign", "crl_sign") if getattr(usage.value, name)}


@pytest.mark.parametrize(
    ("profile", "usage", "purpose", "policy"),
    [
        ("sign", {"digital_signature", "content_commitment"}, ExtendedKeyUsageOID.EMAIL_PROTECTION, CONFIG.sign_policy),
        ("auth", {"digital_signature", "key_encipherment"}, ExtendedKeyUsageOID.CLIENT_AUTH, CONFIG.auth_policy),
    ],
)
async def test_the_profiles(
    issuer: EmbeddedIssuer,
    subject: bytes,
    rsa_key: rsa.RSAPrivateKey,
    profile: str,
    usage: set[str],
    purpose: x509.ObjectIdentifier,
    policy: str,
) -> None:
    issued = await certificate(issuer, rsa_key, CertificateProfile(profile))
    issuing = x509.load_der_x509_certificate(issuer.chain()[0])
    extensions = issued.extensions
    assert issued.subject.public_bytes() == subject
    assert issued.public_key() == rsa_key.public_key()
    assert usages(issued) == usage
    purposes = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert purposes == [
        purpose,
        x509.ObjectIdentifier(CONFIG.individual_purpose),
        x509.ObjectIdentifier(CONFIG.identification_purpose),
    ]
    (policies,) = extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert policies.policy_identifier.dotted_string == policy
    assert policies.policy_qualifiers == [x509.UserNotice(None, CONFIG.policy_notice)]
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert (
        extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        == issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    )
    assert extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value == x509.SubjectKeyIdentifier.from_public_key(rsa_key.public_key())
    (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name == [x509.UniformResourceIdentifier("http://ca.invalid/issuing.crl")]
    (access,) = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert access.access_location == x509.UniformResourceIdentifier("http://ca.invalid/issuing.cer")
    assert issued.not_valid_after_utc - issued.not_valid_before_utc == timedelta(days=365)
    assert issued.serial_number.bit_length() > 64  # CA/Browser Forum baseline requirements 7.1: 64 random bits


async def test_an_elliptic_key_agrees_rather_than_enciphers(issuer: EmbeddedIssuer) -> None:
    issued = await certificate(issuer, ec.generate_private_key(ec.SECP256R1()), CertificateProfile.AUTH)
    assert usages(issued) == {"digital_signature", "key_agreement"}


async def test_what_a_request_asks_for_is_not_signed(
    issuer: EmbeddedIssuer, subject: bytes, rsa_key: rsa.RSAPrivateKey
) -> None:
    asking = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(name_of(ATTRIBUTES))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("egov.kz")]), False)
        .sign(rsa_key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    made = issuer.order("session-1", CertificateProfile.SIGN, asking, subject, datetime.now(UTC))
    issued = x509.load_der_x509_certificate(await issuer.enrol(made))
    plain = await certificate(issuer, rsa_key, CertificateProfile.SIGN)
    assert {extension.oid for extension in issued.extensions} == {extension.oid for extension in plain.extensions}
    assert ExtensionOID.SUBJECT_ALTERNATIVE_NAME not in {extension.oid for extension in issued.extensions}
    assert issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


async def test_the_same_order_gives_the_same_bytes(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    first = create_authority(tmp_path, CONFIG, SECRET)
    made = order(first, rsa_key)
    issued = await first.enrol(made)
    assert await first.enrol(made) == issued
    assert await create_authority(tmp_path, CONFIG, SECRET).enrol(made) == issued
    assert await first.enrol(replace(made, serial_number=made.serial_number + 1)) != issued


async def test_without_addresses_there_are_none(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    issued = await certificate(
        create_authority(tmp_path, AuthorityConfig(policy_notice="")), rsa_key, CertificateProfile.SIGN
    )
    oids = {extension.oid for extension in issued.extensions}
    assert not oids & {ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.AUTHORITY_INFORMATION_ACCESS}


@pytest.mark.parametrize(
    "changes",
    [
        {"not_after": datetime.now(UTC).replace(microsecond=0) + timedelta(days=366)},
        {"not_before": datetime.now(UTC).replace(microsecond=1)},
        {"not_before": datetime.now(UTC).replace(microsecond=0, tzinfo=None)},
        {"serial_number": 0},
        {"serial_number": -5},
        {"serial_number": 1 << 160},
    ],
)
async def test_orders_that_were_never_made_are_not_signed(
    issuer: EmbeddedIssuer, rsa_key: rsa.RSAPrivateKey, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        await issuer.enrol(order(issuer, rsa_key, **changes))


def test_a_certificate_never_outlives_its_issuer(tmp_path: Path, rsa_key: rsa.RSAPrivateKey) -> None:
    issuer = create_authority(tmp_path, AuthorityConfig(issuing_lifetime=timedelta(days=364)))
    with pytest.raises(IssuanceRefused) as error:
        order(issuer, rsa_key)
    assert error.value.code == "authority_expiring"


# --- what others make of it --------------------------------------------------------------------------------


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30, check=False)


def write_pem(path: Path, *parts: tuple[str, bytes]) -> str:
    def pem(label: str, content: bytes) -> bytes:
        if label == "X509 CRL":
            return x509.load_der_x509_crl(content).public_bytes(Encoding.PEM)
        return x509.load_der_x509_certificate(content).public_bytes(Encoding.PEM)

    path.write_bytes(b"".join(pem(label, content) for label, content in parts))
    return str(path)


async def test_openssl_accepts_the_chain_until_it_is_revoked(
    issuer: EmbeddedIssuer, rsa_key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    issuing, root = issuer.chain()
    trusted = write_pem(tmp_path / "root.pem", ("CERTIFICATE", root))
    between = write_pem(tmp_path / "issuing.pem", ("CERTIFICATE", issuing))
    leaves = {}
    for profile in CertificateProfile:
        leaves[profile] = await issuer.enrol(order(issuer, rsa_key, profile))
        write_pem(tmp_path / f"{profile}.pem", ("CERTIFICATE", leaves[profile]))
    serial = x509.load_der_x509_certificate(leaves[CertificateProfile.SIGN]).serial_number

    def verify(crl: bytes, profile: CertificateProfile, purpose: str) -> subprocess.CompletedProcess[str]:
        lists = write_pem(tmp_path / "crl.pem", ("X509 CRL", crl), ("X509 CRL", issuer.root_crl()))
        policy = CONFIG.sign_policy if profile is CertificateProfile.SIGN else CONFIG.auth_policy
        files = ("-CAfile", trusted, "-untrusted", between, "-CRLfile", lists)
        checks = ("-x509_strict", "-crl_check_all", "-policy", policy, "-explicit_policy", "-purpose", purpose)
        return openssl("verify", *files, *checks, str(tmp_path / f"{profile}.pem"))

    empty = await issuer.crl([], now)
    for profile, purpose in ((CertificateProfile.SIGN, "smimesign"), (CertificateProfile.AUTH, "sslclient")):
        outcome = verify(empty, profile, purpose)
        assert outcome.returncode == 0, outcome.stderr
    assert verify(empty, CertificateProfile.AUTH, "sslserver").returncode != 0
    assert verify(empty, CertificateProfile.SIGN, "sslclient").returncode != 0

    revoked = IssuedCertificate(
        "session-1", CertificateProfile.SIGN, serial, "", leaves[CertificateProfile.SIGN], now, now
    )
    later = await issuer.crl([revoked], now)
    outcome = verify(later, CertificateProfile.SIGN, "smimesign")
    assert outcome.returncode != 0
    assert "certificate revoked" in outcome.stderr + outcome.stdout
    assert verify(later, CertificateProfile.AUTH, "sslclient").returncode == 0


async def test_the_list_of_revoked_certificates(issuer: EmbeddedIssuer) -> None:
    now = datetime(2030, 1, 2, 3, 4, 5, 678901, UTC)

    def revoked(serial: int) -> IssuedCertificate:
        return IssuedCertificate("s", CertificateProfile.SIGN, serial, "", b"", now, now - timedelta(hours=1))

    content = await issuer.crl([revoked(7), revoked(3)], now)
    assert content == await issuer.crl([revoked(3), revoked(7)], now)
    crl = x509.load_der_x509_crl(content)
    assert [entry.serial_number for entry in crl] == [3, 7]
    assert crl.last_update_utc == now.replace(microsecond=0)
    assert crl.next_update_utc == now.replace(microsecond=0) + CONFIG.crl_lifetime
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    later = x509.load_der_x509_crl(await issuer.crl([], now + timedelta(microseconds=1)))
    assert later.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > number
    with pytest.raises(ValueError):
        await issuer.crl([replace(revoked(3), revoked_at=None)], now)
