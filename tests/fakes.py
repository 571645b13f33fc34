"""One fake per port, for tests of what stands on the ports. Each says no where the real one would.

The store is not faked: ``fresh_store`` is the real one on a file of its own, in a few milliseconds.
"""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from server.ports import (
    PAIR,
    AskedFeature,
    CertificateOrder,
    CertificateProfile,
    ChallengeProgress,
    ChallengeStep,
    FeatureStill,
    IssuanceRefused,
    IssuedCertificate,
    Leg,
    LegEvent,
    LegStatistics,
    MediaError,
    RecordedSegment,
    RecordingPlan,
    RegistryUnavailable,
)
from server.proofing import DomainError
from server.store import SqlStore, migrate
from verification.contract import (
    CheckResult,
    Comparison,
    DocumentReading,
    DocumentStatus,
    Frame,
    Guidance,
    Outcome,
    Probe,
    RegistryQuery,
    RegistryRecord,
    Sender,
    Side,
    SideReading,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

ATTRIBUTES = {
    "surname": "ULGI",
    "given_names": "AIGUL",
    "iin": "880412201003",  # a person of the 19th century: valid by every rule, and nobody's
    "document_number": "012345678",
    "birth_date": "1888-04-12",
    "sex": "F",
    "expiry_date": "2031-04-11",
    "issuing_state": "KAZ",
}


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="betpe-store-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder / "empty.db"


async def fresh_database(folder: Path) -> str:
    """URL of an empty, migrated database in the folder. The migrations run once for all tests of the process."""
    template = _template()
    if not template.exists():
        await migrate(f"sqlite+aiosqlite:///{template}")  # the last connection to close folds the WAL in
    file = folder / "betpe.db"
    shutil.copyfile(template, file)
    return f"sqlite+aiosqlite:///{file}"


@asynccontextmanager
async def fresh_store(folder: Path) -> AsyncIterator[SqlStore]:
    """The real store on an empty database in the folder."""
    store = SqlStore(await fresh_database(folder))
    try:
        yield store
    finally:
        await store.aclose()


class FakeClock:
    """Time that passes when told to; and a microsecond with each look, so that what comes later is later."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        self._now += timedelta(microseconds=1)
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Let time pass; returns the new time."""
        self._now += timedelta(seconds=seconds)
        return self._now


class FakeVault:
    """Blobs in a dict."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], bytes | None] = {}

    async def put(self, session: str, content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        self._blobs[session, name] = bytes(content)
        return name

    async def get(self, session: str, sha256: str) -> bytes:
        content = self._blobs[session, sha256]
        if content is None:
            raise ValueError("the blob does not decrypt")
        return content

    async def delete_session(self, session: str) -> int:
        names = [name for name in self._blobs if name[0] == session]
        for name in names:
            del self._blobs[name]
        return len(names)

    def damage(self, session: str, sha256: str) -> None:
        """From now on this blob does not decrypt."""
        self._blobs[session, sha256] = None


class FakeMedia:
    """Calls without packets: a test says when an end is connected and when it is lost."""

    EVENTS = 256

    def __init__(self) -> None:
        self.picture = np.full((48, 64, 3), 127, np.uint8)
        self.frozen = False
        """No frame comes any more, though the leg is connected."""
        self.full = False
        self.offers: list[tuple[str, Leg, str]] = []
        self.candidates: list[tuple[str, Leg, Mapping[str, Any]]] = []
        """Of connections that a page offered."""
        self.receiving_candidates: list[tuple[str, Leg, int, Mapping[str, Any]]] = []
        """Of the newest connection that ``receive`` offered."""
        self.accepted: list[tuple[str, Leg, int, str]] = []
        self.keyframes: list[tuple[str, Leg]] = []
        self.closed: list[str] = []
        self.hung_up: list[tuple[str, Leg]] = []
        self.recordings: dict[str, RecordingPlan] = {}
        """Calls that are being recorded."""
        self.disk_full = False
        self._answered: set[tuple[str, Leg]] = set()
        self._received: dict[tuple[str, Leg], int] = {}
        self._offered = 0
        self._connected: set[tuple[str, Leg]] = set()
        self._events: asyncio.Queue[LegEvent] = asyncio.Queue(self.EVENTS)
        self._rtp_timestamp = 0

    async def answer(self, call: str, leg: Leg, sdp: str) -> str:
        if self.full:
            raise MediaError("media_full", "No more calls can be carried at the moment.")
        if not sdp.startswith("v=0"):
            raise MediaError("media_offer_invalid", "The offer cannot be read.")
        self.offers.append((call, leg, sdp))
        self._answered.add((call, leg))
        self._received.pop((call, leg), None)
        return f"v=0\r\ns=answer to {leg} of {call}\r\n"

    async def accept(self, call: str, leg: Leg, number: int, sdp: str) -> None:
        if self._received.get((call, leg)) != number:
            raise MediaError("media_superseded", "A newer offer took this one's place.")
        if not sdp.startswith("v=0"):
            raise MediaError("media_offer_invalid", "The answer cannot be read.")
        self.accepted.append((call, leg, number, sdp))

    async def add_candidate(self, call: str, leg: Leg, candidate: Mapping[str, Any], receiving: int = 0) -> None:
        if not isinstance(candidate.get("candidate"), str):
            raise MediaError("media_candidate_invalid", "The candidate cannot be read.")
        if not receiving:
            self.candidates.append((call, leg, candidate))
        elif self._received.get((call, leg)) == receiving:
            self.receiving_candidates.append((call, leg, receiving, candidate))

    async def request_keyframe(self, call: str, leg: Leg) -> None:
        if (call, leg) in self._connected:
            self.keyframes.append((call, leg))

    async def frames(self, call: str, leg: Leg, count: int, within: float) -> list[Frame]:
        if (call, leg) not in self._connected:
            raise MediaError("media_not_connected", "That end of the call is not connected.")
        return [] if self.frozen else [self._frame() for _ in range(count)]

    def _frame(self) -> Frame:
        self._rtp_timestamp = (self._rtp_timestamp + 3000) % 2**32  # 30 frames a second at 90 kHz
        return Frame(self.picture, self._rtp_timestamp, self._rtp_timestamp / 90_000)

    def statistics(self, call: str, leg: Leg) -> LegStatistics | None:
        height, width = self.picture.shape[:2]
        return LegStatistics(True, 30.0, width, height, 0, 500_000.0) if (call, leg) in self._connected else None

    async def events(self) -> AsyncIterator[LegEvent]:
        while True:
            yield await self._events.get()

    async def record(self, call: str, plan: RecordingPlan) -> None:
        if self.disk_full:
            raise MediaError("media_recording_failed", "The recording cannot be written.")
        self.recordings.setdefault(call, plan)

    async def stop_recording(self, call: str) -> list[RecordedSegment]:
        plan = self.recordings.pop(call, None)
        if plan is None:
            return []
        return [RecordedSegment(leg, 1, plan.folder / f"{call}-{leg}-1", "0" * 64, 1000) for leg in PAIR]

    async def hang_up(self, call: str, leg: Leg) -> None:
        self.hung_up.append((call, leg))
        self._received.pop((call, leg), None)
        self._answered.discard((call, leg))
        self._connected.discard((call, leg))

    async def close(self, call: str) -> None:
        self.closed.append(call)
        self.recordings.pop(call, None)
        self._received = {end: number for end, number in self._received.items() if end[0] != call}
        self._answered = {end for end in self._answered if end[0] != call}
        self._connected = {end for end in self._connected if end[0] != call}

    async def aclose(self) -> None:
        for call in {call for call, _ in self._answered | self._connected}:
            await self.close(call)

    def connect(self, call: str, leg: Leg) -> LegEvent:
        """Packets flow. The event is queued for the listener, and returned for a test that has none."""
        self._connected.add((call, leg))
        return self.tell(LegEvent(call, leg, "connected"))

    def offer(self, call: str, leg: Leg) -> LegEvent:
        """The engine offers a connection to receive over; it replaces the leg's earlier one."""
        self._offered += 1
        self._received[call, leg] = self._offered
        sdp = f"v=0\r\ns=offer {self._offered} to {leg} of {call}\r\n"
        return self.tell(LegEvent(call, leg, "receive", sdp, self._offered))

    def lose(self, call: str, leg: Leg, kind: str = "silent") -> LegEvent:
        """The end is gone: ``silent`` or ``closed``."""
        self._connected.discard((call, leg))
        return self.tell(LegEvent(call, leg, kind))

    def tell(self, event: LegEvent) -> LegEvent:
        """What the engine reports."""
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)
        return event


class FakeChecker:
    """Says what it is told to say. All is well unless a test changes it.

    ``failures``: method name -> what its next call raises. ``gate``: while it is there and unset, checks wait for it.
    """

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        """Check -> outcome other than passed, in documents and comparisons."""
        self.problems: dict[Side, tuple[str, ...]] = {}
        self.attributes: dict[str, str] = dict(ATTRIBUTES)
        self.failures: dict[str, Exception] = {}
        self.gate: asyncio.Event | None = None
        self.calls: list[str] = []
        self.closed = False
        self.guidance: tuple[str, ...] = ()
        self.risk = 0.1
        self.senders: list[Sender] = []
        """What was known of the applicant's camera at each look."""

    async def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.gate is not None:
            await self.gate.wait()
        if method in self.failures:
            raise self.failures.pop(method)

    def _result(
        self, check: str, score: float | None = None, threshold: float | None = None, fmr: float | None = None
    ) -> CheckResult:
        outcome = self.outcomes.get(check, Outcome.PASSED)
        reasons = () if outcome is Outcome.PASSED else (f"{check}_{outcome}",)
        return CheckResult(check, outcome, reasons, score, threshold, fmr, model="fake", version="1")

    async def assess_side(self, image: bytes, side: Side) -> SideReading:
        await self._called("assess_side")
        problems = self.problems.get(side, ())
        front = side is Side.FRONT
        return SideReading(
            side=side,
            usable=not problems,
            problems=problems,
            image_jpeg=b"straight " + image,
            portrait_jpeg=b"portrait of " + image if front else None,
            attributes={} if problems else self.attributes,
            mrz_lines=() if front else ("IDKAZ...",),
        )

    async def read_document(self, front: bytes, back: bytes, today: datetime) -> DocumentReading:
        await self._called("read_document")
        names = ("document_front", "document_back", "mrz", "printed_text", "barcode", "iin", "expiry", "portrait")
        return DocumentReading(
            attributes=self.attributes,
            sources=dict.fromkeys(self.attributes, "mrz"),
            mrz_lines=("IDKAZ...",),
            checks=tuple(self._result(name) for name in names),
            front_jpeg=b"straight " + front,
            back_jpeg=b"straight " + back,
            portrait_jpeg=b"portrait of " + front,
        )

    async def judge_registry(self, attributes: Mapping[str, str], record: RegistryRecord | None) -> CheckResult:
        await self._called("judge_registry")
        known = record is not None and record.status is DocumentStatus.VALID
        return CheckResult("registry", Outcome.PASSED if known else Outcome.FAILED, ())

    async def judge_typed(self, read: Mapping[str, str], typed: Mapping[str, str]) -> CheckResult:
        await self._called("judge_typed")
        return CheckResult("typed_text", Outcome.INCONCLUSIVE, ("applicant_corrected",), model="rules")

    async def compare(self, portrait: bytes, probes: AsyncIterable[Frame]) -> Comparison:
        taken = [probe async for probe in probes]
        await self._called("compare")
        score = {Outcome.PASSED: 0.6, Outcome.INCONCLUSIVE: 0.35}.get(
            self.outcomes.get("face_match", Outcome.PASSED), 0.1
        )
        return Comparison(
            result=self._result("face_match", score=score, threshold=0.348, fmr=0.001),
            second=self._result("face_second_opinion", score=score, threshold=0.3, fmr=0.001),
            probes=tuple(Probe(index, 0.9, score) for index in range(len(taken))),
            best=0 if taken else None,
            probe_jpeg=b"best face" if taken else None,
            frames_jpeg=tuple(b"frame %d" % frame.rtp_timestamp for frame in taken),
        )

    async def signs(self, frames: Sequence[Frame], sender: Sender) -> CheckResult:
        await self._called("signs")
        self.senders.append(sender)
        return self._result("injection", self.risk, 0.5)

    async def guide(self, frame: Frame) -> Guidance:
        await self._called("guide")
        return Guidance(self.guidance, {"sharpness": 1.0})

    async def new_challenge(self, needs: Sequence[str]) -> ChallengeProgress:
        await self._called("new_challenge")
        if "unknown" in needs:
            raise DomainError("need_unknown", "That is none of the things a person may say she cannot do.")
        return self._challenge(0)

    async def follow_challenge(
        self, state: bytes, frames: Sequence[Frame], shown_at: float | None, *, last: bool
    ) -> ChallengeProgress:
        await self._called("follow_challenge")
        await asyncio.sleep(0)
        number, check = state.decode().split()
        done = int(number) + (shown_at is not None)
        return self._challenge(done, last or done == self.STEPS, check)

    STEPS = 2

    def _challenge(self, done: int, over: bool = False, check: str = "liveness") -> ChallengeProgress:
        kind = "nod" if check == "liveness" else "tilt_left"
        steps = tuple({"kind": kind, "outcome": "passed", "reason": "answered"} for _ in range(done))
        due = None if over else ChallengeStep(done + 1, self.STEPS, kind, 4.0, {})
        result = self._result(check, score=done / self.STEPS, threshold=1.0) if over else None
        evidence = ((f"step_{done}", b"step"),) if done else ()
        sources = {f"step_{done}": {"rtp_timestamp": 3000 * done, "sha256": "0" * 64}} if done else {}
        return ChallengeProgress(f"{done} {check}".encode(), due, 0.0, True, steps, evidence, result, sources)

    async def new_tilt(self, issuing_state: str) -> ChallengeProgress:
        await self._called("new_tilt")
        return self._challenge(0, check="tilt")

    async def pick_features(self, issuing_state: str) -> tuple[str, tuple[AskedFeature, ...]]:
        await self._called("pick_features")
        look_for = dict.fromkeys(("kk", "ru", "en"), "a pattern that moves")
        kinds = ("diffractive", "variable_ink", "relief")
        asked = (AskedFeature(f"one-{kind}", kind, Side.FRONT, True, None, "tilt", look_for) for kind in kinds)
        return "kazakhstan-id", tuple(asked)

    async def feature_stills(
        self, frames: Sequence[Frame], features: Sequence[AskedFeature]
    ) -> tuple[FeatureStill, ...]:
        await self._called("feature_stills")
        return tuple(FeatureStill(b"%s %d" % (one.id.encode(), frames[0].rtp_timestamp), True, 0) for one in features)

    async def card_still(self, frame: Frame) -> tuple[bytes, bool]:
        await self._called("card_still")
        return b"still %d" % frame.rtp_timestamp, True

    async def specimen(self, selfie: bytes, seed: int, today: datetime) -> tuple[bytes, bytes]:
        await self._called("specimen")
        return b"front " + selfie, b"back " + selfie

    async def aclose(self) -> None:
        self.closed = True


class FakeRegistry:
    """Answers with ``record``, or raises ``failure``; remembers what it was asked."""

    name = "fake-registry"

    def __init__(self) -> None:
        self.record: RegistryRecord | None = RegistryRecord(DocumentStatus.VALID)
        self.failure: RegistryUnavailable | None = None
        self.asked: list[RegistryQuery] = []
        self.closed = False

    async def look_up(self, query: RegistryQuery) -> RegistryRecord | None:
        self.asked.append(query)
        if self.failure is not None:
            raise self.failure
        return self.record

    async def aclose(self) -> None:
        self.closed = True


class FakeIssuer:
    """An authority without keys: requests are made by ``request``, certificates are readable text.

    ``failures``: what the next enrolments raise, in order.
    """

    demonstration = True

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.enrolled: list[CertificateOrder] = []
        self._serial_number = 0

    @staticmethod
    def request(key: str, subject_der: bytes) -> bytes:
        """A certificate request for the named key and the subject."""
        return json.dumps({"key": key, "subject": subject_der.hex()}).encode()

    def subject(self, attributes: Mapping[str, str]) -> bytes:
        if not attributes.get("surname") or not attributes.get("iin"):
            raise IssuanceRefused("subject_invalid", "A certificate needs a name and a number.")
        return f"CN={attributes['surname']} {attributes.get('given_names', '')},IIN{attributes['iin']}".encode()

    def examine(self, csr_der: bytes, subject_der: bytes) -> str:
        try:
            request = json.loads(csr_der)
            key, subject = request["key"], bytes.fromhex(request["subject"])
        except (ValueError, KeyError, TypeError) as error:
            raise IssuanceRefused("csr_malformed", "The request cannot be read.") from error
        if subject != subject_der:
            raise IssuanceRefused("csr_subject_mismatch", "The request is for another subject.")
        return hashlib.sha256(key.encode()).hexdigest()

    def order(
        self, session: str, profile: CertificateProfile, csr_der: bytes, subject_der: bytes, now: datetime
    ) -> CertificateOrder:
        self._serial_number += 1
        until = now + timedelta(days=365)
        return CertificateOrder(session, profile, csr_der, subject_der, self._serial_number, now, until)

    async def enrol(self, order: CertificateOrder) -> bytes:
        if self.failures:
            raise self.failures.pop(0)
        self.enrolled.append(order)
        return b"certificate %d: %s for %s" % (order.serial_number, order.profile.encode(), order.subject_der)

    def chain(self) -> list[bytes]:
        return [b"issuing certificate", b"root certificate"]

    async def crl(self, revoked: Sequence[IssuedCertificate], now: datetime) -> bytes:
        return json.dumps(sorted(one.serial_number for one in revoked)).encode()

    def root_crl(self) -> bytes:
        return b"root revocation list"
