"""Apache Kafka's Java client, driven by java/JavaChecks.java: groups and transactions."""

from harness import check, fresh

ASSIGNORS = {"eager": "org.apache.kafka.clients.consumer.RangeAssignor",
             "cooperative-sticky": "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"}


def register(name, which, *arguments):
    @check(f"java: {name}", needs={"java"})
    def run(suite):
        suite.java.run("JavaChecks", which, suite.bootstrap, fresh(f"java-{which}"), *arguments)


for protocol, assignor in ASSIGNORS.items():
    register(f"three members join and leave, {protocol}", "rebalance", assignor)
register("transactions are committed and aborted", "transactions")
register("a zombie is fenced by its successor", "fencing")
register("offsets move with the commit and not with the abort", "offsets")
register("fifty partitions, some paused, some sought", "partitions")
register("offsets of a member that has been replaced are refused in a transaction", "stale")


@check("java: every setting of topics that Apache Kafka has is taken and shown", needs={"java"})
def settings(suite):
    suite.java.run("TopicSettings", suite.bootstrap, fresh("java-settings"))
