"""
Has a process tell what it sends and receives: one JSON object a line, on its standard output.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from typing import Any

from twisted.logger import globalLogPublisher

from sipoutbound.stack import Stack
from sipoutbound.transport.flow import Flow

# The top Via's branch, the same on both ends of one hop (RFC 3261 8.1.1.7).
BRANCH = re.compile(rb"^(?:via|v) *:.*?;branch=([^;,\s]+)", re.I | re.M)
METHOD = re.compile(rb"^cseq *:\s*\d+\s+(\w+)", re.I | re.M)


def tell(what: str, **more: Any) -> None:
    """
    Say something. The clock is one that all processes of a machine share.
    """
    line = json.dumps({"what": what, "at": time.monotonic(), **more})
    os.write(1, line.encode() + b"\n")


def testify() -> None:
    """
    From now on tell of each SIP message, and of each peer that could not be reached.
    """
    sent, received = Flow.send, Stack.received

    def send(flow: Flow, data: bytes) -> bool:
        _message("sent", data)
        return sent(flow, data)

    def receive(stack: Stack, flow: Any, message: Any) -> None:
        _message("received", bytes(message))
        received(stack, flow, message)

    Flow.send, Stack.received = send, receive  # type: ignore[method-assign]
    globalLogPublisher.addObserver(_unreachable)


def endWithParent() -> None:
    """
    End this process when its standard input is closed, also by the death of whoever holds it.
    """

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _message(what: str, data: bytes) -> None:
    branch, method = BRANCH.search(data), METHOD.search(data)
    if branch is None or method is None:
        return
    first, second = data.split(b" ", 2)[:2]
    status = int(second) if first == b"SIP/2.0" else 0
    tell(what, branch=branch[1].decode(), method=method[1].decode(), status=status)


def _unreachable(event: dict[str, Any]) -> None:
    if event.get("log_format") == "unreachable: {why}":
        tell("unreachable", why=event["why"])
