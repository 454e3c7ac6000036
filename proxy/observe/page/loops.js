// The tiles and the table of loops.

import {byId, element, setText, Table} from "./dom.js";
import {bound, bytes, count, loopName, FINEST_SECONDS, percent, perSecond,
  subjectText, wait} from "./format.js";
import {busyShare, lagQuantile, lagWorst, rate} from "./readings.js";

// Lag above which a number is marked. Of the alerts: 1 % over 5 ms is a ticket.
const LATE_SECONDS = 0.005;
const VERY_LATE_SECONDS = 0.1;
const SATURATED = 0.85;

function level(cell, value, warn, bad) {
  const name = value >= bad ? "bad" : value >= warn ? "warn" : "";
  if (cell.dataset.level !== name) cell.dataset.level = name;
}

function worstText({seconds, open}) {
  if (!(seconds > FINEST_SECONDS)) return wait(seconds);
  return open ? "> " + wait(seconds) : "≤ " + bound(seconds);
}

function lagColumn(name, share, title) {
  return {
    name, number: true, title,
    fill: (cell, loop) => {
      const value = lagQuantile(loop.older, loop.newer, share);
      setText(cell, wait(value));
      level(cell, value, LATE_SECONDS, VERY_LATE_SECONDS);
    },
  };
}

const COLUMNS = [
  {name: "Loop", header: true, fill: (cell, loop) => setText(cell, loop.name)},
  {
    name: "Does now", class: "does",
    title: "What runs at this moment, for which forward and connection",
    fill: (cell, loop) => setText(cell, loop.does),
  },
  lagColumn("Lag p50", 0.5, "Half of all arrivals wait no longer than this"),
  lagColumn("p99", 0.99, "One in a hundred arrivals waits longer than this"),
  {
    name: "Worst", number: true, title: "No arrival waited longer than this",
    fill: (cell, loop) => {
      const worst = lagWorst(loop.older, loop.newer);
      setText(cell, worstText(worst));
      level(cell, worst.seconds, 2 * LATE_SECONDS, 2 * VERY_LATE_SECONDS);
    },
  },
  {
    name: "Busy", number: true, class: "busy", title: "Share of time in which it worked",
    make: (cell) => cell.append(
      element("span", {class: "meter", "aria-hidden": "true"}, element("i")), element("b")),
    fill: (cell, loop) => {
      const share = busyShare(loop.older, loop.newer);
      cell.querySelector("i").style.width = `${100 * Math.min(share || 0, 1)}%`;
      setText(cell.querySelector("b"), percent(share));
      level(cell, share, SATURATED, 0.97);
    },
  },
  {
    name: "Connections", number: true, title: "Connections that this loop owns",
    fill: (cell, loop) => setText(cell, loop.reactor === "control" ? "" :
      count(loop.newer.connections)),
  },
  {
    name: "Events/s", number: true, title: "Sockets that had something to do, a second",
    fill: (cell, loop) => setText(
      cell, perSecond(rate(loop.older, loop.newer, "events", loop.seconds))),
  },
  {
    name: "Queue", number: true, title: "Tasks posted by other threads that wait",
    fill: (cell, loop) => setText(cell, count(loop.newer.queue)),
  },
  {
    name: "Timers", number: true, title: "Timers that have not fired yet",
    fill: (cell, loop) => setText(cell, count(loop.newer.timers)),
  },
  {
    name: "Stalls", number: true, title: "Since the start",
    fill: (cell, loop) => setText(cell, count(loop.newer.stalls)),
  },
];

function doesText(activity) {
  if (!activity) return "";
  if (activity.phase !== "busy") return activity.phase;
  const {current} = activity;
  if (!current) return "busy";
  const subject = subjectText(current);
  return `${current.kind}${subject ? " " + subject : ""}`;
}

export class Loops {
  #table = new Table(byId("loop-table"), COLUMNS);
  #tiles = new Map();
  #activities = new Map();

  // What /debug/reactors says.
  setActivities(reactors) {
    this.#activities = new Map(reactors.map((r) => [r.reactor, r]));
  }

  // older: the reading that the rates begin with; may be nothing.
  show(older, newer) {
    const seconds = older ? newer.uptime - older.uptime : 0;
    const loops = [...newer.loops].map(([reactor, entry]) => ({
      reactor, seconds, name: loopName(reactor), newer: entry, older: older?.loops.get(reactor),
      does: doesText(this.#activities.get(reactor)),
    }));
    this.#table.show(loops, (loop) => loop.reactor);

    const per = (field) => older ?
      rate({v: older.total(field)}, {v: newer.total(field)}, "v", seconds) : NaN;
    const highest = (of) => loops.reduce((most, loop) => {
      const value = of(loop);
      return Number.isNaN(value) || value <= most.value ? most : {value, name: loop.name};
    }, {value: -1, name: ""});
    const late = highest((l) => lagQuantile(l.older, l.newer, 0.99));
    const busy = highest((l) => busyShare(l.older, l.newer));
    this.#tile("Lag p99", late.value < 0 ? wait(NaN) : wait(late.value),
      late.value <= FINEST_SECONDS ? "every loop" : "highest: " + late.name);
    this.#tile("Busy", busy.value < 0 ? percent(NaN) : percent(busy.value),
      busy.name ? "busiest: " + busy.name : "");
    this.#tile("Connections", count(newer.total("active")), "open now");
    this.#tile("New", perSecond(per("accepted")), "connections a second");
    this.#tile("Up", bytes(per("up")) + "/s", "client to upstream");
    this.#tile("Down", bytes(per("down")) + "/s", "upstream to client");
  }

  #tile(name, value, about) {
    let tile = this.#tiles.get(name);
    if (!tile) {
      tile = {value: element("dd", {class: "value"}), about: element("dd", {class: "quiet"})};
      this.#tiles.set(name, tile);
      byId("tiles").append(
        element("div", {}, element("dt", {}, name), tile.value, tile.about));
    }
    setText(tile.value, value);
    setText(tile.about, about);
  }
}
