"""What the parts of a document say of each other: zone, print, bar code, IIN rules and calendar. Pure.

A part that could not be read makes its check inconclusive or not run, never passed. A contradiction between two parts
that were both read fails (ETSI TS 119 461: methods that disagree abort).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from verification import iin as iin_rules
from verification import mrz as mrz_rules
from verification import printed as printed_text
from verification import romanise
from verification.contract import CheckResult, Outcome
from verification.iin import Iin
from verification.mrz import Mrz
from verification.printed import Printed
from verification.zone import ZoneReading

_IIN_STATE: Final = "KAZ"
_LONGEST_LIFE: Final = timedelta(days=50 * 365)
"""No document expires later than this from today: tells the century of an expiry date."""
_NEAR_NAME: Final = 0.25
"""Share of a name's letters that readers of print and different spellings may differ in."""
_OTHER_NAME: Final = 0.5
"""From this share on, the print under a name's label is another name."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was read. ``printed``: every side together, ``barcode_iins``: twelve digits in bar codes.

    ``has_back``: a second side was given.
    """

    zone: ZoneReading | None
    printed: Printed
    barcodes: tuple[str, ...]
    barcode_iins: tuple[str, ...]
    has_back: bool
    today: date

    @property
    def mrz(self) -> Mrz | None:
        """The zone, where all its check digits hold."""
        return self.zone.mrz if self.zone is not None and self.zone.mrz.valid else None

    @property
    def mrz_iin(self) -> str | None:
        """The IIN in the zone of a Kazakh card."""
        zone = self.mrz
        return zone.optional or None if zone is not None and zone.issuing_state == _IIN_STATE else None

    @property
    def iin(self) -> tuple[str, str] | None:
        """The IIN and its source, most trusted first."""
        if self.mrz_iin is not None:
            return self.mrz_iin, "mrz"
        if self.printed.valid_iin is not None:
            return self.printed.valid_iin, "printed"
        if len(self.barcode_iins) == 1:
            return self.barcode_iins[0], "barcode"
        return None


def check_mrz(evidence: Evidence) -> CheckResult:
    zone = evidence.zone
    if zone is None:
        return CheckResult("mrz", Outcome.INCONCLUSIVE, ("mrz_not_found",))
    details: dict[str, Any] = {
        "format": zone.mrz.format.value,
        "check_digits": {digit.covers: digit.right for digit in zone.mrz.check_digits},
        "repaired": zone.repaired,
        "confidence": round(zone.confidence, 4),
    }
    if zone.proven:
        return CheckResult("mrz", Outcome.PASSED, details=details)
    if zone.wrong:
        return CheckResult("mrz", Outcome.FAILED, ("mrz_check_digit_wrong",), details=details)
    reason = "mrz_letters_unclear" if zone.mrz.valid else "mrz_unreadable"
    return CheckResult("mrz", Outcome.INCONCLUSIVE, (reason,), details=details)


def check_iin(evidence: Evidence) -> CheckResult:
    """The rules of the number, and that it was made for this birth date and sex."""
    found = evidence.iin
    if found is None:
        foreign = evidence.mrz is not None and evidence.mrz.issuing_state != _IIN_STATE
        reason = "iin_not_applicable" if foreign else "iin_not_found"
        return CheckResult("iin", Outcome.NOT_RUN, (reason,))
    text, source = found
    details: dict[str, Any] = {"source": source}
    try:
        number = iin_rules.parse(text)
    except iin_rules.InvalidIin as error:
        return CheckResult("iin", Outcome.FAILED, (error.code,), details=details)
    zone = evidence.mrz
    if zone is None:
        return CheckResult("iin", Outcome.INCONCLUSIVE, ("iin_not_compared",), details=details)
    reasons = []
    if zone.birth_date != _six(number.birth_date):
        reasons.append("iin_birth_date_mismatch")
    if zone.sex != number.sex:
        reasons.append("iin_sex_mismatch")
    return CheckResult("iin", Outcome.FAILED if reasons else Outcome.PASSED, tuple(reasons), details=details)


def check_barcode(evidence: Evidence) -> CheckResult:
    """The bar code holds the IIN that the rest of the card has."""
    if not evidence.has_back:
        return CheckResult("barcode", Outcome.NOT_RUN, ("side_not_given",))
    zone = evidence.mrz
    if zone is not None and zone.issuing_state != _IIN_STATE:
        return CheckResult("barcode", Outcome.NOT_RUN, ("barcode_not_applicable",))
    if not evidence.barcode_iins:
        reason = "barcode_without_iin" if evidence.barcodes else "barcode_not_found"
        return CheckResult("barcode", Outcome.INCONCLUSIVE, (reason,))
    other = evidence.mrz_iin or evidence.printed.valid_iin
    if other is None:
        return CheckResult("barcode", Outcome.INCONCLUSIVE, ("barcode_not_compared",))
    if set(evidence.barcode_iins) == {other}:
        return CheckResult("barcode", Outcome.PASSED)
    return CheckResult("barcode", Outcome.FAILED, ("barcode_mismatch",))


def check_expiry(evidence: Evidence) -> CheckResult:
    """The last day of validity is not before today."""
    expires = expiry_date(evidence)
    if expires is None:
        return CheckResult("expiry", Outcome.NOT_RUN, ("expiry_not_read",))
    details = {"expiry_date": expires.isoformat(), "today": evidence.today.isoformat()}
    if expires < evidence.today:
        return CheckResult("expiry", Outcome.FAILED, ("document_expired",), details=details)
    return CheckResult("expiry", Outcome.PASSED, details=details)


def check_printed(evidence: Evidence) -> CheckResult:
    """IIN, birth date, document number, expiry date and names as printed, against the zone.

    The IIN must have been read; whatever else was read must agree. Names that no reader could read leave the check
    inconclusive: a person compares them.
    """
    zone, print_ = evidence.mrz, evidence.printed
    if zone is None:
        return CheckResult("printed_text", Outcome.NOT_RUN, ("mrz_not_read",))
    wrong: list[str] = []
    unread: list[str] = []
    agree: list[str] = []

    def record(name: str, answer: bool | None) -> None:
        (unread if answer is None else agree if answer else wrong).append(name)

    if evidence.mrz_iin is not None:
        record("iin", iin_agrees(evidence.mrz_iin, print_))
    six = {_six(day) for day in print_.dates}
    record("birth_date", None if not print_.dates else zone.birth_date in six or None)
    record("document_number", None if not print_.numbers else zone.document_number in print_.numbers or None)
    if evidence.has_back:
        record("expiry_date", None if not print_.dates else zone.expiry_date in six or None)
    for name, spelled in (("surname", zone.surname), ("given_names", zone.given_names)):
        record(name, name_agrees(name, spelled, print_))
    details = {"agree": agree, "not_read": unread, "differ": wrong, "names": dict(print_.names)}
    version = print_.reader
    if wrong:
        reasons = tuple(f"printed_{_REASON.get(name, name)}_mismatch" for name in wrong)
        return CheckResult(
            "printed_text", Outcome.FAILED, tuple(dict.fromkeys(reasons)), version=version, details=details
        )
    if not agree:
        return CheckResult(
            "printed_text", Outcome.INCONCLUSIVE, ("printed_not_read",), version=version, details=details
        )
    needed = [name for name in unread if name in {"iin", "birth_date", "surname", "given_names"}]
    if needed:
        reasons = tuple(dict.fromkeys(f"printed_{_REASON.get(name, name)}_not_read" for name in needed))
        return CheckResult("printed_text", Outcome.INCONCLUSIVE, reasons, version=version, details=details)
    return CheckResult("printed_text", Outcome.PASSED, version=version, details=details)


_REASON: Final = {"surname": "name", "given_names": "name"}


def iin_agrees(number: str, print_: Printed) -> bool | None:
    """Whether the print has this IIN and no other one.

    A number that differs in one digit is taken as misread, not as another: one digit of an IIN is not protected by
    its check digit.
    """
    others = [text for text in print_.valid_iins if sum(a != b for a, b in zip(text, number, strict=True)) > 1]
    if others:
        return False
    return True if number in print_.valid_iins else None


def name_agrees(name: str, spelled: str, print_: Printed) -> bool | None:
    """Whether a name of the zone is printed: True if some print spells it, False if its label has another name under
    it, None where neither can be said."""
    if not spelled:
        return None
    # The zone cuts long names, so the print may go on.
    allowed = int(_NEAR_NAME * len(spelled))
    under = print_.names.get(name)
    if under is not None and _name_distance(under, spelled) <= allowed:
        return True
    nearest = printed_text.closest(spelled, print_)
    if nearest is not None and nearest[1] <= allowed:
        return True
    if under is not None and _name_distance(under, spelled) >= _OTHER_NAME * len(spelled):
        return False
    return None


def _name_distance(print_: str, spelled: str) -> int:
    return romanise.distance(print_, spelled)


def _six(day: date) -> str:
    return f"{day.year % 100:02d}{day:%m%d}"


def expiry_date(evidence: Evidence) -> date | None:
    """The zone's expiry date with its century."""
    zone = evidence.mrz
    return None if zone is None else mrz_rules.full_date(zone.expiry_date, evidence.today + _LONGEST_LIFE)


def birth_date(evidence: Evidence) -> date | None:
    """The zone's birth date; its century is the IIN's where both agree on the day, else the latest possible one."""
    zone = evidence.mrz
    if zone is None:
        return None
    number = _valid(evidence.mrz_iin)
    if number is not None and _six(number.birth_date) == zone.birth_date:
        return number.birth_date
    return mrz_rules.full_date(zone.birth_date, evidence.today)


def _official_spelling(evidence: Evidence) -> dict[str, str]:
    """Both names as printed, where the print spells the zone's letter by letter; empty where either does not.

    The printed ones are the official spelling, of which the zone is a transliteration. A reading that is only near
    would put a misread letter into a certificate. A label lost in a poor picture does not matter: the word is known
    by what it must spell.
    """
    zone, print_ = evidence.mrz, evidence.printed
    if zone is None:
        return {}
    found = {}
    for name, spelled in (("surname", zone.surname), ("given_names", zone.given_names)):
        nearest = printed_text.closest(spelled, print_) if spelled else None
        candidates = [print_.names.get(name, ""), nearest[0].upper() if nearest is not None else ""]
        exact = [text for text in candidates if text and _name_distance(text, spelled) == 0]
        if not exact:
            return {}
        found[name] = exact[0].strip()
    return found


def _valid(text: str | None) -> Iin | None:
    try:
        return None if text is None else iin_rules.parse(text)
    except iin_rules.InvalidIin:
        return None


def attributes(evidence: Evidence) -> tuple[dict[str, str], dict[str, str]]:
    """Attributes (keys of ``contract.ATTRIBUTES``) and the source of each: mrz, printed, barcode."""
    values: dict[str, str] = {}
    sources: dict[str, str] = {}

    def give(name: str, value: str, source: str) -> None:
        if value and name not in values:
            values[name], sources[name] = value, source

    zone = evidence.mrz
    if zone is not None:
        born, expires = birth_date(evidence), expiry_date(evidence)
        for name, text in _official_spelling(evidence).items():
            give(name, text, "printed")
        give("surname", zone.surname, "mrz")
        give("given_names", zone.given_names, "mrz")
        give("document_number", zone.document_number, "mrz")
        give("birth_date", born.isoformat() if born else "", "mrz")
        give("sex", zone.sex, "mrz")
        give("expiry_date", expires.isoformat() if expires else "", "mrz")
        give("issuing_state", zone.issuing_state, "mrz")
    for name in ("surname", "given_names", "patronymic"):
        give(name, evidence.printed.names.get(name, ""), "printed")
    found = evidence.iin
    if found is not None:
        give("iin", *found)
        number = _valid(found[0])
        if number is not None:
            give("birth_date", number.birth_date.isoformat(), found[1])
            give("sex", number.sex, found[1])
    return values, sources
