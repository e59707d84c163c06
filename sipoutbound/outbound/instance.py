"""
Instance-ids: which device it is, whatever its address and however often it has been restarted
(RFC 5626 4.1).
"""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID, uuid4

# RFC 4122 3. Other schemes of URN need an RFC that says how they are used here (RFC 5626 4.1).
_URN: Final = re.compile(
    r"urn:uuid:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})", re.IGNORECASE
)


def newInstance() -> str:
    """
    A URN that no other device has, made of random numbers (RFC 4122 4.4).
    """
    return uuid4().urn


def checkedInstance(urn: str) -> str:
    """
    An instance-id in the one spelling that is sent, always the same: lower case.

    @raise ValueError: when it is no UUID URN, or is the one that names nothing.
    """
    match = _URN.fullmatch(urn)
    if match is None or UUID(match[1]).int == 0:
        raise ValueError(f"no urn:uuid: of RFC 4122: {urn}")
    return urn.lower()
