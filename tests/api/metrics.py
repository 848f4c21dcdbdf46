"""Whether a tool that knows nothing of erboh reads the numbers of both services as they are meant."""

import re
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from demo import Failed, Role

# In a name, what is measured in them; a generic tool calculates with these, and with no multiples.
BASE_UNITS = ("seconds", "bytes", "ratio")
MULTIPLES = re.compile(r"_(ms|millis|milliseconds|us|minutes|hours|kb|kib|mb|mib|percent)$")


def check(demo):
    """Reads /metrics of a role of each kind on the queue of the demo."""
    for name in demo.services:
        with Role(demo.binary, name, demo.places["kafka"]) as role:
            faults = [f"{family.name}: {fault}" for family in read(role.ops) for fault in look(family)]
        if faults:
            raise Failed(f"the {name} says:\n" + "\n".join(faults))


def read(ops):
    """The families of metrics; the parser refuses what is not OpenMetrics to the letter."""
    with urllib.request.urlopen(f"{ops}/metrics") as answer:
        kind, text = answer.headers["content-type"], answer.read().decode()
    if not kind.startswith("application/openmetrics-text; version=1.0.0"):
        raise Failed(f"/metrics is {kind}")
    return list(text_string_to_metric_families(text))


def look(family):
    """What is wrong with a family."""
    if not family.documentation.endswith("."):
        yield f"no sentence says what it is: {family.documentation!r}"
    if family.type == "unknown":
        yield "it has no type"
    if MULTIPLES.search(family.name):
        yield "it is not in a base unit"
    unit = family.name.rsplit("_", 1)[-1]
    if (unit if unit in BASE_UNITS else "") != family.unit:
        yield f"its unit is {family.unit!r}"
