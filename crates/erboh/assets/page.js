// Keeps the board live: follows the stream of totals and updates the page in place.
// Without this file the board still works, by reload.
"use strict";

const STATES = {
  owned: "counted here",
  elsewhere: "counted elsewhere",
  restoring: "being taken over",
  waiting: "waiting for a place for its totals",
  stalled: "stalled",
  halted: "halted",
};

const board = document.getElementById("board");
if (board) watch(board.dataset.events, JSON.parse(board.dataset.position));

// `shown` is the position per partition that the page shows.
function watch(address, shown) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const status = document.querySelector(".live");
  const said = document.querySelector("[data-live]");
  const progress = document.querySelector("[data-lag]");
  const number = new Intl.NumberFormat("en-US");
  let newest = null;      // arrived, not drawn yet
  let olderSince = null;  // since when only older totals arrive

  follow(address, ({ type, data }) => {
    if (type === "board") take(JSON.parse(data));
    if (type === "error") say("off", "The board's service does not answer, trying again", "");
  });

  function take(state) {
    if (isOlder(state.totals.position)) return;
    if (state.connected) say("on", "Live", state.lag ? `, ${number.format(state.lag)} to go` : state.caught_up ? ", caught up" : "");
    else say("off", "Not connected", "");
    if (newest === null) requestAnimationFrame(() => { draw(newest); newest = null; });
    newest = state;
  }

  // A replica that lags behind must not turn the page back. When nothing newer comes for a
  // while, the log itself was replaced: then the page starts afresh.
  function isOlder(position) {
    const older = Object.entries(shown).some(([partition, offset]) => (position[partition] ?? 0) < offset);
    if (!older) olderSince = null;
    else if (olderSince === null) olderSince = Date.now();
    else if (Date.now() - olderSince > 30000) location.reload();
    return older;
  }

  function say(kind, text, left) {
    status.className = `live ${kind}`;
    if (said.textContent !== text) said.textContent = text;
    progress.textContent = left;
  }

  function draw({ totals, partitions, notices }) {
    shown = totals.position;
    for (const name of ["counted", "duplicates", "dead"]) {
      document.querySelector(`[data-total=${name}]`).textContent = number.format(totals[name]);
    }
    const exact = document.querySelector("[data-total=exact]");
    exact.textContent = totals.exact ? "yes" : "no";
    exact.className = totals.exact ? "" : "no";
    drawRows("voices", totals.voices, (voice) => voice.voice, drawVoice);
    drawRows("partitions", partitions, (partition) => String(partition.partition), drawPartition);
    drawNotices(notices);
  }

  // Brings a table's rows in the order of `items`; rows that move glide to their new place.
  function drawRows(id, items, keyOf, drawRow) {
    const body = document.getElementById(id);
    const rows = new Map([...body.rows].map((row) => [row.dataset.key, row]));
    const before = new Map([...rows].map(([key, row]) => [key, row.offsetTop]));
    const pattern = document.getElementById(`${id}-row`).content.firstElementChild;
    items.forEach((item, index) => {
      const key = keyOf(item);
      let row = rows.get(key);
      if (!row) {
        row = pattern.cloneNode(true);
        row.dataset.key = key;
      }
      rows.delete(key);
      drawRow(row, item, index);
      if (body.rows[index] !== row) body.insertBefore(row, body.rows[index] ?? null);
    });
    for (const row of rows.values()) row.remove();
    if (calm.matches) return;
    for (const row of body.rows) {
      const moved = before.get(row.dataset.key) - row.offsetTop;
      if (moved) {
        row.animate([{ transform: `translateY(${moved}px)` }, { transform: "none" }],
          { duration: 450, easing: "cubic-bezier(.2, .8, .2, 1)" });
      }
    }
  }

  function put(row, cell, text) {
    const target = row.querySelector(`[data-cell=${cell}]`);
    if (target.textContent === text) return false;
    target.textContent = text;
    return true;
  }

  function drawVoice(row, voice, index) {
    put(row, "rank", String(index + 1));
    put(row, "voice", voice.voice);
    for (const name of ["count", "hated", "meh", "liked"]) put(row, name, number.format(voice[name]));
    if (put(row, "sum", number.format(voice.sum))) {
      row.classList.remove("risen");
      void row.offsetWidth; // lets the animation start again
      row.classList.add("risen");
    }
    const width = (part) => (voice.count ? Math.round((part * 1000) / voice.count) : 0);
    const widths = [width(voice.hated), width(voice.meh)];
    widths.push(voice.count ? 1000 - widths[0] - widths[1] : 0);
    let x = 0;
    row.querySelectorAll("rect").forEach((rect, index) => {
      rect.setAttribute("x", x);
      rect.setAttribute("width", widths[index]);
      x += widths[index];
    });
    row.querySelector("svg").setAttribute("aria-label",
      `${voice.hated} hated, ${voice.meh} meh, ${voice.liked} liked`);
  }

  function drawPartition(row, partition) {
    put(row, "partition", String(partition.partition));
    put(row, "position", number.format(partition.position));
    put(row, "end", number.format(partition.end_offset));
    put(row, "lag", number.format(partition.lag));
    put(row, "state", STATES[partition.state]);
    row.querySelector("[data-cell=state]").className = `state ${partition.state}`;
    put(row, "writer", partition.writer);
  }

  function drawNotices(notices) {
    const place = document.getElementById("notices");
    const text = JSON.stringify(notices);
    if (place.dataset.shown === text) return;
    place.dataset.shown = text;
    place.replaceChildren(...notices.map((notice) => {
      const section = document.createElement("section");
      section.className = `notice ${notice.kind}`;
      for (const [tag, value] of [["h2", notice.title], ["p", notice.cause], ["p", notice.way_out]]) {
        const part = document.createElement(tag);
        part.textContent = value;
        section.append(part);
      }
      return section;
    }));
  }
}
