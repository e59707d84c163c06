"""
PYTHONPATH=examples twistd -n sipoutbound --route echo.Echo:echo@localhost
"""

from sipoutbound.routing.decision import Decision
from sipoutbound.routing.request import Request
from sipoutbound.routing.router import Router


class Echo(Router):
    """A text message to C{echo@localhost} comes back to the phone that has sent it."""

    async def route_MESSAGE(self, request: Request) -> Decision | None:
        """Go on as if the sender had written to himself: to where he has registered, if he has."""
        if request.aor != self.argument:
            return None
        return await self.inner.route(request.to(request.caller))
