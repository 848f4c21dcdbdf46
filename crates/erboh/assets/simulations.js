// Keeps the page of simulations live, draws its chart and adds sliders to its forms.
// Without this file the page still works: its forms are plain, its numbers change by reload.
"use strict";

const page = document.getElementById("simulations");
const list = document.getElementById("cards");
const number = new Intl.NumberFormat("en-US", { maximumFractionDigits: 3 });

addSliders();
list.addEventListener("submit", sendQuietly);
follow(page.dataset.events, take);

// ---- The forms.

// A slider's steps are equal factors, so that 1 and 100,000 a second are as easy to reach.
function slider(input, field, changed) {
  const [min, max, steps] = [Number(page.dataset.min), Number(page.dataset.max), Number(input.max)];
  const place = () => {
    const rate = Number(field.value.replaceAll(",", ""));
    if (rate >= min && rate <= max) input.value = Math.round((Math.log(rate / min) / Math.log(max / min)) * steps);
    input.setAttribute("aria-valuetext", `${field.value} per second`);
  };
  input.addEventListener("input", () => {
    const rate = min * (max / min) ** (input.value / steps);
    field.value = Number(rate.toPrecision(2));
    input.setAttribute("aria-valuetext", `${field.value} per second`);
    changed?.();
  });
  field.addEventListener("input", place);
  input.hidden = false;
  place();
  return place;
}

function addSliders() {
  const form = document.getElementById("start");
  slider(form.querySelector("[data-slider=rate]"), form.elements.rate);
  // Whoever types how many or how long means that end.
  for (const [field, end] of [["count", "count"], ["seconds", "time"]]) {
    form.elements[field].addEventListener("input", () => { form.elements.end.value = end; });
  }
  const button = form.querySelector("button");
  form.addEventListener("submit", () => { button.disabled = true; });
  // Whoever comes back finds the form as it was sent: a new key makes it a new one.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
}

// Stops and changes go to the same addresses as without a script, but the page stays as it is.
async function sendQuietly(event) {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    // Where all went well the answer leads back to this page, which is here already.
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
    if (answer.type === "opaqueredirect") return;
    // Somebody has to log in, or there is something to read: then as without a script.
    form.submit();
  } catch {
    say("off", "The producer does not answer; try again");
  } finally {
    button.disabled = false;
  }
}

// ---- The cards.

function take({ type, data }) {
  switch (type) {
    case "open": return say("on", "Live");
    case "error": return say("off", "The producer does not answer, trying again");
    case "simulation":
    case "end": return show(JSON.parse(data));
    case "history":
      chart.data = JSON.parse(data);
      return draw();
  }
}

function say(kind, text) {
  document.querySelector(".live").className = `live ${kind}`;
  const said = document.querySelector("[data-live]");
  if (said.textContent !== text) said.textContent = text;
}

function show(simulation) {
  let card = document.getElementById(`s-${simulation.id}`);
  if (!card) {
    card = document.getElementById("card").content.firstElementChild.cloneNode(true);
    card.id = `s-${simulation.id}`;
    for (const form of card.querySelectorAll("form")) {
      form.action = `/simulations/${simulation.id}/${"stop" in form.dataset ? "stop" : "rate"}`;
    }
    put(card, "title", title(simulation));
    put(card, "origin", drawnFrom(simulation));
    list.prepend(card);
    document.getElementById("none").hidden = true;
  }
  prepare(card, simulation);
  for (const name of ["sent", "acknowledged", "failed", "unknown", "refused", "actual_rate", "rate"]) {
    put(card, name, number.format(simulation[name]));
  }
  const error = card.querySelector("[data-cell=last_error]");
  error.parentElement.hidden = !simulation.last_error;
  error.textContent = simulation.last_error ?? "";
  const progress = card.querySelector("progress");
  const [done, all] = simulation.count ? [simulation.sent, simulation.count] : [simulation.elapsed_ms, simulation.duration_ms];
  progress.hidden = !all;
  if (all) { progress.max = all; progress.value = Math.min(done, all); }
  const running = simulation.state === "running";
  card.querySelector(".controls").hidden = !running;
  const before = card.querySelector("[data-cell=state]").textContent;
  put(card, "state", simulation.state);
  card.className = `simulation ${simulation.state}`;
  if (!running && before === "running") {
    document.querySelector("[data-said]").textContent =
      `${title(simulation)}: ${simulation.state}, ${number.format(simulation.acknowledged)} acknowledged.`;
  }
}

// Gives a card its slider, once.
function prepare(card, simulation) {
  const field = card.querySelector("input[name=rate]");
  if (!card.slider) {
    field.value = simulation.rate;
    const input = document.createElement("input");
    Object.assign(input, { type: "range", min: 0, max: 1000 });
    input.setAttribute("aria-label", "Ratings per second, as a slider");
    field.closest("form").insertBefore(input, field.closest("form").querySelector("button"));
    let waiting = null;
    card.slider = slider(input, field, () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => field.form.requestSubmit(), 150);
    });
  } else if (card.rate !== simulation.rate && !card.querySelector("form").contains(document.activeElement)) {
    // Somebody else has changed it; whoever is about to change it here is not disturbed.
    field.value = simulation.rate;
    card.slider();
  }
  card.rate = simulation.rate;
}

function put(card, cell, text) {
  const target = card.querySelector(`[data-cell=${cell}]`);
  if (target.textContent !== text) target.textContent = text;
}

function title({ count, duration_ms: duration }) {
  if (count) return count === 1 ? "1 rating" : `${number.format(count)} ratings`;
  return duration ? `For ${duration / 1000} s` : "Until stopped";
}

function drawnFrom({ researchers, seed }) {
  const who = researchers ? `${number.format(researchers)} researcher${researchers === 1 ? "" : "s"}, ` : "";
  return `${who}seed ${seed}`;
}
