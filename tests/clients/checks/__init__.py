"""The checks, one file per subject; importing them registers them."""

from . import (crash, groups, java_client, matrix, readme, records, tools, topics,  # noqa: F401
               transactions)
