"""What the benchmark is at, on stderr: one line that is rewritten on a terminal, a
line a part elsewhere."""

import contextlib
import sys
import time


class Progress:
    """Time left is judged by the parts that are done: each has a weight, which is
    roughly its seconds."""

    def __init__(self, weights, stream=sys.stderr, clock=time.monotonic):
        self.weights = dict(weights)
        self.stream = stream
        self.clock = clock
        self.live = stream.isatty()
        self.began = clock()
        self.done = 0.0  # weight of what is over
        self.part = None

    def start(self, part):
        self.finish()
        self.part = part
        if not self.live:
            self._print("%s ...\n" % part)

    def finish(self):
        if self.part is not None:
            self.done += self.weights.get(self.part, 0)
            self.part = None

    def left(self, share):
        """Seconds that are left, or None when it is too early to say."""
        done = self.done + share * self.weights.get(self.part, 0)
        total = sum(self.weights.values())
        if done <= 0.01 * total:
            return None
        return (self.clock() - self.began) * (total - done) / done

    def at(self, i, n, unit="round"):
        """Of the part that was started: i of n begins (1 is the first)."""
        if not self.live:
            return
        left = self.left((i - 1) / n)
        self._print("\r%s: %s %d of %d%s\033[K" % (
            self.part, unit, i, n, "" if left is None else ", %s left" % duration(left)))

    def say(self, text):
        """A line that stays."""
        self._print("%s%s\n" % ("\r\033[K" if self.live else "", text))

    def close(self):
        self.finish()
        if self.live:
            self._print("\r\033[K")

    def _print(self, text):
        # A terminal that was closed must not hinder what is being ended.
        with contextlib.suppress(OSError):
            self.stream.write(text)
            self.stream.flush()


def duration(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return "%d min %02d s" % (minutes, rest) if minutes else "%d s" % rest
