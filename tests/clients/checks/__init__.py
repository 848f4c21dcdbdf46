"""The checks, one file per subject; importing them registers them."""

from . import matrix, records, topics  # noqa: F401
