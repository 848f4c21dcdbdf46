// Draws the simulated ratings of the last minutes: one line for those acknowledged in each second,
// one for those that failed. `chart.data` has the seconds, the newest last.
"use strict";

const chart = { data: null, seconds: 300 };
const canvas = document.querySelector(".chart svg");

new ResizeObserver(() => draw()).observe(canvas);

function draw() {
  const box = { width: canvas.clientWidth, height: canvas.clientHeight, left: 48, right: 8, top: 10, bottom: 24 };
  if (!chart.data || box.width < 100) return;
  const { acknowledged, failed } = chart.data;
  const format = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
  const most = Math.max(...acknowledged, ...failed, 1);
  const step = niceStep(most / 4);
  const top = Math.ceil(most / step) * step;
  const x = (age) => box.width - box.right - (age / chart.seconds) * (box.width - box.left - box.right);
  const y = (value) => box.height - box.bottom - (value / top) * (box.height - box.top - box.bottom);

  const parts = [];
  for (let value = 0; value <= top; value += step) {
    parts.push(element("line", { class: "grid", x1: box.left, x2: box.width - box.right, y1: y(value), y2: y(value) }));
    parts.push(label(format.format(value), { x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }));
  }
  for (const minutes of box.width < 420 ? [4, 2, 0] : [5, 4, 3, 2, 1, 0]) {
    const anchor = minutes === 0 ? "end" : minutes === 5 ? "start" : "middle";
    parts.push(label(minutes ? `−${minutes} min` : "now", { x: x(minutes * 60), y: box.height - 6, "text-anchor": anchor }));
  }
  const line = (values) => values.map((value, index) =>
    `${index ? "L" : "M"}${x(values.length - 1 - index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  if (acknowledged.length) {
    const area = `${line(acknowledged)}L${x(0)} ${y(0)}L${x(acknowledged.length - 1)} ${y(0)}Z`;
    parts.push(element("path", { class: "area", d: area }));
    parts.push(element("path", { class: "acknowledged", d: line(acknowledged) }));
    parts.push(element("path", { class: "failed", d: line(failed) }));
  }
  canvas.setAttribute("viewBox", `0 0 ${box.width} ${box.height}`);
  canvas.replaceChildren(...parts);
  tell(acknowledged.at(-1) ?? 0, failed.at(-1) ?? 0, most);
}

// In words what the newest second shows.
function tell(acknowledged, failed, most) {
  const number = new Intl.NumberFormat("en-US");
  document.querySelector("[data-chart=acknowledged]").textContent = number.format(acknowledged);
  document.querySelector("[data-chart=failed]").textContent = number.format(failed);
  canvas.setAttribute("aria-label", "Ratings per second in the last five minutes; in the newest second "
    + `${number.format(acknowledged)} acknowledged and ${number.format(failed)} failed, at most ${number.format(most)}`);
}

// 1, 2 or 5 times a power of ten, at least 1 and not below `least`.
function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least);
}

function label(text, attributes) {
  const made = element("text", attributes);
  made.textContent = text;
  return made;
}

function element(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
