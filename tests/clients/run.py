"""Drives a broker with clients that we did not write, and checks what they are answered.

Against our own broker:  run.py --erboh target/debug/erboh
Against any other:       run.py --bootstrap 127.0.0.1:9092
"""

import argparse
import faulthandler
import sys
import time

import checks  # noqa: F401  (registers the checks)
import harness
from clients import Suite
from server import Embedded, Remote

# A client that hangs for good must not hang the suite; the stacks are then printed.
SUITE_SECONDS_MAX = 900


def arguments():
    parser = argparse.ArgumentParser(prog="cargo xtask clients", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bootstrap", help="address of a running broker, for example Apache Kafka's")
    parser.add_argument("--erboh", help="our binary, whose broker is to be started")
    parser.add_argument("--go", default="go", help="the Go to build the Go clients with")
    parser.add_argument("--without", action="append", default=[], metavar="CLIENT",
                        help="leave out the checks that need kcat, zstd, java, go or kafkajs")
    parser.add_argument("--jobs", type=int, default=4, help="checks at a time (default 4)")
    parser.add_argument("--list", action="store_true", help="name the checks and end")
    parser.add_argument("words", nargs="*", help="only checks whose name contains one of these")
    return parser.parse_args()


def main():
    options = arguments()
    wanted = [each for each in harness.CHECKS
              if not options.words or any(word in each.name for word in options.words)]
    if options.list:
        print("\n".join(each.name for each in wanted))
        return 0
    faulthandler.dump_traceback_later(SUITE_SECONDS_MAX, exit=True)

    server = Remote(options.bootstrap) if options.bootstrap else Embedded(options.erboh)
    without = set(options.without) | (set() if options.erboh else {"erboh"})
    without |= set() if harness.has_ipv6() else {"IPv6"}
    able = [each for each in wanted if not each.needs & without]
    for each in wanted:
        if each.needs & without:
            print(f"not run (needs {', '.join(sorted(each.needs & without))}): {each.name}")

    started = time.monotonic()
    suite = Suite(server, options.go)
    suite.erboh = options.erboh
    failures = harness.run(able, suite, options.jobs)
    if failures and not options.bootstrap:
        print(f"\nthe end of the broker's log:\n{server.tail()}")
    for failed, _ in failures:
        print(f"FAILED: {failed.name}")
    seconds = time.monotonic() - started
    print(f"{len(able) - len(failures)} passed, {len(failures)} failed in {seconds:.0f} s "
          f"against {server.bootstrap}")
    return 1 if failures or not able else 0


if __name__ == "__main__":
    sys.exit(main())
