"""Tests, run with trial."""
