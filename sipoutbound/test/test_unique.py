"""
Random identifiers.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from sipoutbound.message.grammar import TOKEN
from sipoutbound.message.unique import MAGIC, steady, unique, uniqueBranch


class UniqueTests(SynchronousTestCase):
    """
    L{unique} and L{uniqueBranch}.
    """

    def test_form(self) -> None:
        """
        64 random bits in a form that is a tag, a branch or a word of a Call-ID as it stands
        (RFC 3261 19.3).
        """
        for _ in range(2000):
            self.assertEqual(len(bytes.fromhex(unique().decode())), 8)
            self.assertIsNotNone(TOKEN.fullmatch(unique()))

    def test_branch(self) -> None:
        """
        A branch begins with what says that it is unique (RFC 3261 8.1.1.7); without it every
        element on the way would fall back to the rules of RFC 2543.
        """
        self.assertEqual(MAGIC, b"z9hG4bK")
        branch = uniqueBranch()
        self.assertTrue(branch.startswith(MAGIC))
        self.assertEqual(len(branch), len(MAGIC) + 16)

    def test_never_twice(self) -> None:
        """
        None comes twice, also when the pool is filled anew: two calls would become one.
        """
        many = [unique() for _ in range(3000)] + [uniqueBranch()[7:] for _ in range(3000)]
        self.assertEqual(len(set(many)), 6000)

    def test_steady(self) -> None:
        """
        The same texts have the same tag, and any others another one: what is refused twice without
        being remembered looks like one refusal, and no two do that are not.
        """
        texts = ((), (b"",), (b"a",), (b"a", b"b"), (b"b", b"a"), (b"ab",), (b"a", b"", b"b"))
        tags = [steady(*each) for each in texts]
        self.assertEqual([steady(*each) for each in texts], tags)
        self.assertEqual(len(set(tags)), len(set(texts)) - 1)
        for tag in tags:
            self.assertEqual(len(bytes.fromhex(tag.decode())), 8)
