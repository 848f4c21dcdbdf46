"""Whether a tool that knows nothing of erboh reads the numbers of both services as they are meant."""

import re
import urllib.request

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from demo import Failed, Role

# What a scraper accepts, and who reads that.
OPENMETRICS = ("application/openmetrics-text; version=1.0.0", openmetrics)
TEXT = ("text/plain; version=0.0.4", parser)

# In a name, what is measured in them; a generic tool calculates with these, and with no multiples.
BASE_UNITS = ("seconds", "bytes", "ratio")
MULTIPLES = re.compile(r"_(ms|millis|milliseconds|us|minutes|hours|kb|kib|mb|mib|percent)$")


def check(demo):
    """Reads /metrics of a role of each kind on the queue of the demo, in both formats."""
    for name in demo.services:
        with Role(demo.binary, name, demo.places["kafka"]) as role:
            families = read(role.ops, *OPENMETRICS)
            same = described(families) == described(read(role.ops, *TEXT))
        faults = [f"{family.name}: {fault}" for family in families for fault in look(family)]
        if faults:
            raise Failed(f"the {name} says:\n" + "\n".join(faults))
        if not same:
            raise Failed(f"the {name} says something else in the text format")


def read(ops, accept, reader):
    """The families of metrics; the parser of OpenMetrics refuses what is not so to the letter."""
    request = urllib.request.Request(f"{ops}/metrics", headers={"accept": accept})
    with urllib.request.urlopen(request) as answer:
        kind, text = answer.headers["content-type"], answer.read().decode()
    if not kind.startswith(accept):
        raise Failed(f"/metrics is {kind} where {accept} is accepted")
    return list(reader.text_string_to_metric_families(text))


def described(families):
    """All that is said of metrics but their values, which change."""
    return {family.name: (family.type, family.documentation,
                          sorted((sample.name, sorted(sample.labels.items())) for sample in family.samples))
            for family in families}


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
