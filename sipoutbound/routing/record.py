"""
Record-Route and Path insertion, on the way out (RFC 5626 5.1, 5.3; RFC 3327 5.2).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from typing import Final

from attrs import define
from zope.interface import implementer

from sipoutbound.interfaces import IFlow, IRouter
from sipoutbound.message import message as wire
from sipoutbound.message.grammar import Malformed
from sipoutbound.message.header import NameAddress
from sipoutbound.message.message import Response
from sipoutbound.outbound.keepalive import FlowTimer
from sipoutbound.routing.decision import Decision
from sipoutbound.routing.request import Request

#: The URI parameter of L{plainRoute}.
PLAIN: Final = b"plain"

_REG_ID: Final = re.compile(rb";[ \t]*reg-id[ \t]*=", re.I)

# RFC 5626 4.1: c-p-instance = "+sip.instance" EQUAL DQUOTE "<" instance-val ">" DQUOTE
_INSTANCE: Final = re.compile(rb'\+sip\.instance[ \t]*=[ \t]*"<([^>"]*)>"', re.I)

# As everybody writes it: found in a quarter of the time, in each REGISTER.
_USUAL: Final = b'+sip.instance="<'


def isFirstHop(message: wire.Request) -> bool:
    """
    Whether nobody was between the client and us: exactly one Via value (RFC 5626 5.1).
    """
    return message.keys.count(b"via") == 1 and len(message.all(b"via")) == 1


def sourceRoute(message: wire.Request, flow: IFlow) -> bytes | None:
    """
    The Record-Route value that brings later requests of the dialog back down the flow that this
    one came on; C{None} where it forms no dialog, or somebody else knows that flow
    (RFC 5626 5.3.2). Clients that never say C{ob} need it as much as those that do.
    """
    if message.formsDialog and isFirstHop(message):
        return tokenRoute(flow)
    return None


def tokenRoute(flow: IFlow) -> bytes:
    """
    A route value that leads down a flow.
    """
    return b"<sip:%b@%b;lr>" % (flow.token, flow.name)


def plainRoute(flow: IFlow) -> bytes:
    """
    The same for a flow that we have made to a plain Contact, whose phone may send from another
    port: C{plain} says that what comes from that host with this Route on top is the phone's own.
    """
    return b"<sip:%b@%b;lr;%b>" % (flow.token, flow.name, PLAIN)


@implementer(IRouter)
@define(eq=False, repr=False)
class PathInsertion:
    """
    The edge half of a registration: a Path with the token of the flow, on the way to the registrar,
    and a Flow-Timer on the way back.

    @ivar inner: the tree that leads to the registrar.
    @ivar flowTimer: what to promise and to enforce.
    @ivar serves: whether a host, in lower case, is a domain of ours.
    @ivar apart: whether the registrar is another machine, which may reach the edges behind this one
        by this one only.
    """

    inner: IRouter
    flowTimer: FlowTimer
    serves: Callable[[bytes], bool] = lambda host: True
    apart: bool = False

    def route(self, request: Request) -> Awaitable[Decision]:
        """
        Mark a REGISTER; anything else goes through.
        """
        message = request.message
        if message.method == b"REGISTER":
            if isFirstHop(message):
                contacts = b",".join(message.texts(b"contact"))
                self._insert(request, self._path(request, contacts))
                request.answering = partial(self._answered, message, request.flow, contacts)
            elif self.apart:
                self._insert(request, b"<sip:%b;lr>" % request.flow.name)
        return self.inner.route(request)

    def _insert(self, request: Request, path: bytes | None) -> None:
        if path is not None:
            request.message = request.message.copy()
            request.message.put(b"Path", path)

    def _answered(
        self, message: wire.Request, flow: IFlow, contacts: bytes, response: Response
    ) -> None:
        if 200 <= response.status < 300:
            if self.apart and contacts:
                _note(message, flow, response)
            instance = instanceIn(contacts)
            if instance:
                # In place: behind somebody who gathers them a flow has thousands.
                if flow.instances is None:
                    flow.instances = set()
                flow.instances.add(instance)
            self._promise(response, flow)

    def _path(self, request: Request, contacts: bytes) -> bytes | None:
        """
        The Path to insert: with C{ob} for an outbound registration; without it for a plain one
        whose Contact can't be reached but over the flow, unless it is for somebody else's registrar
        and from a client that does not know Path (RFC 3327 5.2); else none.
        """
        message, flow = request.message, request.flow
        if _REG_ID.search(contacts):
            return b"<sip:%b@%b;lr;ob>" % (flow.token, flow.name)
        if not any(needsFlow(text, flow) for text in message.all(b"contact")):
            return None
        known = b"path" in [tag.lower() for tag in message.all(b"supported")]
        if known or self.serves(request.target.host):
            return tokenRoute(flow)
        return None

    def _promise(self, response: Response, flow: IFlow) -> None:
        """
        RFC 5626 5.4: a Flow-Timer only beside C{Require: outbound}; it is then enforced.
        """
        if b"require" in response.values and b"outbound" in response.all(b"require"):
            response.set(b"Flow-Timer", self.flowTimer.header)
            flow.watch(self.flowTimer.limit)


def _note(message: wire.Request, flow: IFlow, response: Response) -> None:
    """
    Who is registered over a flow, by what a registrar has made of his REGISTER.
    """
    if flow.registered is None:
        flow.registered = set()
    change = flow.registered.add if b"contact" in response.values else flow.registered.discard
    change(message.to.text)


def instanceIn(contacts: bytes) -> bytes:
    """
    The instance-id in the Contacts of a REGISTER, in lower case; empty where there is none. It is
    one device that registers, so there are no two.
    """
    at = contacts.find(_USUAL)
    if at >= 0:
        at += len(_USUAL)
        return contacts[at : contacts.find(b">", at)].lower()
    match = _INSTANCE.search(contacts)
    return match[1].lower() if match is not None else b""


def needsFlow(contact: bytes, flow: IFlow) -> bool:
    """
    Whether a plain Contact is to be reached over the flow that registers it. Its own address would
    do by RFC 3261, but not behind a NAT (it is not where the request came from, and nowhere that
    everybody could send to), under C{.invalid} (RFC 7118 5.2), or over a connection, which nobody
    can open to a phone.
    """
    try:
        uri = NameAddress.parse(contact).uri
        address = ip_address(uri.host.decode().strip("[]"))
    except Malformed:
        return False
    except ValueError:
        return uri.host.endswith(b".invalid")
    transport = (uri.param(b"transport") or b"udp").upper()
    if str(address) != flow.peer[0]:
        return not address.is_global
    return transport == flow.transport and (flow.reliable or (uri.port or 5060) == flow.peer[1])
