"""
One key of flow tokens, and the line of a key file that holds it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from attrs import field, frozen

# RFC 2104 3: a key as long as the hash's output; a longer one adds nothing.
_SECRET_OCTETS: Final = 32

# One line of a key file: key id, white space, the secret in hexadecimal.
_KEY_LINE: Final = re.compile(rb"([0-9]{1,3})[ \t]+([0-9A-Fa-f]{%d})" % (2 * _SECRET_OCTETS))


@frozen
class Key:
    """
    One secret and its id, as one line of a key file.

    @ivar number: the key id that tokens carry, 0 to 255.
    @ivar secret: 32 octets; never printed but by C{bytes(key)}.
    """

    number: int
    secret: bytes = field(repr=False)

    @classmethod
    def parse(cls, line: bytes) -> Key:
        """
        Read one line of a key file, without its line end.

        @raise ValueError: for anything else; the message does not repeat the line.
        """
        match = _KEY_LINE.fullmatch(line.strip())
        if match is None or int(match[1]) > 255:
            raise ValueError("a key is an id (0 to 255), a space and 64 hexadecimal digits")
        return cls(int(match[1]), bytes.fromhex(match[2].decode()))

    @classmethod
    def generate(cls, number: int) -> Key:
        """
        Make a key with a fresh secret.
        """
        return cls(number, secrets.token_bytes(_SECRET_OCTETS))

    @property
    def fingerprint(self) -> str:
        """
        Eight hexadecimal digits by which people compare keys, and which tell nobody the secret.
        """
        return hashlib.sha256(b"flow token key " + self.secret).hexdigest()[:8]

    def __bytes__(self) -> bytes:
        """
        Print the line that L{parse} reads.
        """
        return b"%d %s\n" % (self.number, self.secret.hex().encode())
