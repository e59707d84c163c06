"""The command line of C{twistd sipoutbound}, with its configuration file, as one L{Settings}."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from twisted.python import usage

from sipoutbound import plugin, settings
from sipoutbound.configuration import Given, readFile
from sipoutbound.mistake import Mistake
from sipoutbound.settings import Listen, Settings


class Options(usage.Options):
    """
    What C{twistd sipoutbound} understands. Nothing is opened, looked up or made here, but for the
    configuration file.

    @ivar settings: after L{parseOptions} what was decided.
    """

    synopsis = "[options]"
    longdesc = (
        "A SIP edge proxy, registrar, authoritative proxy and location service whose clients are "
        "reached over the connections they made themselves (RFC 5626)."
    )
    settings: Settings

    def __init__(self) -> None:
        super().__init__()
        self.docs = {name: " ".join(text.split()) for name, text in self.docs.items()}
        self._given: dict[str, Given] = {}

    def opt_domain(self, name: str) -> None:
        """
        A domain this server answers for; can be repeated. [default: localhost, 127.0.0.1, [::1]]
        """
        self._add("domain", name)

    def opt_listen(self, spec: str) -> None:
        """
        Where to wait for clients: udp:PORT[:interface=A], tcp:PORT[:interface=A] or a Twisted
        stream endpoint; can be repeated. [default: udp and tcp 5060 on 127.0.0.1]
        """
        self._add("listen", spec)

    def opt_advertise(self, spec: str) -> None:
        """
        TRANSPORT:HOST[:PORT], the name that is written into Via, Path and Record-Route instead of
        the listener's; can be repeated, once for each transport.
        """
        self._add("advertise", spec)

    def opt_role(self, role: str) -> None:
        """
        both, edge or registrar: an edge has the clients' connections and sends on to its registrar;
        a registrar takes REGISTER from trusted edges only. [default: both in one]
        """
        self._set("role", role)

    def opt_registrar(self, uri: str) -> None:
        """
        For an edge: the URI of its registrar, such as sip:10.0.0.5:5060;transport=tcp.
        """
        self._set("registrar", uri)

    def opt_trust(self, spec: str) -> None:
        """
        Peers whose Path is believed, and whose requests are sent on to other domains though they
        have not registered: IP addresses and networks, apart by commas, or none; can be repeated.
        [default: 127.0.0.0/8 and ::1 for the Path, nobody for other domains]
        """
        self._add("trust", spec)

    def opt_location(self, spec: str) -> None:
        """
        Where bindings are kept: memory: or sqlite:PATH. [default: location.sqlite in the state
        folder]
        """
        self._set("location", spec)

    def opt_flow_timer(self, spec: str) -> None:
        """
        After how many seconds a silent client counts as gone, 20 or more. [default: 120]
        """
        self._set("flow-timer", spec)

    def opt_state(self, folder: str) -> None:
        """
        The folder for keys and the embedded database, made if missing. [default:
        ./sipoutbound.state]
        """
        self._set("state", folder)

    def opt_route(self, spec: str) -> None:
        """
        NAME[:ARGUMENT], a routing plugin, or the dotted Python name of one; can be repeated, the
        first is the outermost.
        """
        self._add("route", spec)

    def opt_resolver(self, spec: str) -> None:
        """
        ADDRESS[:PORT], a DNS server to ask about other domains; can be repeated, each is asked when
        those in front of it have not answered. [default: those in /etc/resolv.conf]
        """
        self._add("resolver", spec)

    def opt_config(self, path: str) -> None:
        """
        A TOML file with these options under the same names; the command line wins.
        """
        self._set("config", path)

    def opt_allow_anonymous(self) -> None:
        """
        Let whoever can reach a listener register, also from other machines.
        """
        self._add("allow-anonymous", "")

    def opt_help_routes(self) -> None:
        """
        List the routing plugins and exit.
        """
        for maker in plugin.makers():
            print(f"{maker.name:16} {maker.description}")
        raise SystemExit(0)

    def parseArgs(self, *words: str) -> None:
        """
        @param words: what is no option, of which there should be nothing.
        @raise Mistake: when there is.
        """
        if words:
            raise Mistake(f"'{words[0]}' is not an option; {_SEE_HELP}")

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """
        @param options: the command line after C{sipoutbound}.
        @raise Mistake: for anything wrong in it or in the configuration file.
        """
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise Mistake(f"{error}; {_SEE_HELP}") from error

    def postOptions(self) -> None:
        """
        Makes L{settings}, once the whole command line is known.
        """
        config = self._given.pop("config", None)
        given = readFile(*config.read(settings.path)) if config else {}
        given.update(self._given)
        self.settings = _decide(given)

    def _add(self, name: str, text: str) -> None:
        self._given.setdefault(name, Given(f"--{name}")).texts.append(text)

    def _set(self, name: str, text: str) -> None:
        if name in self._given:
            raise Mistake(f"--{name} is given twice: leave one out")
        self._add(name, text)


def _decide(given: dict[str, Given]) -> Settings:
    """
    @param given: what was given, by the option's name; what was not is left to its default.
    @return: the settings.
    @raise Mistake: for what cannot be, alone or together.
    """
    decided: dict[str, Any] = {_FIELDS[name][0]: _FIELDS[name][1](given[name]) for name in given}
    try:
        return Settings(**decided)
    except ValueError as error:
        raise Mistake(str(error)) from error


def _advertise(given: Given) -> dict[str, settings.Advertised]:
    pairs = given.read(settings.advertised)
    twice = {transport for transport, _ in pairs if [key for key, _ in pairs].count(transport) > 1}
    if twice:
        raise Mistake(f"{given.label}: {twice.pop()} is given twice: leave one out")
    return dict(pairs)


_SEE_HELP = "'twistd sipoutbound --help' lists the options"
_FIELDS = {
    "domain": ("domains", lambda given: tuple(dict.fromkeys(given.read(settings.host)))),
    "listen": ("listen", lambda given: given.read(Listen.parse)),
    "advertise": ("advertise", _advertise),
    "role": ("role", lambda given: given.read(settings.role)[0]),
    "registrar": ("registrar", lambda given: given.read(settings.registrar)[0]),
    "trust": ("trust", lambda given: tuple(chain.from_iterable(given.read(settings.trust)))),
    "location": ("location", lambda given: given.read(settings.location)[0]),
    "flow-timer": ("flowTimer", lambda given: given.read(settings.flowTimer)[0]),
    "state": ("state", lambda given: given.read(settings.path)[0]),
    "resolver": ("resolvers", lambda given: given.read(settings.resolver)),
    "route": ("routes", lambda given: given.read(settings.route)),
    "allow-anonymous": ("allowAnonymous", lambda given: bool(given.texts)),
}
