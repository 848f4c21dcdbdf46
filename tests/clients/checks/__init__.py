"""The checks, one file per subject; importing them registers them."""

from . import (consoles, crash, groups, java_client, matrix, readme, records, tools,  # noqa: F401
               topics, transactions)
