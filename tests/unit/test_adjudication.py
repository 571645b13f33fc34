"""A worse result never leads to a better recommendation."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from server.adjudication import DEFAULT_POLICY, Approval, Effect, Policy, Recommendation, Rule, adjudicate, policy
from verification.contract import Outcome

bounded = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy

BEST_FIRST = list(Approval)
CHECKS = sorted(DEFAULT_POLICY.rules)
STEPS = DEFAULT_POLICY.required_steps
Results = dict[str, tuple[Outcome, tuple[str, ...]]]

OUTCOMES = st.sampled_from(Outcome)
RESULTS = st.dictionaries(st.sampled_from(CHECKS), OUTCOMES.map(lambda outcome: (outcome, ("why",))))
DONE = st.dictionaries(st.sampled_from(STEPS), st.sampled_from(["done", "skipped", "problem"]))
PASSED: Results = dict.fromkeys(CHECKS, (Outcome.PASSED, ()))
CARD_CHECKS = {"tilt", "security_features"}
ALL_CHECKS = sorted(policy(True, True, True).rules)
ALL_PASSED: Results = dict.fromkeys(ALL_CHECKS, (Outcome.PASSED, ()))
ALL_DONE = dict.fromkeys(STEPS, "done")

WORSE = {
    Outcome.PASSED: (Outcome.INCONCLUSIVE, Outcome.FAILED, Outcome.NOT_RUN),
    Outcome.INCONCLUSIVE: (Outcome.FAILED,),
    Outcome.NOT_RUN: (Outcome.FAILED,),
    Outcome.FAILED: (),
}
"""What is worse than an outcome. Not run and inconclusive are not compared: the policy says which weighs more."""

WORSE_STEP: dict[str | None, tuple[str | None, ...]] = {
    "done": ("skipped", "problem", None),
    "skipped": (None,),
    "problem": (None,),
    None: (),
}


def rank(recommendation: Recommendation) -> int:
    """0 is best."""
    return BEST_FIRST.index(recommendation.approval)


def outcome_of(results: Results, check: str) -> Outcome:
    return results.get(check, (Outcome.NOT_RUN, ()))[0]


@bounded
@given(RESULTS, DONE, st.booleans(), st.data())
def test_a_worse_result_never_leads_to_a_better_recommendation(
    results: Results, steps: dict[str, str], earlier: bool, data: st.DataObject
) -> None:
    check = data.draw(st.sampled_from(CHECKS))
    choices = WORSE[outcome_of(results, check)]
    assume(choices)
    worse = data.draw(st.sampled_from(choices))
    before = adjudicate(results, steps, earlier_call_failed=earlier)
    after = adjudicate({**results, check: (worse, ("why",))}, steps, earlier_call_failed=earlier)
    assert rank(after) >= rank(before)
    effects = list(Effect)
    for old, new in zip(before.parts, after.parts, strict=True):
        assert old.check == new.check
        assert effects.index(new.effect) >= effects.index(old.effect)


@bounded
@given(RESULTS, DONE, st.data())
def test_a_worse_step_never_leads_to_a_better_recommendation(
    results: Results, steps: dict[str, str], data: st.DataObject
) -> None:
    step = data.draw(st.sampled_from(STEPS))
    choices = WORSE_STEP[steps.get(step)]
    assume(choices)
    worse = data.draw(st.sampled_from(choices))
    changed = {name: said for name, said in steps.items() if name != step} | ({step: worse} if worse else {})
    assert rank(adjudicate(results, changed)) >= rank(adjudicate(results, steps))


@bounded
@given(RESULTS, DONE)
def test_a_second_person_after_a_failed_comparison_is_held_to_no_less(results: Results, steps: dict[str, str]) -> None:
    alone = adjudicate(results, steps)
    second = adjudicate(results, steps, earlier_call_failed=True)
    assert rank(second) >= rank(alone)
    assert second.approval is not Approval.ALLOWED


@bounded
@given(RESULTS, DONE, st.sampled_from([Outcome.FAILED, Outcome.NOT_RUN, Outcome.INCONCLUSIVE]))
def test_no_approval_without_a_passed_face_match(results: Results, steps: dict[str, str], outcome: Outcome) -> None:
    recommendation = adjudicate({**results, "face_match": (outcome, ())}, steps)
    assert recommendation.approval is Approval.REFUSED
    assert "face_match" in {part.check for part in recommendation.blocking}


@bounded
@given(RESULTS, DONE)
def test_no_approval_when_the_face_match_is_absent(results: Results, steps: dict[str, str]) -> None:
    results.pop("face_match", None)
    assert adjudicate(results, steps).approval is Approval.REFUSED


@bounded
@given(RESULTS, DONE, st.sampled_from(CHECKS))
def test_any_failed_check_refuses_approval(results: Results, steps: dict[str, str], check: str) -> None:
    assert adjudicate({**results, check: (Outcome.FAILED, ())}, steps).approval is Approval.REFUSED


@bounded
@given(DONE)
def test_a_required_step_that_was_not_recorded_refuses_approval(steps: dict[str, str]) -> None:
    assume(len(steps) < len(STEPS))
    assert adjudicate(PASSED, steps).approval is Approval.REFUSED


@bounded
@given(
    st.dictionaries(st.sampled_from(ALL_CHECKS), OUTCOMES.map(lambda outcome: (outcome, ("why",)))),
    DONE,
    st.booleans(),
    st.booleans(),
    st.data(),
)
def test_no_worse_result_of_any_check_helps_whatever_is_required(
    results: Results, steps: dict[str, str], face: bool, card: bool, data: st.DataObject
) -> None:
    rules = policy(face, card_checks_required=card)
    check = data.draw(st.sampled_from(ALL_CHECKS))
    choices = WORSE[outcome_of(results, check)]
    assume(choices)
    worse = data.draw(st.sampled_from(choices))
    after = adjudicate({**results, check: (worse, ("why",))}, steps, rules)
    assume(not (worse is Outcome.NOT_RUN and not (card if check in CARD_CHECKS else face)))  # not asked for: no worse
    assert rank(after) >= rank(adjudicate(results, steps, rules))


@pytest.mark.parametrize("check", sorted(CARD_CHECKS))
def test_a_doubt_about_the_card_is_for_the_operators_eye_and_a_denial_for_a_second_person(check: str) -> None:
    for required in (False, True):
        rules = policy(False, card_checks_required=required)
        assert adjudicate({**ALL_PASSED, check: (Outcome.FAILED, ())}, ALL_DONE, rules).approval is Approval.REFUSED
        doubtful = adjudicate({**ALL_PASSED, check: (Outcome.INCONCLUSIVE, ())}, ALL_DONE, rules)
        assert doubtful.approval is Approval.NEEDS_REASON
        undone = adjudicate({**ALL_PASSED, check: (Outcome.NOT_RUN, ())}, ALL_DONE, rules).approval
        assert undone is (Approval.REFUSED if required else Approval.ALLOWED)


@bounded
@given(RESULTS, DONE, st.booleans())
def test_the_recommendation_is_its_worst_part(results: Results, steps: dict[str, str], earlier: bool) -> None:
    recommendation = adjudicate(results, steps, earlier_call_failed=earlier)
    effects = {part.effect for part in recommendation.parts}
    assert (recommendation.approval is Approval.REFUSED) == (Effect.BLOCKS in effects)
    assert (recommendation.approval is Approval.ALLOWED) == (effects == {Effect.SUPPORTS})
    assert bool(recommendation.blocking) == (Effect.BLOCKS in effects)
    for part in recommendation.parts:
        if part.effect is not Effect.SUPPORTS and part.check != "earlier_call":
            assert part.remedy


def test_all_passed_and_all_done_is_allowed() -> None:
    assert adjudicate(PASSED, ALL_DONE).approval is Approval.ALLOWED


def test_nothing_at_all_is_refused() -> None:
    recommendation = adjudicate({}, {})
    assert recommendation.approval is Approval.REFUSED
    assert {part.outcome for part in recommendation.parts} == {Outcome.NOT_RUN}


@pytest.mark.parametrize("check", ["printed_text", "barcode", "document_front", "document_back", "typed_text"])
def test_what_a_person_can_settle_needs_a_reason(check: str) -> None:
    recommendation = adjudicate({**PASSED, check: (Outcome.INCONCLUSIVE, ("unreadable",))}, ALL_DONE)
    assert recommendation.approval is Approval.NEEDS_REASON
    (part,) = (part for part in recommendation.parts if part.effect is not Effect.SUPPORTS)
    assert (part.check, part.reasons) == (check, ("unreadable",))


def test_nothing_typed_needs_no_reason() -> None:
    untyped = {check: result for check, result in PASSED.items() if check != "typed_text"}
    assert adjudicate(untyped, ALL_DONE).approval is Approval.ALLOWED


@pytest.mark.parametrize("said", ["skipped", "problem"])
def test_a_step_that_did_not_go_well_needs_a_reason(said: str) -> None:
    recommendation = adjudicate(PASSED, {**ALL_DONE, "tilt_card": said})
    assert recommendation.approval is Approval.NEEDS_REASON


def test_a_registry_has_to_be_asked_where_there_is_one() -> None:
    unasked = {check: result for check, result in PASSED.items() if check != "registry"}
    assert adjudicate(unasked, ALL_DONE, policy(False)).approval is Approval.ALLOWED
    assert adjudicate(unasked, ALL_DONE, policy(False, registry_asked=True)).approval is Approval.REFUSED
    silent: Results = {**PASSED, "registry": (Outcome.INCONCLUSIVE, ("registry_timed_out",))}
    assert adjudicate(silent, ALL_DONE, policy(False, registry_asked=True)).approval is Approval.NEEDS_REASON


def test_a_step_outcome_that_nobody_knows_is_not_a_pass() -> None:
    assert adjudicate(PASSED, {**ALL_DONE, "greet": "DONE"}).approval is Approval.REFUSED


def test_a_check_outside_the_policy_weighs_nothing() -> None:
    with_opinion: Results = {**PASSED, "face_second_opinion": (Outcome.FAILED, ())}
    assert adjudicate(with_opinion, ALL_DONE) == adjudicate(PASSED, ALL_DONE)


def test_an_organisation_may_ask_for_more() -> None:
    strict = Policy(
        rules={**DEFAULT_POLICY.rules, "visa": Rule(Effect.BLOCKS, Effect.BLOCKS, "ask_registry")},
        required_steps=STEPS,
    )
    assert adjudicate(PASSED, ALL_DONE, strict).approval is Approval.REFUSED
    asked: Results = {**PASSED, "visa": (Outcome.PASSED, ())}
    assert adjudicate(asked, ALL_DONE, strict).approval is Approval.ALLOWED
