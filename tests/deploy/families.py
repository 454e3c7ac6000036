"""The families that weir exports: what its dashboard and its alerts may use."""

import re

KINDS = ("accept", "handoff", "connect", "preface", "relay", "splice", "close", "timer",
         "task", "dns", "signal", "file")
FORWARD = {"forward": None}
SIDE = {"forward": None, "side": ("client", "upstream")}
UPSTREAM = {"forward": None, "upstream": None}
REACTOR = {"reactor": None}

# Name: (type, {label: its closed set of values, or None}). Every child of a
# closed set is on the first page already.
FAMILIES = {
    "weir_reactor_lag_seconds": ("histogram", REACTOR),
    "weir_reactor_iteration_duration_seconds": ("histogram", REACTOR),
    "weir_reactor_iteration_age_seconds": ("gauge", REACTOR),
    "weir_reactor_busy_seconds_total": ("counter", REACTOR),
    "weir_reactor_poll_seconds_total": ("counter", REACTOR),
    "weir_reactor_cpu_seconds_total": ("counter", REACTOR),
    "weir_reactor_iterations_total": ("counter", REACTOR),
    "weir_reactor_events_total": ("counter", REACTOR),
    "weir_reactor_events_full_total": ("counter", REACTOR),
    "weir_reactor_callbacks_total": ("counter", {"reactor": None, "kind": KINDS}),
    "weir_reactor_callback_seconds_total": ("counter", {"reactor": None, "kind": KINDS}),
    "weir_reactor_wake_delay_seconds": ("histogram", REACTOR),
    "weir_reactor_handoff_seconds": ("histogram", REACTOR),
    "weir_reactor_task_queue_depth": ("gauge", REACTOR),
    "weir_reactor_connections": ("gauge", REACTOR),
    "weir_reactor_pending_timers": ("gauge", REACTOR),
    "weir_reactor_buffered_bytes": ("gauge", REACTOR),
    "weir_reactor_stalls_total": (
        "counter", {"reactor": None, "kind": KINDS + ("iteration",)}),
    "weir_reactor_stall_seconds_total": (
        "counter", {"reactor": None, "cause": ("cpu", "blocked", "preempted", "paused")}),
    "weir_reactor_watchdog_misses_total": (
        "counter", {"reactor": None, "severity": ("slow", "stuck")}),
    "weir_process_pauses_total": ("counter", {}),
    "weir_process_pause_seconds_total": ("counter", {}),
    "weir_connections_accepted_total": ("counter", FORWARD),
    "weir_connections_assigned_total": ("counter", REACTOR),
    "weir_connections_active": ("gauge", {"forward": None, "state": (
        "preface", "waiting", "connecting", "relaying", "aborting")}),
    "weir_connections_closed_total": ("counter", {"forward": None, "reason": (
        "client_fin", "upstream_fin", "client_reset", "upstream_reset", "client_lost",
        "upstream_lost", "connect_refused", "connect_timeout", "connect_unreachable",
        "dns_failed", "no_upstream", "idle_timeout", "half_close_timeout", "lifetime",
        "resources", "killed", "drain_idle", "drain_forced", "fault", "internal")}),
    "weir_connections_rejected_total": ("counter", {"forward": None, "reason": (
        "limit", "denied", "proxy_header")}),
    "weir_connection_duration_seconds": ("histogram", FORWARD),
    "weir_first_byte_seconds": ("histogram", FORWARD),
    "weir_received_bytes_total": ("counter", SIDE),
    "weir_sent_bytes_total": ("counter", SIDE),
    "weir_discarded_bytes_total": ("counter", SIDE),
    "weir_upstream_connects_total": ("counter", {"forward": None, "upstream": None, "result": (
        "ok", "refused", "timeout", "unreachable", "dns", "resources")}),
    "weir_upstream_connect_seconds": ("histogram", FORWARD),
    "weir_upstream_up": ("gauge", UPSTREAM),
    "weir_upstream_connections": ("gauge", UPSTREAM),
    "weir_backpressure_pauses_total": ("counter", SIDE),
    "weir_backpressure_seconds_total": ("counter", SIDE),
    "weir_relayed_bytes_total": ("counter", {"reactor": None, "path": ("splice", "copy")}),
    "weir_reactor_pipes": ("gauge", REACTOR),
    "weir_splice_fallbacks_total": ("counter", {"reason": (
        "pipes", "descriptors", "memory", "user_limit", "pipe_size", "refused")}),
    "weir_accept_errors_total": ("counter", {"reason": (
        "aborted", "descriptors", "memory", "limit", "other")}),
    "weir_log_dropped_total": ("counter", {"reason": ("full", "output")}),
    "weir_access_log_lines_total": ("counter", {}),
    "weir_access_log_dropped_total": ("counter", {"reason": ("full", "output", "exit")}),
    "weir_access_log_bytes_total": ("counter", {}),
    "weir_access_log_reopens_total": ("counter", {}),
    "weir_access_log_up": ("gauge", {}),
    "weir_file_requests_total": ("counter", {"kind": ("read", "write", "sync")}),
    "weir_file_request_errors_total": ("counter", {}),
    "weir_file_resubmissions_total": ("counter", {}),
    "weir_file_unnoticed_total": ("counter", {}),
    "weir_file_requests_outstanding": ("gauge", {}),
    "weir_file_oldest_request_seconds": ("gauge", {}),
    "weir_file_request_seconds": ("histogram", {}),
    "weir_dns_resolutions_total": ("counter", {"result": (
        "ok", "not_found", "timeout", "error")}),
    "weir_build_info": ("gauge", {"version": None}),
    "weir_ready": ("gauge", {}),
    "weir_draining": ("gauge", {}),
    "process_cpu_seconds_total": ("counter", {}),
    "process_resident_memory_bytes": ("gauge", {}),
    "process_open_fds": ("gauge", {}),
    "process_max_fds": ("gauge", {}),
    "process_start_time_seconds": ("gauge", {}),
}

# What Prometheus adds.
TARGET_LABELS = {"job", "instance"}

_SERIES = re.compile(r"\b((?:weir|process)_\w+)(?:\{([^}]*)\})?(\[)?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


def complaints(query):
    """What is wrong with the series that a PromQL query names, in words."""
    found = []
    series = _SERIES.findall(query)
    if not series and "up{" not in query:
        found.append("names no series of weir")
    for name, selector, ranged in series:
        family = re.sub("_(bucket|sum|count)$", "", name)
        kind, labels = FAMILIES.get(name) or FAMILIES.get(family, (None, {}))
        if kind is None:
            found.append("no such family: " + name)
            continue
        if (kind == "histogram") != (name != family):
            found.append("%s is a %s" % (name, kind))
        # changes() alone takes a range of a gauge.
        if ranged and kind == "gauge" and "changes(" not in query:
            found.append("the rate of a gauge: " + name)
        if not ranged and kind != "gauge":
            found.append("no rate of the %s %s" % (kind, name))
        known = dict(labels, **{label: None for label in TARGET_LABELS})
        if name.endswith("_bucket"):
            known["le"] = None
        matchers = _MATCHER.findall(selector)
        if ",".join('%s%s"%s"' % m for m in matchers) != selector:
            found.append("cannot read {%s}" % selector)
        for label, operator, value in matchers:
            if label not in known:
                found.append("%s has no label %s" % (name, label))
            elif known[label]:
                # Each alternative must be there.
                parts = value.split("|") if "~" in operator else [value]
                found += ["%s has no %s %s" % (name, label, part) for part in parts
                          if not any(re.fullmatch(part, v) for v in known[label])]
    return found
