"""The interpreter's requests, and those of others about her."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.api import auth
from server.api.context import Context, private
from server.api.models import AnswerInterpreter, BindInterpreter, InviteInterpreter, SignIn
from server.api.operator import live_case, operator_answer
from server.consultation import interpreting, views
from server.consultation.desk import session_of


async def invite(context: Context) -> Mapping[str, Any]:
    """The operator's snapshot with the token of the link, which is told this once."""
    asked = context.parsed(InviteInterpreter)
    operator, session = await live_case(context)
    token = await interpreting.invite(context.desk, session, operator.id, asked.name, asked.language)
    return {**await operator_answer(context), "interpreter_token": token}


async def dismiss(context: Context) -> Mapping[str, Any]:
    operator, session = await live_case(context)
    await interpreting.end(context.desk, session, "operator", f"operator:{operator.id}")
    return await operator_answer(context)


async def answer_citizen(context: Context) -> Mapping[str, Any]:
    await interpreting.answer_citizen(context.desk, context.applicant, context.parsed(AnswerInterpreter).agree)
    return await views.applicant_snapshot(context.desk, await session_of(context.desk, context.applicant.id))


async def sign_in(context: Context) -> web.StreamResponse:
    one, token = await interpreting.sign_in(context.desk, context.parsed(SignIn).token)
    response = web.json_response(await interpreting.snapshot(context.desk, one))
    seconds = int(context.desk.limits.sign_in.total_seconds())
    auth.set_cookie(response, auth.INTERPRETER_COOKIE, token, secure=context.service.secure, seconds=seconds)
    return private(response)


async def get_interpreter(context: Context) -> Mapping[str, Any]:
    return await interpreting.snapshot(context.desk, context.third)


async def bind(context: Context) -> Mapping[str, Any]:
    await interpreting.bind(context.desk, context.third, context.parsed(BindInterpreter).duty_version)
    return await interpreting.snapshot(context.desk, context.third)


async def leave(context: Context) -> Mapping[str, Any]:
    one = context.third
    if one.ended_at is None:
        session = await session_of(context.desk, one.session_id)
        await interpreting.end(context.desk, session, "interpreter", f"interpreter:{one.id}")
    return await interpreting.snapshot(context.desk, one)
