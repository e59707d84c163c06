r"""
PYTHONPATH=examples twistd -n sipoutbound \
    --route callforward.CallForward:alice@localhost=bob@localhost
"""

from sipoutbound.interfaces import IRouter
from sipoutbound.routing.decision import Decision, Forward
from sipoutbound.routing.request import Request
from sipoutbound.routing.router import Router


class CallForward(Router):
    """Who is busy, unavailable or does not answer has his calls taken by somebody else."""

    def __init__(self, argument: str | None, inner: IRouter) -> None:
        super().__init__(argument, inner)
        self.user, _, self.other = (argument or "").partition("=")
        if not self.other:
            raise ValueError("must be USER@DOMAIN=OTHER@DOMAIN")

    async def route_INVITE(self, request: Request) -> Decision | None:
        """Let the user's phones ring for 20 seconds, then those of the other one."""
        if request.aor != self.user:
            return None
        decision = await self.inner.route(request)
        response = await request.forward(decision, seconds=20)
        if response.status in (408, 480, 486):
            return Forward(f"sip:{self.other}")
        return response
