"""A session survives its way through a JSON document, whatever is in it."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.proofing import Decision, DecisionOutcome, Session, State, StepRecord
from server.store import documents

TEXT = st.text(st.characters(), max_size=6)  # all of Unicode, lone surrogates and NUL too
TIMES = st.datetimes(timezones=st.just(UTC))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=3,
)
TEXTS = st.dictionaries(TEXT, TEXT, max_size=2)
DECISIONS = st.builds(
    Decision,
    outcome=st.sampled_from(DecisionOutcome),
    reason_code=TEXT,
    note=TEXT,
    operator_id=TEXT,
    made_at=TIMES,
    override_reason=TEXT,
    sealed=st.booleans(),
)
STEPS = st.builds(StepRecord, step=TEXT, outcome=TEXT, at=TIMES, operator_id=TEXT, note=TEXT)
SESSIONS = st.builds(
    Session,
    id=TEXT,
    token_sha256=TEXT,
    language=TEXT,
    purpose=TEXT,
    consent_version=TEXT,
    created_at=TIMES,
    state=st.sampled_from(State),
    version=st.integers(min_value=1),
    joined_at=st.none() | TIMES,
    priority=st.integers(),
    operator_id=st.none() | TEXT,
    excluded_operators=st.lists(TEXT, max_size=2).map(tuple),
    call_id=st.none() | TEXT,
    calls=st.integers(),
    attributes=TEXTS,
    corrections=TEXTS,
    readings=st.dictionaries(TEXT, st.dictionaries(TEXT, VALUES, max_size=2), max_size=2),
    images=TEXTS,
    steps=st.lists(STEPS, max_size=2).map(tuple),
    decision=st.none() | DECISIONS,
    earlier_decisions=st.lists(DECISIONS, max_size=2).map(tuple),
    stills=st.lists(st.dictionaries(TEXT, VALUES, max_size=2), max_size=2).map(tuple),
    wrap_up_note=TEXT,
    call_started_at=st.none() | TIMES,
    ended_at=st.none() | TIMES,
    saved=st.booleans(),
    person=TEXT,
)
PLAIN = Session("s", "t", "kk", "first_eds", "1", datetime(2026, 1, 1, tzinfo=UTC))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SESSIONS)
def test_every_session_comes_back_as_it_was(session: Session) -> None:
    assert documents.from_text(documents.to_text(session)) == session


def test_every_field_is_written() -> None:
    assert set(documents.to_document(PLAIN)) == {field.name for field in fields(Session)} | {"format"}


def test_the_text_can_be_stored_anywhere() -> None:
    text = documents.to_text(replace(PLAIN, attributes={"surname": "\ud800\x00Әлия"}))
    assert text.isascii()
    assert text.isprintable()


def test_a_document_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format"):
        documents.from_text(json.dumps({**documents.to_document(PLAIN), "format": 2}))


@pytest.mark.parametrize("field", sorted({field.name for field in fields(Session)}))
def test_a_document_without_a_field_is_refused(field: str) -> None:
    document = documents.to_document(PLAIN)
    del document[field]
    with pytest.raises(KeyError):
        documents.from_document(document)


@pytest.mark.parametrize("change", [{"state": "elsewhere"}, {"created_at": "yesterday"}, {"joined_at": ""}])
def test_a_document_with_a_wrong_value_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        documents.from_document({**documents.to_document(PLAIN), **change})
