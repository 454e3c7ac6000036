// Plots over the last minutes, by uPlot, with a legend that the keyboard can
// use: each of its buttons hides a line.

import {element, setText} from "./dom.js";
import {bound, FINEST_SECONDS, NOTHING, timeOfDay} from "./format.js";

export const SPAN_SECONDS = 300;
// The scale of time grows with what is known: {span, step} in seconds.
const SPANS = [{span: 60, step: 15}, {span: 120, step: 30}, {span: SPAN_SECONDS, step: 60}];
const BINARY_STEPS = Array.from({length: 50}, (_, i) => 2 ** i);
const HEIGHT = 170;
// Colour alone does not tell lines apart.
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
const COLOURS = 8;

export class Chart {
  #options;
  #plot;
  #buttons = [];
  #values = [];
  #figure;
  #box;
  #data;
  #began = 0;

  // options: {title, about, lines: [name], format, log: bool, binary: bool,
  // unit: the least top of the scale, mark: seconds or nothing}
  constructor(parent, options) {
    this.#options = options;
    this.#box = element("div", {class: "plot", role: "img"});
    const legend = element("div", {class: "legend"});
    this.#figure = element("figure", {},
      element("figcaption", {}, element("h3", {}, options.title),
        element("span", {class: "quiet"}, options.about)),
      this.#box, legend);
    options.lines.forEach((name, i) => legend.append(this.#button(name, i)));
    parent.append(this.#figure);
    this.#data = [[], ...options.lines.map(() => [])];
    this.#plot = new window.uPlot(this.#uplotOptions(), this.#data, this.#box);
    new ResizeObserver(() => this.#plot.setSize(
      {width: this.#box.clientWidth, height: HEIGHT})).observe(this.#box);
  }

  // times, in seconds since `began`, and, for each line, values (null: none).
  show(began, times, lines) {
    this.#began = began;
    this.#data = [times, ...lines];
    this.#plot.setData(this.#data);
    this.#legend(times.length - 1);
    const said = this.#options.lines.map(
      (name, i) => `${name} ${this.#text(lines[i].at(-1))}`).join(", ");
    this.#box.setAttribute("aria-label", `${this.#options.title}, now: ${said}`);
  }

  // Colours are read anew.
  redraw() {
    this.#plot.redraw(false, true);
  }

  remove() {
    this.#plot.destroy();
    this.#figure.remove();
  }

  #text(value) {
    return value === null || value === undefined ? NOTHING : this.#options.format(value);
  }

  #legend(index) {
    this.#values.forEach((value, i) => setText(value, this.#text(this.#data[i + 1][index])));
  }

  #button(name, i) {
    const value = element("span", {class: "value"});
    const button = element("button", {
      "type": "button", "aria-pressed": "true",
      "class": `line line-${i % COLOURS} dash-${Math.floor(i % DASHES.length)}`,
      "title": "Show or hide this line",
    }, element("i", {"aria-hidden": "true"}), name, " ", value);
    button.addEventListener("click", () => {
      const shown = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(shown));
      this.#plot.setSeries(i + 1, {show: shown});
    });
    this.#buttons.push(button);
    this.#values.push(value);
    return button;
  }

  #uplotOptions() {
    const ink = () => getComputedStyle(this.#figure.querySelector(".quiet")).color;
    const grid = () => getComputedStyle(this.#box).borderTopColor;
    const font = "11px system-ui, sans-serif";
    const axis = {stroke: ink, font, ticks: {show: false}, grid: {stroke: grid, width: 1}};
    const now = () => this.#data[0].at(-1) ?? 0;
    const span = () => SPANS.find(({span}) => now() - (this.#data[0][0] ?? 0) <= span) ??
      SPANS.at(-1);
    const {log, binary, format, unit} = this.#options;
    return {
      width: Math.max(this.#box.clientWidth, 100),
      height: HEIGHT,
      legend: {show: false},
      padding: [8, 18, 0, 0],
      cursor: {drag: {x: false, y: false}, points: {size: 6}},
      scales: {
        x: {time: true, range: () => [now() - span().span, now()]},
        y: log ?
          {distr: 3, log: 10, range: (_, low, high) => [FINEST_SECONDS, decadeAbove(high ?? 0, unit)]} :
          {range: (_, low, high) => [0, Math.max(high ?? 0, unit) * 1.05]},
      },
      axes: [
        {
          ...axis, size: 24,
          splits: () => {
            const {span: all, step} = span();
            return Array.from({length: all / step}, (_, i) => now() - all + (i + 1) * step);
          },
          values: (_, splits) => splits.map((t) => agoText(now() - t)),
        },
        {
          ...axis, size: 62, gap: 4,
          space: 34,
          ...(binary ? {incrs: BINARY_STEPS} : {}),
          ...(log ? {
            splits: (_, i, low, high) => decades(high), filter: (_, splits) => splits,
          } : {}),
          values: (_, splits) => splits.map(
            (value) => log ? bound(value) : format(value).replace(/\.0+(?=\D)/, "")),
        },
      ],
      series: [{}, ...this.#options.lines.map((name, i) => ({
        label: name,
        stroke: () => getComputedStyle(this.#buttons[i].querySelector("i")).color,
        width: 1.5,
        dash: DASHES[i % DASHES.length],
        points: {show: false},
        spanGaps: false,
      }))],
      hooks: {
        draw: [(u) => this.#drawMark(u)],
        setCursor: [(u) => {
          const i = u.cursor.idx ?? this.#data[0].length - 1;
          this.#legend(i);
          this.#box.title = u.cursor.idx === null || u.cursor.idx === undefined ? "" :
            timeOfDay(this.#began + this.#data[0][i]);
        }],
      },
    };
  }

  // A line across, where what is above is a stall.
  #drawMark(u) {
    const mark = this.#options.mark;
    if (!mark || mark > u.scales.y.max) return;
    const y = Math.round(u.valToPos(mark, "y", true)) + 0.5;
    const {ctx, bbox} = u;
    ctx.save();
    ctx.strokeStyle = getComputedStyle(this.#figure).borderBottomColor;
    ctx.setLineDash([3, 5]);
    ctx.lineWidth = 1;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  }
}

function agoText(seconds) {
  const whole = Math.round(seconds);
  if (whole === 0) return "now";
  return whole % 60 === 0 ? `−${whole / 60} min` : `−${whole} s`;
}

function decadeAbove(value, least) {
  let top = least;
  while (top < value && top < 100) top *= 10;
  return top;
}

function decades(top) {
  const all = [];
  for (let i = -4; 10 ** i <= top * 1.001; ++i) all.push(10 ** i);
  return all;
}
