"""
The best response of a response context (RFC 3261 16.7 step 6, RFC 5626 11.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sipoutbound.message.message import Response

# Within 4xx those that tell the client how to succeed are worth most, a failed flow least.
_USEFUL: Final = frozenset((401, 407, 415, 420, 484))
_CHALLENGES: Final = (b"WWW-Authenticate", b"Proxy-Authenticate")


def bestOf(responses: Sequence[Response]) -> Response:
    """
    Choose: any 6xx, else the lowest class; of several as good, the first.

    @param responses: final ones, at least one.
    """
    best = min(responses, key=_rank)
    if best.status in (401, 407):
        return _withChallenges(best, responses)
    return best


def _rank(response: Response) -> tuple[int, int]:
    status = response.status
    if status >= 600:
        return 0, 0
    if status == 430:
        return 4, 2
    return status // 100, 0 if status in _USEFUL else 1


def _withChallenges(best: Response, responses: Sequence[Response]) -> Response:
    """
    All challenges belong into the one that is forwarded (RFC 3261 16.7 step 7).
    """
    merged = best.copy()
    for other in responses:
        if other is best or other.status not in (401, 407):
            continue
        for name in _CHALLENGES:
            for challenge in reversed(other.texts(name.lower())):
                merged.put(name, challenge)
    return merged
