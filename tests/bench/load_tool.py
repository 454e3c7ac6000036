"""tests/bench/load, which is both peers of a proxy: load.cc says what it does."""

import json
import subprocess

import processes


class Load:
    def __init__(self, path):
        self.process = processes.spawn([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
        self.port = json.loads(self.process.stdout.readline())["port"]

    def run(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("load: died at: " + command)
        answer = json.loads(line)
        if "error" in answer:
            raise SystemExit("load: %s: %s" % (command, answer["error"]))
        return answer

    def close(self):
        """(One that is in the middle of a command, for the benchmark is cut short,
        ends too.)"""
        self.process.stdin.close()
        try:
            self.process.wait(0.5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
