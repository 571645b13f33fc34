"""The text chat beside the call, for who cannot hear or speak."""

from __future__ import annotations

import unicodedata

from server.consultation.desk import Desk
from server.ports import Leg
from server.proofing import HELD, DomainError, Session


async def say(desk: Desk, session: Session, sender: Leg, text: str, client_id: str) -> None:
    """Add a message. Raises DomainError chat_closed, message_empty, too_many_messages."""
    if session.state not in HELD:
        raise DomainError("chat_closed", "Nobody is there to read this now.")
    shown = "".join(char for char in text if char == "\n" or unicodedata.category(char)[0] != "C").strip()
    if not shown:
        raise DomainError("message_empty", "The message is empty.")
    if len(await desk.store.messages(session.id)) >= desk.limits.messages:
        raise DomainError("too_many_messages", "Too many messages in one session.")
    await desk.store.add_message(session.id, sender, shown, client_id, desk.clock.now())
    await desk.tell(session)
