"""The ``document`` command's answer, as JSON-able values and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verification import document
from verification.contract import CheckResult, DocumentReading


def as_json(reading: DocumentReading) -> dict[str, Any]:
    """``{"outcome", "attributes", "sources", "mrz_lines", "checks"}``; pictures are left out."""
    return {
        "outcome": document.overall(reading).value,
        "attributes": dict(reading.attributes),
        "sources": dict(reading.sources),
        "mrz_lines": list(reading.mrz_lines),
        "checks": [_check(check) for check in reading.checks],
    }


def as_text(reading: DocumentReading) -> str:
    lines = [f"{document.overall(reading).value}"]
    lines += [f"  {name}: {value} ({reading.sources[name]})" for name, value in reading.attributes.items()]
    lines += [f"  {line}" for line in reading.mrz_lines]
    lines += [f"  {check.check}: {check.outcome.value} {' '.join(check.reasons)}".rstrip() for check in reading.checks]
    return "\n".join(lines)


def _check(result: CheckResult) -> Mapping[str, Any]:
    return {
        "check": result.check,
        "outcome": result.outcome.value,
        "reasons": list(result.reasons),
        "model": result.model,
        "version": result.version,
        "milliseconds": round(result.milliseconds, 1),
        "details": dict(result.details),
    }
