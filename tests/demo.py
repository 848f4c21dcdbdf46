"""erboh as a child process: on ports that are free, with data of its own, ended with the check."""

import pathlib
import re
import subprocess
import tempfile
import time

# Longer than any start or stop takes on a loaded machine.
WAIT_SECONDS_MAX = 60


class Failed(Exception):
    """A check found something wrong; the text says what."""


class Process:
    """A command of erboh that runs until it is stopped, which must end it well."""

    def __init__(self, binary, *arguments):
        self.binary, self.name = binary, arguments[0]
        self.home = tempfile.TemporaryDirectory(prefix="erboh-")
        self.log = pathlib.Path(self.home.name, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, *arguments, "--log-format=text"], stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, env={"HOME": self.home.name})
        try:
            self.ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def ready(self):
        """Returns when the process is ready."""

    def until_said(self, pattern):
        """What the process has said, by that expression, as soon as it has."""
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while (found := re.search(pattern, self.log.read_text(errors="replace"))) is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"the {self.name} is not ready:\n{self.tail()}")
            time.sleep(0.05)
        return found

    def tail(self):
        """The end of what the process has said."""
        return self.log.read_text(errors="replace")[-3000:]

    def close(self):
        self.process.terminate()
        try:
            status = self.process.wait(WAIT_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = f"{self.process.wait()}, killed"
        if status != 0:
            raise Failed(f"the {self.name} ended with {status}:\n{self.tail()}")
        self.home.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Demo(Process):
    """`erboh demo`; `places` are the addresses that it prints, without a slash at the end."""

    def __init__(self, binary, *flags):
        super().__init__(binary, "demo", "--producer-listen=127.0.0.1:0",
                         "--consumer-listen=127.0.0.1:0", "--kafka-listen=127.0.0.1:0", *flags)

    def ready(self):
        said = self.until_said(r"(?s).*Ctrl-C stops")[0]
        self.places = dict(re.findall(r"(?m)^  (\w+) +(\S+?)/?$", said))

    @property
    def services(self):
        """Name and address of both services."""
        return {"producer": self.places["producer"], "consumer": self.places["board"]}


class Role(Process):
    """`erboh producer` or `erboh consumer` on a queue; `ops` is the address of its ops port."""

    def __init__(self, binary, name, brokers):
        super().__init__(binary, name, "--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0",
                         f"--brokers={brokers}")

    def ready(self):
        self.ops = self.until_said(r"ops on (http://[\d.:]+)/")[1]
