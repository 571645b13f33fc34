"""What each kind of certificate contains: the extensions of RFC 5280 for root, issuing CA, SIGN and AUTH."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import AuthorityInformationAccessOID, CertificatePoliciesOID, ExtendedKeyUsageOID

from server.issuing.configuration import AuthorityConfig
from server.ports import CertificateProfile

Extension = tuple[x509.ExtensionType, bool]
"""An extension and whether it is critical."""


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_encipherment: bool = False,
    key_agreement: bool = False,
    certificate_signing: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,  # X.509's older word: nonRepudiation
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=key_agreement,
        key_cert_sign=certificate_signing,
        crl_sign=certificate_signing,
        encipher_only=False,
        decipher_only=False,
    )


def _crl_at(url: str | None) -> list[Extension]:
    if url is None:
        return []
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None)
    return [(x509.CRLDistributionPoints([point]), False)]


def _issuer_at(url: str | None) -> list[Extension]:
    if url is None:
        return []
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
    return [(x509.AuthorityInformationAccess([access]), False)]


def _identifiers(key: CertificatePublicKeyTypes, issuer: x509.SubjectKeyIdentifier) -> list[Extension]:
    return [
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), False),
    ]


def root_extensions(key: CertificatePublicKeyTypes) -> list[Extension]:
    return [
        (x509.BasicConstraints(ca=True, path_length=1), True),
        (_key_usage(certificate_signing=True), True),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
    ]


def issuing_extensions(
    key: CertificatePublicKeyTypes, root: x509.SubjectKeyIdentifier, config: AuthorityConfig
) -> list[Extension]:
    any_policy = x509.PolicyInformation(CertificatePoliciesOID.ANY_POLICY, None)
    return [
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (_key_usage(certificate_signing=True), True),
        (x509.CertificatePolicies([any_policy]), False),
        *_identifiers(key, root),
        *_crl_at(config.root_crl_url),
        *_issuer_at(config.root_url),
    ]


def applicant_extensions(
    profile: CertificateProfile,
    key: CertificatePublicKeyTypes,
    issuing: x509.SubjectKeyIdentifier,
    config: AuthorityConfig,
) -> list[Extension]:
    """SIGN: digitalSignature + nonRepudiation, emailProtection. AUTH: digitalSignature + keyEncipherment, clientAuth.

    With an elliptic-curve key AUTH says keyAgreement in the place of keyEncipherment, which RFC 8813 section 3
    forbids for such keys.
    """
    if profile is CertificateProfile.SIGN:
        usage = _key_usage(digital_signature=True, content_commitment=True)
        purpose, policy = ExtendedKeyUsageOID.EMAIL_PROTECTION, config.sign_policy
    else:
        elliptic = isinstance(key, ec.EllipticCurvePublicKey)
        usage = _key_usage(digital_signature=True, key_encipherment=not elliptic, key_agreement=elliptic)
        purpose, policy = ExtendedKeyUsageOID.CLIENT_AUTH, config.auth_policy
    own_purposes = [x509.ObjectIdentifier(oid) for oid in (config.individual_purpose, config.identification_purpose)]
    notice = [x509.UserNotice(None, config.policy_notice)] if config.policy_notice else None
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (usage, True),
        (x509.ExtendedKeyUsage([purpose, *own_purposes]), False),
        (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier(policy), notice)]), False),
        *_identifiers(key, issuing),
        *_crl_at(config.crl_url),
        *_issuer_at(config.issuing_url),
    ]
