"""The register of documents is asked: when the applicant confirms the evidence, and again where it gave no answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from server.consultation.desk import Desk, one_at_a_time, record
from server.ports import RegistryUnavailable
from server.proofing import DomainError, Session, State
from verification.contract import CheckResult, Outcome, RegistryQuery

CHECK = "registry"


async def ask(desk: Desk, attributes: Mapping[str, str]) -> CheckResult:
    """What the register of documents says. One that gives no answer leaves its check inconclusive, with the reason."""
    query = RegistryQuery.of(attributes)
    if desk.registry is None or query is None:
        return CheckResult(CHECK, Outcome.NOT_RUN, ("registry_not_asked",))
    started = time.perf_counter()
    try:
        result = await desk.checker.judge_registry(attributes, await desk.registry.look_up(query))
    except RegistryUnavailable as error:
        outcome = Outcome.NOT_RUN if error.code == "registry_not_asked" else Outcome.INCONCLUSIVE
        result = CheckResult(CHECK, outcome, (error.code,))
    took = round((time.perf_counter() - started) * 1000, 1)
    return replace(result, model=desk.registry.name, milliseconds=took)


async def ask_again(desk: Desk, session: Session, operator_id: str) -> None:
    """Ask anew where the last question had no answer; an answer stands, whatever it is.

    Raises DomainError registry_answered, wrong_state, check_under_way; CheckUnavailable.
    """
    session.require(State.IN_CALL)
    async with one_at_a_time(desk, session.id):
        asked = [row for row in await desk.store.checks(session.id) if row["check"] == CHECK]
        if not asked or asked[-1]["outcome"] != Outcome.INCONCLUSIVE:
            raise DomainError("registry_answered", "There is no question that the register left without an answer.")
        result = await ask(desk, session.attributes)
        await record(desk, session.id, result, f"operator:{operator_id}")
    await desk.tell(session)
