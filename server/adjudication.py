"""Check results + policy -> recommendation with a reason per part. Pure.

A worse result never leads to a better recommendation (tests/unit/test_adjudication.py holds this as a property).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from verification.contract import Outcome


class Effect(StrEnum):
    """What one part does to the recommendation."""

    SUPPORTS = "supports"
    NEEDS_REASON = "needs_reason"
    BLOCKS = "blocks"


class Approval(StrEnum):
    """Whether Approve may be offered, best first."""

    ALLOWED = "allowed"
    NEEDS_REASON = "needs_reason"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a check's outcome other than passed does."""

    inconclusive: Effect
    not_run: Effect
    remedy: str
    """What would change it: a code, translated as ``remedy.<code>``."""
    failed: Effect = Effect.BLOCKS
    inconclusive_for_second: Effect | None = None
    """What inconclusive does when a second person looks; None: the same."""


@dataclass(frozen=True, slots=True)
class Policy:
    """An organisation's rules, as data."""

    rules: Mapping[str, Rule]
    required_steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Part:
    check: str
    outcome: Outcome
    effect: Effect
    reasons: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    approval: Approval
    parts: tuple[Part, ...]

    @property
    def blocking(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.effect is Effect.BLOCKS)


_BLOCK = Effect.BLOCKS
_REASON = Effect.NEEDS_REASON

DEFAULT_POLICY = Policy(
    rules={
        "face_match": Rule(_BLOCK, _BLOCK, "compare_again"),
        "portrait": Rule(_BLOCK, _BLOCK, "new_card_pictures"),
        "mrz": Rule(_BLOCK, _BLOCK, "new_card_pictures"),
        "iin": Rule(_BLOCK, _BLOCK, "new_card_pictures"),
        "expiry": Rule(_BLOCK, _BLOCK, "valid_document"),
        "document_front": Rule(_REASON, _BLOCK, "new_card_pictures"),
        "document_back": Rule(_REASON, _BLOCK, "new_card_pictures"),
        "printed_text": Rule(_REASON, _REASON, "compare_card_by_eye"),
        "barcode": Rule(_REASON, _REASON, "compare_card_by_eye"),
        "typed_text": Rule(_REASON, Effect.SUPPORTS, "compare_card_by_eye"),
        "injection": Rule(_BLOCK, _REASON, "second_person", inconclusive_for_second=_REASON),
        "registry": Rule(_REASON, Effect.SUPPORTS, "ask_registry"),
    },
    required_steps=("greet", "purpose", "show_card", "tilt_card", "questions", "face_in_frame"),
)
"""ETSI TS 119 461: methods that disagree abort (a failed check blocks, whoever decides); what only a person can
see may be settled by a person with a reason. ``typed_text`` exists only where the applicant corrected something,
``registry`` where a register of documents can be asked; one that does not answer leaves the asking to a person.
``injection``: passive signs refuse nobody; a risk of referral and more is for a second person, who has to say why."""


def policy(liveness_required: bool, registry_asked: bool = False, card_checks_required: bool = False) -> Policy:
    """The default policy with the liveness challenge either required, or only heeded where it was done.

    ``registry_asked``: there is a register of documents, so that a session in which it was not asked is not approved.
    ``card_checks_required``: so are the tilted card and its security features. What they leave open is for the
    operator's eye, with a reason; what they deny goes to a second person, or is rejected.
    """
    liveness = (
        Rule(_BLOCK, _BLOCK, "do_challenge") if liveness_required else Rule(_REASON, Effect.SUPPORTS, "do_challenge")
    )
    undone = _BLOCK if card_checks_required else Effect.SUPPORTS
    card = {"tilt": Rule(_REASON, undone, "tilt_card"), "security_features": Rule(_REASON, undone, "examine_features")}
    rules = {**DEFAULT_POLICY.rules, "liveness": liveness, **card}
    if registry_asked:
        rules["registry"] = replace(rules["registry"], not_run=_BLOCK)
    return Policy(rules, DEFAULT_POLICY.required_steps)


def _effect(rule: Rule, outcome: Outcome, second_person: bool) -> Effect:
    if outcome is Outcome.INCONCLUSIVE and second_person and rule.inconclusive_for_second is not None:
        return rule.inconclusive_for_second
    return {
        Outcome.PASSED: Effect.SUPPORTS,
        Outcome.FAILED: rule.failed,
        Outcome.INCONCLUSIVE: rule.inconclusive,
        Outcome.NOT_RUN: rule.not_run,
    }[outcome]


def adjudicate(
    results: Mapping[str, tuple[Outcome, Sequence[str]]],
    steps: Mapping[str, str],
    policy: Policy = DEFAULT_POLICY,
    *,
    earlier_call_failed: bool = False,
    second_person: bool = False,
) -> Recommendation:
    """The recommendation for one session.

    ``results``: check -> (latest outcome, reason codes); a check of the policy that is absent counts as not run.
    ``steps``: step -> done, skipped, problem. ``earlier_call_failed``: a first operator's comparison did not pass,
    so that a second person who approves has to say why. ``second_person``: an earlier operator referred the session.
    """
    parts = []
    for check, rule in policy.rules.items():
        outcome, reasons = results.get(check, (Outcome.NOT_RUN, ()))
        effect = _effect(rule, outcome, second_person)
        parts.append(Part(check, outcome, effect, tuple(reasons), "" if effect is Effect.SUPPORTS else rule.remedy))
    for step in policy.required_steps:
        said = steps.get(step)
        outcome = {"done": Outcome.PASSED, "problem": Outcome.INCONCLUSIVE, "skipped": Outcome.INCONCLUSIVE}.get(
            said or "", Outcome.NOT_RUN
        )
        effect = {Outcome.PASSED: Effect.SUPPORTS, Outcome.INCONCLUSIVE: _REASON}.get(outcome, _BLOCK)
        remedy = "" if effect is Effect.SUPPORTS else "finish_step"
        parts.append(Part(f"step_{step}", outcome, effect, (f"step_{said}",) if said else (), remedy))
    if earlier_call_failed:
        parts.append(Part("earlier_call", Outcome.INCONCLUSIVE, _REASON, ("earlier_comparison_not_passed",), ""))
    effects = {part.effect for part in parts}
    approval = (
        Approval.REFUSED
        if Effect.BLOCKS in effects
        else Approval.NEEDS_REASON
        if Effect.NEEDS_REASON in effects
        else Approval.ALLOWED
    )
    return Recommendation(approval, tuple(parts))
