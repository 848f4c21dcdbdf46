// Many tabs of one browser: each one loads, those that are seen are live, and all of them together need one
// of the six connections that a browser opens to a service.

import { createServer, request } from "node:http";
import { counted, eventually } from "../demo.mjs";
import { Visitor, same } from "../visitor.mjs";

const TABS = 10;

export const tabs = {
  "ten boards side by side are live on one stream": (demo, browser) => sideBySide(demo, browser, demo.board, "/", rate),
  "ten pages of simulations side by side are live on one stream": (demo, browser) =>
    sideBySide(demo, browser, demo.producer, "/simulations", simulate),
  "a tab that is not seen has no stream, and is up to date when it is seen": hidden,
  "a browser without shared workers has live boards too": alone,
  "a tab whose stream does not open says so, and works by reload": mute,
};

/// A service behind a proxy, which notes the streams of events that are open. To the browser it is another machine:
/// some of what it gives to pages of this one it does not give to those. A stream of a `mute` one never opens.
async function watched(service, { mute = false } = {}) {
  const streams = new Set();
  const server = createServer((asked, answer) => {
    const headers = { ...asked.headers, host: new URL(service).host };
    const passed = request(service + asked.url, { method: asked.method, headers }, (found) => {
      answer.writeHead(found.statusCode, found.headers);
      found.pipe(answer);
    });
    passed.on("error", () => answer.destroy());
    answer.on("close", () => { streams.delete(answer); passed.destroy(); });
    const isStream = asked.headers.accept === "text/event-stream";
    if (isStream) streams.add(answer);
    if (!(isStream && mute)) asked.pipe(passed);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://rate.example:${server.address().port}`,
    /// Waits until exactly so many streams are open.
    become: (count) => eventually(`${count} open streams`, async () => streams.size === count || undefined),
    end() {
      server.close();
      server.closeAllConnections();
    },
  };
}

const visit = (browser) => Visitor.come(browser, { tolerated: /Cross-Origin-Opener-Policy/ });
const isLive = (tab) => eventually("the tab is live", async () => (await tab.text("[data-live]")) === "Live" || undefined);

/// What a page does when something happens: `act` makes it happen, and answers what all pages then show where.
async function rate(demo) {
  const wanted = (await counted(demo, 0)) + 20;
  await fetch(`${demo.producer}/`);
  return ["[data-total=counted]", new Intl.NumberFormat("en-US").format(wanted)];
}

async function simulate(demo) {
  const order = JSON.stringify({ rate: 1000, count: 37 });
  const headers = { "content-type": "application/json" };
  await fetch(`${demo.producer}/api/v1/simulations`, { method: "POST", headers, body: order });
  return ["#cards .simulation.finished [data-cell=title]", "37 ratings"];
}

async function sideBySide(demo, browser, service, path, act) {
  const proxy = await watched(service);
  const all = [await visit(browser)];
  while (all.length < TABS) all.push(await all[0].another({ type: "window" }));
  for (const tab of all) await tab.open(proxy.url + path);
  for (const tab of all) {
    same(await tab.page.evaluate(() => document.visibilityState), "visible", "a window");
    await isLive(tab);
  }
  await proxy.become(1);
  const [place, wanted] = await act(demo);
  for (const tab of all) {
    await tab.page.waitForSelector(place);
    await eventually(`every tab shows ${wanted}`, async () => (await tab.text(place)) === wanted || undefined);
  }
  for (const tab of all) {
    same(await tab.page.evaluate(async () => (await fetch("/health")).status), 200, "a request of a page");
  }
  await proxy.become(1);
  await all[1].page.close();
  await isLive(all[0]);
  await proxy.become(1);
  await all[0].go();
  await proxy.become(0);
  proxy.end();
}

async function hidden(demo, browser) {
  const proxy = await watched(demo.board);
  const first = await visit(browser);
  await first.open(proxy.url);
  await isLive(first);
  const second = await first.another();
  await second.open(proxy.url);
  await isLive(second);
  const other = await first.another();
  await proxy.become(0);
  const [place, wanted] = await rate(demo);
  await counted(demo, Number(wanted.replaceAll(",", "")));
  if ((await first.text(place)) === wanted) throw new Error("a tab that is not seen is live");
  await first.page.bringToFront();
  await eventually(`the tab shows ${wanted}`, async () => (await first.text(place)) === wanted || undefined);
  await proxy.become(1);
  // One that is left has no stream, and one that the browser shows again has one.
  await first.page.goto("about:blank");
  await proxy.become(0);
  await first.page.goBack();
  await isLive(first);
  await proxy.become(1);
  await other.page.bringToFront();
  await proxy.become(0);
  await first.go();
  proxy.end();
}

async function alone(demo, browser) {
  const proxy = await watched(demo.board);
  const all = [await visit(browser)];
  all.push(await all[0].another({ type: "window" }));
  for (const tab of all) {
    await tab.page.evaluateOnNewDocument(() => { delete window.SharedWorker; });
    await tab.open(proxy.url);
    await isLive(tab);
  }
  await proxy.become(2);
  const blank = await all[1].another();
  await proxy.become(1);
  await blank.page.close();
  await proxy.become(2);
  await all[0].go();
  await proxy.become(0);
  proxy.end();
}

async function mute(demo, browser) {
  const proxy = await watched(demo.board, { mute: true });
  const tab = await visit(browser);
  await tab.open(proxy.url);
  const before = await tab.text("[data-total=counted]");
  await eventually("the tab says that it is not live", async () =>
    (await tab.text("[data-live]")).includes("does not answer") || undefined);
  const [place, wanted] = await rate(demo);
  await counted(demo, Number(wanted.replaceAll(",", "")));
  same(await tab.text(place), before, "what the tab shows");
  await tab.page.reload();
  same(await tab.text(place), wanted, "what it shows after a reload");
  await tab.go();
  proxy.end();
}
