"""
What tests of bad input share: witnesses, who must not notice any of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from twisted.logger import LogLevel, capturedLogs, formatEvent

from sipoutbound.message.message import Response
from sipoutbound.test.laboratory import WireTestCase
from sipoutbound.test.line import within
from sipoutbound.test.phone import DOMAIN, Phone


class BadInputTestCase(WireTestCase):
    """
    Every test ends with a message that reaches its recipient, and a look at its bindings.
    """

    bob: Phone
    carol: Phone
    caller: Phone

    async def witnesses(self) -> None:
        """
        Register those whose bindings must survive.
        """
        self.bob = await self.registered(b"bob")
        self.carol = await self.registered(b"carol", b"TCP")
        self.caller = await self.phone(b"caller")

    async def aliveAndWell(self) -> None:
        """
        Everybody is reached still, and nothing but that arrives.
        """
        for phone in (self.bob, self.carol):
            self.caller.ask(b"MESSAGE", phone.aor)
            phone.answer(await phone.asked(b"MESSAGE"), 200)
            await self.caller.told(200)
            self.assertEqual(len(await self.bindings(phone)), 1)

    def message(self, phone: Phone, user: bytes = b"nobody") -> bytes:
        """
        A sound request, which is answered 480.
        """
        return bytes(phone.compose(b"MESSAGE", b"sip:%b@%b" % (user, DOMAIN)))

    async def closed(self, phone: Phone) -> None:
        """
        The server closes the connection.
        """
        await within(phone.line.closed, "the end of the connection")

    async def toldOf(self, phone: Phone, spoilt: bytes, status: int) -> Response:
        """
        The answer to a spoilt request.
        """
        response = await phone.hears(f"{status} to {spoilt[:400]!r}")
        assert isinstance(response, Response)
        self.assertEqual(response.status, status, f"{spoilt[:1000]!r}")
        return response

    async def closedWithLine(self, phone: Phone, data: bytes) -> None:
        """
        Something is sent, the connection is closed, and one line of the log says why.
        """
        with capturedLogs() as events:
            phone.send(data)
            await self.closed(phone)
        lines = [line for line in logged(events) if "closing" in line]
        self.assertEqual(len(lines), 1, f"{data[:60]!r}: {lines}")
        self.assertIn(str(phone.local[1]), lines[0])


def logged(events: Iterable[dict[str, Any]]) -> list[str]:
    """
    What operators see of the server's log.
    """
    return [
        formatEvent(event)
        for event in events
        if event["log_level"] >= LogLevel.info and event["log_namespace"].startswith("sipoutbound")
    ]
