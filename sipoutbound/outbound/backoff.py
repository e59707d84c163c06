"""
How long a client waits before it tries a proxy again (RFC 5626 4.5 and appendix A).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import Attribute, define, field, frozen

#: Draws a number between two, uniformly: C{random.uniform}, or what a test has in its place.
Draw = Callable[[float, float], float]

# Two to this power exceeds any quotient of a longest and a shortest time in seconds. Failures are
# counted for ever, and two to the power of all of them would be a number of many digits.
_MOST_DOUBLINGS: Final = 32


@frozen
class Times:
    """
    The three times of RFC 5626 4.5, in seconds; a C{ValueError} where one is not positive.

    @ivar allFailed: the base time where no flow of the client works.
    @ivar notAllFailed: the base time where another flow does.
    @ivar longest: the longest wait.
    """

    allFailed: float = field(default=30.0)
    notAllFailed: float = field(default=90.0)
    longest: float = field(default=1800.0)

    @allFailed.validator
    @notAllFailed.validator
    @longest.validator
    def _positive(self, attribute: Attribute[float], seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"{attribute.name} must be more than 0 seconds, not {seconds}")

    # W = min (max-time, (base-time * (2 ^ consecutive-failures)))
    def upperBound(self, failures: int, others: bool) -> float:
        """
        The upper bound of the wait, in seconds.

        @param failures: failures in a row, the latest included; after none there is no wait
            (appendix A).
        @param others: whether another flow of the client works.
        """
        if failures == 0:
            return 0.0
        base = self.notAllFailed if others else self.allFailed
        return min(self.longest, base * (1 << min(failures, _MOST_DOUBLINGS)))


@define(eq=False)
class Backoff:
    """
    The failures in a row of one proxy, and the wait after each.

    @ivar failures: how many there were since the last success.
    """

    times: Times
    draw: Draw
    failures: int = field(default=0, init=False)

    def failed(self, others: bool, retryAfter: float | None = None) -> float:
        """
        An attempt has failed.

        @param others: whether another flow works.
        @param retryAfter: the seconds of a C{Retry-After}. Whoever says so is believed once; if the
            next attempt in a row fails too, they can make the wait longer only, or a server that
            says 0 each time would be asked without end.
        @return: for how many seconds to wait.
        """
        first = self.failures == 0
        self.failures += 1
        if first and retryAfter is not None:
            return retryAfter
        bound = self.times.upperBound(self.failures, others)
        return max(self.draw(bound / 2, bound), retryAfter or 0.0)

    def lost(self, successful: bool, others: bool) -> float:
        """
        A registered flow was lost.

        @param successful: whether it was a success by RFC 5626 4.5: its keep-alives were answered.
        @return: for how many seconds to wait: 0.0 after a success.
        """
        if successful:
            self.failures = 0
            return 0.0
        return self.failed(others)

    def succeeded(self) -> None:
        """
        A flow is a success.
        """
        self.failures = 0
