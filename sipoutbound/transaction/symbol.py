"""
Names that the tables are made of.
"""

from __future__ import annotations

from enum import Enum


class Symbol(Enum):
    """
    An enumeration whose members are looked up in the tables, several times for each message.

    L{Enum} hashes a member in Python code, by its name, which triples the cost of a step. Members
    exist once and are equal to themselves only, so their identity serves as well. (Reading a member
    from its class is slow too in CPython 3.11: where it counts, it is read once and kept.)
    """

    __hash__ = object.__hash__
