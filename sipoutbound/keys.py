"""
C{python -m sipoutbound.keys}: the keys of flow tokens, for operators (RFC 5626 5.2).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Final

from sipoutbound.mistake import Mistake
from sipoutbound.outbound.flowtoken import Keys
from sipoutbound.settings import path
from sipoutbound.state import keysThere, replaceKeys

_DESCRIPTION: Final = (
    "Shows and changes the keys of flow tokens. A running server takes a change over within 15 "
    "seconds and logs it. One edge alone needs rotate only. Edges that share their keys: prepare "
    "on one of them, copy flow-token.keys to all; when all have logged it, switch on each."
)

_COMMANDS: Final[dict[str, tuple[str, Callable[[Keys], Keys]]]] = {
    "show": ("list the keys, without their secrets", lambda keys: keys),
    "rotate": ("seal with a new key at once; three older ones still open tokens", Keys.rotated),
    "prepare": ("add a key that seals nothing yet", Keys.prepared),
    "switch": ("seal with the key that was prepared", Keys.switched),
    "retire": ("forget all keys older than the one that seals", Keys.retired),
}


def main(words: Sequence[str]) -> None:
    """
    Do what the command line says, and print the keys.

    @raise Mistake: when it can't be done.
    """
    given = _parser().parse_args(words)
    keys = keysThere(given.state)
    try:
        changed = _COMMANDS[given.command][1](keys)
    except ValueError as error:
        raise Mistake(f"{given.command}: {error}") from error
    if changed != keys:
        replaceKeys(given.state, changed)
    print("\n".join(lines(changed)))


def lines(keys: Keys) -> list[str]:
    """
    A line for each key: its id, its fingerprint, what it does.
    """
    does = ["seals"] + ["opens"] * (len(keys.keys) - 1) + ["opens, next"]
    return [
        f"{key.number:>3}  {key.fingerprint}  {what}"
        for key, what in zip(keys.all, does, strict=False)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m sipoutbound.keys", description=_DESCRIPTION)
    parser.add_argument(
        "--state",
        type=path,
        default="sipoutbound.state",
        metavar="DIR",
        help="the server's state folder [default: ./sipoutbound.state]",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (text, _) in _COMMANDS.items():
        commands.add_parser(name, help=text, description=text)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
