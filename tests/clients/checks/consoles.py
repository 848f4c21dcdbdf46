"""The clients that consoles and scripts are made of: franz-go and sarama (go/), KafkaJS (node/)."""

import pathlib
import subprocess

from harness import WAIT_SECONDS_MAX, Failed, check, fresh
from server import Embedded

KAFKAJS = pathlib.Path(__file__).parents[1] / "node" / "admin.mjs"


def go(name, which):
    @check(f"go: {name}", needs={"go"})
    def run(suite):
        suite.go.run(which, suite.bootstrap, fresh(which))


def kafkajs(name, which):
    @check(f"kafkajs: {name}", needs={"kafkajs"})
    def run(suite):
        done = subprocess.run(["node", KAFKAJS, which, suite.bootstrap, fresh(f"kafkajs-{which}")],
                              capture_output=True, timeout=2 * WAIT_SECONDS_MAX)
        if done.returncode != 0:
            raise Failed(done.stderr.decode()[-3000:])


go("kadm gets the overview of a console", "franz-console")
go("kadm sees a transaction while it is open", "franz-transactions")
go("franz-go assigns replicas itself", "franz-assignment")
go("sarama gets the overview of a console", "sarama-console")
go("sarama assigns replicas itself", "sarama-assignment")
kafkajs("topics with the settings of a cluster, and the overview of a console", "console")
kafkajs("replicas are assigned by the client", "assignment")


@check("go: a broker at an IPv6 address is reached", needs={"go", "erboh", "IPv6"})
def ipv6(suite):
    server = Embedded(suite.erboh, host="::1")
    try:
        for which in ["franz-round-trip", "sarama-round-trip"]:
            suite.go.run(which, server.bootstrap, fresh(which))
    finally:
        server.close()
