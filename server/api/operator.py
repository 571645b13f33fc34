"""The operator's requests. All act on the case in hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.api import auth
from server.api.context import Context, picture, private
from server.api.errors import ApiError
from server.api.models import (
    Decide,
    FeatureAnswer,
    FeatureStill,
    RecordStep,
    Release,
    SetAvailability,
    SignIn,
    StartChallenge,
    WrapUp,
)
from server.api.signalling import say_goodbye
from server.consultation import calling, challenging, deciding, examining, operating, registering, views
from server.proofing import Availability, DecisionOutcome, DomainError, Operator, Session


async def operator_answer(context: Context) -> dict[str, Any]:
    """Her panel as it stands."""
    operator = await context.desk.store.operator(context.staff.id)
    return await views.operator_snapshot(context.desk, operator or context.staff)


async def sign_in(context: Context) -> web.StreamResponse:
    operator, token = await operating.sign_in(context.desk, context.parsed(SignIn).token)
    response = web.json_response(await views.operator_snapshot(context.desk, operator))
    seconds = int(context.desk.limits.sign_in.total_seconds())
    auth.set_cookie(response, auth.OPERATOR_COOKIE, token, secure=context.service.secure, seconds=seconds)
    return private(response)


async def sign_out(context: Context) -> web.StreamResponse:
    await operating.sign_out(context.desk, context.staff, context.request.cookies[auth.OPERATOR_COOKIE])
    await say_goodbye(context.desk.presence.operators.get(context.staff.id), "signed_out")
    response = web.json_response({})
    auth.clear_cookie(response, auth.OPERATOR_COOKIE)
    return private(response)


async def get_operator(context: Context) -> Mapping[str, Any]:
    return await operator_answer(context)


async def set_availability(context: Context) -> Mapping[str, Any]:
    asked = context.parsed(SetAvailability)
    await operating.set_availability(context.desk, context.staff.id, Availability(asked.availability), asked.reason)
    return await operator_answer(context)


async def live_case(context: Context) -> tuple[Operator, Session]:
    """The case whose call is this operator's now. Raises DomainError no_case, call_over."""
    session = await operating.case_in_hand(context.desk, context.staff.id)
    if operating.is_over_for(session, context.staff):
        raise DomainError("call_over", "The call of this case is over.")
    return context.staff, session


async def record_step(context: Context) -> Mapping[str, Any]:
    asked = context.parsed(RecordStep)
    operator, session = await live_case(context)
    await deciding.record_step(context.desk, session, operator.id, asked.step, asked.outcome, asked.note)
    return await operator_answer(context)


async def compare(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await deciding.compare(context.desk, session, operator.id)
    return await operator_answer(context)


async def ask_registry(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await registering.ask_again(context.desk, session, operator.id)
    return await operator_answer(context)


async def still(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await deciding.capture_still(context.desk, session, operator.id)
    return await operator_answer(context)


async def start_challenge(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await challenging.start(context.desk, session, operator.id, context.parsed(StartChallenge).needs)
    return await operator_answer(context)


async def stop_challenge(context: Context) -> Mapping[str, Any]:
    _, session = await live_case(context)
    await challenging.stop(context.desk, session.id)
    return await operator_answer(context)


async def start_tilt(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await challenging.start_tilt(context.desk, session, operator.id)
    return await operator_answer(context)


async def pick_features(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await examining.begin(context.desk, session, operator.id)
    return await operator_answer(context)


async def feature_still(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await examining.capture(context.desk, session, operator.id, context.parsed(FeatureStill).feature)
    return await operator_answer(context)


async def answer_feature(context: Context) -> Mapping[str, Any]:
    asked = context.parsed(FeatureAnswer)
    operator, session = await live_case(context)
    await examining.answer(context.desk, session, operator.id, asked.feature, asked.answer)
    return await operator_answer(context)


async def decide(context: Context) -> Mapping[str, Any]:
    asked = context.parsed(Decide)
    operator, session = await live_case(context)
    outcome = DecisionOutcome(asked.outcome)
    await deciding.decide(
        context.desk, session, operator.id, outcome, asked.reason_code, asked.note, asked.override_reason
    )
    return await operator_answer(context)


async def undo(context: Context) -> Mapping[str, Any]:
    session = await operating.case_in_hand(context.desk, context.staff.id)
    await deciding.undo(context.desk, session, context.staff.id)
    return await operator_answer(context)


async def release(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await calling.release(context.desk, session.id, f"operator:{operator.id}", context.parsed(Release).reason)
    return await operator_answer(context)


async def wrap_up(context: Context) -> Mapping[str, Any]:
    await operating.wrap_up(context.desk, context.staff.id, context.parsed(WrapUp).note)
    return await operator_answer(context)


async def get_image(context: Context) -> web.StreamResponse:
    """A picture of the case in hand, and of no other."""
    session = await operating.case_in_hand(context.desk, context.staff.id)
    sha256 = context.request.match_info["sha256"]
    named = {*session.images.values(), *(str(still["image"]) for still in session.stills)}
    for row in await context.desk.store.checks(session.id):
        named.update(row["images"].values())
    if sha256 not in named:
        raise ApiError(404, "not_found", "There is no such picture.")
    return await picture(context.desk, session.id, sha256)
