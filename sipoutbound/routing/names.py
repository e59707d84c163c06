"""
Our own names: the domains we answer for, and the addresses that name us in a Route.
"""

from __future__ import annotations

from attrs import define, field

from sipoutbound.message.uri import URI

# The default port of sip: URIs (RFC 3261 19.1.2).
_PORT = 5060


@define(eq=False, repr=False)
class Names:
    """
    Who we are (RFC 3261 16.4, 16.5).

    @ivar domains: the hosts of the domains we are responsible for, lower-case.
    @ivar addresses: C{b"host:port"} of everything we listen on or advertise.
    """

    domains: frozenset[bytes]
    addresses: set[bytes] = field(factory=set)

    def owns(self, uri: URI) -> bool:
        """
        Whether we are responsible for what a Request-URI names. A domain with a port of ours is the
        domain still; with any other port it is somebody else on the same host. With a C{maddr} that
        is not ours nobody but that is responsible (RFC 3261 16.5).
        """
        if uri.host not in self.domains:
            return False
        if uri.params and not self._at(uri, uri.param(b"maddr") or uri.host):
            return False
        return uri.port is None or self._ours(uri.port)

    def _ours(self, port: int) -> bool:
        suffix = b":%d" % port
        return any(address.endswith(suffix) for address in self.addresses)

    def named(self, uri: URI) -> bool:
        """
        Whether a Route or a Path names us: one of our domains, or an address of ours. Its C{maddr}
        says so in place of its host (RFC 3261 19.1.1).
        """
        if uri.opaque is not None:
            return False
        return self._at(uri, uri.param(b"maddr") or uri.host)

    def _at(self, uri: URI, host: bytes) -> bool:
        """
        Whether a host is ours with the port of a URI.
        """
        address = b"%b:%d" % (host.lower(), uri.port or _PORT)
        if address in self.addresses:
            return True
        return host.lower() in self.domains and (uri.port is None or self._ours(uri.port))
