"""All settings, read from the environment once (prefix ``BETPE_``), frozen. docs/settings.md documents each."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Profile(StrEnum):
    DEMO = "demo"
    PRODUCTION = "production"


class ProfileRefused(ValueError):
    """Profile production does without what is for demonstration. ``code`` is stable, ``message`` names the setting."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


CommaList = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """One deployment's settings. Raises pydantic.ValidationError, whose text names the setting."""

    model_config = SettingsConfigDict(env_prefix="BETPE_", frozen=True, extra="forbid")

    profile: Profile = Field(Profile.DEMO, description="demo (embedded CA, specimen cards) or production.")
    data_dir: Path = Field(
        Path("var"), description="Folder of the database, the vault, the keys. Created with mode 0700."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")
    public_url: str = Field("", description="Address that people type; default http(s)://localhost:port.")
    tls_certificate: Path | None = Field(None, description="PEM chain; with tls_key the server speaks HTTPS itself.")
    tls_key: Path | None = Field(None, description="PEM private key of tls_certificate.")
    secret: SecretStr = Field(
        SecretStr(""), description="Master secret of stored keys; default: made at first start in data_dir (demo only)."
    )
    liveness: Literal["required", "offered"] = Field(
        "offered", description="Whether an approval needs a passed liveness challenge, or only heeds one that was done."
    )
    card_checks: Literal["required", "offered"] = Field(
        "offered",
        description="Whether an approval needs the tilted card and its security features, or only heeds what was done.",
    )
    recording: Literal["required", "off"] = Field(
        "required", description="Whether calls are recorded; required: no call without a recording goes on."
    )
    workers: int = Field(2, ge=1, le=64, description="Worker processes for verification, about 250 MB each.")
    check_seconds: float = Field(20.0, gt=0, description="A check that takes longer is ended and says so.")
    check_queue: int = Field(16, ge=1, description="Checks waiting for a worker; more are refused as busy.")
    worker_memory_mb: int = Field(4096, ge=512, description="Address space of one worker, at most.")
    undo_seconds: float = Field(5.0, ge=0, description="Time to take a decision back before it is sealed.")
    leg_resume_seconds: float = Field(120.0, gt=0, description="A lost end of a call may return within this time.")
    presence_minutes: float = Field(60.0, gt=0, description="A closed page keeps its place in the queue this long.")
    issuance_hours: float = Field(24.0, gt=0, description="After approval the certificates wait this long.")
    retry_minutes: float = Field(
        15.0, ge=0, description="After a rejection the person may try again (FIELD, section 2)."
    )
    sign_in_hours: float = Field(12.0, gt=0, description="An operator's sign-in lasts this long.")
    link_hours: float = Field(24.0, gt=0, description="A one-time sign-in link lasts this long.")
    review_minutes: float = Field(
        60.0, ge=0, description="After a call its operator may look at its record and recording for this long."
    )
    retention_days: int = Field(
        2555,
        ge=1,
        description="Days a record is kept after it, or its certificates, ended (ETSI EN 319 411-1: 7 years).",
    )
    media: Literal["processes", "embedded", "janus"] = Field(
        "processes", description="What carries the calls: processes of their own, the server's own process, or Janus."
    )
    media_processes: int | None = Field(
        None, ge=1, le=64, description="Media processes, about 70 MB each; default: one per core, and at least two."
    )
    janus_url: str = Field("", description="WebSocket API of Janus, e.g. ws://127.0.0.1:8188; for BETPE_MEDIA=janus.")
    janus_secret: SecretStr = Field(SecretStr(""), description="API secret of that Janus.")
    janus_admin_key: SecretStr = Field(
        SecretStr(""), description="Its admin_key, without which no room is made and nothing forwarded."
    )
    janus_forward_address: str = Field(
        "127.0.0.1", description="Local address at which Janus's media for looking and recording arrives (SRTP)."
    )
    janus_forward_host: str = Field(
        "", description="Name or address that Janus sends that to; default: janus_forward_address."
    )
    janus_forward_port: int = Field(0, ge=0, le=65535, description="UDP port for it; 0: any free one.")
    media_addresses: CommaList = Field((), description="Addresses that media listens on; default: all of the host.")
    media_loopback: bool | None = Field(None, description="Offer 127.0.0.1 too; default: only in profile demo.")
    media_announced: str = Field("", description="Address announced instead of the host's own (behind NAT, container).")
    media_ports: str = Field("", description='UDP port range "from-to"; default: any.')
    media_max_calls: int = Field(100, ge=1, description="Calls that are carried at once, at most.")
    turn_urls: CommaList = Field((), description="TURN servers for the pages, e.g. turn:host:3478?transport=udp.")
    turn_secret: SecretStr = Field(SecretStr(""), description="Secret shared with coturn (use-auth-secret).")
    turn_only: bool = Field(False, description="Browsers send media through the TURN servers alone, never directly.")
    turn_minutes: float = Field(60.0, gt=0, description="A TURN credential lasts this long.")
    calibration: Path | None = Field(None, description="Calibration file of the face matcher (verification evaluate).")
    registry_url: str = Field("", description="Address of the register of documents, https; default: it is not asked.")
    registry_seconds: float = Field(4.0, gt=0, le=30, description="The register's answer may take this long.")
    registry_token_file: Path | None = Field(None, description="File of the bearer token for the register.")
    registry_ca: Path | None = Field(None, description="PEM of the register's own authorities; default: the system's.")
    registry_certificate: Path | None = Field(None, description="PEM chain for mutual TLS with the register.")
    registry_key: Path | None = Field(None, description="PEM private key of registry_certificate.")
    registry_file: Path | None = Field(
        None, description="JSON list of documents that profile demo answers for, beside specimen cards."
    )
    ca_organisation: str = Field("Betpe-bet demonstration", description="Organisation in the embedded CA's names.")
    ca_oid_arc: str = Field("", description="OID arc of profiles and policies; default: the demonstration arc.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged.")

    @field_validator("media_addresses", "turn_urls", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        if (self.registry_certificate is None) != (self.registry_key is None):
            raise ValueError("registry_certificate and registry_key go together")
        if self.registry_url and not re.match(r"https://|http://(localhost|127\.0\.0\.1)[:/]", self.registry_url):
            raise ValueError("registry_url must be an https address")
        if self.turn_urls and not self.turn_secret.get_secret_value():
            raise ValueError("turn_urls needs turn_secret")
        if self.turn_only and not self.turn_urls:
            raise ValueError("turn_only needs turn_urls")
        secrets = (self.janus_secret, self.janus_admin_key)
        if self.media == "janus" and not (self.janus_url and all(one.get_secret_value() for one in secrets)):
            raise ValueError("media=janus needs janus_url, janus_secret and janus_admin_key")
        if self.ca_oid_arc and not re.fullmatch(r"[0-2](\.(0|[1-9]\d*)){1,40}", self.ca_oid_arc, re.ASCII):
            raise ValueError("ca_oid_arc must be an object identifier, as 1.3.6.1.4.1.99999")
        if self.media_ports:
            low, _, high = self.media_ports.partition("-")
            if not (low.isdigit() and high.isdigit() and 1024 <= int(low) < int(high) <= 65535):
                raise ValueError('media_ports must be "from-to" within 1024-65535')
        return self

    @property
    def port_range(self) -> tuple[int, int] | None:
        if not self.media_ports:
            return None
        low, _, high = self.media_ports.partition("-")
        return int(low), int(high)

    @property
    def secure(self) -> bool:
        """Whether pages are served over TLS, here or by the proxy in front."""
        return self.tls_certificate is not None or self.public_url.startswith("https:")

    @property
    def database_url(self) -> str:
        return f"sqlite+aiosqlite:///{self.data_dir / 'betpe.sqlite3'}"

    def refuse_insecure(self) -> None:
        """Profile production refuses demonstration parts. Raises ProfileRefused, whose sentence names the setting."""
        if self.profile is not Profile.PRODUCTION:
            return
        needs = (
            (self.secret.get_secret_value(), "secret_missing", "BETPE_SECRET: a generated secret is for demonstration"),
            (
                self.secure,
                "tls_missing",
                "TLS: BETPE_TLS_CERTIFICATE and BETPE_TLS_KEY, or an https BETPE_PUBLIC_URL",
            ),
            (self.liveness == "required", "liveness_not_required", "BETPE_LIVENESS=required"),
            (self.card_checks == "required", "card_checks_not_required", "BETPE_CARD_CHECKS=required"),
            (
                self.recording == "required",
                "recording_not_required",
                "BETPE_RECORDING=required: no unrecorded identification",
            ),
            (
                self.calibration,
                "calibration_missing",
                "BETPE_CALIBRATION: a threshold without a calibration is refused",
            ),
        )
        for given, code, words in needs:
            if not given:
                raise ProfileRefused(code, f"profile production needs {words}")

    def refuse_embedded_authority(self) -> None:
        """Profile production issues no certificate of the embedded authority. Raises ProfileRefused."""
        if self.profile is Profile.PRODUCTION:
            raise ProfileRefused(
                "authority_for_demonstration",
                "profile production refuses the embedded certification authority, which is for demonstration; "
                "no connector to another authority is configured",
            )
