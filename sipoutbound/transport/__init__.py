"""Twisted protocols: bytes to messages and back, on flows."""
