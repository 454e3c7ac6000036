"""A histogram of weir's /metrics page, as the difference of two scrapes."""

import re

_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.M)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def samples(text):
    """[(name, {label: value}, number)] of a page."""
    return [(name, dict(_LABEL.findall(labels)), float(number))
            for name, labels, number in _SAMPLE.findall(text)]


def value(page, name, **labels):
    """The sum over the samples of this name with these labels; None without any."""
    found = [number for n, own, number in page if n == name and
             all(own.get(key) == v for key, v in labels.items())]
    return sum(found) if found else None


class Buckets:
    """A histogram: {upper bound: how many are at or below it}, ascending."""

    def __init__(self, cumulative):
        self.cumulative = cumulative
        self.count = max(cumulative.values())

    def over(self, bound):
        """The share above a bound of a bucket."""
        return 1 - self.cumulative[bound] / self.count

    def quantile(self, q):
        """As Prometheus has it: linear within a bucket."""
        last_bound, last = 0.0, 0.0
        for bound, count in self.cumulative.items():
            if count >= q * self.count and count > last:
                if bound == float("inf"):
                    return last_bound
                return last_bound + (bound - last_bound) * (
                    q * self.count - last) / (count - last)
            last_bound, last = bound, count
        return last_bound


class Histogram(Buckets):
    """What came between two pages. Bounds and sum are in seconds."""

    def __init__(self, before, after, name, **labels):
        def difference(suffix):
            return (value(after, name + suffix, **labels) or 0) - (
                value(before, name + suffix, **labels) or 0)

        count = difference("_count")
        self.sum = difference("_sum")
        if not count:
            raise SystemExit("weir counts no %s%s" % (name, labels))
        bounds = {own["le"] for n, own, _ in after if n == name + "_bucket"}
        cumulative = {}
        for bound in sorted(bounds, key=float):
            labels["le"] = bound
            cumulative[float(bound)] = (
                (value(after, name + "_bucket", **labels) or 0) -
                (value(before, name + "_bucket", **labels) or 0))
        super().__init__(cumulative)

    def mean(self):
        return self.sum / self.count
