"""What an organisation may set about its certificates: names, object identifiers, lifetimes, addresses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

DEMONSTRATION_ARC = "2.25.146422764795544369433660611482789590286"
"""An arc that nobody else uses, under 2.25 (ITU-T X.667: a UUID is an arc without asking anybody).

The numbers below it follow the national CA's (1.2.398.3.3): 2.3 and 2.4 policies, 4.1.1 and 4.3.2 key purposes.
"""


class AuthorityError(Exception):
    """The authority cannot be made or opened. ``code`` is stable: authority_secret_weak,
    authority_secret_wrong, authority_secret_missing, authority_damaged."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class AuthorityConfig:
    """Everything that goes into certificates beside the applicant's name and key.

    The same order gives the same certificate only under the same configuration. What stands under "first start"
    is fixed when the authority is made; the rest takes effect at the next start.
    """

    # first start
    organization: str = "Betpe-bet demonstration"
    root_name: str = "Betpe-bet Demonstration Root CA"
    issuing_name: str = "Betpe-bet Demonstration Issuing CA"
    country: str = "KZ"
    root_lifetime: timedelta = timedelta(days=20 * 365)
    issuing_lifetime: timedelta = timedelta(days=10 * 365)
    root_url: str | None = None
    """Where the root certificate (DER) is published; goes into the issuing certificate (AIA, RFC 5280 4.2.2.1)."""
    root_crl_url: str | None = None
    """Where the root's CRL is published; goes into the issuing certificate."""

    # every start
    validity: timedelta = timedelta(days=365)
    """How long an applicant's certificates live (the national CA's file keys: one year)."""
    crl_lifetime: timedelta = timedelta(days=1)
    """From a CRL's thisUpdate to its nextUpdate. The service publishes a fresh one whenever it is asked."""
    issuing_url: str | None = None
    """Where the issuing certificate (DER) is published; goes into the applicants' certificates."""
    crl_url: str | None = None
    """Where the CRL is published; goes into the applicants' certificates."""
    individual_purpose: str = f"{DEMONSTRATION_ARC}.4.1.1"
    """Extended key usage: the holder is a natural person."""
    identification_purpose: str = f"{DEMONSTRATION_ARC}.4.3.2"
    """Extended key usage: the holder was identified remotely."""
    sign_policy: str = f"{DEMONSTRATION_ARC}.2.3"
    auth_policy: str = f"{DEMONSTRATION_ARC}.2.4"
    policy_notice: str = "Demonstration certificate: it identifies nobody and has no legal force."
    """Text for people in the certificate policy (RFC 5280 4.2.1.4: at most 200 characters); empty = none."""
