"""Load, more than Python makes."""

import json
import os
import subprocess

import weir


class Load:
    """tests/bench/load: both peers of the proxy in one fast process."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.environ.get("LOAD", "bazel-bin/tests/bench/load")], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def run(self, *command):
        self.process.stdin.write(" ".join(str(c) for c in command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(answer)
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(weir.LONG)
