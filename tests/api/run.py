"""Checks that both services do what their documents say, with tools that we did not write.

The OpenAPI and AsyncAPI documents must be valid, the records on the topics must be as described,
metrics must be OpenMetrics and, for those who ask for it, the text format, and schemathesis must find no request that is answered otherwise than documented.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent))

import documents  # noqa: E402  (now that what the suites share is found)
import metrics  # noqa: E402
import records  # noqa: E402
from demo import Demo, Failed  # noqa: E402

TOKEN = "schemathesis-may-write"


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask api", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--erboh", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--examples", type=int, default=30,
                        help="requests for each kind of data and operation (default 30)")
    parser.add_argument("--seed", type=int, default=20211103,
                        help="what they are drawn from (default 20211103)")
    return parser.parse_args()


def explore(name, address, options, *flags):
    """Has schemathesis try every operation of a service."""
    command = [sys.executable, "-m", "schemathesis.cli",
               "--config-file", HERE / "schemathesis.toml", "run",
               f"{address}/api/v1/openapi.json", "--seed", str(options.seed),
               "--max-examples", str(options.examples), *flags]
    environment = {**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent}", "SCHEMATHESIS_HOOKS": "hooks"}
    # Whatever it leaves behind is gone with the directory.
    with tempfile.TemporaryDirectory(prefix="erboh-api-") as place:
        status = subprocess.run(command, env=environment, cwd=place, check=False).returncode
    if status:
        raise Failed(f"schemathesis found something in the {name}")


def step(name, check, *given):
    """Runs one check; whether all was well."""
    started = time.monotonic()
    try:
        check(*given)
    except Exception as error:  # noqa: BLE001  (whatever it is, the other checks still run)
        print(f"FAILED  {name}: {error}", flush=True)
        return False
    print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
    return True


def open_to_all(options):
    with Demo(options.erboh) as demo:
        for name, address in demo.services.items():
            yield step(f"the documents of the {name}", documents.check, address)
        yield step("the records on the topics", records.check, demo)
        yield step("the numbers of both services", metrics.check, demo)
        for name, address in demo.services.items():
            yield step(f"schemathesis on the {name}", explore, name, address, options)


def guarded(options):
    """The same once more where writing needs a token: the operations that write, no others."""
    with tempfile.NamedTemporaryFile("w", prefix="erboh-api-") as tokens:
        tokens.write(f"schemathesis:{TOKEN}\n")
        tokens.flush()
        yield from with_tokens(options, tokens.name)


def with_tokens(options, tokens):
    with Demo(options.erboh, f"--token-file={tokens}") as demo:
        address = demo.services["producer"]
        yield step("the documents with tokens", documents.check, address)
        yield step("schemathesis with a token", explore, "producer", address, options,
                   "--header", f"Authorization: Bearer {TOKEN}",
                   "--exclude-method", "GET", "--phases", "examples,coverage,fuzzing")


def main():
    options = arguments()
    results = [*open_to_all(options), *guarded(options)]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
