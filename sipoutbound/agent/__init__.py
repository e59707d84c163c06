"""The parts of a user agent: flows of its own making, requests, calls."""
