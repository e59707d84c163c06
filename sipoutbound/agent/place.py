"""
Where a proxy is: from a URI to addresses (RFC 3263 4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import randint

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.transport.locate import Candidates, Directory, Hop

#: Where a request can be sent.
Place = Hop

#: Finds the places of a URI, the best in front; raises L{Unreachable} where there is none.
Locate = Callable[[URI], Awaitable[list[Place]]]


def locating(directory: Directory) -> Locate:
    """
    What finds places as RFC 3263 says.

    @param directory: what is known about names.
    """

    async def locate(uri: URI) -> list[Place]:
        candidates = Candidates(uri, directory, lambda most: randint(0, most))
        places: list[Place] = []
        failed = Unreachable(f"no address for {uri}")
        try:
            while (place := await candidates.next()) is not None:
                places.append(place)
        except Unreachable as error:
            failed = error
        if not places:
            raise failed
        return places

    return locate
