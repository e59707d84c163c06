"""
NAPTR and SRV records in the order in which they are tried (RFC 2915, RFC 2782, RFC 3263 4.1, 4.4).
"""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.transport.records import Draw, Pointer, Service, ordered, usable

SERVICES = st.lists(
    st.builds(
        Service,
        st.integers(0, 3),
        st.integers(0, 65535) | st.just(0),
        st.integers(1, 65535),
        st.sampled_from(["a.example", "b.example", "c.example", "d.example"]),
    ),
    max_size=8,
)


def lots(seed: object) -> Draw:
    """
    The same lots for the same seed.
    """
    random = Random(repr(seed))
    return lambda most: random.randint(0, most)


def pointer(order: int, preference: int, service: str, **changes: str) -> Pointer:
    """
    A NAPTR record of SIP.
    """
    texts = {"flags": "s", "regexp": "", "replacement": f"{service}.example".lower(), **changes}
    return Pointer(order, preference, texts["flags"], service, texts["regexp"],
                   texts["replacement"])  # fmt: skip


class OrderTests(SynchronousTestCase):
    """
    SRV records.
    """

    def test_priority(self) -> None:
        """
        A backup server is not called while the others may be there.
        """
        records = [Service(20, 65535, 1, "backup"), Service(10, 0, 1, "first"),
                   Service(30, 1, 1, "last")]  # fmt: skip
        for seed in range(20):
            targets = [each.target for each in ordered(records, lots(seed))]
            self.assertEqual(targets, ["first", "backup", "last"])

    def test_lots(self) -> None:
        """
        RFC 2782: the first record whose running sum is not below the lot; those without weight
        stand in front.
        """
        records = [Service(1, weight, 1, name) for name, weight in (("a", 10), ("b", 0), ("c", 30))]
        for lot, first in ((0, "b"), (1, "a"), (10, "a"), (11, "c"), (40, "c")):
            asked: list[int] = []

            def draw(most: int, lot: int = lot, asked: list[int] = asked) -> int:
                asked.append(most)
                return lot if len(asked) == 1 else 0

            found = ordered(records, draw)
            self.assertEqual((found[0].target, asked[0]), (first, 40))
            self.assertCountEqual(found, records)

    def test_shares(self) -> None:
        """
        A server of three times the weight gets about three times the calls.
        """
        records = [Service(1, 1, 1, "small"), Service(1, 3, 1, "big"), Service(1, 0, 1, "spare")]
        draw = lots("shares")
        firsts = Counter(ordered(records, draw)[0].target for _ in range(4000))
        # Of five lots from 0 to 4 one is the spare's, one the small one's, three are the big one's.
        for name, share in (("spare", 0.2), ("small", 0.2), ("big", 0.6)):
            self.assertLess(abs(firsts[name] / 4000 - share), 0.05)

    def test_noWeights(self) -> None:
        """
        Where all weights are 0 there is an order all the same.
        """
        records = [Service(1, 0, 1, name) for name in "cab"]
        self.assertEqual([each.target for each in ordered(records, lots(1))], ["a", "b", "c"])

    @settings(max_examples=100, deadline=None)
    @given(SERVICES, st.integers(), st.randoms(use_true_random=False))
    def test_deterministic(self, records: list[Service], seed: int, random: Random) -> None:
        """
        A repeated request goes to the same server, though the DNS turns the records round each
        time (RFC 3263 4.4). None is lost, none is made up, and priorities never mix.
        """
        once = ordered(records, lots(seed))
        turned = list(records)
        random.shuffle(turned)
        self.assertEqual(ordered(turned, lots(seed)), once)
        self.assertEqual(Counter(once), Counter(records))
        priorities = [each.priority for each in once]
        self.assertEqual(priorities, sorted(priorities))

    @settings(max_examples=60, deadline=None)
    @given(SERVICES, st.sampled_from(["least", "most"]))
    def test_extremes(self, records: list[Service], lot: str) -> None:
        """
        The outermost lots find a record too.
        """
        found = ordered(records, lambda most: most if lot == "most" else 0)
        self.assertEqual(len(found), len(records))


class PointerTests(SynchronousTestCase):
    """
    NAPTR records.
    """

    def test_order(self) -> None:
        """
        The domain's own preference is followed: order first, then preference.
        """
        records = [pointer(20, 1, "SIP+D2U"), pointer(10, 9, "SIP+D2U"), pointer(10, 5, "SIP+D2T")]
        self.assertEqual(
            [(each.order, each.transport) for each in usable(records)],
            [(10, b"TCP"), (10, b"UDP"), (20, b"UDP")],
        )

    def test_notOurs(self) -> None:
        """
        A transport that we do not have is not tried: TLS, SCTP, WebSocket; nor what is no SIP.
        """
        for service in ("SIPS+D2T", "SIP+D2S", "SIPS+D2S", "SIPS+D2U", "SIP+D2W", "SIP+D2X",
                        "E2U+sip", "SIP", "", "D2U+SIP", "SIP+D2U+D2T"):  # fmt: skip
            self.assertEqual(usable([pointer(1, 1, service)]), [], service)

    def test_spelling(self) -> None:
        """
        Letters of either case (RFC 2915 2).
        """
        record = pointer(1, 1, "sip+d2t", flags="S")
        self.assertEqual(usable([record]), [record])

    def test_rules(self) -> None:
        """
        A record that does not lead to SRV records is no SIP record (RFC 3263 4.1).
        """
        for changes in ({"flags": "a"}, {"flags": ""}, {"flags": "u"}, {"regexp": "!a!b!"},
                        {"replacement": ""}):  # fmt: skip
            self.assertEqual(usable([pointer(1, 1, "SIP+D2U", **changes)]), [], changes)

    @settings(max_examples=60, deadline=None)
    @given(st.permutations([pointer(at // 2, at % 2, service) for at in range(4)
                            for service in ("SIP+D2U", "SIP+D2T")]))  # fmt: skip
    def test_deterministic(self, records: list[Pointer]) -> None:
        """
        Equal ones come in the same order each time (RFC 3263 4.4).
        """
        self.assertEqual(usable(records), usable(sorted(records, key=repr)))
