"""
What happens: three calls, and what is broken before the second and the third.
"""

from __future__ import annotations

import time

from actor import Told
from cast import DOMAIN, Cast
from ladder import Ladder
from twisted.internet import reactor
from twisted.internet.task import deferLater

# Seconds until what was still under way at the end of a call has been told.
SETTLED = 0.3

# Milliseconds from dialling to ringing that nobody notices. The rings of the same call over a line
# in order take about as long.
PROMPT = 1000

INTRODUCTION = """\
Alice and Bob each have a phone behind a router: nobody can dial in, the phones have to hold a line
open to the outside. Each keeps a line to {edges}. A registrar behind the edges
remembers which lines lead to whom. Edges, registrar and phones are a process each.
"""


class Story:
    """
    @ivar cast: who takes part.
    @ivar rings: the milliseconds from dialling to ringing, of each call that has rung.
    """

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self.rings: list[float] = []
        self._begun = time.monotonic()
        self._calls = 0
        self._ladder = Ladder(["Alice", "Edge 1", "Edge 2", "Registrar", "Bob"])

    async def tell(self) -> bool:
        """
        @return: whether Bob was reached each time.
        """
        print(INTRODUCTION.format(edges=" and one to ".join(self.cast.edges)))
        await self._gathering()
        await self._call("Nothing is broken")
        await self._cut()
        await self._kill()
        return self._verdict()

    async def _gathering(self) -> None:
        self._say("The two edges and the registrar start")
        await self.cast.servers()
        self._say("Alice's and Bob's phones start, and tell the registrar where they are")
        await self.cast.phones()

    async def _cut(self) -> None:
        """
        The flow that the next call would go over, and the way back.
        """
        cut = time.monotonic()
        self._say("Bob's line to Edge 1 is cut, the one that his call came over")
        self.cast.cables["Bob", "Edge 1"].cut()
        await self._call("At once, with Bob's first line dead", cut)
        await self.cast.registered("Bob", "Edge 1", cut)
        self._say(
            "Bob's phone has a new line to Edge 1, of its own accord\n"
            "(it would have waited a minute or more: here it is told to hurry)"
        )

    async def _kill(self) -> None:
        killed = time.monotonic()
        self._say("Edge 1 is killed (kill -9), and with it a line of each phone")
        self.cast.actors["Edge 1"].kill()
        self._ladder.dead.add("Edge 1")
        await self._call("At once, with Edge 1 dead", killed)

    async def _call(self, when: str, since: float | None = None) -> None:
        """
        Alice calls Bob.

        @param since: when the picture begins; now, where nothing has happened before.
        """
        self._calls += 1
        self._say(f"Call {self._calls}. {when}: Alice calls Bob")
        alice, dialled = self.cast.actors["Alice"], time.monotonic()
        alice.say(f"sip:bob@{DOMAIN}")
        ended = await alice.until(lambda told: told["what"] in ENDS, dialled, "no end to the call")
        await deferLater(reactor, SETTLED)
        for line in self._ladder.draw(self._relevant(since or dialled), dialled):
            print("   " + line)
        self._outcome(ended, [told for told in alice.told if told["at"] >= dialled])

    def _relevant(self, since: float) -> list[Told]:
        """
        What belongs into the picture of a call: phones that come back are another matter.
        """
        told = self.cast.told(since)
        return [each for each in told if each.get("method") != "REGISTER"]

    def _outcome(self, ended: Told, told: list[Told]) -> None:
        rang = [each["after"] * 1000 for each in told if each["what"] == "rings"]
        if ended["what"] == "talked" and rang:
            self.rings.append(rang[0])
            self._say(f"Bob's phone rang after {rang[0]:.0f} ms, he picked up, they talked")
        else:
            self._say(f"Bob was not reached: {ended.get('why', 'it never rang')}")

    def _verdict(self) -> bool:
        reached = len(self.rings)
        good = reached == self._calls and max(self.rings) < PROMPT
        print(flush=True)
        if good:
            print("Verdict: GOOD. A line was cut, a server killed, and Bob was reached each time;")
            print(f"the longest that Alice waited for the ringing was {max(self.rings):.0f} ms.")
        elif reached == self._calls:
            print(f"Verdict: BAD. Alice waited for {max(self.rings):.0f} ms until it rang.")
        else:
            print(f"Verdict: BAD. Bob was reached in {reached} of {self._calls} calls.")
        return good

    def _say(self, what: str) -> None:
        at = time.monotonic() - self._begun
        print(f"\n[{at:5.2f} s] " + what.replace("\n", "\n" + " " * 10), flush=True)


ENDS = ("talked", "failed")
