"""Transactions (RFC 3261 17, RFC 6026, RFC 4320): literal tables, keys and timers; no I/O."""
