"""The broker under test: either one that runs already, or our own binary as a child process."""

import atexit
import pathlib
import re
import signal
import socket
import subprocess
import tempfile

from harness import WAIT_SECONDS_MAX, Failed, demand, eventually, free_ports


class Remote:
    """A broker that somebody else runs; it cannot be killed."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap


class Embedded:
    """`erboh broker` as a child process on a port of its own and with data of its own."""

    def __init__(self, binary, host="127.0.0.1"):
        self.binary = binary
        self.host = host
        self.directory = tempfile.TemporaryDirectory(prefix="erboh-clients-")
        self.log = pathlib.Path(self.directory.name, "log")
        (self.port,) = free_ports(1)
        self.bootstrap = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.process = None
        atexit.register(self.close)
        self.start()

    def start(self):
        """Starts the broker on the data that is there and waits until it accepts connections."""
        data = pathlib.Path(self.directory.name, "data")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "broker", "--listen", self.bootstrap, "--advertise", self.bootstrap,
                 "--data-dir", data, "--log-format", "text"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        eventually(self.accepts, lambda: f"the broker does not answer:\n{self.tail()}")

    def accepts(self):
        """Whether the port is open; an error if the broker has ended instead."""
        if self.process.poll() is not None:
            raise Failed(f"the broker ended with {self.process.returncode}:\n{self.tail()}")
        try:
            socket.create_connection((self.host, self.port)).close()
        except OSError:
            return False
        return True

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Asks the broker to end, as Ctrl-C or a pod's end does."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WAIT_SECONDS_MAX)
        demand(status == 0, f"the broker ended with {status}:\n{self.tail()}")

    def tail(self):
        """The end of what the broker has said, without colours."""
        text = self.log.read_text(errors="replace")[-3000:]
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def close(self):
        """Ends the broker, if it still runs, and removes its data."""
        if self.process.poll() is None:
            self.kill()
        self.directory.cleanup()
