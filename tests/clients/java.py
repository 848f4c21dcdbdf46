"""Apache Kafka's own tools, all run in one JVM (see java/ToolShell.java)."""

import atexit
import base64
import pathlib
import subprocess
import threading

from harness import TARGET, Failed

SOURCES = pathlib.Path(__file__).parent / "java"
JARS = TARGET / "kafka"

TOPICS = "org.apache.kafka.tools.TopicCommand"
CONFIGS = "kafka.admin.ConfigCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
LOG_DIRS = "org.apache.kafka.tools.LogDirsCommand"
TRANSACTIONS = "org.apache.kafka.tools.TransactionsCommand"
LEADER_ELECTION = "org.apache.kafka.tools.LeaderElectionCommand"
REASSIGN = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
API_VERSIONS = "org.apache.kafka.tools.BrokerApiVersionsCommand"
CLUSTER = "org.apache.kafka.tools.ClusterTool"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
VERIFIABLE_PRODUCER = "org.apache.kafka.tools.VerifiableProducer"
VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
PRODUCER_PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
CONSUMER_PERFORMANCE = "org.apache.kafka.tools.ConsumerPerformance"

# Standard output and error are collected by the shell; a tool that hangs is ended by this.
TOOL_SECONDS_MAX = 90


class Java:
    """The JVM: started at the first use, one tool at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.process = None

    def run(self, tool, *arguments, stdin=b"", expect=0):
        """Runs a tool's main and answers what it wrote to standard output."""
        with self.lock:
            status, out, err = self._exchange(tool, stdin, [str(each) for each in arguments])
        if status != expect:
            line = " ".join([tool, *map(str, arguments)])
            raise Failed(f"status {status}, not {expect}: {line}\n{out[-2000:]}\n{err[-3000:]}")
        return out if expect == 0 else out + err

    def _exchange(self, tool, stdin, arguments):
        if self.process is None:
            self.process = self._start()
        encoded = [base64.b64encode(part).decode() for part in [stdin, *map(str.encode, arguments)]]
        self.process.stdin.write(" ".join([tool, *encoded]).encode() + b"\n")
        self.process.stdin.flush()
        watchdog = threading.Timer(TOOL_SECONDS_MAX, self.process.kill)
        watchdog.start()
        answer = self.process.stdout.readline()
        watchdog.cancel()
        if not answer:
            self.process = None
            raise Failed(f"{tool} {arguments} did not end within {TOOL_SECONDS_MAX} s")
        status, out, err = answer.rstrip(b"\n").split(b" ")
        decode = lambda text: base64.b64decode(text).decode(errors="replace")
        return int(status), decode(out), decode(err)

    def _start(self):
        classes = TARGET / "clients" / "classes"
        classes.mkdir(parents=True, exist_ok=True)
        sources = sorted(map(str, SOURCES.glob("*.java")))
        subprocess.run(["javac", "-cp", f"{JARS}/*", "-d", classes, *sources], check=True)
        process = subprocess.Popen(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
             "--add-opens", "java.base/java.lang=ALL-UNNAMED",
             "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
             "-cp", f"{classes}:{JARS}/*", "ToolShell"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        atexit.register(process.kill)
        return process
