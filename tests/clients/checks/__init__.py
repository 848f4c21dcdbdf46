"""The checks, one file per subject; importing them registers them."""

from . import groups, matrix, records, tools, topics, transactions  # noqa: F401
