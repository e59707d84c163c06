"""
The state folder: the keys of flow tokens, which must outlive a restart (RFC 5626 5.2, 9.3).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from sipoutbound.mistake import Mistake
from sipoutbound.outbound.flowtoken import Keys

_KEYS: Final = "flow-token.keys"


def madeFolder(folder: Path) -> None:
    """
    Make the state folder, readable by its owner only, unless it is there.

    @raise Mistake: when it can't be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Mistake(f"--state {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Mistake(f"--state {folder}: must be writable")


def keysIn(folder: Path) -> Keys:
    """
    The keys in the folder; made at the first start.

    @raise Mistake: when they can't be read or written.
    """
    try:
        if not keyFile(folder).exists():
            _write(keyFile(folder), bytes(Keys.generate()))
    except OSError as error:
        raise Mistake(f"--state {folder}: {_KEYS}: {error.strerror}") from error
    return keysThere(folder)


def keysThere(folder: Path) -> Keys:
    """
    The keys in the folder; none are made.

    @raise Mistake: when they can't be read.
    """
    try:
        return Keys.parse(keyFile(folder).read_bytes())
    except OSError as error:
        raise Mistake(f"--state {folder}: {_KEYS}: {error.strerror}") from error
    except ValueError as error:
        raise Mistake(f"--state {folder}: {_KEYS}: {error}; mend it or remove it") from error


def replaceKeys(folder: Path, keys: Keys) -> None:
    """
    Put other keys in the place of those in the folder, for the same owner.

    @raise Mistake: when they can't be written.
    """
    try:
        old = keyFile(folder).stat()
        _write(keyFile(folder), bytes(keys), (old.st_uid, old.st_gid))
    except OSError as error:
        raise Mistake(f"--state {folder}: {_KEYS}: {error.strerror}") from error


def keyFile(folder: Path) -> Path:
    """
    Where the keys are in a state folder.
    """
    return folder / _KEYS


def _write(path: Path, text: bytes, owner: tuple[int, int] | None = None) -> None:
    """
    Whole or not at all, readable by the owner only.
    """
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        if owner is not None:
            os.fchown(file.fileno(), *owner)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
