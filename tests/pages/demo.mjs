// A demo of its own for one run: broker, producer and board on ports that nobody else uses.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/// Starts `erboh demo` and answers where its pages are; `end` stops it and removes its data. With
/// `tokens`, the text of a token file, only their owners may write.
export async function startDemo(erboh, tokens) {
  const data = mkdtempSync(join(tmpdir(), "erboh-pages-"));
  const listen = ["producer", "consumer", "kafka"].flatMap((name) => [`--${name}-listen`, "127.0.0.1:0"]);
  if (tokens) {
    writeFileSync(join(data, "tokens"), tokens, { mode: 0o600 });
    listen.push("--token-file", join(data, "tokens"));
  }
  const child = spawn(erboh, ["demo", "--data-dir", join(data, "data"), ...listen], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  // However this program ends, the demo ends with it.
  process.once("exit", () => child.kill("SIGKILL"));
  const places = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, place] = line.trim().split(/\s+/);
    if (["producer", "board", "data"].includes(name)) places[name] = place;
    if (name === "data") break;
  }
  if (!places.data) throw new Error("the demo ended before it said where it is");
  return {
    producer: places.producer.replace(/\/$/, ""),
    board: places.board.replace(/\/$/, ""),
    async end() {
      child.kill("SIGTERM");
      await ended;
      rmSync(data, { recursive: true });
    },
  };
}

/// What the board has counted, once that is at least `least`.
export async function counted(demo, least) {
  return eventually(`the board counts ${least}`, async () => {
    const totals = await (await fetch(`${demo.board}/api/v1/totals`)).json();
    return totals.counted >= least ? totals.counted : undefined;
  });
}

/// Asks until there is an answer. Only what is broken takes as long as the limit.
export async function eventually(what, ask, secondsMax = 30) {
  const deadline = Date.now() + secondsMax * 1000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${secondsMax} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
