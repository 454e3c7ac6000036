// The list of connections: asked for only while it is open and on the screen.

import {askAndPost, dismiss} from "./actions.js";
import {byId, element, say, setText, Table} from "./dom.js";
import {bytes, count, duration, loopName} from "./format.js";
import {Poll} from "./poll.js";

const PERIOD_MS = 2000;
const SHOWN_AT_FIRST = 100;

const text = (field) => (cell, c) => setText(cell, c[field] || "–");

const COLUMNS = [
  {key: "id", name: "#", header: true, number: true, fill: (cell, c) => setText(cell, `${c.id}`)},
  {key: "forward", name: "Forward", fill: text("forward")},
  {key: "client", name: "Client", class: "address", fill: text("client")},
  {key: "upstream", name: "Upstream", class: "address", fill: text("upstream")},
  {key: "state", name: "State", fill: text("state")},
  {key: "reactor", name: "Loop", fill: text("reactor")},
  {
    key: "age_seconds", name: "Age", number: true,
    fill: (cell, c) => setText(cell, duration(c.age_seconds)),
  },
  {
    key: "idle_seconds", name: "Idle", number: true, title: "How long ago the last byte moved",
    fill: (cell, c) => setText(cell, duration(c.idle_seconds)),
  },
  {
    key: "bytes_up", name: "Up", number: true, title: "Bytes from client to upstream",
    fill: (cell, c) => setText(cell, bytes(c.bytes_up)),
  },
  {
    key: "bytes_down", name: "Down", number: true, title: "Bytes from upstream to client",
    fill: (cell, c) => setText(cell, bytes(c.bytes_down)),
  },
  {
    key: "held", name: "Held", number: true, title: "Bytes taken and not yet passed on",
    fill: (cell, c) => setText(cell, bytes(c.held)),
  },
  {key: "path", name: "Path", fill: text("path")},
];

// Every word is somewhere in the row; "#17" is the connection's own number.
function matches(connection, words) {
  return words.every((word) => word.startsWith("#") ?
    word === "#" + connection.id : connection.words.includes(word));
}

export class Connections {
  #table;
  #poll;
  #data = null;
  #asked = null;  // the connection of an open question
  #sort = {key: "id", up: true};
  #limit = SHOWN_AT_FIRST;
  #seen = true;
  #closing = {name: "Close", class: "close", fill: (cell, c) => this.#fillClose(cell, c)};

  constructor() {
    const table = byId("connection-table");
    this.#table = new Table(table, [...COLUMNS, this.#closing]);
    COLUMNS.forEach((column, i) => this.#makeSortable(table.tHead.rows[0].cells[i], column));
    byId("filter").addEventListener("input", () => this.#show());
    byId("more").addEventListener("click", () => {
      this.#limit *= 5;
      this.#show();
    });
    const list = byId("list");
    list.addEventListener("toggle", () => this.#poll.now());
    new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      if (this.#seen) this.#poll.now();
    }).observe(list);
    this.#poll = new Poll("debug/connections", PERIOD_MS, {
      wanted: () => list.open && this.#seen,
      onData: (data) => {
        this.#data = data;
        this.#checkAsked();
        this.#problem("");
        this.#show();
      },
      onError: (error) => this.#problem(`This list is old: ${error.message}.`),
    });
  }

  // How many there are, said while the list is closed too.
  setTotal(total) {
    setText(byId("list-note"), byId("list").open ? "" :
      `${count(total)} open; the list asks each loop every 2 s`);
  }

  // Another process: its numbers begin again, and mean others.
  forget() {
    this.#data = null;
    this.#table.show([], (c) => c.id);
    byId("more").hidden = true;
    setText(byId("shown"), "");
    this.#poll.now();
  }

  // A question about one whose number another one has by now is void.
  #checkAsked() {
    const asked = this.#asked;
    const now = asked && this.#data.connections.find((c) => c.id === asked.id);
    if (now && (now.client !== asked.client || now.age_seconds < asked.age_seconds)) dismiss();
  }

  #problem(words) {
    const problem = byId("list-problem");
    problem.hidden = words === "";
    setText(problem, words);
  }

  #makeSortable(head, column) {
    const button = element("button", {type: "button", class: "sort"}, column.name);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const {key, up} = this.#sort;
      // Numbers begin with the largest, as one looks for that.
      this.#sort = {key: column.key, up: key === column.key ? !up : !column.number};
      this.#show();
    });
  }

  #fillClose(cell, connection) {
    let button = cell.firstChild;
    if (!button) {
      button = element("button", {type: "button", class: "danger small"}, "Close…");
      cell.append(button);
    }
    button.setAttribute("aria-label", `Close connection ${connection.id}`);
    button.onclick = () => this.#close(connection, button);
  }

  async #close(connection, button) {
    const {id, forward, client} = connection;
    const place = this.#table.placeOf(button);
    this.#asked = connection;
    const closed = await askAndPost({
      title: `Close connection ${id}?`,
      text: `${forward} from ${client || "its client"}: it ends at once with a reset to both ` +
        "sides; bytes on their way are lost.",
      yes: "Close connection",
      path: `connections/${id}/close`,
    });
    this.#asked = null;
    if (closed) say(`Connection ${id} is closed.`);
    // Its row may have gone while the question was open.
    if (!button.isConnected && document.activeElement === document.body) {
      this.#table.focusAt(place);
    }
    this.#poll.now();
  }

  #show() {
    if (!this.#data) return;
    for (const c of this.#data.connections) {
      c.held = c.buffered_up + c.buffered_down;
      c.words ??= [c.id, c.forward, loopName(c.reactor), c.state, c.client, c.upstream, c.path]
        .join(" ").toLowerCase();
    }
    const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = this.#data.connections.filter((c) => matches(c, words));
    const {key, up} = this.#sort;
    found.sort((a, b) => {
      const order = typeof a[key] === "number" ? a[key] - b[key] :
        String(a[key]).localeCompare(String(b[key]), "en", {numeric: true});
      return (order || a.id - b.id) * (up ? 1 : -1);
    });
    COLUMNS.forEach((column, i) => {
      const head = byId("connection-table").tHead.rows[0].cells[i];
      head.setAttribute("aria-sort", column.key !== key ? "none" : up ? "ascending" : "descending");
    });
    this.#table.show(found.slice(0, this.#limit), (c) => c.id);
    const more = byId("more");
    more.hidden = found.length <= this.#limit;
    setText(more, `Show more of ${count(found.length)}`);
    this.#count(found.length);
  }

  #count(found) {
    const {total, truncated, silent, connections} = this.#data;
    let said = `${count(found)} of ${count(total)}`;
    if (truncated) said += `; only the first ${count(connections.length)} came`;
    if (silent?.length) {
      said += `; no answer within 250 ms from ${silent.map(loopName).join(", ")}`;
    }
    setText(byId("shown"), said);
  }
}
