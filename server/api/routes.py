"""ONE table of all routes. The router, the access check and the OpenAPI document come from it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aiohttp import web
from pydantic import BaseModel

from server.api import applicant, auth, interpreter, models, operator, public, records, signalling, supervisor
from server.api.context import DESK, SERVICE, Context, Handler, private
from server.api.errors import ApiError
from server.proofing import CALL_ROLES

JSON_BYTES = 64_000
PICTURE_BYTES = 12 * 1024 * 1024


class Access(StrEnum):
    PUBLIC = "public"
    APPLICANT = "applicant"
    OPERATOR = "operator"
    """Who takes calls: operators and supervisors."""
    INTERPRETER = "interpreter"
    """Who was asked into one call, and nothing else."""
    STAFF = "staff"
    """Everybody with an operator's sign-in, auditors too."""


PICTURE = bytes
"""The request's body is a picture itself."""


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    handler: Handler
    access: Access
    request: type[BaseModel] | type[bytes] | None
    summary: str


APPLICANT, OPERATOR, PUBLIC, STAFF = Access.APPLICANT, Access.OPERATOR, Access.PUBLIC, Access.STAFF
INTERPRETER = Access.INTERPRETER
RECORD = "/api/operator/records/{session:[A-Za-z0-9_-]{1,64}}"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/api/service", public.service, PUBLIC, None, "What this service offers"),
    Route("GET", "/api/openapi.json", public.openapi, PUBLIC, None, "This description"),
    Route("GET", "/ca/{name}", public.authority, PUBLIC, None, "The authority's certificates and revocation list"),
    Route("GET", "/healthz", public.alive, PUBLIC, None, "Whether the process answers"),
    Route("GET", "/readyz", public.ready, PUBLIC, None, "Whether every part answers"),
    Route("GET", "/metrics", public.metrics, PUBLIC, None, "Figures for Prometheus, on loopback only"),
    Route("POST", "/api/session", applicant.open_session, PUBLIC, models.OpenSession, "Consent and begin"),
    Route("GET", "/api/session", applicant.get_session, APPLICANT, None, "The session as it stands"),
    Route(
        "PUT", "/api/session/language", applicant.set_language, APPLICANT, models.ChooseLanguage, "Choose the language"
    ),
    Route(
        "PUT",
        "/api/session/evidence/{side:front|back}",
        applicant.put_side,
        APPLICANT,
        PICTURE,
        "A picture of one side",
    ),
    Route(
        "GET", "/api/session/images/{name:front|back|portrait}", applicant.get_image, APPLICANT, None, "A picture kept"
    ),
    Route(
        "POST", "/api/session/evidence/confirm", applicant.confirm, APPLICANT, models.Confirm, "What was read is right"
    ),
    Route("POST", "/api/session/specimen", applicant.make_specimen, APPLICANT, PICTURE, "Draw a specimen card (demo)"),
    Route("POST", "/api/session/leave", applicant.leave, APPLICANT, models.Nothing, "Leave"),
    Route("GET", "/api/session/issuance", applicant.get_issuance, APPLICANT, None, "Where the issuance stands"),
    Route(
        "POST",
        "/api/session/issuance",
        applicant.request_certificates,
        APPLICANT,
        models.CertificateRequests,
        "Request",
    ),
    Route("POST", "/api/session/issuance/saved", applicant.saved, APPLICANT, models.Nothing, "The key file is saved"),
    Route("POST", "/api/session/issuance/revoke", applicant.revoke, APPLICANT, models.Revoke, "Revoke what was issued"),
    Route(
        "POST",
        "/api/session/interpreter",
        interpreter.answer_citizen,
        APPLICANT,
        models.AnswerInterpreter,
        "Agree to the interpreter, or not any more",
    ),
    Route("GET", "/api/session/ws", signalling.applicant_socket, APPLICANT, None, "The page's WebSocket"),
    Route("POST", "/api/operator/sign-in", operator.sign_in, PUBLIC, models.SignIn, "Use a one-time link"),
    Route("POST", "/api/operator/sign-out", operator.sign_out, STAFF, models.Nothing, "Sign out"),
    Route("GET", "/api/operator", operator.get_operator, STAFF, None, "The panel as it stands"),
    Route(
        "PUT",
        "/api/operator/availability",
        operator.set_availability,
        OPERATOR,
        models.SetAvailability,
        "Ready or paused",
    ),
    Route("POST", "/api/operator/case/steps", operator.record_step, OPERATOR, models.RecordStep, "Record a step"),
    Route("POST", "/api/operator/case/compare", operator.compare, OPERATOR, models.Nothing, "Compare the faces now"),
    Route("POST", "/api/operator/case/registry", operator.ask_registry, OPERATOR, models.Nothing, "Ask it again"),
    Route("POST", "/api/operator/case/still", operator.still, OPERATOR, models.Nothing, "Keep a still of the card"),
    Route(
        "POST", "/api/operator/case/challenge", operator.start_challenge, OPERATOR, models.StartChallenge, "Liveness"
    ),
    Route("POST", "/api/operator/case/challenge/stop", operator.stop_challenge, OPERATOR, models.Nothing, "End it"),
    Route("POST", "/api/operator/case/tilt", operator.start_tilt, OPERATOR, models.Nothing, "Tilt the card as asked"),
    Route("POST", "/api/operator/case/features", operator.pick_features, OPERATOR, models.Nothing, "Pick features"),
    Route(
        "POST",
        "/api/operator/case/features/still",
        operator.feature_still,
        OPERATOR,
        models.FeatureStill,
        "Keep a still of a security feature",
    ),
    Route(
        "POST",
        "/api/operator/case/features/answer",
        operator.answer_feature,
        OPERATOR,
        models.FeatureAnswer,
        "Confirm or deny a security feature",
    ),
    Route("POST", "/api/operator/case/decision", operator.decide, OPERATOR, models.Decide, "Decide"),
    Route(
        "POST", "/api/operator/case/decision/undo", operator.undo, OPERATOR, models.Nothing, "Take the decision back"
    ),
    Route(
        "POST",
        "/api/operator/case/interpreter",
        interpreter.invite,
        OPERATOR,
        models.InviteInterpreter,
        "Ask an interpreter into the call",
    ),
    Route("POST", "/api/operator/case/interpreter/end", interpreter.dismiss, OPERATOR, models.Nothing, "End her part"),
    Route("POST", "/api/interpreter/sign-in", interpreter.sign_in, PUBLIC, models.SignIn, "Use a one-time link"),
    Route("GET", "/api/interpreter", interpreter.get_interpreter, INTERPRETER, None, "Her part as it stands"),
    Route(
        "POST", "/api/interpreter/bind", interpreter.bind, INTERPRETER, models.BindInterpreter, "Agree to her duties"
    ),
    Route("POST", "/api/interpreter/leave", interpreter.leave, INTERPRETER, models.Nothing, "Leave the call"),
    Route("GET", "/api/interpreter/ws", signalling.interpreter_socket, INTERPRETER, None, "Her page's WebSocket"),
    Route("POST", "/api/operator/case/release", operator.release, OPERATOR, models.Release, "Give back to the queue"),
    Route("POST", "/api/operator/case/wrap-up", operator.wrap_up, OPERATOR, models.WrapUp, "Finish the record"),
    Route("GET", "/api/operator/case/images/{sha256:[0-9a-f]{64}}", operator.get_image, OPERATOR, None, "A picture"),
    Route("GET", "/api/operator/calls", supervisor.get_calls, STAFF, None, "Calls that a supervisor may watch"),
    Route(
        "GET",
        "/api/operator/calls/{session:[A-Za-z0-9_-]{1,64}}/{leg:applicant|operator|interpreter}",
        supervisor.watch,
        STAFF,
        None,
        "One end of a call that goes on, as a live WebM",
    ),
    Route("GET", "/api/operator/records", records.get_listing, STAFF, None, "Sessions that may be looked at"),
    Route("GET", RECORD, records.get_record, STAFF, None, "What is kept of a session"),
    Route("GET", RECORD + "/images/{sha256:[0-9a-f]{64}}", records.get_image, STAFF, None, "A picture kept"),
    Route(
        "GET",
        RECORD + "/recordings/{leg:applicant|operator|interpreter}/{number:[0-9]{1,4}}",
        records.get_segment,
        STAFF,
        None,
        "A recorded segment as a seekable WebM; with Range a part of it",
    ),
    Route("GET", "/api/operator/ws", signalling.operator_socket, OPERATOR, None, "The panel's WebSocket"),
)


async def _body(request: web.Request, kind: type[BaseModel] | type[bytes] | None) -> Any:
    if kind is None:
        return None
    limit = PICTURE_BYTES if kind is bytes else JSON_BYTES
    if (request.content_length or 0) > limit:
        raise ApiError(413, "body_too_large", "What was sent is too large.", limit=limit)
    content = bytearray()
    async for chunk in request.content.iter_chunked(65_536):
        content += chunk
        if len(content) > limit:
            raise ApiError(413, "body_too_large", "What was sent is too large.", limit=limit)
    if kind is bytes:
        if not request.content_type.startswith("image/") and request.content_type != "application/octet-stream":
            raise ApiError(415, "content_type_unsupported", "A picture is expected here.")
        return bytes(content)
    if content and request.content_type != "application/json":
        raise ApiError(415, "content_type_unsupported", "JSON is expected here.")
    assert issubclass(kind, BaseModel)
    return kind.model_validate_json(bytes(content) or b"{}")


def _bind(route: Route) -> Any:
    async def handle(request: web.Request) -> web.StreamResponse:
        desk = request.app[DESK]
        if route.method != "GET" or route.path.endswith("/ws"):
            auth.refuse_other_sites(request)
        session = await auth.applicant_of(request, desk) if route.access is Access.APPLICANT else None
        staff = await auth.operator_of(request, desk) if route.access in (Access.OPERATOR, Access.STAFF) else None
        if route.access is Access.OPERATOR and staff is not None and staff.role not in CALL_ROLES:
            raise ApiError(403, "role_not_allowed", "Your role does not take calls.")
        third = await auth.interpreter_of(request, desk) if route.access is Access.INTERPRETER else None
        body = await _body(request, route.request)
        answer = await route.handler(Context(request, desk, request.app[SERVICE], session, staff, body, third))
        if isinstance(answer, web.StreamResponse):  # itself a mapping, so it is asked for first
            return answer
        response = web.json_response(answer)
        return response if route.path == "/api/openapi.json" else private(response)

    return handle


def add_routes(app: web.Application) -> None:
    for route in ROUTES:
        app.router.add_route(route.method, route.path, _bind(route))


def openapi_document(version: str) -> dict[str, Any]:
    """OpenAPI 3.1 from the table."""
    paths: dict[str, dict[str, Any]] = {}
    schemas: dict[str, Any] = {
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "error": {
                    "type": "object",
                    "required": ["code", "message", "details"],
                    "properties": {
                        "code": {"type": "string"},
                        "message": {"type": "string"},
                        "details": {"type": "object"},
                    },
                }
            },
        }
    }
    for route in ROUTES:
        path = _plain_path(route.path)
        operation: dict[str, Any] = {
            "summary": route.summary,
            "operationId": _operation_id(route),
            "security": [] if route.access is Access.PUBLIC else [{str(route.access): []}],
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in path.replace("}", "{").split("{")[1::2]
            ],
            "responses": {
                "200": {"description": "As docs/protocol.md says"},
                "default": {
                    "description": "An error with a stable code",
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
                },
            },
        }
        if route.request is bytes:
            binary = {"schema": {"type": "string", "format": "binary"}}
            operation["requestBody"] = {
                "required": True,
                "content": dict.fromkeys(("image/jpeg", "image/png", "image/webp"), binary),
            }
        elif route.request is not None and issubclass(route.request, BaseModel):
            schema = route.request.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[route.request.__name__] = schema
            reference = {"$ref": f"#/components/schemas/{route.request.__name__}"}
            operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": reference}}}
        paths.setdefault(path, {})[route.method.lower()] = operation
    cookies = {
        APPLICANT: auth.APPLICANT_COOKIE,
        OPERATOR: auth.OPERATOR_COOKIE,
        STAFF: auth.OPERATOR_COOKIE,
        INTERPRETER: auth.INTERPRETER_COOKIE,
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Betpe-bet",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                str(access): {"type": "apiKey", "in": "cookie", "name": name} for access, name in cookies.items()
            },
        },
    }
    result: dict[str, Any] = json.loads(json.dumps(document))
    return result


def _operation_id(route: Route) -> str:
    words = [word for word in _plain_path(route.path).replace("{", "").replace("}", "").split("/") if word != "api"]
    return "_".join([route.method.lower(), *words[1:]]).replace("-", "_").replace(".", "_")


def _plain_path(path: str) -> str:
    """aiohttp's {name:pattern} as OpenAPI's {name}."""
    parts = []
    for part in path.split("/"):
        parts.append("{" + part[1:].split(":", 1)[0].rstrip("}") + "}" if part.startswith("{") else part)
    return "/".join(parts)
