"""The register of documents: over HTTP at the authority, or a local answer for demonstrations (docs/operations.md).

Over HTTP it is one POST of {"iin", "document_number", "issuing_state"}, so that no personal data stands in an address
or a log; the answer is {"status", "surname"?, "given_names"?, "birth_date"?, "expiry_date"?}, or 404.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, TCPConnector

from server.ports import RegistryUnavailable
from verification.contract import DocumentStatus, RegistryQuery, RegistryRecord

ANSWER_BYTES = 16 * 1024
"""A record is a few hundred bytes; more is no answer of a registry."""
TEXT_LENGTH = 200
CONNECTIONS = 8
"""To the registry at once; further questions wait, within the same time limit."""
SPECIMEN_CENTURIES = "12"
"""Seventh digit of the IINs of people born in the 19th century: of specimen cards, and of nobody alive."""


class RegistrySetUp(Exception):
    """A file that the registry's settings name cannot be used. ``code``: registry_file_unreadable,
    registry_file_invalid."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse_record(answer: Any) -> RegistryRecord:
    """A record from JSON. Raises ValueError for anything else than a record."""
    if not isinstance(answer, dict):
        raise ValueError("a record is a JSON object")
    texts = {}
    for name in ("surname", "given_names", "birth_date", "expiry_date"):
        text = answer.get(name) or ""
        if not isinstance(text, str) or len(text) > TEXT_LENGTH:
            raise ValueError(f"{name} is no text of at most {TEXT_LENGTH} characters")
        texts[name] = text
    return RegistryRecord(DocumentStatus(str(answer.get("status"))), **texts)


class LocalRegistry:
    """For demonstrations and trials: the records of a file, and "valid" for every specimen card that is not in it."""

    name = "local-registry"

    def __init__(self, records: Mapping[tuple[str, str], RegistryRecord] | None = None) -> None:
        """``records``: by IIN and document number."""
        self._records = dict(records or {})

    @classmethod
    def from_file(cls, path: Path) -> LocalRegistry:
        """A JSON list of {"iin", "document_number", "status", ...}. Raises RegistrySetUp."""
        content = _text_of(path)
        try:
            listed = json.loads(content)
            records = {(str(one["iin"]), str(one["document_number"])): parse_record(one) for one in listed}
        except (ValueError, KeyError, TypeError) as error:
            raise RegistrySetUp("registry_file_invalid", f"{path.name} holds no list of documents: {error}.") from error
        return cls(records)

    async def look_up(self, query: RegistryQuery) -> RegistryRecord | None:
        """See Registry. A card of a living person is nothing that it could know: registry_not_asked."""
        record = self._records.get((query.iin, query.document_number))
        if record is not None:
            return None if record.status is DocumentStatus.UNKNOWN else record
        if query.iin[6:7] in SPECIMEN_CENTURIES and len(query.iin) == 12:
            return RegistryRecord(DocumentStatus.VALID)
        raise RegistryUnavailable("registry_not_asked", "The local registry knows specimen cards only.")

    async def aclose(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class HttpAccess:
    """How the registry is reached."""

    url: str
    seconds: float
    """For the whole question, waiting and TLS included."""
    token_file: Path | None = None
    """Sent as a bearer token; read at each question, so that it can be renewed."""
    ca_file: Path | None = None
    """PEM of the authorities that the registry's certificate is checked against; None: the system's."""
    certificate: Path | None = None
    """PEM chain for mutual TLS."""
    key: Path | None = None


class HttpRegistry:
    """A registry over HTTPS. Its certificate is always checked, redirects are not followed, the answer is bounded."""

    name = "http-registry"

    def __init__(self, access: HttpAccess) -> None:
        """Raises RegistrySetUp."""
        self._access = access
        self._tls = _tls(access) if access.url.startswith("https:") else None
        self._session: ClientSession | None = None

    def _open(self) -> ClientSession:
        if self._session is None:
            connector = TCPConnector(ssl=self._tls or True, limit=CONNECTIONS)
            self._session = ClientSession(connector=connector, timeout=ClientTimeout(total=self._access.seconds))
        return self._session

    async def look_up(self, query: RegistryQuery) -> RegistryRecord | None:
        """See Registry."""
        asked = {
            "iin": query.iin,
            "document_number": query.document_number,
            "issuing_state": query.issuing_state,
        }
        try:
            async with self._open().post(
                self._access.url, json=asked, headers=self._headers(), allow_redirects=False
            ) as response:
                return await _answer(response)
        except TimeoutError as error:
            raise RegistryUnavailable("registry_timed_out", "The registry did not answer in time.") from error
        except (ClientError, OSError) as error:
            raise RegistryUnavailable("registry_unreachable", "The registry cannot be reached.") from error

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if self._access.token_file is not None:
            try:
                headers["Authorization"] = f"Bearer {_text_of(self._access.token_file).strip()}"
            except RegistrySetUp as error:
                raise RegistryUnavailable("registry_refused", error.message) from error
        return headers

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _answer(response: ClientResponse) -> RegistryRecord | None:
    if response.status == 404:
        return None
    if response.status in (401, 403):
        raise RegistryUnavailable("registry_refused", "The registry refuses this service's credentials.")
    if response.status != 200:
        raise RegistryUnavailable("registry_unreachable", f"The registry answered with status {response.status}.")
    body = await _bounded(response)
    try:
        record = parse_record(json.loads(body))
    except ValueError as error:
        raise RegistryUnavailable("registry_answer_invalid", "The registry's answer is no record.") from error
    return None if record.status is DocumentStatus.UNKNOWN else record


async def _bounded(response: ClientResponse) -> bytes:
    body = b""
    async for chunk in response.content.iter_chunked(ANSWER_BYTES):
        body += chunk
        if len(body) > ANSWER_BYTES:
            raise RegistryUnavailable("registry_answer_invalid", "The registry's answer is too long to be a record.")
    return body


def _tls(access: HttpAccess) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if access.certificate is not None:
            context.load_cert_chain(access.certificate, access.key)
    except (OSError, ssl.SSLError) as error:
        raise RegistrySetUp(
            "registry_file_unreadable", f"The registry's TLS files cannot be used: {error.strerror or error.args[0]}."
        ) from error
    return context


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RegistrySetUp("registry_file_unreadable", f"{path.name} cannot be read.") from error
