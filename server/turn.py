"""ICE servers for the pages, with short-lived TURN credentials (coturn's use-auth-secret)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from typing import Any


def ice_servers(urls: Sequence[str], secret: str, minutes: float) -> list[dict[str, Any]]:
    """RTCIceServer dictionaries; empty without TURN. The user name is the time of expiry and a random word, the
    credential its HMAC-SHA1 (what coturn's use-auth-secret computes): it names nobody."""
    if not urls:
        return []
    username = f"{int(time.time() + minutes * 60)}:{secrets.token_hex(4)}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return [{"urls": list(urls), "username": username, "credential": base64.b64encode(digest).decode("ascii")}]
