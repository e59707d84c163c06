"""
A phone: C{phone.py AOR PROXY=CABLE...}. It registers over a flow through each proxy, rings when it
is called, and picks up. A line on its standard input is an address to call.

PROXY and CABLE are ports of this machine: connections to an edge are made to the end of a cable.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from attrs import asdict
from twisted.internet import reactor, task
from twisted.internet.defer import ensureDeferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from witness import tell, testify

from sipoutbound.agent.place import Place
from sipoutbound.message.uri import URI
from sipoutbound.outbound.instance import newInstance
from sipoutbound.useragent import Incoming, Reply, Times, UserAgent

# A phone waits a minute or more before it dials a lost proxy again (RFC 5626 4.5); nobody wants to
# watch that.
HASTE = Times(allFailed=0.8, notAllFailed=0.8, longest=2.0)

# For how long it rings, and for how long one talks, in seconds.
RINGS, TALKS = 0.25, 0.1

SPEECH = b"".join(
    line + b"\r\n"
    for line in (
        b"v=0", b"o=- 1 1 IN IP4 127.0.0.1", b"s=-", b"c=IN IP4 127.0.0.1", b"t=0 0",
        b"m=audio 9 RTP/AVP 0",
    )
)  # fmt: skip
TYPE = (("Content-Type", "application/sdp"),)


class Phone(LineReceiver):
    """
    What is typed, and the user agent.
    """

    delimiter = b"\n"

    def __init__(self, aor: str, cables: dict[int, int]) -> None:
        async def locate(uri: URI) -> list[Place]:
            assert uri.port is not None
            return [Place(b"TCP", ("127.0.0.1", cables[uri.port]))]

        proxies = [f"sip:127.0.0.1:{port};transport=tcp" for port in cables]
        self.agent = UserAgent(
            reactor, aor, proxies, newInstance(), self.called, times=HASTE, locate=locate,
            changed=lambda status: tell("status", **asdict(status)),
        )  # fmt: skip

    def lineReceived(self, line: bytes) -> None:
        """
        Call somebody.
        """
        calling = ensureDeferred(self.call(line.decode()))
        calling.addErrback(lambda failure: tell("failed", why=failure.getErrorMessage()))

    def connectionLost(self, reason: Any = None) -> None:
        """
        Nobody types any more: whoever started this is gone.
        """
        if reactor.running:
            reactor.stop()

    async def call(self, address: str) -> None:
        """
        Call somebody, talk, and hang up.
        """
        dialled = time.monotonic()

        def progressed(response: Any) -> None:
            if response.status == 180:
                tell("rings", after=time.monotonic() - dialled)

        final = await self.agent.invite(address, SPEECH, provisional=progressed)
        if final.dialog is None:
            tell("failed", why=f"{final.status} {final.reason}")
            return
        await task.deferLater(reactor, TALKS)
        await final.dialog.bye()
        tell("talked")

    async def called(self, incoming: Incoming) -> Reply | None:
        """
        Ring, then pick up.
        """
        if incoming.method != "INVITE":
            return None
        incoming.provisional()
        await task.deferLater(reactor, RINGS)
        return Reply(200, SPEECH, TYPE)


def main() -> None:
    """
    Be a phone until nobody types any more.
    """
    testify()
    pairs = (pair.split("=") for pair in sys.argv[2:])
    phone = Phone(sys.argv[1], {int(proxy): int(cable) for proxy, cable in pairs})
    reactor.callWhenRunning(phone.agent.startService)
    StandardIO(phone, stdout=2)
    reactor.run()


if __name__ == "__main__":
    main()
