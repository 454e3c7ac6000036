// Stalls: the one that goes on, and the last ones with culprit and stack.

import {byId, element, say, setText, Table} from "./dom.js";
import {duration, loopName, subjectText, timeOfDay, wait} from "./format.js";

// As the watchdog: shorter ones are over before anybody reads of them.
const STUCK_SECONDS = 0.05;
const SHOWN_AT_FIRST = 10;

const CAUSES = {
  cpu: "it computed",
  blocked: "it slept in a system call or a page fault",
  preempted: "something else had its processor",
  paused: "the whole process stood",
};

// The thin layer over the system, which stands in front of who called it.
const SEAM = /::Real(Clock|Kernel)::/;

// What tells most in one line: the innermost function of weir's own.
function headOf(stack) {
  return stack.find((frame) => frame.startsWith("weir::") && !SEAM.test(frame)) ??
    stack[0] ?? "";
}

function stackList(stack) {
  const list = element("ol", {class: "frames"});
  for (const frame of stack) list.append(element("li", {}, frame));
  return list;
}

const COLUMNS = [
  {name: "Began", header: true, fill: (cell, s) => setText(cell, timeOfDay(s.time_seconds))},
  {name: "Loop", fill: (cell, s) => setText(cell, loopName(s.reactor))},
  {
    name: "Stood for", number: true,
    fill: (cell, s) => setText(cell, wait(s.seconds)),
  },
  {name: "In", title: "What ran", fill: (cell, s) => setText(cell, s.kind)},
  {
    name: "For", title: "Whose forward and connection",
    fill: (cell, s) => setText(cell, subjectText(s) || "nobody"),
  },
  {
    name: "Why", class: "why",
    fill: (cell, s) => {
      if (cell.firstChild) return;
      cell.append(element("strong", {}, s.cause), " ",
        element("span", {class: "quiet"}, CAUSES[s.cause] ?? ""));
      cell.title = `processor ${wait(s.cpu_seconds)}, waited for a processor ` +
        wait(s.run_delay_seconds);
    },
  },
  {
    name: "Stack", class: "stack-cell",
    fill: (cell, s) => {
      if (cell.firstChild) return;
      if (!s.stack?.length) {
        cell.append(element("span", {class: "quiet"}, "over before the watchdog looked"));
        return;
      }
      cell.append(element("details", {},
        element("summary", {}, headOf(s.stack)), stackList(s.stack)));
    },
  },
];

export class Stalls {
  #table = new Table(byId("stall-table"), COLUMNS);
  #stuck = new Map();  // by loop: the elements that show it
  #limit = SHOWN_AT_FIRST;
  #stalls = [];
  #began = new Map();  // by loop and number, as it was said first
  #process = 0;  // counts them

  constructor() {
    byId("more-stalls").addEventListener("click", () => {
      this.#limit = Infinity;
      this.#showLast();
    });
    byId("stall-order").addEventListener("change", () => this.#showLast());
  }

  show(data) {
    this.#showStuck(data);
    this.#stalls = data.reactors
      .flatMap((r) => r.stalls.map((s) => ({...s, reactor: r.reactor})));
    this.#findNewProcess();
    this.#showLast();
    setText(byId("threshold"), wait(data.stall_threshold_seconds));
  }

  // What runs now is not known.
  forget() {
    for (const shown of this.#stuck.values()) shown.item.remove();
    this.#stuck.clear();
    byId("now").dataset.stuck = "unknown";
    byId("calm").hidden = false;
    setText(byId("calm"), "Not known.");
  }

  // Numbers begin anew with it; a time is only computed anew, from the clocks.
  #findNewProcess() {
    const keyOf = (stall) => `${stall.reactor} ${stall.number}`;
    const same = this.#stalls.every((stall) => {
      const began = this.#began.get(keyOf(stall)) ?? stall.time_seconds;
      return Math.abs(began - stall.time_seconds) < 1;
    });
    if (!same) ++this.#process;
    this.#began = new Map(this.#stalls.map((stall) => [keyOf(stall), stall.time_seconds]));
    for (const stall of this.#stalls) stall.key = `${this.#process} ${keyOf(stall)}`;
  }

  #showLast() {
    const none = this.#stalls.length === 0;
    byId("stall-table").hidden = none;
    byId("stall-order").hidden = none;
    setText(byId("stalls-note"), none ? "None so far." : "the last 32 of each loop");
    const order = document.querySelector("#stall-order input:checked").value;
    this.#stalls.sort((a, b) => b[order] - a[order]);
    this.#table.show(this.#stalls.slice(0, this.#limit), (s) => s.key);
    const more = byId("more-stalls");
    more.hidden = this.#stalls.length <= this.#limit;
    setText(more, `Show all ${this.#stalls.length}`);
  }

  #showStuck(data) {
    const stuck = data.reactors.filter((r) => r.phase === "busy" &&
      Math.max(r.current?.seconds ?? 0, r.age_seconds) >= STUCK_SECONDS);
    byId("now").dataset.stuck = stuck.length > 0 ? "yes" : "no";
    const calm = byId("calm");
    calm.hidden = stuck.length > 0;
    if (stuck.length === 0) setText(calm, "Every loop turns.");
    const names = new Set(stuck.map((r) => r.reactor));
    for (const [reactor, shown] of this.#stuck) {
      if (names.has(reactor)) continue;
      shown.item.remove();
      this.#stuck.delete(reactor);
      say(`${loopName(reactor)} turns again.`);
    }
    for (const loop of stuck) this.#showOne(loop);
  }

  #showOne(loop) {
    let shown = this.#stuck.get(loop.reactor);
    const current = loop.current ?? {kind: "iteration", seconds: loop.age_seconds};
    const subject = subjectText(current);
    const what = `${loopName(loop.reactor)} is stuck in ${current.kind}` +
      (subject ? ` for ${subject}` : "");
    if (!shown) {
      shown = {
        what: element("strong"), since: element("span", {class: "since"}),
        why: element("span"), details: element("details", {hidden: ""}),
        summary: element("summary"), stack: "",
      };
      shown.details.append(shown.summary);
      shown.item = element("li", {}, shown.what, shown.since, shown.why, shown.details);
      byId("stuck").append(shown.item);
      this.#stuck.set(loop.reactor, shown);
      say(what);
    }
    setText(shown.what, what);
    setText(shown.since, "for " + duration(Math.max(current.seconds, loop.age_seconds)));
    setText(shown.why, current.cause ?
      `${current.cause}: ${CAUSES[current.cause] ?? ""}` : "the watchdog has not looked yet");
    const stack = current.stack ?? [];
    if (shown.stack !== stack.join("\n")) {
      shown.stack = stack.join("\n");
      shown.details.hidden = stack.length === 0;
      setText(shown.summary, headOf(stack));
      shown.details.querySelector("ol")?.remove();
      shown.details.append(stackList(stack));
    }
  }
}
