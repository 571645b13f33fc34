"""Every code that the server or a check can give to a page has words in Kazakh, Russian and English."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest

from server.adjudication import DEFAULT_POLICY, Effect, adjudicate, policy
from server.consultation import examining
from server.consultation.desk import Presence
from server.consultation.timeline import MARKS
from server.ports import ENDS, CertificateProfile
from server.proofing import (
    INTERPRETED_LANGUAGES,
    PAUSE_REASONS,
    REFER_REASONS,
    REJECT_REASONS,
    STEP_OUTCOMES,
    STEPS,
    DecisionOutcome,
    Role,
)
from tests.codes import Scope, Sources, Unfollowed
from verification import security_features, tilt_judge
from verification.card_challenge import Kind as CardKind
from verification.challenge import NEEDS, Kind
from verification.contract import Outcome
from verification.liveness import STEP_REASONS

WEB = Path(__file__).resolve().parents[2] / "web"
LANGUAGES = ("kk", "ru", "en")
PAGES = ("applicant", "operator", "records", "interpreter")
TEXTS = {"records": ("operator", "records")}
"""Texts that a page loads beside the shared ones; its own where it is not here."""
PAGE_OF = {
    "server/api/applicant.py": "applicant",
    "server/consultation/applying.py": "applicant",
    "server/consultation/certificates.py": "applicant",
    "server/consultation/revoking.py": "applicant",
    "server/issuing": "applicant",
    "server/store/certificates.py": "applicant",
    "verification": "applicant",
    "server/api/operator.py": "operator",
    "server/api/records.py": "records",
    "server/api/supervisor.py": "records",
    "server/consultation/supervising.py": "records",
    "server/consultation/reviewing.py": "records",
    "server/consultation/operating.py": "operator",
    "server/consultation/deciding.py": "operator",
    "server/consultation/examining.py": "operator",
}
"""Sources whose errors only one page can meet; those of all others can come to both."""
NOT_FOR_PAGES = {
    "file_unreadable": "the command line reads files by name",
    "iin_malformed": "as an error only of the command line's --iin; pages have it as a check's reason",
    "iin_century_invalid": "as above",
    "iin_birth_date_invalid": "as above",
    "iin_check_digit_wrong": "as above",
    "loopback_only": "metrics are read by a program",
    "websocket_expected": "pages ask with a WebSocket",
    "operator_unknown": "an operator's page has signed in",
}
ONE_PAGE_ONLY = {"no_case": "operator", "registry_answered": "operator"}
"""Codes of shared sources that only one page can meet: an applicant's socket always has her session, and it is the
operator who asks the register again."""
FROM_THE_PAGE_ITSELF = {"unknown", "summary"}


@cache
def sources() -> Sources:
    return Sources("server", "verification")


@cache
def of_commands() -> set[str]:
    """Files of verification that only its command line uses: the service reaches the others through its checker."""
    served = sources().reached_from("server.checker")
    names = [name for name in sources().modules if name.startswith("verification") and name not in served]
    return {name.replace(".", "/") + ".py" for name in names}


@cache
def words(page: str, language: str) -> dict[str, object]:
    """What a page looks keys up in: the shared texts and its own."""
    texts: dict[str, object] = {}
    for name in ("shared", *TEXTS.get(page, (page,))):
        texts |= json.loads((WEB / "locales" / f"{name}.{language}.json").read_text(encoding="utf-8"))
    return texts


@cache
def given(names: tuple[str, ...], place: int, keyword: str) -> dict[str, set[str]]:
    """Code -> the source files that give it as that argument of a call."""
    found: dict[str, set[str]] = {}
    for scope, call in sources().calls(*names):
        for code in sources().strings(sources().argument(call, place, keyword), scope):
            found.setdefault(code, set()).add(scope.module.name.replace(".", "/") + ".py")
    return found


@cache
def errors() -> dict[str, set[str]]:
    """Error code -> the files that raise or send it."""
    domain = ("DomainError", "UnusableInput", "CheckUnavailable", "IssuanceRefused", "MediaError", "body", "_error")
    found = {code: set(files) for code, files in given(domain, 0, "code").items()}
    for code, files in (given(("ApiError",), 1, "code") | given(("bye",), 0, "code")).items():
        found.setdefault(code, set()).update(files)
    module = sources().modules["server.api.errors"]
    for code in sources().returned_elements(Scope(module, module.functions["describe"][0]), 1):
        found.setdefault(code, set()).add("server/api/errors.py")
    return {code: files for code, files in found.items() if files - of_commands()}


def pages_of(files: set[str]) -> set[str]:
    pages: set[str] = set()
    for file in files:
        pages.update(next(({page} for start, page in PAGE_OF.items() if file.startswith(start)), PAGES))
    return pages


def missing(page: str, keys: set[str]) -> list[str]:
    return sorted(f"{language}: {key}" for key in keys for language in LANGUAGES if key not in words(page, language))


def literals(page: str) -> set[str]:
    """Words in quotes in the page's scripts."""
    scripts = [*(WEB / "shared").glob("*.js"), *(WEB / page).glob("*.js")]
    return {word for script in scripts for word in re.findall(r"[\"'`]([a-z0-9_.]+)[\"'`]", script.read_text("utf-8"))}


def test_the_collection_sees_what_is_there() -> None:
    assert {"wrong_state", "csr_key_weak", "image_truncated", "check_busy", "conflict", "internal"} <= errors().keys()
    assert "verification/specimen_files.py" in of_commands()
    assert "verification/images.py" not in of_commands()
    assert {"opened_elsewhere", "origin_refused", "media_full", "body_too_large", "no_case"} <= errors().keys()
    assert NOT_FOR_PAGES.keys() <= errors().keys(), "an exemption that nothing needs"
    assert {"printed_name_mismatch", "iin_check_digit_wrong", "engines_disagree"} <= reasons()


@pytest.mark.parametrize("page", PAGES)
def test_errors_have_words(page: str) -> None:
    codes = {
        code
        for code, files in errors().items()
        if code not in NOT_FOR_PAGES and page in pages_of(files) and ONE_PAGE_ONLY.get(code, page) == page
    }
    assert missing(page, {f"error.{code}" for code in codes} | {"error.unknown"}) == []


@pytest.mark.parametrize("page", PAGES)
def test_no_words_for_errors_that_nobody_gives(page: str) -> None:
    texts = json.loads((WEB / "locales" / f"{page}.kk.json").read_text("utf-8"))
    shared = json.loads((WEB / "locales" / "shared.kk.json").read_text("utf-8"))
    own = errors().keys() | literals(page) | FROM_THE_PAGE_ITSELF
    anywhere = own | literals("applicant") | literals("operator")
    assert [key for key in texts if key.startswith("error.") and key.split(".", 1)[1] not in own] == []
    assert [key for key in shared if key.startswith("error.") and key.split(".", 1)[1] not in anywhere] == []


def reasons() -> set[str]:
    """Reasons of every check, and of the parts that adjudication adds."""
    found = set(given(("CheckResult",), 2, "reasons"))
    for outcome in STEP_OUTCOMES:
        for part in adjudicate({}, dict.fromkeys(STEPS, outcome), earlier_call_failed=True).parts:
            found.update(part.reasons)
    return found


def test_reasons_have_words() -> None:
    texts = words("operator", "en")
    families = ("reason", "problem", "guidance", "error")  # as web/operator/words.js looks them up
    # A check that could not run names the error that stopped it; the desk has no words for errors it cannot meet.
    elsewhere = {code for code, files in errors().items() if code in NOT_FOR_PAGES or "operator" not in pages_of(files)}
    keys = {
        next((key for family in families if (key := f"{family}.{code}") in texts), code)
        for code in reasons() - elsewhere
    }
    assert missing("operator", keys | {"reason.unknown"}) == []


def test_problems_of_a_picture_have_words() -> None:
    codes = given(("SideReading",), 2, "problems")
    assert missing("applicant", {f"problem.{code}" for code in codes} | {"problem.unknown"}) == []


@pytest.mark.parametrize("page", PAGES)
def test_guidance_has_words(page: str) -> None:
    codes = given(("Guidance",), 0, "problems")
    assert missing(page, {f"guidance.{code}" for code in codes} | {"guidance.unknown"}) == []


def test_what_the_desk_shows_has_words() -> None:
    rules = policy(True, True, True).rules.values()
    families = {
        "check": set(given(("CheckResult",), 0, "check")) | DEFAULT_POLICY.rules.keys() | {"earlier_call"},
        "remedy": {rule.remedy for rule in rules} | {"finish_step"},
        "effect": set(map(str, Effect)),
        "outcome": set(map(str, Outcome)),
        "step": set(STEPS),
        "step_outcome": set(STEP_OUTCOMES),
        "decision_reason": {*REJECT_REASONS, *REFER_REASONS},
        "pause_reason": set(PAUSE_REASONS),
        "role": set(map(str, Role)),
        "say": set(STEPS),
        "look": set(STEPS),
    }
    keys = {f"{family}.{code}" for family, codes in families.items() for code in codes}
    assert missing("operator", keys) == []


def test_the_liveness_challenge_has_words() -> None:
    kinds = {f"challenge.{kind}" for kind in (*Kind, "calm", "unknown")}
    assert missing("applicant", kinds) == []
    codes = {f"need.{need}" for need in NEEDS} | {f"step.{reason}" for reason in STEP_REASONS}
    assert missing("operator", kinds | codes) == []


def test_the_checks_of_the_card_have_words() -> None:
    kinds = [*CardKind, "card_calm"]
    assert missing("applicant", {f"challenge.{kind}" for kind in kinds}) == []
    features = [one for name in ("kazakhstan_id", "generic") for one in security_features.load(name).features]
    codes = {f"challenge_task.{kind}" for kind in CardKind} | {f"step.{reason}" for reason in tilt_judge.STEP_REASONS}
    codes |= {f"feature_kind.{one.kind}" for one in features} | {f"features.ask.{one.ask}" for one in features}
    codes |= {f"feature_answer.{answer}" for answer in (*examining.ANSWERS, "none")}
    assert missing("operator", codes) == []


def test_what_a_record_shows_has_words() -> None:
    spoken_otherwise = {"step_recorded", "check_recorded", "check_unavailable"}
    keys = {f"mark.{kind}" for kind in MARKS if kind not in spoken_otherwise} | {"mark.unknown"}
    keys |= {f"verdict.{code}" for code in ("intact", "cut_off", "damaged", "foreign", "missing", "deleted", "unknown")}
    keys |= {f"leg.{leg}" for leg in ENDS} | {f"decision.{outcome}" for outcome in DecisionOutcome}
    keys |= {f"profile.{profile}" for profile in CertificateProfile}
    assert missing("records", keys) == []


@pytest.mark.parametrize("page", ["applicant", "operator"])
def test_who_else_is_in_the_call_has_words(page: str) -> None:
    presence = Presence(watching={"s": {"op": object()}})
    assert missing(page, {f"present.{role}" for role in presence.others("s")} | {"present.unknown"}) == []


@pytest.mark.parametrize("page", ["applicant", "operator", "interpreter"])
def test_the_interpreters_part_has_words(page: str) -> None:
    keys = {f"interpreted.{language}" for language in (*INTERPRETED_LANGUAGES, "unknown")}
    ends = {"operator": "third.ended", "interpreter": "end"}
    if page in ends:  # the citizen's page says that she has left, whoever ended it
        keys |= {f"{ends[page]}.{by}" for by in ("operator", "applicant", "interpreter", "unknown")}
    assert missing(page, keys) == []


def test_what_the_citizen_sees_has_words() -> None:
    keys = {f"decision.{code}{part}" for code in REJECT_REASONS for part in ("", ".next")}
    keys |= {f"talk.step.{step}" for step in STEPS}
    assert missing("applicant", keys) == []


def test_judgements_of_a_password_have_words() -> None:
    script = (WEB / "shared" / "password.js").read_text("utf-8")
    codes = set(re.findall(r'code: "(\w+)"', script)) | set(
        re.findall(r'"(\w+)"', script.partition("CODES =")[2].partition(";")[0])
    )
    assert {"not_latin", "too_short", "strong"} <= codes
    assert missing("applicant", {f"password.{code}" for code in codes}) == []


def test_a_code_that_cannot_be_followed_is_told() -> None:
    (module,) = [module for module in sources().modules.values() if module.name == "server.proofing"]
    with pytest.raises(Unfollowed, match=r"server/proofing\.py"):
        sources().strings(ast.parse("somewhere(else_)", mode="eval").body, Scope(module, None))
