"""The checks, one file per subject; importing them registers them."""

from . import groups, matrix, records, topics, transactions  # noqa: F401
