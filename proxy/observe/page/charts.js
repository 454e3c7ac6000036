// Plots over the last minutes, by uPlot, with a legend that the keyboard can
// use: each of its buttons hides a line.

import {element, setText} from "./dom.js";
import {NOTHING, timeOfDay} from "./format.js";

export const SPAN_SECONDS = 300;
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

  // options: {title, about, lines: [name], format, log: bool, unit: the least
  // top of the scale, mark: seconds or nothing}
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

  // times and, for each line, values (null: none).
  show(times, lines) {
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
    const {log, format, unit} = this.#options;
    return {
      width: Math.max(this.#box.clientWidth, 100),
      height: HEIGHT,
      legend: {show: false},
      padding: [8, 8, 0, 0],
      cursor: {drag: {x: false, y: false}, points: {size: 6}},
      scales: {
        x: {time: true, range: () => [now() - SPAN_SECONDS, now()]},
        y: log ?
          {distr: 3, log: 10, range: (_, low, high) => [1e-4, decadeAbove(high ?? 0, unit)]} :
          {range: (_, low, high) => [0, Math.max(high ?? 0, unit) * 1.05]},
      },
      axes: [
        {
          ...axis, size: 24,
          splits: () => [-300, -240, -180, -120, -60, 0].map((s) => now() + s),
          values: (_, splits) => splits.map((t) => {
            const minutes = Math.round((t - now()) / 60);
            return minutes === 0 ? "now" : `${minutes} min`.replace("-", "−");
          }),
        },
        {
          ...axis, size: 62, gap: 4,
          ...(log ? {splits: (_, i, low, high) => decades(high)} : {space: 34}),
          values: (_, splits) => splits.map((v) => v === null ? null : format(v)),
          filter: log ? (_, splits) => splits : undefined,
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
            timeOfDay(this.#data[0][i]);
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
