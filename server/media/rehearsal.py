"""A connection of a media process with itself, before the first of a browser: that one shall not pay for what is
loaded and made once (a first answer takes a tenth of a second of processor, later ones a hundredth), least of all where
it is a call that goes on after its process died."""

from __future__ import annotations

import asyncio
import logging

from server.media.aiortc_internals import Network, Peer
from server.media.offers import read_offer
from server.media.streams import StreamParameters

PATIENCE = 5.0  # seconds; on loopback it takes a fifth of one
_START_BITRATE = 600_000
_HERE = Network(addresses=("127.0.0.1",))

_log = logging.getLogger(__name__)


async def rehearse() -> None:
    """Offer, answer, ICE and DTLS over loopback. That it does not succeed is said in the log and harms nothing."""
    ready = [asyncio.Event(), asyncio.Event()]

    def peer(number: int) -> Peer:
        def on_ready(parameters: dict[str, StreamParameters]) -> None:
            del parameters
            ready[number].set()

        return Peer(_HERE, _START_BITRATE, on_ready, ready[number].set)

    one, other = peer(0), peer(1)
    try:
        async with asyncio.timeout(PATIENCE):
            await one.accept(await other.answer(read_offer(await one.offer())))
            await asyncio.gather(*(event.wait() for event in ready))
    except (OSError, ValueError, TimeoutError) as error:
        _log.warning("the rehearsal of a connection failed: %s", type(error).__name__)
    finally:
        await asyncio.gather(one.close(), other.close())
