"""
Tests for L{sipoutbound.options}, L{sipoutbound.configuration}, L{sipoutbound.settings} and
L{sipoutbound.mistake}: what an operator says, and what is answered when it cannot be.
"""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.configuration import EXPECTED, KINDS
from sipoutbound.mistake import Mistake, announced
from sipoutbound.options import Options
from sipoutbound.settings import BOTH, EDGE, MEMORY, SQLITE, STREAM, Listen, Settings, trust

LOOPBACK = ("--listen", "tcp:0:interface=127.0.0.1")


def decided(*words: str) -> Settings:
    """
    @param words: a command line.
    @return: what it decides.
    """
    options = Options()
    options.parseOptions(words)
    return options.settings


class CommandLineTests(SynchronousTestCase):
    """What each option decides."""

    def test_nothingSaid(self) -> None:
        """Without options the server runs on loopback only and keeps its bindings on disk."""
        settled = decided()
        state = Path.cwd() / "sipoutbound.state"
        self.assertEqual(settled.domains, ("localhost", "127.0.0.1", "[::1]"))
        self.assertEqual(
            settled.listen, (Listen("udp", 5060, "127.0.0.1"), Listen("tcp", 5060, "127.0.0.1"))
        )
        self.assertEqual((settled.flowTimer, settled.state), (120, state))
        self.assertEqual(settled.location, (SQLITE, state / "location.sqlite"))
        self.assertEqual((settled.advertise, settled.routes), ({}, ()))
        self.assertFalse(settled.allowAnonymous)
        self.assertEqual(settled.resolvers, ())

    def test_resolver(self) -> None:
        """The DNS servers that are named are asked, in that order, at port 53 by default."""
        words = ("--resolver", "192.0.2.53", "--resolver", "[2001:db8::53]:5353")
        self.assertEqual(
            decided(*words).resolvers, (("192.0.2.53", 53), ("2001:db8::53", 5353))
        )

    def test_families(self) -> None:
        """Nobody is looked for at an address of a kind that this server does not have."""
        for listen, families in (
            ((), (4,)),
            (("--listen", "udp:0:interface=::1"), (6,)),
            ((*LOOPBACK, "--listen", "udp:0:interface=::1"), (6, 4)),
            (("--listen", "udp:0:interface=::", "--allow-anonymous"), (6, 4)),
            (("--listen", "tcp:0", "--allow-anonymous"), (4,)),
            (("--listen", "haproxy:tcp:5080", "--allow-anonymous"), (6, 4)),
        ):
            self.assertEqual(decided(*listen).families, families, listen)

    def test_everythingSaid(self) -> None:
        """Each option reaches the server as it was meant, in the order it was given."""
        settled = decided(
            *("--domain", "Example.COM", "--domain", "[2001:db8::1]", "--domain", "example.com"),
            *("--listen", "udp:5070", "--listen", "tcp:0:interface=10.0.0.1"),
            *("--advertise", "udp:Edge.example", "--advertise", "tcp:[2001:db8::1]:5071"),
            *("--location", "memory:", "--flow-timer", "20", "--state", "/var/lib/sip"),
            *("--route", "b:x:y", "--route", "a", "--route", "c:", "--allow-anonymous"),
            *("--trust", "192.0.2.7, 10.0.0.0/8", "--trust", "[2001:db8::7]"),
        )
        self.assertEqual(settled.domains, ("example.com", "[2001:db8::1]"))
        self.assertEqual(settled.listen, (Listen("udp", 5070), Listen("tcp", 0, "10.0.0.1")))
        self.assertEqual(
            settled.advertise, {"udp": ("edge.example", None), "tcp": ("[2001:db8::1]", 5071)}
        )
        self.assertEqual((settled.location, settled.flowTimer), ((MEMORY, None), 20))
        self.assertEqual(settled.state, Path("/var/lib/sip"))
        self.assertEqual(settled.routes, (("b", "x:y"), ("a", None), ("c", "")))
        self.assertTrue(settled.allowAnonymous)
        self.assertEqual(
            [str(network) for network in settled.relayed],
            ["192.0.2.7/32", "10.0.0.0/8", "2001:db8::7/128"],
        )

    def test_trustNobody(self) -> None:
        """
        The Path of edges on this machine is believed, unless the operator says that nobody's is.
        To other domains only those send who were named: never an open relay by default.
        """
        here = ["127.0.0.0/8", "::1/128"]
        self.assertEqual([str(network) for network in decided().trusted], here)
        self.assertEqual(decided().relayed, ())
        nobody = decided("--trust", "none")
        self.assertEqual((nobody.trusted, nobody.relayed), ((), ()))

    def test_roles(self) -> None:
        """
        An edge knows its registrar and keeps no bindings; a registrar apart needs no permission
        to listen to the world, as it takes REGISTER from trusted edges only, and relays for them.
        """
        edge = decided("--role", "edge", "--registrar", "sip:10.0.0.5:5070;transport=tcp")
        self.assertEqual(edge.role, EDGE)
        self.assertEqual(str(edge.registrar), "sip:10.0.0.5:5070;transport=tcp")
        self.assertEqual(edge.location, (MEMORY, None))
        apart = decided("--role", "registrar", "--listen", "tcp:5060", "--trust", "10.0.0.0/8")
        self.assertEqual((apart.registrar, apart.relayed), (None, apart.trusted))
        self.assertEqual(decided().role, BOTH)

    def test_badRoles(self) -> None:
        """
        What contradicts the role is said, with what would be right.
        """
        registrar = ("--registrar", "sip:10.0.0.5")
        for words, wrong in (
            (("--role", "proxy"), "must be both, edge or registrar"),
            (("--role", "edge"), "--role edge needs --registrar"),
            (registrar, "--registrar is for an edge"),
            (("--role", "edge", *registrar, "--location", "sqlite:x"), "an edge keeps no bindings"),
            (("--role", "edge", *registrar, "--listen", "udp:5060"), "say --allow-anonymous"),
            (("--role", "edge", "--registrar", "10.0.0.5"), "must be sip:HOST"),
            (("--role", "edge", "--registrar", "sips:a.b"), "must be sip:HOST"),
            (("--role", "edge", "--registrar", "sip:me@a.b"), "must be sip:HOST"),
            (("--role", "edge", "--registrar", "sip:a.b;transport=tls"), "must be sip:HOST"),
        ):
            self.assertIn(wrong, str(self.assertRaises(Mistake, decided, *words)), words)

    def test_pathsAreAbsolute(self) -> None:
        """A relative path means the folder where the command was typed, and C{~} the home."""
        settled = decided("--state", "here", "--location", "sqlite:~/there.sqlite")
        self.assertEqual(settled.state, Path.cwd() / "here")
        self.assertEqual(settled.location, (SQLITE, Path.home() / "there.sqlite"))

    def test_embeddedDatabaseIsInTheState(self) -> None:
        """Whoever moves the state folder moves the database with it."""
        self.assertEqual(decided("--state", "/s").location, (SQLITE, Path("/s/location.sqlite")))

    def test_ipv6Interface(self) -> None:
        """An IPv6 interface is understood bare, in brackets, and escaped as Twisted wants it."""
        for spelled in ("::1", "[::1]", r"\:\:1"):
            self.assertEqual(Listen.parse(f"udp:0:interface={spelled}"), Listen("udp", 0, "::1"))

    def test_streamEndpoint(self) -> None:
        """Any stream endpoint of Twisted will do, and is handed on as it was written."""
        spec = "haproxy:tcp:5080:interface=127.0.0.1"
        (place,) = decided("--listen", spec, "--allow-anonymous").listen
        self.assertEqual(place, Listen(STREAM, endpoint=spec))

    def test_portZeroIsAlwaysAnother(self) -> None:
        """Several listeners can each ask for a free port."""
        self.assertEqual(len(decided(*LOOPBACK, *LOOPBACK).listen), 2)

    def test_samePortOnOtherAddresses(self) -> None:
        """One port on two addresses of the machine is two places."""
        places = "udp:5:interface=127.0.0.1", "udp:5:interface=::1"
        settled = decided("--listen", places[0], "--listen", places[1])
        self.assertEqual(tuple(map(str, settled.listen)), places)

    def test_help(self) -> None:
        """C{--help} prints every option of the design and no run of spaces."""
        text = str(Options())
        for name in (*KINDS, "config", "help-routes"):
            self.assertIn(f"--{name}", text)
        self.assertNotIn("  stream endpoint", text)


class MistakeTests(SynchronousTestCase):
    """Every mistake is one line that names the option and says what would be right; exit 1."""

    def refused(self, words: str, *expected: str) -> None:
        """
        @param words: a command line, its words apart by spaces.
        @param expected: what the complaint must have in it.
        """
        line = str(self.assertRaises(Mistake, decided, *words.split(" ")))
        self.assertTrue(line.startswith("sipoutbound: ") and "\n" not in line, line)
        for text in expected:
            self.assertIn(text, line)

    def test_commandLine(self) -> None:
        """What is no option, or lacks its value, is named and pointed to the help."""
        self.refused("--bogus", "--bogus", "--help")
        self.refused("--domain", "--domain", "--help")
        self.refused("--allow-anonymous=no", "--allow-anonymous")
        self.refused("serve", "'serve'", "--help")

    def test_resolver(self) -> None:
        """A DNS server can't be told by a name."""
        for spec in ("localhost", "ns.example.com:53", "192.0.2.53:0", "[::1", "192.0.2.53:x", ""):
            words = ("--resolver", spec)
            line = str(self.assertRaises(Mistake, decided, *words))
            self.assertTrue(line.startswith("sipoutbound: --resolver"), line)

    def test_givenTwice(self) -> None:
        """Two values where there can be one are not quietly reduced to the last."""
        self.refused("--location memory: --location sqlite:x", "--location", "twice")
        self.refused("--state a --state b", "--state", "twice")
        self.refused("--flow-timer 30 --flow-timer 30", "--flow-timer", "twice")
        self.refused("--config a --config b", "--config", "twice")

    def test_domain(self) -> None:
        """A domain that no SIP URI can have is refused."""
        for wrong in ("::1", "300.1.1.1", "1.2.3", "a..b", "[::1", "[1.2.3.4x]", "a/b", "é", ""):
            self.refused(f"--domain {wrong}", f"--domain {wrong}", "[IPv6 address]")

    def test_listen(self) -> None:
        """A port that is none, or a transport that is not known, is refused."""
        for wrong in ("udp:65536", "udp:-1", "udp:", "tcp:x", "udp", "tcp:\u0664"):
            self.refused(f"--listen {wrong}", f"--listen {wrong}", "0 to 65535")
        for wrong in ("sctp:5060", "5060", "x", "systemd:x"):
            self.refused(f"--listen {wrong}", f"--listen {wrong}", "udp:PORT, tcp:PORT")
        for wrong in ("unix:a", "stdio:"):
            self.refused(f"--listen {wrong} --allow-anonymous", wrong, "of the internet")
        for wrong in ("udp:1:interface=eth0", "tcp:1:backlog=5", "tcp:1:interface="):
            self.refused(f"--listen {wrong}", f"--listen {wrong}", "interface=", "IP address")

    def test_samePlace(self) -> None:
        """Two listeners that would take each other's port are told before either is opened."""
        for one, other in (
            ("udp:5:interface=127.0.0.1", "udp:5:interface=127.0.0.1"),
            ("udp:5", "udp:5:interface=127.0.0.1"),
            ("tcp:5:interface=::", "tcp:5:interface=::1"),
            ("haproxy:tcp:5", "haproxy:tcp:5"),
        ):
            self.refused(f"--listen {one} --listen {other} --allow-anonymous", one, other, "same")

    def test_strangers(self) -> None:
        """Nobody opens a server to a network by accident."""
        for spec in ("udp:5060", "tcp:5060:interface=0.0.0.0", "udp:5:interface=192.0.2.1"):
            self.refused(f"--listen {spec}", f"--listen {spec}", "--allow-anonymous", "127.0.0.1")
            decided("--listen", spec, "--allow-anonymous")
        self.refused("--listen haproxy:tcp:5", "--listen haproxy:tcp:5", "--allow-anonymous")

    def test_trust(self) -> None:
        """A network that is none, or is everybody, makes no relay of the server by mistake."""
        for wrong in ("", "10.0.0.1/8", "localhost", "10.0.0.0/33", "10.0.0.1,", "none,10.0.0.1"):
            self.refused(f"--trust {wrong}", "--trust", "10.0.0.0/8", "'none'")
        for wrong in ("0.0.0.0/0", "::/0", "10.0.0.0/8,0.0.0.0/0"):
            self.refused(f"--trust {wrong}", f"--trust {wrong}", "open relay")

    def test_advertise(self) -> None:
        """A name for a transport that is not there, or that cannot stand in a Via, is refused."""
        for wrong in ("ws:a", "a", "udp:::1", "udp:a:b:1"):
            self.refused(f"--advertise {wrong}", f"--advertise {wrong}", "udp:HOST or tcp:HOST")
        self.refused("--advertise udp:a:0", "--advertise udp:a:0", "1 to 65535")
        self.refused("--advertise udp:a_/b", "--advertise udp:a_/b", "[IPv6 address]")
        self.refused("--advertise udp:a --advertise udp:b", "--advertise", "udp", "twice")
        self.refused(" ".join((*LOOPBACK, "--advertise", "udp:a")), "--advertise udp:a", "--listen")

    def test_locationFlowTimerStateAndRoute(self) -> None:
        """The other values say what they can be."""
        for wrong in ("memory", "memory:x", "sqlite:", "redis:x", "/tmp/x"):
            self.refused(f"--location {wrong}", f"--location {wrong}", "memory: or sqlite:PATH")
        for wrong in ("19", "0", "-30", "30s", "1e9", "86401", "9" * 5000):
            self.refused(f"--flow-timer {wrong}", f"--flow-timer {wrong}", "20 to 999")
        self.refused("--state ", "--state ''", "name of a file")
        self.refused("--state ~nobody-has-this-name/x", "--state ~nobody", "home")
        self.refused("--route :x", "--route :x", "NAME:ARGUMENT", "--help-routes")

    def test_oneLineWhateverIsSaid(self) -> None:
        """A value with control characters cannot make the complaint more than a line."""
        self.refused("--domain a\nb\x1b[31m", r"a\nb\x1b[31m")

    def test_status(self) -> None:
        """The command ends with status 1: a text as the code of L{SystemExit} means that."""
        mistake = self.assertRaises(Mistake, decided, "--bogus")
        self.assertIsInstance(mistake, SystemExit)
        self.assertEqual(mistake.code, str(mistake))

    def test_whenAServiceStarts(self) -> None:
        """twistd sees an ordinary exception then, and the operator the line, log or no log."""
        screen, log = StringIO(), StringIO()
        self.patch(sys, "__stderr__", screen)
        self.patch(sys, "stderr", log)
        mistake = announced("--listen udp:5060: is in use")
        self.assertIsInstance(mistake, Exception)
        self.assertEqual(screen.getvalue(), "sipoutbound: --listen udp:5060: is in use\n")
        self.assertEqual(log.getvalue(), "")  # Python writes there when the mistake ends it

    def test_onTheScreenOnce(self) -> None:
        """Where there is no log in between, Python alone writes the line."""
        screen = StringIO()
        self.patch(sys, "__stderr__", screen)
        self.patch(sys, "stderr", screen)
        announced("--listen udp:5060: is in use")
        self.assertEqual(screen.getvalue(), "")

    @settings(max_examples=150, deadline=None)
    @given(st.sampled_from(sorted(KINDS.keys() - {"allow-anonymous"})), st.text(max_size=20))
    def test_anyText(self, name: str, text: str) -> None:
        """No value, however strange, ends in a traceback."""
        try:
            decided(f"--{name}={text}")
        except Mistake as mistake:
            self.assertTrue(str(mistake).isprintable())


class ConfigurationFileTests(SynchronousTestCase):
    """The file has the names of the command line, and gives way to it."""

    def file(self, content: str | bytes) -> str:
        """
        @param content: what is to be in a file.
        @return: its path.
        """
        path = Path(self.mktemp())
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def refused(self, content: str | bytes, *expected: str) -> None:
        """
        @param content: of the file.
        @param expected: what the complaint must have in it beside the file's name.
        """
        path = self.file(content)
        line = str(self.assertRaises(Mistake, decided, "--config", path))
        self.assertNotIn("\n", line)
        for text in (path, *expected):
            self.assertIn(text, line)

    def test_everything(self) -> None:
        """Each option of the command line can be in the file."""
        settled = decided(
            "--config",
            self.file(
                """
                domain = ["example.com"]
                listen = ["udp:5070", "tcp:5070"]
                advertise = ["udp:edge.example.com"]
                trust = ["10.0.0.0/8, 192.0.2.7", "2001:db8::7"]
                location = "memory:"
                flow-timer = 60
                state = "/var/lib/sip"
                route = ["a:b", "c"]
                allow-anonymous = true
                """
            ),
        )
        self.assertEqual(
            settled,
            Settings(
                domains=("example.com",),
                listen=(Listen("udp", 5070), Listen("tcp", 5070)),
                advertise={"udp": ("edge.example.com", None)},
                trust=trust("10.0.0.0/8,192.0.2.7,2001:db8::7"),
                location=(MEMORY, None),
                flowTimer=60,
                state=Path("/var/lib/sip"),
                routes=(("a", "b"), ("c", None)),
                allowAnonymous=True,
            ),
        )

    def test_commandLineWins(self) -> None:
        """What the command line says replaces the file's, wherever C{--config} stands."""
        path = self.file('domain = ["a", "b"]\nflow-timer = 60\n')
        for words in (
            ("--config", path, "--domain", "c"),
            ("--domain", "c", "--config", path),
        ):
            settled = decided(*words)
            self.assertEqual((settled.domains, settled.flowTimer), (("c",), 60))

    def test_notAllowed(self) -> None:
        """C{allow-anonymous = false} is what it says."""
        path = self.file('listen = ["udp:5060"]\nallow-anonymous = false')
        self.assertIn(
            "--allow-anonymous", str(self.assertRaises(Mistake, decided, "--config", path))
        )

    def test_unknownKey(self) -> None:
        """A misspelt name is not passed over, and the known ones are listed."""
        self.refused('flow_timer = 60\nstate = "x"', "flow_timer", "flow-timer")
        self.refused('config = "x"', "config")
        self.refused('[domain]\na = "x"', "domain", "list of strings")

    def test_wrongType(self) -> None:
        """Each key says which type it must have."""
        for key, kind in KINDS.items():
            for value in ('"60"', "60", "true", '["a"]', "[]", "[1]", "1.5", "{}"):
                if kind({'"60"': "60", "60": 60, "true": True, '["a"]': ["a"]}.get(value)) is None:
                    self.refused(f"{key} = {value}", key, EXPECTED[kind])

    def test_wrongValue(self) -> None:
        """A value is judged as on the command line, and the complaint names the file."""
        self.refused("flow-timer = 5", "flow-timer 5", "20 to 999")
        self.refused('listen = ["udp:x"]', "listen udp:x", "0 to 65535")

    def test_notToml(self) -> None:
        """A syntax error is told with its line."""
        self.refused('state = "x"\ndomain = \n', "--config", "TOML", "line 2")
        self.refused(b"\xff\xfe", "--config", "UTF-8")
        self.refused("flow-timer = 1" + "0" * 5000, "--config")

    def test_unreadable(self) -> None:
        """A file that is not there, or a folder, is told as what it is."""
        for path, reason in (("/nonexistent/x", "No such file"), (".", "Is a directory")):
            line = str(self.assertRaises(Mistake, decided, "--config", path))
            self.assertIn("--config", line)
            self.assertIn(reason, line)
