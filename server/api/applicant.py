"""The applicant's requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.api import auth
from server.api.context import Context, picture, private
from server.api.errors import ApiError
from server.api.models import CertificateRequests, ChooseLanguage, Confirm, OpenSession, Revoke
from server.consultation import applying, certificates, revoking, views
from server.consultation.desk import session_of
from server.ports import CertificateProfile
from server.proofing import FINAL, RevocationReason, Session
from verification.contract import Side, SideReading


async def _snapshot(context: Context, session: Session | None = None) -> dict[str, Any]:
    return await views.applicant_snapshot(context.desk, session or context.applicant)


async def open_session(context: Context) -> web.StreamResponse:
    asked = context.parsed(OpenSession)
    try:
        current = await auth.applicant_of(context.request, context.desk)
    except ApiError:
        current = None
    if current is not None and current.state not in FINAL:
        return private(web.json_response(await _snapshot(context, current), status=200))
    session, token = await applying.join(context.desk, asked.language, asked.purpose, asked.consent_version)
    response = web.json_response(await _snapshot(context, session), status=201)
    auth.set_cookie(response, auth.APPLICANT_COOKIE, token, secure=context.service.secure)
    return private(response)


async def get_session(context: Context) -> Mapping[str, Any]:
    return await _snapshot(context)


async def set_language(context: Context) -> Mapping[str, Any]:
    chosen = context.parsed(ChooseLanguage)
    return await _snapshot(context, await applying.set_language(context.desk, context.applicant.id, chosen.language))


def _reading(reading: SideReading) -> dict[str, Any]:
    return {
        "side": str(reading.side),
        "usable": reading.usable,
        "problems": list(reading.problems),
        "attributes": dict(reading.attributes),
        "mrz_lines": list(reading.mrz_lines),
    }


async def put_side(context: Context) -> Mapping[str, Any]:
    side = Side(context.request.match_info["side"])
    session, reading = await applying.add_side(context.desk, context.applicant.id, side, context.parsed(bytes))
    return {"reading": _reading(reading), "session": (await _snapshot(context, session))["session"]}


async def make_specimen(context: Context) -> Mapping[str, Any]:
    session, readings = await applying.make_specimen(context.desk, context.applicant.id, context.parsed(bytes))
    return {
        "readings": {str(side): _reading(reading) for side, reading in readings.items()},
        "session": (await _snapshot(context, session))["session"],
    }


async def get_image(context: Context) -> web.StreamResponse:
    sha256 = context.applicant.images.get(context.request.match_info["name"])
    if sha256 is None:
        raise ApiError(404, "not_found", "There is no such picture.")
    return await picture(context.desk, context.applicant.id, sha256)


async def confirm(context: Context) -> Mapping[str, Any]:
    asked = context.parsed(Confirm)
    return await _snapshot(
        context,
        await applying.confirm(
            context.desk, context.applicant.id, {str(name): value for name, value in asked.corrections.items()}
        ),
    )


async def leave(context: Context) -> Mapping[str, Any]:
    return await _snapshot(context, await applying.leave(context.desk, context.applicant.id))


async def get_issuance(context: Context) -> Mapping[str, Any]:
    return await views.issuance_view(context.desk, context.applicant)


async def request_certificates(context: Context) -> Mapping[str, Any]:
    asked = context.parsed(CertificateRequests)
    requests = {CertificateProfile.SIGN: asked.sign, CertificateProfile.AUTH: asked.auth}
    await certificates.request(context.desk, context.applicant.id, requests)
    return await views.issuance_view(context.desk, await session_of(context.desk, context.applicant.id))


async def saved(context: Context) -> Mapping[str, Any]:
    return await views.issuance_view(context.desk, await certificates.saved(context.desk, context.applicant.id))


async def revoke(context: Context) -> Mapping[str, Any]:
    reason = RevocationReason(context.parsed(Revoke).reason)
    session = await revoking.revoke_own(context.desk, context.applicant, reason)
    return await views.issuance_view(context.desk, session)
