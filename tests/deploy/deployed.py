"""What deploy/ ships for Prometheus, Grafana and logrotate, as the tests read it."""

import json
import os
import re

PROMETHEUS = os.path.abspath("deploy/prometheus")
CONFIG = os.path.join(PROMETHEUS, "prometheus.yml")
RULES = os.path.join(PROMETHEUS, "weir.rules.yml")
DASHBOARD = os.path.abspath("deploy/grafana/weir.json")
LOGROTATE = os.path.abspath("deploy/logrotate/weir")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def dashboard():
    return json.loads(read(DASHBOARD))


def panels():
    """All panels but the rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries():
    """(title of its panel, the target) of each query of the dashboard."""
    return [(panel["title"], target) for panel in panels() for target in panel["targets"]]


def substituted(expr, rate_interval):
    """As Grafana asks it with all instances and forwards chosen."""
    return (expr.replace("$__rate_interval", rate_interval)
            .replace("$instance", ".*").replace("$forward", ".*"))


def alerts():
    """(name, its text in the file) of each alert, in order."""
    pieces = re.split(r"(?m)^      - alert: (\w+)\n", read(RULES))
    return list(zip(pieces[1::2], pieces[2::2]))
