"""
Which of several final responses the caller gets (RFC 3261 16.7 step 6, RFC 5626 11.5).
"""

from __future__ import annotations

from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.message import Response
from sipoutbound.routing.best import bestOf
from sipoutbound.test.doubles import request

# What came, and which of it is best.
TABLE = (
    ((404, 486), 404),
    ((486, 404), 486),
    ((404, 302), 302),
    ((503, 404), 404),
    ((404, 603), 603),
    ((302, 600), 600),
    ((500, 480), 480),
    ((404, 401), 401),
    ((404, 407), 407),
    ((486, 415), 415),
    ((404, 420), 420),
    ((408, 484), 484),
    ((430, 408), 408),
    ((430, 404), 404),
    ((430, 480), 480),
    ((430, 401), 401),
    ((430, 500), 430),
    ((430, 302), 302),
    ((430, 603), 603),
    ((430, 430), 430),
)

STATUSES = st.lists(
    st.sampled_from((300, 302, 401, 404, 407, 408, 430, 480, 486, 500, 503, 600, 603)), min_size=1
)


def response(status: int, *headers: tuple[bytes, bytes]) -> Response:
    """
    A final response.
    """
    return Response.reply(request(), status, None, headers)


class BestTests(SynchronousTestCase):
    """
    L{bestOf}.
    """

    def test_table(self) -> None:
        """
        The caller would learn the wrong thing, such as that a flow failed.
        """
        for statuses, expected in TABLE:
            best = bestOf([response(status) for status in statuses])
            self.assertEqual(best.status, expected, statuses)

    def test_first(self) -> None:
        """
        Of several as good as each other the first is taken.
        """
        one, other = response(486), response(480)
        self.assertIs(bestOf([one, other]), one)
        self.assertIs(bestOf([other, one]), other)

    @settings(max_examples=100, deadline=None)
    @given(STATUSES)
    def test_rank(self, statuses: list[int]) -> None:
        """
        A 6xx before all, then the lowest class, and 430 the last of its class.
        """
        best = bestOf([response(status) for status in statuses]).status
        highest = [status for status in statuses if status >= 600]
        if highest:
            self.assertEqual(best, highest[0])
        else:
            self.assertEqual(best // 100, min(statuses) // 100)
            others = [status for status in statuses if status // 100 == 4 and status != 430]
            self.assertFalse(best == 430 and others)

    def test_challenges(self) -> None:
        """
        A client that must satisfy two proxies or users needs both challenges at once (RFC 3261
        16.7 step 7), whichever came first.
        """
        mine = response(407, (b"Proxy-Authenticate", b'Digest realm="a"'))
        theirs = response(401, (b"WWW-Authenticate", b'Digest realm="b"'))
        more = response(401, (b"WWW-Authenticate", b'Digest realm="c"'))
        poor = response(404, (b"WWW-Authenticate", b'Digest realm="no"'))
        for order in permutations((mine, theirs, more, poor)):
            best = bestOf(order)
            self.assertIn(best.status, (401, 407))
            self.assertEqual(best.texts(b"proxy-authenticate"), [b'Digest realm="a"'])
            realms = sorted(best.texts(b"www-authenticate"))
            self.assertEqual(realms, [b'Digest realm="b"', b'Digest realm="c"'])

    def test_challengesKept(self) -> None:
        """
        What came is not changed: its client transaction may print it once more.
        """
        mine = response(407, (b"Proxy-Authenticate", b'Digest realm="a"'))
        theirs = response(407, (b"Proxy-Authenticate", b'Digest realm="b"'))
        before = bytes(mine)
        self.assertNotEqual(bytes(bestOf([mine, theirs])), before)
        self.assertEqual(bytes(mine), before)
