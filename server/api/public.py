"""What everybody may read: the service's description, the authority's certificates, health, the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from server.api.context import Context
from server.api.errors import ApiError
from server.consultation.applying import CONSENT_VERSION, LANGUAGES, PURPOSES
from server.proofing import INTERPRETED_LANGUAGES, PAUSE_REASONS, REFER_REASONS, REJECT_REASONS, STEPS

LOOPBACK = ("127.0.0.1", "::1")


async def service(context: Context) -> Mapping[str, Any]:
    known = context.service
    return {
        "profile": known.profile,
        "version": known.version,
        "languages": list(LANGUAGES),
        "purposes": list(PURPOSES),
        "consent_version": CONSENT_VERSION,
        "retention_days": known.retention_days,
        "specimen": context.desk.specimens,
        "undo_seconds": context.desk.limits.undo.total_seconds(),
        "reject_reasons": list(REJECT_REASONS),
        "refer_reasons": list(REFER_REASONS),
        "pause_reasons": list(PAUSE_REASONS),
        "steps": list(STEPS),
        "interpreted_languages": list(INTERPRETED_LANGUAGES),
        "required_checks": list(context.desk.policy.rules),
        "ice_servers": known.ice_servers(),
        "ice_policy": known.ice_policy,
    }


async def authority(context: Context) -> web.StreamResponse:
    """root.cer, issuing.cer (DER), chain.pem, crl.der, root.crl (DER)."""
    issuing, root = context.desk.issuer.chain()
    name = context.request.match_info["name"]
    if name == "chain.pem":
        pem = b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in (issuing, root))
        return web.Response(body=pem, content_type="application/pem-certificate-chain")
    if name == "crl.der":
        crl = await context.desk.issuer.crl(await context.desk.store.revoked(), context.desk.clock.now())
        return web.Response(body=crl, content_type="application/pkix-crl")
    if name == "root.crl":
        return web.Response(body=context.desk.issuer.root_crl(), content_type="application/pkix-crl")
    der = {"root.cer": root, "issuing.cer": issuing}.get(name)
    if der is None:
        raise ApiError(404, "not_found", "There is nothing at this address.")
    return web.Response(body=der, content_type="application/pkix-cert")


async def alive(context: Context) -> Mapping[str, Any]:
    return {"alive": True, "version": context.service.version}


async def ready(context: Context) -> web.StreamResponse:
    parts: dict[str, bool] = await context.service.ready()
    return web.json_response({"ready": all(parts.values()), "parts": parts}, status=200 if all(parts.values()) else 503)


async def metrics(context: Context) -> web.StreamResponse:
    # A proxy on this machine is a loopback peer as well, but it is asked for the public name.
    if context.request.remote not in LOOPBACK or context.request.url.host not in (*LOOPBACK, "localhost"):
        raise ApiError(403, "loopback_only", "Metrics are read on the machine itself.")
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def openapi(context: Context) -> Mapping[str, Any]:
    from server.api.routes import openapi_document

    return openapi_document(context.service.version)
