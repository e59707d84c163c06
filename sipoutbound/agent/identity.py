"""
The instance-id of this installation, kept in a file (RFC 5626 4.1).
"""

from __future__ import annotations

import os
from pathlib import Path

from sipoutbound.outbound.instance import checkedInstance, newInstance


def instanceIn(path: Path) -> str:
    """
    The instance-id that a file keeps. Where there is none, a new one is made, and is on the disk
    before anybody hears of it: whoever is told an instance-id must meet it again.

    @raise OSError: when the file can be neither read nor made.
    @raise ValueError: when it has something else in it.
    """
    try:
        text = path.read_text("ascii")
    except FileNotFoundError:
        return _kept(path, newInstance())
    try:
        return checkedInstance(text.strip())
    except ValueError as error:
        raise ValueError(f"{path}: {error}; mend it or remove it") from error


def _kept(path: Path, urn: str) -> str:
    """
    Write it, whole or not at all.

    @return: what the file has in the end: that of another process, if it was quicker.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    with new.open("w", encoding="ascii") as file:
        file.write(urn + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(new, path)
    except FileExistsError:
        return instanceIn(path)
    finally:
        new.unlink()
    _flushed(path.parent)
    return urn


def _flushed(folder: Path) -> None:
    """
    Have the name of a new file on the disk too.
    """
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
