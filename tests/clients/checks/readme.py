"""The examples of the README and of the walkthrough, run as a reader would run them, against a demo
of our binary."""

import atexit
import os
import pathlib
import re
import stat
import subprocess
import tempfile
import urllib.request

import java
from harness import ROOT, TARGET, Failed, check, demand, eventually, free_ports
from demo import Demo

# In the order in which a reader comes to them.
PAGES = ["README.md", "docs/walkthrough.md"]
# A block that is run is announced by this line, which readers of the page do not see.
MARK = "<!-- run -->\n```console\n"
COMMAND_SECONDS_MAX = 60
# Where the pages have roles of their own listen: services, and the ops ports that say when they are ready.
ROLE_ADDRESSES = [f"127.0.0.1:{port}" for port in (3010, 3110, 3011, 3111)]

# What the page calls a tool, and the class that Apache Kafka's scripts run.
TOOLS = {
    "kafka-console-producer.sh": java.CONSOLE_PRODUCER,
    "kafka-console-consumer.sh": java.CONSOLE_CONSUMER,
}


def examples(page):
    """The (command, expected output) pairs of every block that is run, in order."""
    found = []
    for block in page.split(MARK)[1:]:
        for line in block.split("```", 1)[0].splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def matches(expected, found):
    """Whether the output is as written, where `…` stands for anything within a line."""
    lines = [".*".join(re.escape(part) for part in line.split("…")) for line in expected]
    return re.fullmatch("\n".join(lines), found.rstrip("\n")) is not None


class Background:
    """A command of the page that goes on while the next ones run; it ends with the page."""

    def __init__(self, command, surroundings):
        self.command = command
        ops = re.search(r"--ops-listen (\S+)", command)[1]
        file, self.out = tempfile.mkstemp(prefix="background-", dir=surroundings["cwd"])
        with open(file, "wb") as out:
            # With exec the process is the command itself, and not a shell that leaves it behind.
            self.process = subprocess.Popen(["sh", "-c", f"exec {command}"], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=subprocess.STDOUT, **surroundings)
        atexit.register(self.process.kill)
        eventually(lambda: self.ready(f"http://{ops}/readyz"), lambda: self.said("is not ready"))

    def said(self, what):
        return f"{self.command} {what}:\n{pathlib.Path(self.out).read_text()}"

    def ready(self, url):
        demand(self.process.poll() is None, self.said("has ended"))
        try:
            with urllib.request.urlopen(url, timeout=COMMAND_SECONDS_MAX) as answer:
                return answer.status == 200
        except OSError:
            return False

    def close(self):
        self.process.terminate()
        demand(self.process.wait(COMMAND_SECONDS_MAX) == 0, self.said("did not stop cleanly"))


def scripts(directory):
    """A directory with scripts named as Apache Kafka names its own."""
    for name, tool in TOOLS.items():
        script = pathlib.Path(directory, name)
        script.write_text(
            f'#!/bin/sh\nexec java -Dorg.slf4j.simpleLogger.defaultLogLevel=error '
            f'-cp "{TARGET}/kafka/*" {tool} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return directory


def run(command, expected, surroundings):
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True,
                          timeout=COMMAND_SECONDS_MAX, **surroundings)
    if done.returncode != 0 or not matches(expected, done.stdout):
        raise Failed(f"status {done.returncode}: {command}\n{done.stdout}\n{done.stderr}"
                     "\ninstead of:\n" + "\n".join(expected))


@check("readme: every example does what its page says", {"erboh", "kcat", "java", "zstd"}, alone=True)
def readme(suite):
    todo = []
    for page in PAGES:
        found = examples((ROOT / page).read_text())
        demand(found, f"{page} has no example that is run")
        todo += found
    with tempfile.TemporaryDirectory(prefix="erboh-readme-") as directory, Demo(suite.erboh) as demo:
        roles = [f"127.0.0.1:{port}" for port in free_ports(len(ROLE_ADDRESSES))]
        replaced = {
            "http://127.0.0.1:3000": demo.places["producer"],
            "http://127.0.0.1:3001": demo.places["board"],
            "127.0.0.1:9092": demo.places["kafka"],
            **dict(zip(ROLE_ADDRESSES, roles)),
            "target/release/erboh": os.path.abspath(suite.erboh),
        }
        # Commands that the page calls without an address look at the ones of the page.
        addresses = {
            "ERBOH_BROKERS": demo.places["kafka"],
            "ERBOH_AUDIT_BOARD": demo.places["board"],
        }
        path = f"{scripts(directory)}:{os.environ['PATH']}"
        surroundings = {"env": {**os.environ, **addresses, "PATH": path}, "cwd": directory}
        background = []
        for command, expected in todo:
            for written, meant in replaced.items():
                command = command.replace(written, meant)
                expected = [line.replace(written, meant) for line in expected]
            if command.endswith(" &"):
                background.append(Background(command.removesuffix(" &"), surroundings))
            else:
                run(command, expected, surroundings)
        for role in background:
            role.close()
