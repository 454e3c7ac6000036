// The four plots: which lines they have, and the numbers behind them.

import {Chart, SPAN_SECONDS} from "./charts.js";
import {byId, setText} from "./dom.js";
import {bound, bytes, count, FINEST_SECONDS, percent, wait} from "./format.js";
import {busyShare, lagQuantile, rate} from "./readings.js";

// More lines than that nobody tells apart: then the extremes and the middle.
const MOST_LINES = 8;
// A longer silence (a hidden tab) is a gap in the lines.
const GAP_SECONDS = 5;
const SUMMARY = ["highest", "median", "lowest"];

function summary(values) {
  const known = values.filter((v) => v !== null).sort((a, b) => a - b);
  if (known.length === 0) return [null, null, null];
  return [known.at(-1), known[Math.floor(known.length / 2)], known[0]];
}

const orNull = (value) => Number.isFinite(value) ? value : null;

export class Plots {
  #charts = null;
  #names = "";
  #loops = [];
  #points = [];  // {at: uptime, lag, busy, connections: a value for each line; up, down}
  #last = null;
  #mark;

  // A process that is another one has other plots.
  forget() {
    this.#points = [];
    this.#last = null;
  }

  redraw() {
    for (const chart of Object.values(this.#charts ?? {})) chart.redraw();
  }

  add(reading, stallThreshold) {
    this.#arrange(reading, stallThreshold);
    const older = this.#last;
    this.#last = reading;
    if (!older) return;
    const seconds = reading.uptime - older.uptime;
    if (!(seconds > 0)) return;
    if (seconds > GAP_SECONDS) {
      const none = this.#loops.map(() => null);
      this.#points.push({at: older.uptime + 0.001, lag: none, busy: none, connections: none,
        up: null, down: null});
    }
    const each = (of) => this.#loops.map(
      (name) => orNull(of(older.loops.get(name), reading.loops.get(name))));
    const sum = (field) => orNull(rate({v: older.total(field)}, {v: reading.total(field)}, "v",
      seconds));
    this.#points.push({
      at: reading.uptime,
      lag: each((a, b) => Math.max(lagQuantile(a, b, 0.99), FINEST_SECONDS)),
      busy: each(busyShare),
      connections: each((_, b) => b?.connections ?? NaN),
      up: sum("up"),
      down: sum("down"),
    });
    while (this.#points[0].at < reading.uptime - SPAN_SECONDS - 2) this.#points.shift();
    this.#show(reading.time - reading.uptime);
  }

  #arrange(reading, stallThreshold) {
    const loops = [...reading.loops.keys()];
    const names = loops.join();
    if (this.#charts && names === this.#names && this.#mark === stallThreshold) return;
    for (const chart of Object.values(this.#charts ?? {})) chart.remove();
    if (names !== this.#names) this.forget();
    this.#names = names;
    this.#loops = loops;
    this.#mark = stallThreshold;
    const working = loops.filter((name) => name !== "control");
    const many = working.length > MOST_LINES;
    const lines = (all) => many ? SUMMARY : all.map((n) => n === "control" ? n : "loop " + n);
    const box = byId("plots");
    setText(byId("plots-note"), many ?
      `${working.length} loops: the highest, the middle and the lowest of them` : "");
    this.#charts = {
      lag: new Chart(box, {
        title: "Lag, p99", about: stallThreshold ?
          `of each second; dotted: from ${bound(stallThreshold)} on a stall` : "of each second",
        lines: lines(loops), format: wait, log: true, unit: 0.1, mark: stallThreshold}),
      busy: new Chart(box, {
        title: "Busy", about: "share of each second", lines: lines(loops), format: percent,
        unit: 1}),
      traffic: new Chart(box, {
        title: "Throughput", about: "bytes a second", lines: ["up", "down"],
        format: (v) => bytes(v) + "/s", unit: 1024, binary: true}),
      connections: new Chart(box, {
        title: "Connections", about: "of each loop", lines: lines(working), format: count,
        unit: 5}),
    };
  }

  // began: the time at which the uptime was 0.
  #show(began) {
    const times = this.#points.map((p) => p.at);
    const working = this.#loops.map((name) => name !== "control");
    const many = working.filter(Boolean).length > MOST_LINES;
    const lines = (field, keep) => {
      const rows = this.#points.map((p) => {
        const values = p[field].filter((_, i) => keep[i]);
        return many ? summary(values) : values;
      });
      const width = many ? SUMMARY.length : keep.filter(Boolean).length;
      return Array.from({length: width}, (_, i) => rows.map((row) => row[i]));
    };
    const all = many ? working : this.#loops.map(() => true);
    this.#charts.lag.show(began, times, lines("lag", all));
    this.#charts.busy.show(began, times, lines("busy", all));
    this.#charts.connections.show(began, times, lines("connections", working));
    this.#charts.traffic.show(
      began, times, [this.#points.map((p) => p.up), this.#points.map((p) => p.down)]);
  }
}
