"""
Composes the server from its settings; decides nothing.
"""

from __future__ import annotations

import gc
import socket
from time import time
from typing import Any, Final

from attrs import evolve
from twisted.application.service import IService, MultiService
from twisted.internet import reactor as theReactor
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from sipoutbound import settings as spec
from sipoutbound.addresses import reachable, withTCP
from sipoutbound.interfaces import IFlow, IRouter
from sipoutbound.location.service import Location
from sipoutbound.location.sqlite import SQLiteStore
from sipoutbound.location.store import StoreError
from sipoutbound.location.thread import StoreThread
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress
from sipoutbound.message.uri import cachedURI
from sipoutbound.mistake import Mistake, announced
from sipoutbound.options import Options
from sipoutbound.outbound.binding import Binding
from sipoutbound.outbound.flowtoken import DatagramFlow, Forged
from sipoutbound.outbound.keepalive import FlowTimer
from sipoutbound.outbound.policy import Policy
from sipoutbound.plugin import routers
from sipoutbound.registrar import Registrar
from sipoutbound.rotation import Rotation
from sipoutbound.routing.delivery import Ways
from sipoutbound.routing.domain import Domain, Responsibility
from sipoutbound.routing.home import Home
from sipoutbound.routing.names import Names
from sipoutbound.routing.notice import FlowNotice, NoticeTaking, flowOfEdge
from sipoutbound.routing.outgoing import Outgoing
from sipoutbound.routing.proxy import Proxy
from sipoutbound.routing.record import PathInsertion
from sipoutbound.routing.relay import Relay
from sipoutbound.routing.route import RouteInspection
from sipoutbound.routing.router import Branching
from sipoutbound.routing.trust import Trust
from sipoutbound.routing.vouching import Vouching
from sipoutbound.settings import Settings
from sipoutbound.stack import Stack
from sipoutbound.state import keysIn, madeFolder
from sipoutbound.transport.directory import NameDirectory
from sipoutbound.transport.flow import Flow, hostport
from sipoutbound.transport.listen import (
    BoundService,
    DatagramService,
    EndpointService,
    ListenError,
    StreamService,
    bound,
)
from sipoutbound.transport.listener import Listener
from sipoutbound.transport.nexthop import NextHops
from sipoutbound.transport.returning import Returning
from sipoutbound.transport.table import Flows

__all__ = ["Options", "makeService"]

log = Logger()

_KINDS: Final = {
    spec.DATAGRAM: (b"UDP", socket.SOCK_DGRAM, DatagramService),
    spec.CONNECTION: (b"TCP", socket.SOCK_STREAM, StreamService),
}


def makeService(options: Options) -> IService:
    """
    The server, as C{twistd} asks for it.

    @raise Mistake: when it can't be what the options say.
    """
    server: IService = Server(options.settings, theReactor)
    # What is there now stays. And what a REGISTER leaves behind for 32 s is no garbage: by default
    # the collector looks through it again and again, for a tenth to a quarter of all CPU time.
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    return server


class Server(MultiService):
    """
    Edge proxy, registrar, authoritative proxy and location service in one process.
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__()
        madeFolder(settings.state)
        self.settings, self.reactor = settings, reactor
        self.ports: list[BoundService] = []
        self._unheard: list[tuple[DatagramFlow, FlowTimer]] = []
        self._notice: FlowNotice | None = None
        self.stack = Stack(reactor)
        self.flows = Flows(keysIn(settings.state), reactor.seconds, self.stack.later, self._lost)
        self.names = Names(frozenset(name.encode() for name in settings.domains))
        self.location = Location(reactor, time, self._revived)
        self.directory = NameDirectory(reactor, settings.resolvers, settings.families)
        self._store()
        self.location.setServiceParent(self)
        self._listen()
        self._tree()

    def _store(self) -> None:
        kind, path = self.settings.location
        if kind == spec.MEMORY or path is None:
            return
        store = SQLiteStore(path)
        try:
            store.check()
        except StoreError as error:
            raise Mistake(f"--location {kind}:{error}") from error
        self.location.keepIn(store, StoreThread(self.reactor))

    def _listen(self) -> None:
        for place in withTCP(self.settings.listen):
            if place.transport == spec.STREAM:
                listener = self._listener(b"TCP", spec.CONNECTION)
                service: Any = EndpointService(self.reactor, listener, place.endpoint)
            else:
                service = self._bound(place)
            service.setServiceParent(self)

    def _bound(self, place: spec.Listen) -> BoundService:
        transport, kind, service = _KINDS[place.transport]
        listener = self._listener(transport, place.transport)
        try:
            opened = bound(kind, place.interface, place.port)
        except OSError as error:
            raise Mistake(f"--listen {place}: {error.strerror}") from error
        port = service(self.reactor, listener, opened)
        self.ports.append(port)
        for address in reachable(port.address):
            self.names.addresses.add(address)
        return port

    def _listener(self, transport: bytes, kind: str) -> Listener:
        advertised = None
        if kind in self.settings.advertise:
            host, port = self.settings.advertise[kind]
            advertised = host.encode() if port is None else b"%b:%d" % (host.encode(), port)
            self.names.addresses.add(b"%b:%d" % (host.encode(), port or 5060))
        addresses = self.names.addresses
        return Listener(transport, self.flows, self.stack.received, addresses, advertised)

    def _tree(self) -> None:
        settings = self.settings
        trust, relayed = Trust(settings.trusted), Trust(settings.relayed)
        hops = NextHops(self.reactor, self._dialling(), self.directory)
        self.stack.returning = Returning(hops, relayed.includes).send
        apart = settings.registrar is not None
        relay = Relay(self._seenOver if apart else self._registeredOver, relayed)
        outgoing = Outgoing(relay)
        home = self._home(relay, hops) if apart else self._registrar(outgoing)
        users = routers(settings.routes, home)
        edge = PathInsertion(users, FlowTimer(settings.flowTimer), self._serves, apart)
        routed = RouteInspection(self.names, self.flows, edge, home, outgoing)
        # Whoever gets what we send on may trust us: these stand in front of all ways out.
        vouched = Vouching(routed, trust, settings.role == spec.REGISTRAR)
        tree = NoticeTaking(vouched, relayed if apart else trust, self.location.flowDied)
        ways = Ways(self.names, self.flows, hops, self.location)
        self.stack.user = Proxy(tree, users, self.stack, ways)

    def _home(self, relay: Relay, hops: NextHops) -> IRouter:
        """
        The way from an edge to its registrar.
        """
        registrar, domain = self.settings.registrar, self.settings.domains[0].encode()
        assert registrar is not None
        self._notice = FlowNotice(registrar, domain, self.stack, hops)
        return Home(registrar, self.names, relay)

    def _registrar(self, outgoing: Outgoing) -> IRouter:
        """
        The registrar and the users of its domains.
        """
        settings = self.settings
        # Edges add a Path for clients that do not know it.
        known = settings.role != spec.REGISTRAR
        policy = Policy(flowTimer=settings.flowTimer, rejectUnknownPath=known)
        registrar = Registrar(self.location, self._serves, time, policy, self._flowOf)
        users = Domain(registrar, self.location, self.stack.merged)
        domain = Responsibility(self.names, users, outgoing)
        return Branching(outgoing, dict.fromkeys(settings.domains, domain))

    def _dialling(self) -> Listener:
        """
        What connections have in common that we make: they are called back where we listen.
        """
        listener = self._listener(b"TCP", spec.CONNECTION)
        streams = [port for port in self.ports if port.listener.transport == b"TCP"]
        listener.port = streams[0].address[1] if streams else None
        return listener

    def _serves(self, host: bytes) -> bool:
        return host in self.names.domains

    def _registeredOver(self, flow: IFlow) -> bool:
        return any(map(self.location.registered, flow.tokens))

    def _seenOver(self, flow: IFlow) -> bool:
        """
        The same at an edge, which has no bindings: what registrars have answered.
        """
        return bool(flow.registered)

    def _flowOf(self, path: tuple[bytes, ...]) -> bytes:
        """
        The key of the flow that Path values name: the token in the topmost, where that is of ours;
        else the client's flow at the edge that has it, which the last names (RFC 3327 5.2).
        """
        try:
            uri = cachedURI(NameAddress.parse(path[0]).text)
        except Malformed:
            return b""
        return uri.user or b"" if self.names.named(uri) else flowOfEdge(path[-1])

    def _revived(self, binding: Binding) -> Binding | None:
        """
        A stored binding in this run, C{None} where it can't be reached: its connection was one of
        an earlier run, or its token was sealed by keys that are gone. A flow is known here by what
        the present key seals, whatever key has sealed the token in its Path. One of another edge is
        for that edge to judge.
        """
        if not binding.flow or b"@" in binding.flow:
            return binding
        try:
            identity = self.flows.keys.open(binding.flow)
        except Forged:
            return None
        if isinstance(identity, DatagramFlow):
            if binding.flowTimer:
                self._unheard.append((identity, FlowTimer(binding.flowTimer)))
        elif identity.epoch != self.flows.epoch:
            return None
        return evolve(binding, flow=self.flows.keys.seal(identity))

    def _watchStored(self) -> None:
        """
        Hold the clients of stored bindings to what they were told by the run before. When they were
        heard last is not known: they may have been just before this start, and are due once from
        then on. Those who were told different times over one flow keep to the longest.
        """
        for identity, timer in self._unheard:
            flow = self.flows.live(identity)
            if flow is not None:
                flow.watch(max(flow.limit, timer.limit))
        self._unheard.clear()

    def _lost(self, flow: Flow) -> None:
        for token in flow.tokens:
            self.location.flowDied(token)
        self.stack.flowLost(flow)
        if self._notice is not None:
            self._notice.died(flow)

    def startService(self) -> None:
        """
        Start, and say where and how to register a phone.
        """
        try:
            super().startService()
        except ListenError as error:
            raise announced(f"--listen {error}") from error
        except StoreError as error:
            raise announced(f"--location {self.settings.location[0]}:{error}") from error
        self._watchStored()
        Rotation(self.settings.state, self.flows, self.stack.later).watch()
        domains = ", ".join(self.settings.domains)
        for port in self.ports:
            transport = port.listener.transport.decode()
            log.info("listening: {at} {transport}", at=shown(port), transport=transport)
        log.info("domains: {domains}", domains=domains)
        log.info("state: {state}; {kept}", state=self.settings.state, kept=self._kept())
        for port in self.ports[-1:]:
            log.info("a phone's account, as baresip has it: {line}", line=self._account(port))

    def stopService(self) -> Deferred[Any]:
        """
        Answer whoever waits for an answer, close every connection and stop.

        @return: fires when what happened until then is stored.
        """
        self.stack.drain()
        if self._notice is not None:
            self._notice.leaving(self.flows.streams())
        for flow in self.flows.streams():
            flow.close()
        self.directory.close()
        stopped: Deferred[Any] = super().stopService()
        return stopped.addCallback(lambda _: self.stack.stop())

    def _account(self, port: BoundService) -> str:
        """
        A line for a phone that can register here.
        """
        address = port.listener.advertised or reachable(port.address)[-1]
        host = address.rpartition(b":")[0].decode()
        domain = host if host in self.settings.domains else self.settings.domains[0]
        transport = port.listener.transport.decode().lower()
        return (
            f"<sip:alice@{domain}>;auth_pass=none;"
            f'outbound="sip:{address.decode()};transport={transport}";sipnat=outbound;regint=600'
        )

    def _kept(self) -> str:
        path = self.settings.location[1]
        return "bindings in memory only" if path is None else f"bindings in {path}"


def shown(port: BoundService) -> str:
    """
    An address for people.
    """
    return hostport(port.address).decode()
