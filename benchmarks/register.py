"""
REGISTER, this server beside Kamailio, under one load from SIPp.

Run it with an interpreter that has sipoutbound's requirements::

    python benchmarks/register.py
    python benchmarks/register.py --store memory --transport u1 --runs 5 --users 40000

It starts the servers in alternation, each run with a fresh one: new users first, then refreshes of
the same users, and prints for each transport (u1: UDP, one socket; t1: TCP, one connection) and
each store (memory; durable: on disk before the 200 leaves)

  - registrations per second,
  - CPU time of one registration, user and system, of all the server's processes,
  - how many were answered otherwise than with 200, or not at all,

as the median of the runs and as ratios ours/Kamailio, with their minimum, median and maximum.  Then
a steady load of C{--steady} registrations per second, with the failed ones and the retransmissions
as SIPp counts them, and the memory of an idle registered TCP flow.

What is equal: the REGISTERs, the order of the runs, one worker for UDP and one for TCP, no
authentication, Flow-Timer, C{Require: outbound}, the keeping of +sip.instance, reg-id and the
address that the REGISTER came from; when durable, SQLite with a write-ahead log, flushed for each
commit (C{synchronous} is FULL).  C{--journal delete} is what Kamailio's operator gets who sets
nothing: several flushes for each.

What is not: Kamailio keeps the received address and the connection's number where this server seals
a flow token into a Path and stores it.  Kamailio answers a REGISTER without a transaction and would
take a retransmission for a new one.  Kamailio commits each binding on its own, this server all
those that came together.  Kamailio is given its fast allocator (C{-x fm}) and a location table of
2**14 slots; with the allocator that is Debian's default (qm) a REGISTER cost it two to four times
as much here.

SIPp shares the machine with the server, so on few cores the rate is what both together reach: read
the CPU time first.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import table
from flows import kilobytesPerFlow, raiseLimit
from load import Load, Outcome, version
from machine import loadAverages, machine
from server import Kamailio, Outbound, Server

TRANSPORTS = {"u1": "UDP", "t1": "TCP"}
SERVERS: dict[str, type[Server]] = {"sipoutbound": Outbound, "kamailio": Kamailio}
ROUNDS = {1: "new", 2: "refresh", 3: "refresh"}

# REGISTERs under way at a time. The durable number is below what Kamailio writes in the 500 ms
# after which SIPp would send again over UDP.
LIMITS = {"memory": 1000, "durable": 250}

# Kamailio writes about 1,000 bindings per second, a tenth of what it keeps in memory.
FEWER = {"memory": 1, "durable": 5}

STEADY_SECONDS = 6

Measurements = dict[tuple[str, str], list[float]]
Measured = TypeVar("Measured")


def main() -> None:
    """
    Read the command line, run what it asks for, print the tables.
    """
    options = parse()
    raiseLimit(20_000)
    if version() is None:
        raise SystemExit("sipp is missing: install sip-tester")
    names = installed(options.only)
    describe(options, names)
    print(table.HEADING)
    for transport in options.transport or TRANSPORTS:
        for store in options.store or LIMITS:
            series(options, names, transport, store)
    if options.steady:
        steady(options, names)
    if options.flows:
        flows(options, names)


def parse() -> argparse.Namespace:
    """
    @return: the command line's values.
    """
    parser = argparse.ArgumentParser(description="REGISTER, this server beside Kamailio.")
    add = parser.add_argument
    add(
        "--users",
        type=int,
        default=20_000,
        help="users of a run in memory; durable takes a fifth (%(default)s)",
    )
    add("--rate", type=int, default=12_000, help="REGISTERs offered per second (%(default)s)")
    add("--runs", type=int, default=3, help="runs of each server, in alternation (%(default)s)")
    add("--transport", choices=list(TRANSPORTS), action="append", help="only this one; repeatable")
    add("--store", choices=list(LIMITS), action="append", help="only this one; repeatable")
    add("--journal", choices=["wal", "delete"], default="wal", help="Kamailio's SQLite journal")
    add("--only", choices=list(SERVERS), help="one server alone")
    add(
        "--steady",
        type=int,
        default=10_000,
        help="rate of the steady load, 0 for none (%(default)s)",
    )
    add("--flows", type=int, default=3_000, help="idle TCP flows, 0 for none (%(default)s)")
    return parser.parse_args()


def installed(only: str | None) -> list[str]:
    """
    @param only: the one server that is wanted, or C{None} for all that are installed.
    """
    return [
        name
        for name, kind in SERVERS.items()
        if only in (None, name) and kind.version() is not None
    ]


def describe(options: argparse.Namespace, names: list[str]) -> None:
    """
    Print what is run, on what.
    """
    print(machine())
    print(f"load before: {loadAverages()}")
    print(version())
    for name in names:
        print(f"{name}: {SERVERS[name].version()}")
    fewer = options.users // FEWER["durable"]
    print(f"{options.users:,} users ({fewer:,} durable), new, then refreshed twice")
    print(f"{options.rate:,} per second offered, {options.runs} runs of each in alternation")
    print(f"unanswered at a time: {LIMITS['memory']:,} ({LIMITS['durable']:,} durable)\n")


def series(options: argparse.Namespace, names: list[str], transport: str, store: str) -> None:
    """
    Run the servers in alternation under one transport and store, and print their rows.
    """
    load = Load(transport, options.users // FEWER[store], options.rate, LIMITS[store])
    rates: Measurements = defaultdict(list)
    costs: Measurements = defaultdict(list)
    lost: Measurements = defaultdict(list)
    for _ in range(options.runs):
        for name in names:
            for phase, outcome, cost in fresh(options, name, store, partial(rounds, load)):
                rates[name, phase].append(outcome.rate)
                costs[name, phase].append(cost)
                lost[name, phase].append(outcome.failed)
    for phase in dict.fromkeys(ROUNDS.values()):
        label = f"{TRANSPORTS[transport]} {store:8}{phase:8}"
        show(f"{label} per second", phase, rates)
        show(f"{label} CPU us", phase, costs)
        show(f"{label} not 200", phase, {key: [sum(values)] for key, values in lost.items()})


def rounds(load: Load, server: Server, folder: Path) -> list[tuple[str, Outcome, float]]:
    """
    @return: for new users and for refreshes, SIPp's outcome and the CPU time of one REGISTER in
        microseconds.
    """
    found = []
    for number, phase in ROUNDS.items():
        before = server.family.cpu()
        outcome = load.drive(server.port, number, folder)
        found.append((phase, outcome, (server.family.cpu() - before) * 1e6 / load.users))
    return found


def show(label: str, phase: str, measured: Measurements) -> None:
    """
    Print one row.
    """
    ours, theirs = (measured.get((name, phase), []) for name in SERVERS)
    print(table.row(label, ours, theirs), flush=True)


def steady(options: argparse.Namespace, names: list[str]) -> None:
    """
    Offer a steady rate in memory, with no bound on what is under way, and print what failed.
    """
    count = options.steady * STEADY_SECONDS
    print(f"\n{count:,} REGISTERs of new users at {options.steady:,} per second, in memory")
    for transport in options.transport or TRANSPORTS:
        load = Load(transport, count, options.steady, count)
        for name in names:
            outcome = fresh(options, name, "memory", partial(drive, load))
            print(f"{TRANSPORTS[transport]} {name:12} {outcome}", flush=True)


def drive(load: Load, server: Server, folder: Path) -> Outcome:
    """
    @return: SIPp's outcome for new users.
    """
    return load.drive(server.port, 1, folder)


def flows(options: argparse.Namespace, names: list[str]) -> None:
    """
    Print the memory of an idle registered TCP flow.
    """
    print(f"\n{options.flows:,} idle TCP flows, a user registered over each, in memory")
    for name in names:
        kilobytes = fresh(options, name, "memory", partial(grown, options.flows))
        print(f"{name:12} {kilobytes:.1f} kB of proportional set size per flow", flush=True)


def grown(count: int, server: Server, folder: Path) -> float:
    """
    @return: kB of proportional set size per flow, of C{count} flows.
    """
    return kilobytesPerFlow(server, count)


def fresh(
    options: argparse.Namespace,
    name: str,
    store: str,
    measure: Callable[[Server, Path], Measured],
) -> Measured:
    """
    Measure a server that was just started and has nothing stored, then end it.
    """
    with (
        tempfile.TemporaryDirectory(prefix="sipoutbound-benchmark-") as folder,
        SERVERS[name](Path(folder), store == "durable", options.journal) as server,
    ):
        return measure(server, Path(folder))


if __name__ == "__main__":
    main()
