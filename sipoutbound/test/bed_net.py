"""
Machines with cables between them, each a network namespace of its own: a router that everybody is
at, and NATs with somebody behind them. What is cut is cut as by an excavator: nothing comes back
that would say so.
"""

from __future__ import annotations

import subprocess

from attrs import define, field

from sipoutbound.test.bed import Namespace, missing

# What the router does: nothing, until somebody is cut off.
ROUTER = """
table inet cut {
    chain forward { type filter hook forward priority filter; }
}
"""

# What a home router does: only what was asked for from inside comes in, and each mapping has a port
# of its own. It says nothing to anybody else.
NAT = """
table ip nat {{
    chain postrouting {{
        type nat hook postrouting priority srcnat;
        oifname "{wan}" masquerade fully-random;
    }}
}}
table ip filter {{
    chain input {{
        type filter hook input priority filter; policy drop;
        iifname "{lan}" accept
    }}
    chain forward {{
        type filter hook forward priority filter; policy drop;
        iifname "{lan}" accept
        ct state established,related accept
    }}
}}
"""


@define(eq=False)
class Machine(Namespace):
    """
    One machine: at the router, or behind a NAT.

    @ivar address: its IPv4 address.
    @ivar cable: the name of the router's end of its cable, or that of its NAT's.
    """

    address: str = ""
    cable: str = ""

    def _forbid(self) -> None:
        """
        Nobody is forbidden anything; what is in the way is a NAT, or nothing.
        """
        self.run(["ip", "link", "set", "lo", "up"])

    def joins(self, other: Machine, cable: str, net: str) -> None:
        """
        Lay a cable to another machine, which is the way to everywhere else.

        @param cable: the name of both ends.
        @param net: the first three numbers of the addresses: 1 is the other's, 2 is ours.
        """
        here = ["ip", "-n", self.name]
        there = ["ip", "-n", other.name]
        peer = ["type", "veth", "peer", "name", cable, "netns", other.name]
        self.run([*here, "link", "add", cable, *peer])
        for side, number in ((here, 2), (there, 1)):
            self.run([*side, "addr", "add", f"{net}.{number}/24", "dev", cable])
            self.run([*side, "link", "set", cable, "up"])
        self.run([*here, "route", "add", "default", "via", f"{net}.1"])
        self.address, self.cable = f"{net}.2", cable

    def filters(self, rules: str) -> None:
        """
        Add to what it does with packets (nft(8)).
        """
        self.run(["nft", rules])

    def forwards(self) -> None:
        """
        Be a router.
        """
        self.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])

    def forgets(self) -> None:
        """
        Lose all mappings of a NAT, as when the provider has given it a new lease: the kernel
        forgets them with the address.
        """
        link = ["ip", "addr"]
        self.run([*link, "del", f"{self.address}/24", "dev", self.cable])
        self.run([*link, "add", f"{self.address}/24", "dev", self.cable])
        gateway = self.address.rpartition(".")[0] + ".1"
        self.run(["ip", "route", "replace", "default", "via", gateway])


@define(eq=False)
class Internet:
    """
    All there is. To be closed when the test is over.
    """

    router: Machine = field(init=False)
    _machines: list[Machine] = field(factory=list, init=False)

    @staticmethod
    def impossible() -> str | None:
        """
        @return: why it cannot be made here, C{None} when it can.
        """
        lacking = missing(nft="nftables") or Namespace.impossible()
        if lacking is not None:
            return lacking
        internet = Internet()
        try:
            internet.open().natted()
        except subprocess.CalledProcessError as error:
            return f"a NAT is not possible here (nftables): {error.stderr.strip()}"
        finally:
            internet.close()
        return None

    def open(self) -> Internet:
        """
        Make the router.

        @return: itself.
        @raise subprocess.CalledProcessError: that is not allowed.
        """
        self.router = self._made()
        self.router.forwards()
        self.router.filters(ROUTER)
        return self

    def _made(self) -> Machine:
        machine = Machine()
        machine.open()
        self._machines.append(machine)
        return machine

    def machine(self) -> Machine:
        """
        One more at the router.
        """
        machine, number = self._made(), len(self._machines)
        machine.joins(self.router, f"net{number}", f"10.0.{number}")
        return machine

    def natted(self) -> tuple[Machine, Machine]:
        """
        One more behind a NAT of its own.

        @return: itself and the NAT.
        """
        nat, inner = self.machine(), self._made()
        inner.joins(nat, "lan", "192.168.0")
        nat.forwards()
        nat.filters(NAT.format(wan=nat.cable, lan="lan"))
        return inner, nat

    def cut(self, machine: Machine, other: Machine | None = None) -> None:
        """
        Lose all packets from and to a machine at the router.

        @param other: only those between these two.
        """
        for one, two in (("iifname", "oifname"), ("oifname", "iifname")):
            between = [] if other is None else [two, other.cable]
            self.router.filters(
                " ".join(["add rule inet cut forward", one, machine.cable, *between, "drop"])
            )

    def mend(self) -> None:
        """
        Lose nothing any more.
        """
        self.router.filters("flush chain inet cut forward")

    def close(self) -> None:
        """
        Give all machines up.
        """
        while self._machines:
            self._machines.pop().close()
