// The table of forwards.

import {byId, element, setText, Table} from "./dom.js";
import {bytes, count, perSecond} from "./format.js";
import {rate} from "./readings.js";

const speed = (field) => (cell, f) => setText(
  cell, bytes(rate(f.older, f.newer, field, f.seconds)) + "/s");

function upstreamText(f) {
  const upstreams = [...(f.newer.upstreams ?? new Map())];
  if (upstreams.length === 0) return [["", f.target]];
  return upstreams.map(([name, up]) => [up ? "up" : "down", name]);
}

// Why connections ended, most frequent first.
function endsText(ends) {
  const known = Object.entries(ends ?? {}).filter(([, n]) => n > 0);
  known.sort((a, b) => b[1] - a[1]);
  return known.map(([reason, n]) => `${reason} ${count(n)}`).join(" · ") || "none";
}

// Those of the states that are not the usual one.
function statesText(states) {
  return Object.entries(states ?? {})
    .filter(([state, n]) => n > 0 && state !== "relaying")
    .map(([state, n]) => `${count(n)} ${state}`).join(", ");
}

const COLUMNS = [
  {
    name: "Forward", header: true,
    make: (cell) => cell.append(element("b"), element("span", {class: "quiet spec"})),
    fill: (cell, f) => {
      setText(cell.firstChild, f.name);
      setText(cell.lastChild, f.listen.join(", "));
    },
  },
  {
    name: "Upstream", title: "Down: its name, or all its addresses, failed last", class: "upstream",
    fill: (cell, f) => {
      const wanted = upstreamText(f);
      const key = JSON.stringify(wanted);
      if (cell.dataset.shown === key) return;
      cell.dataset.shown = key;
      cell.replaceChildren(...wanted.map(([state, name]) => element(
        "span", {class: "target"},
        element("span", {"class": "state", "data-state": state}, state || "unknown"), name)));
    },
  },
  {
    name: "Connections", number: true,
    make: (cell) => cell.append(element("b"), element("span", {class: "quiet states"})),
    fill: (cell, f) => {
      setText(cell.firstChild, count(f.newer.active));
      setText(cell.lastChild, statesText(f.newer.states));
    },
  },
  {
    name: "New/s", number: true, title: "Connections accepted, a second",
    fill: (cell, f) => setText(cell, perSecond(rate(f.older, f.newer, "accepted", f.seconds))),
  },
  {name: "Up", number: true, title: "Bytes from clients, a second", fill: speed("up")},
  {name: "Down", number: true, title: "Bytes from upstreams, a second", fill: speed("down")},
  {
    name: "Failed connects", number: true, title: "Since the start",
    fill: (cell, f) => {
      setText(cell, count(f.newer.failed));
      cell.dataset.level = rate(f.older, f.newer, "failed", f.seconds) > 0 ? "warn" : "";
    },
  },
  {
    name: "Accepted", number: true, title: "Since the start",
    fill: (cell, f) => setText(cell, count(f.newer.accepted)),
  },
  {
    name: "Ended by", class: "ends", title: "Why connections ended, since the start",
    fill: (cell, f) => setText(cell, endsText(f.newer.ends)),
  },
];

export class Forwards {
  #table = new Table(byId("forward-table"), COLUMNS);

  show(forwards, older, newer) {
    const seconds = older ? newer.uptime - older.uptime : 0;
    this.#table.show(forwards.map((f) => ({
      ...f, seconds, older: older?.forwards.get(f.name), newer: newer.forwards.get(f.name) ?? {},
    })), (f) => f.name);
  }
}
