"""
A user agent as a program of its own. It says what happens to it in lines, and calls whom it is told
to: C{call URI}. It is in a hurry: whatever it waits for by choice comes ten times as soon, so that
nobody has to wait for its pings.

Run it as C{python -m sipoutbound.test.bed_agent AOR FILE PROXY...}.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet import reactor as theReactor
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

from sipoutbound.message.message import Response
from sipoutbound.test.bed import Loopback
from sipoutbound.test.bed_program import Program
from sipoutbound.useragent import FinalResponse, Incoming, Status, UserAgent

reactor: Any = theReactor

# How many times as fast as others it is.
HURRY = 10

# What it offers to whom it calls: to hear nothing, and to say nothing (RFC 4566, RFC 3264).
OFFER = b"\r\n".join(
    (
        b"v=0", b"o=- 1 1 IN IP4 192.0.2.1", b"s=-", b"c=IN IP4 192.0.2.1", b"t=0 0",
        b"m=audio 40000 RTP/AVP 0", b"a=inactive", b"",
    )
)  # fmt: skip


def say(*words: object) -> None:
    """
    Write a line.
    """
    print(*words, flush=True)


def answer(incoming: Incoming) -> int | None:
    """
    Ring, say who has sent the call here, and take no call.
    """
    if incoming.method != "INVITE":
        return None
    incoming.provisional()
    say("rings", incoming.message.via.host.decode())
    return 486


def changed(status: Status) -> None:
    """
    Say how it stands with a proxy.
    """
    say("registered" if status.registered else "lost", status.regId, status.why)


@define(eq=False)
class Console(LineReceiver):
    """
    Where it is told what to do.
    """

    agent: UserAgent
    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        """
        Call somebody, and say after how many seconds it rings and is over.
        """
        began = time.monotonic()

        def provisional(response: Response) -> None:
            if response.status > 100:
                say("ringing", time.monotonic() - began)

        def final(response: FinalResponse) -> None:
            say("final", response.status, time.monotonic() - began)
            if response.dialog is not None:
                response.dialog.bye()

        uri = line.decode().split()[1]
        calling = self.agent.invite(uri, OFFER, provisional=provisional)
        calling.addCallbacks(final, lambda failure: say("failed", failure.value))


def main() -> None:
    """
    Run until terminated.
    """
    aor, file, *proxies = sys.argv[1:]
    agent = UserAgent(
        reactor, aor, proxies, Path(file), answer, changed=changed,
        draw=lambda least, most: least / HURRY,
    )  # fmt: skip
    StandardIO(Console(agent))
    reactor.callWhenRunning(agent.startService)
    reactor.addSystemEventTrigger("before", "shutdown", agent.stopService)
    reactor.run()


@define(eq=False)
class Agent:
    """
    That program, from without.

    @ivar user: the user part of its address of record, in the domain example.test.
    @ivar proxies: the URIs of its proxies.
    @ivar folder: keeps its instance-id.
    @ivar network: where it runs.
    """

    user: str
    proxies: list[str]
    folder: Path
    network: Loopback
    program: Program = field(init=False)

    def start(self) -> Agent:
        """
        Start it.

        @return: itself.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        module = [sys.executable, "-m", "sipoutbound.test.bed_agent"]
        file = str(self.folder / self.user)
        argv = [*module, f"sip:{self.user}@example.test", file, *self.proxies]
        self.program = Program(argv, self.network)
        self.program.start()
        return self

    def registered(self, regId: int = 1, since: int = 0) -> None:
        """
        Wait until it is registered through a proxy.

        @param since: a mark of the program.
        """
        self.program.expect(f"^registered {regId}", since)

    def calls(self, user: str) -> float:
        """
        Call somebody, and wait for the end of the call.

        @return: after how many seconds it rang.
        @raise AssertionError: it did not.
        """
        since = self.program.mark()
        self.program.say(f"call sip:{user}@example.test")
        over = self.program.expect("^(final|failed) .*", since)
        lines = [line.split() for line in self.program.lines[since:]]
        for line in lines:
            if line[0] == "ringing":
                return float(line[1])
        raise AssertionError(f"it did not ring, but: {over[0]}")

    def rung(self, since: int) -> str:
        """
        @param since: a mark of the program.
        @return: by which proxy it was called: its address.
        """
        return self.program.expect(r"^rings (\S+)", since)[1]

    def stop(self) -> None:
        """
        End it; it removes its bindings first.
        """
        self.program.stop()


if __name__ == "__main__":
    main()
