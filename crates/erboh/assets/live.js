// Live: one stream of events for all tabs of a browser that show a service.
//
//   visible tab ──┐ message ports          EventSource
//   visible tab ──┼───────────► worker ──────────────────► the service
//   hidden tab    ┘ (not joined)
//
// Over HTTP/1.1 a browser opens six connections to a service, and a stream keeps one of them. If each
// tab had its own, a seventh would never load. So the tabs share a worker, which holds the stream, and
// only while a tab is visible. Where there are no shared workers, each visible tab has a stream.
//
// This file is loaded by the pages, and started by them once more as the worker.
"use strict";

// All that the services' streams send, besides being open or broken.
const EVENTS = ["board", "simulation", "end", "history"];
// Before a stream that was refused is tried again.
const RETRY_MS = 5000;
// A stream that waits for one of the browser's connections is neither open nor broken: after this time it is said.
const OPEN_MS = 5000;
// Where this file is, with its version: another version of a service starts another worker.
const SCRIPT = typeof document === "undefined" ? null : document.currentScript.src;

// A stream that is open while it has listeners.
class Stream {
  constructor(address) {
    this.address = address;
    this.listeners = new Set();
  }

  // A stream begins with all that there is to show. So that the new listener gets it too, one that is
  // open already is opened again.
  join(listener) {
    this.listeners.add(listener);
    this.open();
  }

  leave(listener) {
    this.listeners.delete(listener);
    if (this.listeners.size === 0) this.close();
  }

  open() {
    this.close();
    const source = new EventSource(this.address);
    const tell = (event) => { for (const listener of this.listeners) listener(event); };
    for (const name of ["open", ...EVENTS]) {
      source.addEventListener(name, ({ type, data }) => tell({ type, data }));
    }
    source.addEventListener("open", () => clearTimeout(this.late));
    source.addEventListener("error", () => {
      tell({ type: "error" });
      // A browser opens a lost stream again by itself, but not one that was answered by an error, for
      // example because too many are open.
      if (source.readyState === EventSource.CLOSED) this.retry = setTimeout(() => this.open(), RETRY_MS);
    });
    this.source = source;
    this.late = setTimeout(tell, OPEN_MS, { type: "error" });
  }

  close() {
    clearTimeout(this.retry);
    clearTimeout(this.late);
    this.source?.close();
  }
}

if (SCRIPT === null) serveTabs();

// The worker: its name is the address of the stream.
function serveTabs() {
  const stream = new Stream(self.name);
  self.addEventListener("connect", ({ ports: [port] }) => {
    const listener = (event) => port.postMessage(event);
    port.onmessage = ({ data: joins }) => (joins ? stream.join(listener) : stream.leave(listener));
  });
}

// The page: gives `take` what the stream at `address` sends, as `{ type, data }`, while it is visible.
function follow(address, take) {
  let join = byOneself(address, take);
  let joined = false;
  const look = (visible) => {
    if (visible !== joined) join(visible);
    joined = visible;
  };
  const lookAgain = () => look(!document.hidden);
  if ("SharedWorker" in self) {
    const alone = join;
    join = byWorker(address, take, () => {
      join = alone;
      joined = false;
      lookAgain();
    });
  }
  document.addEventListener("visibilitychange", lookAgain);
  // A page that is left may be kept by the browser and shown again.
  addEventListener("pagehide", () => look(false));
  addEventListener("pageshow", lookAgain);
  lookAgain();
}

function byWorker(address, take, failed) {
  const worker = new SharedWorker(SCRIPT, { name: address });
  worker.addEventListener("error", failed, { once: true });
  worker.port.onmessage = ({ data }) => take(data);
  return (joins) => worker.port.postMessage(joins);
}

function byOneself(address, take) {
  const stream = new Stream(address);
  return (joins) => (joins ? stream.join(take) : stream.leave(take));
}
