// What /status said, and what two such readings say together.

// What is kept of an answer: numbers, not the answer, for ten minutes are kept.
export class Reading {
  constructor(status) {
    this.time = status.time_seconds;  // to be shown; the clock may be set
    this.pid = status.pid;
    this.uptime = status.uptime_seconds;
    this.loops = new Map();
    this.forwards = new Map();
    const metrics = status.metrics ?? {};
    this.started = metrics.process_start_time_seconds?.series?.[0]?.value;
    const each = (name, label, visit) => {
      for (const series of metrics["weir_" + name]?.series ?? []) {
        const key = series.labels?.[label];
        if (key !== undefined) visit(key, series.value, series);
      }
    };
    const ofLoop = (name, field) => each(name, "reactor", (key, value) => {
      const loop = this.#at(this.loops, key);
      loop[field] = (loop[field] ?? 0) + value;
    });
    each("reactor_lag_seconds", "reactor", (key, _, series) => {
      const loop = this.#at(this.loops, key);
      loop.bounds = series.buckets.map(([bound]) => Number(bound === "+Inf" ? Infinity : bound));
      loop.lag = series.buckets.map(([, total]) => total);
    });
    ofLoop("reactor_iteration_age_seconds", "age");
    ofLoop("reactor_busy_seconds_total", "busy");
    ofLoop("reactor_poll_seconds_total", "poll");
    ofLoop("reactor_events_total", "events");
    ofLoop("reactor_connections", "connections");
    ofLoop("reactor_task_queue_depth", "queue");
    ofLoop("reactor_pending_timers", "timers");
    ofLoop("reactor_stalls_total", "stalls");

    const ofForward = (name, pick) => each(name, "forward", (key, value, series) => {
      pick(this.#at(this.forwards, key), value, series.labels);
    });
    const add = (map, key, value) => { map[key] = (map[key] ?? 0) + value; };
    ofForward("connections_accepted_total", (f, v) => { f.accepted = v; });
    ofForward("connections_active", (f, v, l) => {
      add(f, "active", v);
      add(f.states ??= {}, l.state, v);
    });
    ofForward("connections_closed_total", (f, v, l) => add(f.ends ??= {}, l.reason, v));
    ofForward("connections_rejected_total", (f, v, l) => add(f.ends ??= {}, "rejected: " + l.reason, v));
    ofForward("received_bytes_total", (f, v, l) => add(f, l.side === "client" ? "up" : "down", v));
    ofForward("upstream_connects_total", (f, v, l) => {
      if (l.result !== "ok") add(f, "failed", v);
    });
    ofForward("upstream_up", (f, v, l) => {
      (f.upstreams ??= new Map()).set(l.upstream, v === 1);
    });
  }

  #at(map, key) {
    if (!map.has(key)) map.set(key, {});
    return map.get(key);
  }

  // Whether it is of the process that the earlier reading `older` is of. (In a
  // container each one has the same pid.)
  continues(older) {
    const known = typeof this.started === "number" && typeof older.started === "number";
    return older.uptime <= this.uptime &&
      (known ? older.started === this.started : older.pid === this.pid);
  }

  // A number of all forwards together.
  total(field) {
    let sum = NaN;
    for (const forward of this.forwards.values()) {
      if (forward[field] !== undefined) sum = (sum || 0) + forward[field];
    }
    return sum;
  }
}

// Readings of the last minutes of weir's uptime, oldest first.
export class History {
  static KEPT_SECONDS = 330;
  static SLACK_SECONDS = 5;  // a window may be longer than asked for by so much
  readings = [];

  get latest() {
    return this.readings.at(-1);
  }

  // False when the process is another one: what was before is forgotten.
  add(reading) {
    const last = this.latest;
    const same = !last || reading.continues(last);
    if (!same) this.readings = [];
    this.readings.push(reading);
    while (reading.uptime - this.readings[0].uptime > History.KEPT_SECONDS) this.readings.shift();
    return same;
  }

  // The reading of so many seconds ago, or the oldest; where none is of that time,
  // as after a while in a hidden tab, a later one. Nothing when there is only one.
  before(seconds) {
    const latest = this.latest;
    let found;
    for (const reading of this.readings) {
      const age = latest.uptime - reading.uptime;
      if (age > seconds + History.SLACK_SECONDS) continue;
      if (found && age < seconds - 0.5) break;
      found = reading;
    }
    return found === latest ? undefined : found;
  }
}

// The growth of a field in a second, between two readings' entries.
export function rate(older, newer, field, seconds) {
  if (!older || !newer || !(seconds > 0)) return NaN;
  const grown = (newer[field] ?? NaN) - (older[field] ?? NaN);
  return Math.max(grown, 0) / seconds;
}

export function busyShare(older, newer) {
  const busy = rate(older, newer, "busy", 1);
  return busy / (busy + rate(older, newer, "poll", 1));
}

// The buckets of what happened between two readings, each for itself; nothing
// when nothing happened, or the older has none.
function grownBuckets(older, newer) {
  if (!older?.lag || !newer?.lag || older.lag.length !== newer.lag.length) return undefined;
  let below = 0;
  const grown = newer.lag.map((total, i) => {
    const upTo = total - older.lag[i];
    const here = Math.max(upTo - below, 0);
    below = upTo;
    return here;
  });
  return below > 0 ? grown : undefined;
}

// As Prometheus' histogram_quantile.
export function lagQuantile(older, newer, share) {
  const grown = grownBuckets(older, newer);
  if (!grown) return NaN;
  const all = grown.reduce((sum, n) => sum + n, 0);
  const rank = share * all;
  let below = 0;
  for (let i = 0; i < grown.length; ++i) {
    if (below + grown[i] >= rank && grown[i] > 0) {
      const low = i === 0 ? 0 : newer.bounds[i - 1];
      const high = newer.bounds[i];
      if (high === Infinity) return low;
      return low + (high - low) * (rank - below) / grown[i];
    }
    below += grown[i];
  }
  return NaN;
}

// What no arrival exceeded: {seconds, open}; `open` when the last bucket grew,
// which has no upper bound. An iteration that runs now counts with its age.
export function lagWorst(older, newer) {
  const grown = grownBuckets(older, newer);
  if (!grown) return {seconds: NaN, open: false};
  let i = grown.length - 1;
  while (i > 0 && grown[i] === 0) --i;
  const open = newer.bounds[i] === Infinity;
  const bound = newer.bounds[open ? i - 1 : i];
  const age = newer.age ?? 0;
  return age > bound ? {seconds: age, open: true} : {seconds: bound, open};
}
