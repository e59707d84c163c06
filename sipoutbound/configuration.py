"""The configuration file, TOML with the names of the command line, read into texts like its own."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from attrs import define, field

from sipoutbound.mistake import Mistake

T = TypeVar("T")


@define
class Given:
    """
    What was given for one option, by the command line or by the file.

    @ivar label: how a complaint names the option.
    @ivar texts: the values in the order they were given.
    """

    label: str
    texts: list[str] = field(factory=list)

    def read(self, parse: Callable[[str], T]) -> tuple[T, ...]:
        """
        @param parse: makes a value of a text, or raises C{ValueError} with what would be right.
        @return: the values.
        @raise Mistake: when one cannot be made.
        """
        return tuple(self._one(parse, text) for text in self.texts)

    def _one(self, parse: Callable[[str], T], text: str) -> T:
        try:
            return parse(text)
        except ValueError as error:
            shown = text or "''"
            raise Mistake(f"{self.label} {shown}: {error}") from error


def readFile(path: Path) -> dict[str, Given]:
    """
    @param path: the configuration file.
    @return: what it gives, by the option's name.
    @raise Mistake: when it cannot be read, is no TOML, or has a key or value that no option has.
    """
    given = {}
    for key, value in _load(path).items():
        if key not in KINDS:
            raise Mistake(f"{path}: {key}: no such option; there are {', '.join(KINDS)}")
        texts = KINDS[key](value)
        if texts is None:
            raise Mistake(f"{path}: {key} must be {EXPECTED[KINDS[key]]}")
        given[key] = Given(f"{path}: {key}", texts)
    return given


def _load(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Mistake(f"--config {path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Mistake(f"--config {path}: must be UTF-8 text") from error
    except ValueError as error:
        raise Mistake(f"--config {path}: is not TOML: {error}") from error


def strings(value: object) -> list[str] | None:
    """
    @param value: what the file has for a repeatable option.
    @return: its texts, or C{None} for a wrong type.
    """
    if not isinstance(value, list) or not value:
        return None
    return value if all(isinstance(text, str) for text in value) else None


def string(value: object) -> list[str] | None:
    """
    @param value: what the file has for an option with one value.
    @return: its text, or C{None} for a wrong type.
    """
    return [value] if isinstance(value, str) else None


def seconds(value: object) -> list[str] | None:
    """
    @param value: what the file has for an option with a number.
    @return: its digits, or C{None} for a wrong type.
    """
    return [str(value)] if isinstance(value, int) and not isinstance(value, bool) else None


def truth(value: object) -> list[str] | None:
    """
    @param value: what the file has for an option that is said or not.
    @return: one text if it is said, none if not, or C{None} for a wrong type.
    """
    return [""] * value if isinstance(value, bool) else None


EXPECTED: dict[Callable[[object], list[str] | None], str] = {
    strings: 'a list of strings, such as ["one", "two"]',
    string: "a string",
    seconds: "a number without quotes",
    truth: "true or false",
}

KINDS: dict[str, Callable[[object], list[str] | None]] = {
    "domain": strings,
    "listen": strings,
    "advertise": strings,
    "role": string,
    "registrar": string,
    "trust": strings,
    "location": string,
    "flow-timer": seconds,
    "state": string,
    "route": strings,
    "resolver": strings,
    "allow-anonymous": truth,
}
