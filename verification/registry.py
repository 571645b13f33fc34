"""What a registry of documents, and the applicant herself, say against what was read from the document. Pure.

The asking itself is an adapter's of the service (HTTP to the authority's service, or a local answer for demos).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from verification.contract import CheckResult, DocumentStatus, Outcome, RegistryRecord
from verification.romanise import distance

_NEAR_NAME: Final = 0.2
"""Share of a name's letters that may differ: registries and zones romanise differently."""


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


_OTHER_NAME: Final = 0.5
"""From this share of different letters on, what was typed is another name than the one that was read."""


def check_typed(read: Mapping[str, str], typed: Mapping[str, str]) -> CheckResult:
    """What the applicant typed in place of what was read (keys of ``contract.ATTRIBUTES``), for a person to compare.

    Never passed by itself: nothing but a pair of eyes says that the card has what was typed.
    """
    reasons = ["applicant_corrected"]
    share = {
        name: round(_apart(read[name], text) / max(1, len(read[name])), 2)
        for name, text in typed.items()
        if text and read.get(name)
    }
    if any(apart >= _OTHER_NAME for apart in share.values()):
        reasons.insert(0, "typed_another_name")
    details = {"corrected": sorted(typed), "apart": share}
    return CheckResult("typed_text", Outcome.INCONCLUSIVE, tuple(reasons), model="rules", details=details)


def _differ(told: str, read: str) -> bool:
    return bool(told and read and told != read)


def _apart(one: str, two: str) -> int:
    """Either may be in Cyrillic."""
    return min(distance(one, two), distance(two, one))
