"""franz-go and sarama, driven by the program in go/."""

import functools
import os
import pathlib
import subprocess
import threading

from harness import TARGET, WAIT_SECONDS_MAX, Failed

SOURCES = pathlib.Path(__file__).parent / "go"

# Modules may have to be fetched and compiled first.
BUILD_SECONDS_MAX = 600


class Go:
    """The program: built at the first use."""

    def __init__(self, command):
        self.command, self.lock = command, threading.Lock()

    def run(self, check, bootstrap, name):
        """Runs a check of the program; what it says about a failure is the failure."""
        with self.lock:
            program = self.program
        done = subprocess.run([program, check, bootstrap, name], capture_output=True,
                              timeout=2 * WAIT_SECONDS_MAX)
        if done.returncode != 0:
            raise Failed(f"{check}: status {done.returncode}\n{done.stderr.decode()[-3000:]}")

    @functools.cached_property
    def program(self):
        program = TARGET / "clients" / "go-clients"
        # Go as it is: it fetches no other Go, and changes no list of modules.
        fixed = {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false"}
        subprocess.run([self.command, "build", "-o", program, "."], cwd=SOURCES, check=True,
                       timeout=BUILD_SECONDS_MAX, env=os.environ | fixed)
        return program
