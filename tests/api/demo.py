"""A demo as a child process: on ports that are free, with data of its own, ended with the check."""

import pathlib
import subprocess
import tempfile
import threading

WAIT_SECONDS_MAX = 60


class Failed(Exception):
    """A check found something wrong; the text says what."""


class Demo:
    """`erboh demo`, and where its parts are found."""

    def __init__(self, binary, *flags):
        self.home = tempfile.TemporaryDirectory(prefix="erboh-api-")
        self.log = pathlib.Path(self.home.name, "log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [binary, "demo", "--producer-listen=127.0.0.1:0", "--consumer-listen=127.0.0.1:0",
                 "--kafka-listen=127.0.0.1:0", "--log-format=text", *flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                env={"HOME": self.home.name})
        # A demo that says nothing would otherwise be waited for without an end.
        watchdog = threading.Timer(WAIT_SECONDS_MAX, self.process.kill)
        watchdog.start()
        try:
            self.places = self.read_places()
        except Failed:
            self.close()
            raise
        finally:
            watchdog.cancel()

    def read_places(self):
        places = {}
        for line in self.process.stdout:
            name, _, place = line.strip().partition("  ")
            if place:
                places[name] = place.strip().rstrip("/")
            if "Ctrl-C stops" in line:
                return places
        raise Failed(f"the demo is not ready:\n{self.tail()}")

    @property
    def services(self):
        """Name and address of both services."""
        return {"producer": self.places["producer"], "consumer": self.places["board"]}

    def tail(self):
        """The end of what the demo has said."""
        return self.log.read_text(errors="replace")[-3000:]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(WAIT_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.home.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
