"""What schemathesis cannot know of the services from their documents alone.

A body may break rules that a schema cannot express, or that cost more than they show; lines of
JSON are a format that schemathesis does not know.
"""

import json
import re
import unicodedata
import uuid

import schemathesis

import documents
from demo import Failed

LINES = "application/x-ndjson"

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KEY = re.compile(r"[!-~]{1,255}")
# The invisible characters above U+FFFF, which the pattern of a name leaves out.
INVISIBLE = re.compile("[\\s\U0001BCA0-\U0001BCA3\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]+")

# Simulations end soon and go slowly here: a hundred fast ones would only load the machine.
RATE_MAX = 50
COUNT_MAX = 10
DURATION_MS_MAX = 200
WAIT_MS_MAX = 10


@schemathesis.serializer(LINES)
def write_lines(_context, body):
    """The schema is that of one line, so one line is sent."""
    return (json.dumps(body) + "\n").encode()


@schemathesis.deserializer(LINES)
def read_first_line(_context, response):
    return json.loads(response.text.splitlines()[0])


@schemathesis.check
def lines_fit_the_schema(context, response, case):
    """Every line of an answer is as documented, not only the first."""
    if not response.headers.get("content-type", [""])[0].startswith(LINES):
        return
    document = case.operation.schema.raw_schema
    schema = case.operation.definition.raw["responses"]["200"]["content"][LINES]["schema"]
    for line in response.text.splitlines():
        try:
            documents.fits(document, schema, json.loads(line), "a line")
        except Failed as failed:
            raise AssertionError(str(failed)) from failed


@schemathesis.hook
def before_call(_context, case, _kwargs):
    """Mends what fits the schema and cannot be served here; what is wrong stays wrong."""
    if case.path == "/api/v1/ratings":
        for rating in case.body if isinstance(case.body, list) else [case.body]:
            make_new(rating)
        if isinstance(case.body, dict) and case.body.get("id") and case.headers:
            # The key of one rating stands for its id: both together must agree.
            case.headers.pop("idempotency-key", None)
        rename(case.headers, "idempotency-key", lambda key: f"{key[:200]}-{uuid.uuid4()}")
        # Bodies are not compressed here, so none may be said to be; tests/it/ratings compresses.
        if case.headers and case.headers.get("content-encoding") in ("gzip", "zstd"):
            case.headers["content-encoding"] = "identity"
    if case.path == "/api/v1/totals" and case.query:
        # It would wait for ratings that nobody ever sends.
        lower(case.query, "wait_ms", 0, 30_000, WAIT_MS_MAX)
        case.query.setdefault("wait_ms", WAIT_MS_MAX)
    if case.path.startswith("/api/v1/simulations") and isinstance(case.body, dict):
        calm(case.body, case.method == "POST")


def make_new(rating):
    """A schema cannot say that voices differ, nor that another rating needs another id; and it does not
    know all that is invisible."""
    if not isinstance(rating, dict):
        return
    for field in ("battle", "voice1", "voice2"):
        if isinstance(rating.get(field), str) and INVISIBLE.fullmatch(rating[field].strip()):
            rating[field] = f"a {field}"
    voices = [plain(rating.get(field)) for field in ("voice1", "voice2")]
    if voices[0] and voices[0] == voices[1]:
        rating["voice2"] = "Macho Man" if voices[0] != "Macho Man" else "Big Bird"
    if isinstance(rating.get("id"), str) and UUID.fullmatch(rating["id"]):
        rating["id"] = str(uuid.uuid4())


def plain(name):
    """A name as it is compared; none for what is no name."""
    return unicodedata.normalize("NFC", name).strip() if isinstance(name, str) else None


def rename(headers, name, to_new):
    """Gives a header that is right another value that is right."""
    value = headers.get(name) if headers else None
    if isinstance(value, str) and KEY.fullmatch(value):
        headers[name] = to_new(value)


def calm(order, is_new):
    """Slows a simulation down, and gives it one end: two would be wrong, and none too late."""
    lower(order, "rate", 0.1, 200_000, RATE_MAX)
    lower(order, "count", 1, 1_000_000_000, COUNT_MAX)
    lower(order, "duration_ms", 1, 86_400_000, DURATION_MS_MAX)
    if {"count", "duration_ms"} <= set(order):
        del order["duration_ms"]
    elif is_new and "count" not in order:
        order.setdefault("duration_ms", DURATION_MS_MAX)


def lower(values, name, least, most, wanted):
    """Makes a number smaller that is within its bounds; every other value is left as it is."""
    value = values.get(name)
    try:
        number = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return
    if number is not None and least <= number <= most:
        values[name] = min(number, wanted) if number != int(number) else min(int(number), wanted)
