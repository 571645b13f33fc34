"""Bodies of requests and messages, validated by pydantic: bounded, typed, nothing unknown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter

NOTE = 1000
SDP_BYTES = 64_000


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OpenSession(Body):
    language: Literal["kk", "ru", "en"]
    purpose: Literal["first_eds", "renew_eds"]
    consent_version: str = Field(max_length=40)


class ChooseLanguage(Body):
    language: Literal["kk", "ru", "en"]


class Confirm(Body):
    corrections: dict[Literal["surname", "given_names", "patronymic"], Annotated[str, Field(max_length=200)]] = Field(
        default_factory=dict
    )


class CertificateRequests(Body):
    model_config = ConfigDict(extra="forbid", frozen=True)
    sign: Base64Bytes = Field(max_length=16_384)
    auth: Base64Bytes = Field(max_length=16_384)


class Revoke(Body):
    reason: Literal["keys_lost", "no_longer_wanted"]


class SignIn(Body):
    token: str = Field(min_length=1, max_length=200)


class SetAvailability(Body):
    availability: Literal["ready", "paused"]
    reason: str = Field("", max_length=40)


class RecordStep(Body):
    step: str = Field(max_length=40)
    outcome: Literal["done", "skipped", "problem"]
    note: str = Field("", max_length=NOTE)


class Decide(Body):
    outcome: Literal["approve", "reject", "refer"]
    reason_code: str = Field("", max_length=60)
    note: str = Field("", max_length=NOTE)
    override_reason: str = Field("", max_length=NOTE)


class StartChallenge(Body):
    needs: list[Annotated[str, Field(max_length=40)]] = Field(default_factory=list, max_length=8)
    """What the person says she cannot do (verification.challenge.NEEDS)."""


class FeatureStill(Body):
    feature: str = Field(max_length=60)


class FeatureAnswer(Body):
    feature: str = Field(max_length=60)
    answer: Literal["confirmed", "denied", "not_seen"]


class InviteInterpreter(Body):
    name: str = Field(min_length=1, max_length=80)
    language: str = Field(max_length=40)


class AnswerInterpreter(Body):
    agree: bool


class BindInterpreter(Body):
    duty_version: str = Field(max_length=40)


class Release(Body):
    reason: Literal["applicant_absent", "technical", "other"]


class WrapUp(Body):
    note: str = Field("", max_length=NOTE)


class Nothing(Body):
    """An empty object, or no body at all."""


# --- messages of a page over its WebSocket -----------------------------------------------------------


class Offer(Body):
    type: Literal["offer"]
    call: str = Field(max_length=64)
    sdp: str = Field(max_length=SDP_BYTES)
    attempt: int = Field(0, ge=0, le=1_000_000)
    """The page's own count of its offers; the answer names it, so that none is taken for that of another offer."""
    side: bool = False
    """Of the page's second connection (server.ports.SIDE)."""


class Received(Body):
    """The page's answer to the server's offer of a connection over which it receives (``receive``)."""

    type: Literal["received"]
    call: str = Field(max_length=64)
    number: int = Field(ge=1, le=1_000_000_000)
    """Of the offer that it answers."""
    sdp: str = Field(max_length=SDP_BYTES)
    side: bool = False


class CandidateInit(BaseModel):
    """RTCIceCandidateInit; browsers add members of their own."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    candidate: str = Field("", max_length=1000)
    sdpMid: str | None = Field(None, max_length=40)
    sdpMLineIndex: int | None = Field(None, ge=0, le=8)


class Candidate(Body):
    type: Literal["candidate"]
    call: str = Field(max_length=64)
    candidate: CandidateInit | None
    receiving: int = Field(0, ge=0, le=1_000_000_000)
    """Number of the server's offer whose connection it is for; 0: the one that the page offered."""
    side: bool = False


class Chat(Body):
    type: Literal["chat"]
    text: str = Field(min_length=1, max_length=2000)
    client_id: str = Field(min_length=1, max_length=64)


class Camera(Body):
    """Which camera the applicant's page sends."""

    type: Literal["camera"]
    call: str = Field(max_length=64)
    label: str = Field(max_length=200)
    resizes: bool
    """Whether the browser can change its picture's size while it runs."""


class Ping(Body):
    type: Literal["ping"]


Message = Offer | Received | Candidate | Chat | Camera | Ping
MESSAGE: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Field(discriminator="type")])
