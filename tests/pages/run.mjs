// Drives the pages of a demo in a real browser, and looks for what keeps people out of them.
//
//   node tests/pages/run.mjs --erboh target/debug/erboh --chromium PATH [WORD…]
//
// WORDs choose the checks whose names contain one of them. Ends with 1 if a check failed.

import { parseArgs } from "node:util";
import { launch } from "puppeteer-core";
import { accessible } from "./checks/accessible.mjs";
import { form } from "./checks/form.mjs";
import { game } from "./checks/game.mjs";
import { simulations } from "./checks/simulations.mjs";
import { tabs } from "./checks/tabs.mjs";
import { token } from "./checks/token.mjs";
import { startDemo } from "./demo.mjs";

const { values, positionals: words } = parseArgs({
  options: { erboh: { type: "string" }, chromium: { type: "string" } },
  allowPositionals: true,
});

if (!values.erboh || !values.chromium) {
  console.error("say where both are: --erboh PATH --chromium PATH (`cargo xtask pages` does)");
  process.exit(2);
}

const checks = Object.entries({ ...game, ...form, ...simulations, ...tabs, ...token(values.erboh), ...accessible })
  .filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
const demo = await startDemo(values.erboh);
const browser = await launch({
  executablePath: values.chromium,
  // A browser that belongs to root refuses to run inside of its sandbox.
  // A name of another machine, as far as the browser knows: what it trusts less than loopback.
  args: ["--host-resolver-rules=MAP rate.example 127.0.0.1", "--disable-gpu", "--disable-quic", ...(process.getuid() === 0 ? ["--no-sandbox"] : [])],
});
let failed = 0;
for (const [name, check] of checks) {
  const started = Date.now();
  const error = await check(demo, browser).then(() => null, (error) => error);
  const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
  console.log(`${error ? "FAIL" : "ok  "} ${seconds} s  ${name}`);
  if (error) {
    failed += 1;
    console.log(`      ${error.message.replaceAll("\n", "\n      ")}`);
  }
}
await browser.close();
await demo.end();
console.log(`${checks.length - failed} passed, ${failed} failed`);
// A check that failed may have left a demo behind; it ends with this program.
process.exit(failed || !checks.length ? 1 : 0);
