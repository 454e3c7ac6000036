// The status page: asks weir each second, and lets the views show the answer.

import {askAndPost, dismiss} from "./actions.js";
import {Connections} from "./connections.js";
import {byId, say, setText} from "./dom.js";
import {count, duration, timeOfDay} from "./format.js";
import {Forwards} from "./forwards.js";
import {Loops} from "./loops.js";
import {Plots} from "./plots.js";
import {Poll} from "./poll.js";
import {History, Reading} from "./readings.js";
import {Stalls} from "./stalls.js";

const STATUS_MS = 1000;
// More often, for a stall is short; it disturbs no loop.
const REACTORS_MS = 500;

const history = new History();
const loops = new Loops();
const forwards = new Forwards();
const stalls = new Stalls();
const plots = new Plots();
const connections = new Connections();
let status = null;
let stallThreshold;
let answered = null;  // when it last did, in milliseconds
let lostTimer = null;
let drainSince = null;  // the uptime at which this page saw it begin

function showFigures() {
  if (!status) return;
  const seconds = Number(document.querySelector("#window input:checked").value);
  const older = history.before(seconds);
  loops.show(older, history.latest);
  forwards.show(status.forwards, older, history.latest);
}

function showHead() {
  setText(byId("version"), status.version);
  const phase = byId("phase");
  setText(phase, status.phase);
  phase.dataset.phase = status.phase;
  setText(byId("facts"), `up ${duration(status.uptime_seconds)} · pid ${status.pid} · ` +
    `${status.poller} · at most ${count(status.max_connections)} connections`);
  document.title = `weir: ${status.phase}`;
  byId("drain").disabled = status.phase === "draining";
}

function showAccessLog() {
  const log = status.access_log;
  const line = byId("access-log");
  line.hidden = !log;
  if (!log) return;
  setText(line, `Access log ${log.file}: ${log.state}. ` +
    `${count(log.lines)} lines, ${count(log.dropped)} dropped.`);
  line.classList.toggle("bad", !log.up);
}

function showDrain(phaseBefore) {
  const draining = status.phase === "draining";
  byId("draining").hidden = !draining;
  if (!draining) {
    drainSince = null;
    return;
  }
  // Only who saw it begin knows how much time is left.
  if (phaseBefore && phaseBefore !== "draining") drainSince = status.uptime_seconds;
  const limit = status.drain_timeout_seconds;
  const rest = drainSince === null ? null : limit - (status.uptime_seconds - drainSince);
  if (phaseBefore !== "draining") say("weir drains.");
  setText(byId("draining"),
    `Draining: ${count(history.latest.total("active"))} connections are left. ` +
    (rest === null ? `Those that stay are reset ${duration(limit)} after it began.` :
      rest > 0 ? `Those that stay are reset in ${Math.ceil(rest)} s.` : "Time is up."));
}

function onStatus(data) {
  const reading = new Reading(data);
  const same = history.add(reading);
  const phaseBefore = same ? status?.phase : null;
  status = data;
  foundAgain();
  if (!same) {
    drainSince = null;
    plots.forget();
    connections.forget();
    dismiss();
    say("weir was started anew.");
  }
  showHead();
  showAccessLog();
  showDrain(phaseBefore);
  showFigures();
  plots.add(reading, stallThreshold);
  connections.setTotal(reading.total("active"));
}

function foundAgain() {
  answered = Date.now();
  setText(byId("answered"), `Last answer ${timeOfDay(answered / 1000)}`);
  if (lostTimer === null) return;
  clearInterval(lostTimer);
  lostTimer = null;
  document.body.classList.remove("lost");
  byId("lost").hidden = true;
  say("weir answers again.");
  reactors.now();
}

function showLost() {
  setText(byId("lost"), answered === null ? "No answer yet. Still asking." :
    `No answer since ${timeOfDay(answered / 1000)}, ` +
    `for ${duration((Date.now() - answered) / 1000)}. ` +
    (status?.phase === "draining" ? "It was draining: it may have ended. " : "") +
    "What is below is old. Still asking.");
}

// What loops do now is not known.
function forgetNow() {
  stalls.forget();
  loops.setActivities([]);
  showFigures();
}

// Nothing is said of the present any more.
function onLost() {
  document.body.classList.add("lost");
  byId("lost").hidden = false;
  byId("draining").hidden = true;
  byId("drain").disabled = true;
  const phase = byId("phase");
  setText(phase, "no answer");
  phase.dataset.phase = "unknown";
  document.title = "weir: no answer";
  forgetNow();
  showLost();
  if (lostTimer !== null) return;
  // The words above change each second: once is enough to hear of it.
  say("weir does not answer.");
  lostTimer = setInterval(showLost, 1000);
}

byId("window").addEventListener("change", showFigures);

byId("drain").addEventListener("click", async () => {
  const limit = duration(status?.drain_timeout_seconds);
  await askAndPost({
    title: "Drain weir?",
    text: "It accepts no new connections, ends idle ones, lets busy ones finish for up to " +
      `${limit}, and then exits. This cannot be taken back.`,
    yes: "Drain",
    path: "drain",
  });
});

const THEMES = ["system", "light", "dark"];

function showTheme() {
  setText(byId("theme"), `Colours: ${document.documentElement.dataset.theme ?? "system"}`);
  plots.redraw();
}

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const next = THEMES[(THEMES.indexOf(root.dataset.theme ?? "system") + 1) % THEMES.length];
  if (next === "system") {
    delete root.dataset.theme;
  } else {
    root.dataset.theme = next;
  }
  try {
    localStorage.setItem("weir-theme", next);
  } catch {
    // No storage here: for this visit only.
  }
  showTheme();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
showTheme();

const reactors = new Poll("debug/reactors", REACTORS_MS, {
  // One question at a time is enough to find out that it answers again.
  wanted: () => lostTimer === null,
  onData: (data) => {
    stallThreshold = data.stall_threshold_seconds;
    loops.setActivities(data.reactors);
    stalls.show(data);
  },
  onError: forgetNow,
});
new Poll("status", STATUS_MS, {onData: onStatus, onError: onLost});
