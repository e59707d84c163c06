"""
Where a URI's server is: the decisions of RFC 3263 4, without any network.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.interfaces import Unreachable
from sipoutbound.message.uri import URI
from sipoutbound.test.directories import FakeDirectory
from sipoutbound.test.test_records import pointer
from sipoutbound.transport.locate import Candidates, Unanswered
from sipoutbound.transport.records import Service

UDP, TCP = "_sip._udp.example.com", "_sip._tcp.example.com"
ALL = ["NAPTR example.com", f"SRV {UDP}", f"SRV {TCP}"]


class LocateTestCase(SynchronousTestCase):
    """
    What the tests of this module share.
    """

    def candidates(self, uri: str, known: dict[str, Any], large: bool = False) -> Candidates:
        """
        Those of a URI, where this is known.
        """
        self.directory = FakeDirectory(known, getattr(self, "file", ()))
        return Candidates(URI.parse(uri.encode()), self.directory, lambda most: 0, large)

    def next(self, candidates: Candidates) -> str | None:
        """
        The next one: C{transport host:port}.
        """
        hop = self.successResultOf(Deferred.fromCoroutine(candidates.next()))
        if hop is None:
            return None
        return f"{hop.transport.decode().lower()} {hop.address[0]}:{hop.address[1]}"

    def hops(self, uri: str, known: dict[str, Any], large: bool = False) -> list[str]:
        """
        All of them.
        """
        candidates = self.candidates(uri, known, large)
        found = []
        while (hop := self.next(candidates)) is not None:
            found.append(hop)
        self.assertFalse(candidates.more)
        return found

    def fails(self, uri: str, known: dict[str, Any], kind: type[Exception] = Unreachable) -> None:
        """
        Check that there is no way, and that it is known to be so from then on.
        """
        candidates = self.candidates(uri, known)
        self.failureResultOf(Deferred.fromCoroutine(candidates.next()), kind)
        self.assertFalse(candidates.more)


class TransportTests(LocateTestCase):
    """
    Which transport, and what is asked for it (RFC 3263 4.1, 4.2).
    """

    def test_numeric(self) -> None:
        """
        An address is where it is, over UDP unless the URI says TCP; nobody is asked.
        """
        for uri, hop in (
            ("sip:b@192.0.2.7", "udp 192.0.2.7:5060"),
            ("sip:b@192.0.2.7:5070", "udp 192.0.2.7:5070"),
            ("sip:b@192.0.2.7;transport=TCP", "tcp 192.0.2.7:5060"),
            ("sip:b@192.0.2.7:5070;transport=udp", "udp 192.0.2.7:5070"),
            ("sip:b@[2001:db8::7]:5070", "udp 2001:db8::7:5070"),
        ):
            self.assertEqual(self.hops(uri, {}), [hop])
            self.assertEqual(self.directory.asked, [])

    def test_maddr(self) -> None:
        """
        C{maddr} goes before the host, be it an address or a name.
        """
        known = {"example.com": ["192.0.2.1"], "other.example": ["192.0.2.2"]}
        for maddr, hop in (
            ("192.0.2.9", "udp 192.0.2.9:5060"),
            ("[2001:db8::9]", "udp 2001:db8::9:5060"),
            ("other.example", "udp 192.0.2.2:5060"),
        ):
            self.assertEqual(self.hops(f"sip:b@example.com;maddr={maddr}", known), [hop])
            self.assertFalse([each for each in self.directory.asked if "example.com" in each])

    def test_port(self) -> None:
        """
        A name with a port: its addresses are asked for, and nothing else.
        """
        known = {"example.com": ["192.0.2.1", "192.0.2.2"], UDP: [Service(1, 1, 9, "no.example")]}
        found = self.hops("sip:b@example.com:5070", known)
        self.assertEqual(found, ["udp 192.0.2.1:5070", "udp 192.0.2.2:5070"])
        self.assertEqual(self.directory.asked, ["A example.com"])
        found = self.hops("sip:b@Example.COM.:5060;transport=tcp", known)
        self.assertEqual(found, ["tcp 192.0.2.1:5060", "tcp 192.0.2.2:5060"])
        self.assertEqual(self.directory.asked, ["A example.com"])

    def test_given(self) -> None:
        """
        A name with a transport: its SRV records alone, else its addresses.
        """
        known = {"example.com": ["192.0.2.1", pointer(1, 1, "SIP+D2U")], "a.example": ["192.0.2.3"]}
        found = self.hops("sip:b@example.com;transport=tcp", known)
        self.assertEqual(found, ["tcp 192.0.2.1:5060"])
        self.assertEqual(self.directory.asked, [f"SRV {TCP}", "A example.com"])
        known[TCP] = [Service(1, 1, 5071, "a.example")]
        found = self.hops("sip:b@example.com;transport=tcp", known)
        self.assertEqual(found, ["tcp 192.0.2.3:5071"])
        self.assertEqual(self.directory.asked, [f"SRV {TCP}", "A a.example"])

    def test_pointers(self) -> None:
        """
        A name alone: its NAPTR records say which transport it prefers, and where the SRV records
        are, be it in another domain.
        """
        known = {
            "example.com": [pointer(20, 1, "SIP+D2U"), pointer(10, 1, "SIPS+D2T"),
                            pointer(15, 1, "SIP+D2T", replacement="_sip._tcp.school.example")],
            "_sip._tcp.school.example": [Service(1, 1, 5071, "a.example")],
            "a.example": ["192.0.2.3"],
        }  # fmt: skip
        self.assertEqual(self.hops("sip:b@example.com", known), ["tcp 192.0.2.3:5071"])
        asked = ["NAPTR example.com", "SRV _sip._tcp.school.example", "A a.example"]
        self.assertEqual(self.directory.asked, asked)

    def test_pointersOfOneOrder(self) -> None:
        """
        Servers of the same order back each other up; those of the next order are none of them.
        """
        known = {
            "example.com": [pointer(1, 2, "SIP+D2U", replacement="u.example"),
                            pointer(1, 1, "SIP+D2T", replacement="t.example"),
                            pointer(2, 1, "SIP+D2U", replacement="v.example")],
            "u.example": [Service(1, 1, 5060, "192.0.2.1")],
            "t.example": [Service(1, 1, 5060, "192.0.2.2")],
            "v.example": [Service(1, 1, 5060, "192.0.2.3")],
        }  # fmt: skip
        found = self.hops("sip:b@example.com", known)
        self.assertEqual(found, ["tcp 192.0.2.2:5060", "udp 192.0.2.1:5060"])

    def test_pointersAstray(self) -> None:
        """
        A NAPTR record that leads nowhere does not hide the next, nor the SRV records.
        """
        known: dict[str, Any] = {
            "example.com": [pointer(1, 1, "SIP+D2T", replacement="nowhere.example"),
                            pointer(2, 1, "SIP+D2T", replacement="a..b"),
                            pointer(3, 1, "SIP+D2T", replacement="mute.example"),
                            pointer(4, 1, "SIP+D2U", replacement="u.example")],
            "u.example": [Service(1, 1, 5060, "192.0.2.1")],
            "mute.example": None,
            UDP: [Service(1, 1, 5060, "192.0.2.9")],
        }  # fmt: skip
        self.assertEqual(self.hops("sip:b@example.com", known), ["udp 192.0.2.1:5060"])
        del known["u.example"]
        self.assertEqual(self.hops("sip:b@example.com", known), ["udp 192.0.2.9:5060"])

    def test_noPointers(self) -> None:
        """
        Without any of use the SRV records of each transport are asked for.
        """
        srv = [Service(1, 1, 5071, "a.example")]
        for pointers in ([], [pointer(1, 1, "SIPS+D2T"), pointer(1, 2, "SIP+D2S")]):
            for known, expected in (
                ({UDP: srv}, ["udp 192.0.2.3:5071"]),
                ({TCP: srv}, ["tcp 192.0.2.3:5071"]),
                ({UDP: srv, TCP: srv}, ["udp 192.0.2.3:5071", "tcp 192.0.2.3:5071"]),
            ):
                names = {**known, "example.com": pointers, "a.example": ["192.0.2.3"]}
                self.assertEqual(self.hops("sip:b@example.com", names), expected)
                self.assertEqual(self.directory.asked[:3], ALL)

    def test_nothingButAddresses(self) -> None:
        """
        Without SRV records: UDP, port 5060, the addresses of the name itself.
        """
        found = self.hops("sip:b@example.com", {"example.com": ["192.0.2.1"]})
        self.assertEqual(found, ["udp 192.0.2.1:5060"])
        self.assertEqual(self.directory.asked, [*ALL, "A example.com"])

    def test_listed(self) -> None:
        """
        A name in the hosts file has the addresses that are there, and the DNS is not asked.
        """
        self.file = ("example.com",)
        known = {"example.com": ["192.0.2.1"], UDP: [Service(1, 1, 9, "192.0.2.9")]}
        for uri, hop in (
            ("sip:b@example.com", "udp 192.0.2.1:5060"),
            ("sip:b@example.com;transport=tcp", "tcp 192.0.2.1:5060"),
        ):
            self.assertEqual(self.hops(uri, known), [hop])
            self.assertEqual(self.directory.asked, ["A example.com"])

    def test_none(self) -> None:
        """
        No transport for it, or no name: nothing is asked.
        """
        for uri in ("sips:b@192.0.2.7", "sips:b@example.com", "sip:b@example.com;transport=sctp",
                    "sip:b@example.com;transport=tls", "tel:+1", "sip:b@x;maddr=a..b",
                    "sip:b@x;maddr=.", f"sip:b@x;maddr={'a' * 64}.com"):  # fmt: skip
            self.fails(uri, {})
            self.assertEqual(self.directory.asked, [])

    def test_large(self) -> None:
        """
        A request that is too large for UDP goes to the servers that a domain has for TCP, where it
        has any; a transport or a port in the URI leave no choice.
        """
        udp, tcp = [Service(1, 1, 5060, "192.0.2.1")], [Service(1, 1, 5060, "192.0.2.2")]
        pointers = [pointer(1, 1, "SIP+D2U", replacement=UDP),
                    pointer(2, 1, "SIP+D2T", replacement=TCP)]  # fmt: skip
        for known in ({UDP: udp, TCP: tcp}, {UDP: udp, TCP: tcp, "example.com": pointers}):
            self.assertEqual(self.hops("sip:b@example.com", known)[0], "udp 192.0.2.1:5060")
            self.assertEqual(self.hops("sip:b@example.com", known, True)[0], "tcp 192.0.2.2:5060")
            uri = "sip:b@example.com;transport=udp"
            self.assertEqual(self.hops(uri, known, True), ["udp 192.0.2.1:5060"])
        self.assertEqual(self.hops("sip:b@example.com", {UDP: udp}, True), ["udp 192.0.2.1:5060"])


class ServerTests(LocateTestCase):
    """
    One server after the other (RFC 3263 4.2, 4.3).
    """

    def test_lazily(self) -> None:
        """
        A backup's name is not asked for while the first server has not failed.
        """
        known = {
            UDP: [Service(2, 1, 5060, "b.example"), Service(1, 1, 5070, "a.example")],
            "a.example": ["192.0.2.1", "2001:db8::1"],
            "b.example": ["192.0.2.2"],
        }
        candidates = self.candidates("sip:b@example.com;transport=udp", known)
        self.assertTrue(candidates.more)
        self.assertEqual(self.next(candidates), "udp 192.0.2.1:5070")
        self.assertEqual(self.next(candidates), "udp 2001:db8::1:5070")
        self.assertEqual(self.directory.asked, [f"SRV {UDP}", "A a.example"])
        self.assertTrue(candidates.more)
        self.assertEqual(self.next(candidates), "udp 192.0.2.2:5060")
        self.assertFalse(candidates.more)
        self.assertIsNone(self.next(candidates))

    def test_notOffered(self) -> None:
        """
        A target of "." says that there is no such service: the domain's web server is not called.
        """
        known = {UDP: [Service(0, 0, 0, "")], "example.com": ["192.0.2.1"]}
        for uri in ("sip:b@example.com;transport=udp", "sip:b@example.com"):
            self.assertEqual(self.hops(uri, known), [])
        known[TCP] = [Service(0, 0, 5060, "192.0.2.5")]
        self.assertEqual(self.hops("sip:b@example.com", known), ["tcp 192.0.2.5:5060"])

    def test_nonsense(self) -> None:
        """
        Records that can't be used do not hide those that can.
        """
        known = {
            UDP: [Service(1, 1, 0, "192.0.2.1"), Service(2, 1, 5060, "a..b"),
                  Service(3, 1, 5060, "none.example"), Service(4, 1, 5060, "mute.example"),
                  Service(5, 1, 5060, "a.example")],
            "a.example": ["192.0.2.5"], "mute.example": None,
        }  # fmt: skip
        found = self.hops("sip:b@example.com;transport=udp", known)
        self.assertEqual(found, ["udp 192.0.2.5:5060"])

    def test_twice(self) -> None:
        """
        The same address under two names is tried once.
        """
        known = {
            UDP: [Service(1, 1, 5060, "a.example"), Service(2, 1, 5060, "b.example"),
                  Service(3, 1, 5061, "b.example")],
            "a.example": ["192.0.2.1"], "b.example": ["192.0.2.1"],
        }  # fmt: skip
        found = self.hops("sip:b@example.com;transport=udp", known)
        self.assertEqual(found, ["udp 192.0.2.1:5060", "udp 192.0.2.1:5061"])

    def test_many(self) -> None:
        """
        A domain with thousands of servers does not occupy us for hours.
        """
        known = {
            UDP: [Service(1, 1, 5060, f"s{at}.example") for at in range(1000)],
            **{f"s{at}.example": [f"192.0.2.{at % 250}", f"198.51.100.{at % 250}"]
               for at in range(1000)},
        }  # fmt: skip
        self.assertEqual(len(self.hops("sip:b@example.com;transport=udp", known)), 16)
        known = {UDP: [Service(1, 1, 5060, f"s{at}.example") for at in range(1000)]}
        self.assertEqual(self.hops("sip:b@example.com;transport=udp", known), [])
        self.assertEqual(len(self.directory.asked), 1 + 32)

    def test_unanswered(self) -> None:
        """
        Where nobody says whether there are SRV records, nobody is called by guess. That nobody
        knows about NAPTR records says nothing.
        """
        self.fails("sip:b@example.com;transport=udp", {UDP: None}, Unanswered)
        self.fails("sip:b@example.com:5060", {"example.com": None}, Unanswered)
        self.fails("sip:b@example.com", {"example.com": ["192.0.2.1"], UDP: None}, Unanswered)
        known = {"example.com": None, UDP: [Service(1, 1, 5060, "192.0.2.1")], TCP: None}
        self.assertEqual(self.hops("sip:b@example.com", known), ["udp 192.0.2.1:5060"])

    def test_lastUnanswered(self) -> None:
        """
        If the last server's name is the one that nobody knows, that is told.
        """
        self.fails("sip:b@example.com;transport=udp",
                   {UDP: [Service(1, 1, 5060, "mute.example")], "mute.example": None},
                   Unanswered)  # fmt: skip

    def test_longNames(self) -> None:
        """
        A name so long that its SRV records could have none has addresses all the same.
        """
        name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 55])
        self.assertEqual(self.hops(f"sip:b@{name}", {name: ["192.0.2.1"]}), ["udp 192.0.2.1:5060"])
        self.assertEqual(self.directory.asked, [f"NAPTR {name}", f"A {name}"])

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def test_anything(self, data: st.DataObject) -> None:
        """
        Whatever the DNS says, there is an end, no hop comes twice, and each has an address.
        """
        names = [UDP, TCP, "example.com", "a.example", "b.example"]
        record = st.one_of(
            st.builds(Service, st.integers(0, 2), st.integers(0, 9), st.integers(0, 3),
                      st.sampled_from([*names, "", ".", "192.0.2.8"])),
            st.builds(lambda at, to: pointer(at, at, "SIP+D2U", replacement=to),
                      st.integers(0, 2), st.sampled_from(names)),
            st.sampled_from(["192.0.2.1", "2001:db8::1"]),
        )  # fmt: skip
        answers = st.none() | st.lists(record, max_size=4)
        known = {name: data.draw(answers) for name in names}
        candidates = self.candidates("sip:b@example.com", known, data.draw(st.booleans()))
        found = []
        try:
            while (hop := self.tried(candidates)) is not None:
                found.append(hop)
        except Unreachable:
            pass
        self.assertEqual(len(set(found)), len(found))
        self.assertFalse(candidates.more)
        self.assertLess(len(self.directory.asked), 60)

    def tried(self, candidates: Candidates) -> Any:
        """
        The next one, or the exception.
        """
        result: list[Any] = []
        Deferred.fromCoroutine(candidates.next()).addBoth(result.append)
        if isinstance(result[0], Exception) or hasattr(result[0], "raiseException"):
            result[0].raiseException()
        return result[0]
