"""The embedded registration authority (RA) and certification authority (CA): adapters of the Issuer port."""

from server.issuing.configuration import DEMONSTRATION_ARC, AuthorityConfig, AuthorityError
from server.issuing.embedded import EmbeddedIssuer, create_authority

__all__ = ["DEMONSTRATION_ARC", "AuthorityConfig", "AuthorityError", "EmbeddedIssuer", "create_authority"]
