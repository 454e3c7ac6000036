// Numbers and names as a person reads them. Nothing known is a dash.

const whole = new Intl.NumberFormat("en", {maximumFractionDigits: 0});
const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23",
});

export const NOTHING = "–";

function known(value) {
  return typeof value === "number" && !Number.isNaN(value);
}

// Three digits: 0.34, 1.2, 12, 340.
function short(value) {
  if (value === 0) return "0";
  if (value < 1) return value.toFixed(2);
  if (value < 10) return value.toFixed(1);
  return whole.format(value);
}

export function count(value) {
  return known(value) ? whole.format(value) : NOTHING;
}

export function perSecond(value) {
  if (!known(value)) return NOTHING;
  return value > 0 && value < 0.1 ? "< 0.1" :
    value < 10 && value > 0 ? value.toFixed(1) : whole.format(value);
}

export function percent(share) {
  if (!known(share)) return NOTHING;
  const value = 100 * Math.min(Math.max(share, 0), 1);
  return (value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)) + " %";
}

// The lag histogram does not tell finer than this.
export const FINEST_SECONDS = 1e-4;

// A wait, in seconds.
export function wait(seconds) {
  if (!known(seconds)) return NOTHING;
  if (seconds <= FINEST_SECONDS) return "< 0.1 ms";
  if (seconds < 0.9995) return short(seconds * 1e3) + " ms";
  return (seconds < 100 ? seconds.toFixed(1) : whole.format(seconds)) + " s";
}

// A bound, in seconds: 0.25 ms, 5 ms, 2.5 s.
export function bound(seconds) {
  if (!known(seconds)) return NOTHING;
  return seconds < 1 ? Number((seconds * 1e3).toPrecision(3)) + " ms" :
    Number(seconds.toPrecision(3)) + " s";
}

// A time that goes on: 3.2 s, 2 min 05 s, 1 h 02 min, 3 d 04 h.
export function duration(seconds) {
  if (!known(seconds)) return NOTHING;
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  if (seconds < 10) return Math.max(seconds, 0).toFixed(1) + " s";
  if (seconds < 60) return Math.floor(seconds) + " s";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`;
  if (seconds < 86400) {
    return `${Math.floor(seconds / 3600)} h ${two((seconds % 3600) / 60)} min`;
  }
  return `${Math.floor(seconds / 86400)} d ${two((seconds % 86400) / 3600)} h`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(value) {
  if (!known(value)) return NOTHING;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    ++unit;
  }
  const digits = unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits) + " " + UNITS[unit];
}

// The time of day, of seconds since 1970.
export function timeOfDay(unix) {
  return clock.format(new Date(unix * 1000));
}

export function loopName(reactor) {
  return reactor === "control" ? "control" : "loop " + reactor;
}

// Whom a callback works for: "pg #17", "pg", "#17" or "".
export function subjectText({forward, connection}) {
  return [forward, connection ? "#" + connection : null].filter(Boolean).join(" ");
}
