"""python examples/bot.py sip:bot@localhost "sip:127.0.0.1;transport=tcp" sip:127.0.0.1"""

from pathlib import Path
from sys import argv
from typing import Any

from sipoutbound.useragent import Incoming, UserAgent


def bot(reactor: Any, aor: str, *proxies: str) -> UserAgent:
    """Sends each text message back in capitals, from behind any NAT, over whichever flow works."""

    async def answer(incoming: Incoming) -> int | None:
        if incoming.method != "MESSAGE":
            return None  # not for us
        text = incoming.text.upper().encode()
        headers = (("Content-Type", "text/plain"),)
        return (await agent.request("MESSAGE", incoming.caller, headers, text)).status

    agent = UserAgent(reactor, aor, proxies, Path("bot.instance"), answer)
    return agent


if __name__ == "__main__":
    from twisted.internet import reactor

    service = bot(reactor, *argv[1:])
    reactor.callWhenRunning(service.startService)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
