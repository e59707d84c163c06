"""
What messages mean, for people who do not know SIP.
"""

from __future__ import annotations

REQUESTS = {
    "REGISTER": "I can be reached this way",
    "INVITE": "a call for Bob",
    "ACK": "good, let us talk",
    "BYE": "I hang up",
    "CANCEL": "stop ringing",
    "OPTIONS": "I have lost a phone's line",
}

# By method and status; a method alone stands for every success.
RESPONSES = {
    ("INVITE", 180): "it rings",
    ("INVITE", 200): "Bob has picked up",
    ("INVITE", 408): "no answer",
    ("INVITE", 430): "that line is dead",
    ("INVITE", 480): "Bob cannot be reached",
    ("INVITE", 503): "I cannot get through",
}


def meaning(method: str, status: int) -> str:
    """
    A message in plain words.

    @param status: 0 for a request.
    """
    if not status:
        return REQUESTS.get(method, method)
    return RESPONSES.get((method, status), "understood" if status < 300 else f"no ({status})")
