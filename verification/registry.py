"""What a registry of documents says against what was read: the question to ask and the judgement of its answer. Pure.

The asking itself is an adapter's (HTTP to the authority's service, or a local file for demos).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from verification.contract import CheckResult, Outcome
from verification.romanise import distance

_NEAR_NAME: Final = 0.2
"""Share of a name's letters that may differ: registries and zones romanise differently."""


class DocumentStatus(StrEnum):
    VALID = "valid"
    REVOKED = "revoked"
    LOST = "lost"
    STOLEN = "stolen"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RegistryQuery:
    """The fewest attributes that name one document: no more personal data than that leaves the service."""

    iin: str
    document_number: str
    issuing_state: str


@dataclass(frozen=True, slots=True)
class RegistryRecord:
    """A registry's answer. Empty texts are attributes that it does not tell. Dates are ISO 8601."""

    status: DocumentStatus
    surname: str = ""
    given_names: str = ""
    birth_date: str = ""
    expiry_date: str = ""


def query(attributes: Mapping[str, str]) -> RegistryQuery | None:
    """The question for these attributes (keys of ``contract.ATTRIBUTES``); None where they do not name a document."""
    iin, number = attributes.get("iin", ""), attributes.get("document_number", "")
    if not iin or not number:
        return None
    return RegistryQuery(iin, number, attributes.get("issuing_state", ""))


def check(attributes: Mapping[str, str], record: RegistryRecord | None, asked: bool) -> CheckResult:
    """Judge the answer. ``record`` None: the registry knows no such document, or (``asked`` False) was not asked."""
    if not asked:
        return CheckResult("registry", Outcome.NOT_RUN, ("registry_not_asked",))
    if record is None or record.status is DocumentStatus.UNKNOWN:
        return CheckResult("registry", Outcome.FAILED, ("registry_document_unknown",))
    if record.status is not DocumentStatus.VALID:
        reason = (
            "registry_document_revoked"
            if record.status is DocumentStatus.REVOKED
            else "registry_document_lost"
            if record.status is DocumentStatus.LOST
            else "registry_document_stolen"
        )
        return CheckResult("registry", Outcome.FAILED, (reason,), details={"status": str(record.status)})
    reasons = []
    if _differ(record.birth_date, attributes.get("birth_date", "")):
        reasons.append("registry_birth_date_mismatch")
    if _differ(record.expiry_date, attributes.get("expiry_date", "")):
        reasons.append("registry_expiry_date_mismatch")
    names = (
        (record.surname, attributes.get("surname", "")),
        (record.given_names, attributes.get("given_names", "")),
    )
    if any(told and read and _apart(told, read) > _NEAR_NAME * len(read) for told, read in names):
        reasons.append("registry_name_mismatch")
    outcome = Outcome.FAILED if reasons else Outcome.PASSED
    return CheckResult("registry", outcome, tuple(reasons), details={"status": str(record.status)})


def _differ(told: str, read: str) -> bool:
    return bool(told and read and told != read)


def _apart(one: str, two: str) -> int:
    """Either may be in Cyrillic."""
    return min(distance(one, two), distance(two, one))
