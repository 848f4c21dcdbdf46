"""Checks: what they are, how they are found and run, and how they say what went wrong."""

import contextlib
import itertools
import os
import pathlib
import random
import socket
import sys
import threading
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target"
# What the suites share.
sys.path.append(str(ROOT / "tests"))

from demo import Failed  # noqa: E402  (found by the line above)

# Long enough for a loaded machine; nobody waits that long when all is well.
WAIT_SECONDS_MAX = 45

# Below what Linux gives away by itself.
PORTS = range(10_000, 32_768)

CHECKS = []
_counter = itertools.count()


class Check:
    """A named function; `needs` are the clients without which it cannot run. One that is `alone`
    has the machine for itself."""

    def __init__(self, name, function, needs, alone):
        self.name, self.function, self.needs, self.alone = name, function, set(needs), alone


def check(name, needs=(), alone=False):
    """Registers the function below as a check. It is called with the `Suite`."""

    def register(function):
        CHECKS.append(Check(name, function, needs, alone))
        return function

    return register


def fresh(stem):
    """A name that no other check and no earlier run uses."""
    return f"{stem}-{os.getpid()}-{time.time_ns() // 1_000_000 % 10_000_000}-{next(_counter)}"


def demand(condition, message):
    """`assert` with an explanation, also under `python -O`."""
    if not condition:
        raise Failed(message)


def same(found, wanted, what):
    """Demands equality and shows where two lists begin to differ."""
    if found == wanted:
        return
    if isinstance(found, list) and isinstance(wanted, list):
        pairs = itertools.zip_longest(found, wanted, fillvalue="nothing")
        at, (one, other) = next((i, p) for i, p in enumerate(pairs) if p[0] != p[1])
        raise Failed(f"{what}: {len(found)} instead of {len(wanted)}; "
                     f"at {at} is {one!r:.300} instead of {other!r:.300}")
    raise Failed(f"{what}: {found!r:.500} instead of {wanted!r:.500}")


def eventually(condition, what, seconds=WAIT_SECONDS_MAX):
    """Polls until `condition()` is true and answers its value; exceptions end the wait."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return value


def free_ports(count):
    """Different ports of 127.0.0.1 that nobody listens on, for servers that are told before they
    run. They are none of those that the system gives to whoever asks for any: such a port could
    belong to somebody else before the server runs, or while it is restarted."""
    with contextlib.ExitStack() as stack:
        ports = []
        for port in random.sample(PORTS, len(PORTS)):
            if len(ports) == count:
                return ports
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                ports.append(port)
    raise Failed(f"fewer than {count} of the ports {PORTS} are free")


def has_ipv6():
    """Whether this machine has the IPv6 loopback address."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def run(checks, suite, jobs):
    """Runs the checks on `jobs` threads, and then those that are alone one by one; answers the
    failures as (check, text)."""
    alone = [each for each in checks if each.alone]
    return (run_some([each for each in checks if not each.alone], suite, jobs)
            + run_some(alone, suite, 1))


def run_some(checks, suite, jobs):
    pending, failures, lock = iter(checks), [], threading.Lock()

    def work():
        while True:
            with lock:
                one = next(pending, None)
            if one is None:
                return
            started = time.monotonic()
            try:
                one.function(suite)
                error = None
            except Failed as failed:
                error = str(failed)
            except Exception:  # a client's own exception type is a finding like any other
                error = traceback.format_exc(limit=-4)
            with lock:
                seconds = time.monotonic() - started
                print(f"{'ok  ' if error is None else 'FAIL'} {seconds:6.1f} s  {one.name}", flush=True)
                if error is not None:
                    print("      " + error.strip().replace("\n", "\n      "), flush=True)
                    failures.append((one, error))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
