"""
Peers that are trusted by where they are: other servers of the same operator, mostly.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from attrs import frozen

Network = IPv4Network | IPv6Network


@frozen
class Trust:
    """
    Who is believed by the address that he is seen with.

    @ivar networks: where such peers are.
    """

    networks: tuple[Network, ...] = ()

    def includes(self, host: str) -> bool:
        """
        Whether a peer is trusted.

        @param host: its address, IPv6 without brackets; what a socket of both kinds has made of an
            IPv4 address counts as that.
        """
        address = ip_address(host)
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self.networks)
