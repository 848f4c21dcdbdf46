// Simulated researchers as people start, watch, change and stop them.

import { counted, eventually } from "../demo.mjs";
import { Visitor, same } from "../visitor.mjs";

export const simulations = {
  "a simulation is started once, followed live, changed by its slider, and stopped": live,
  "a simulation is started and stopped without scripts": plain,
};

const number = (text) => Number(text.replaceAll(",", ""));
const cards = async (visitor) => (await visitor.page.$$("#cards .simulation")).length;
const cell = (visitor, name) => visitor.text(`#cards .simulation:first-child [data-cell=${name}]`);

/// Demands that a simulation that has ended has an outcome for all that it sent, and that the board
/// counts what was acknowledged, and of the unknown those that did arrive.
async function demandCounted(demo, visitor, before) {
  const [sent, acknowledged, failed, unknown, refused] =
    (await Promise.all(["sent", "acknowledged", "failed", "unknown", "refused"].map((name) => cell(visitor, name)))).map(number);
  same(sent, acknowledged + failed + unknown + refused, "what was sent");
  const found = await counted(demo, before + acknowledged);
  if (found > before + acknowledged + unknown) throw new Error(`the board has counted ${found - before} of ${acknowledged} + ${unknown}`);
}

async function live(demo, browser) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser);
  const { page } = visitor;
  await visitor.open(`${demo.producer}/simulations`);
  const cardsBefore = await cards(visitor);
  await page.focus("#start [type=range]");
  await page.keyboard.press("End");
  same(await visitor.value("#rate"), "200000", "the fastest rate");
  await page.keyboard.press("Home");
  same(await visitor.value("#rate"), "0.1", "the slowest rate");
  await page.$eval("#rate", (field) => { field.value = "200"; });
  await visitor.leave(() => page.click("#start .button", { count: 2 }));
  await visitor.page.waitForSelector("#cards .running");
  same(await cards(visitor), cardsBefore + 1, "simulations after a double click");
  await eventually("the numbers rise by themselves", async () => number(await cell(visitor, "acknowledged")) > 50 || undefined);
  await eventually("the chart shows them", async () => number(await visitor.text("[data-chart=acknowledged]")) > 50 || undefined);
  await visitor.demandAccessible("the page with a simulation that runs");

  // Slower, because the browser needs the same cores as a debug build at its fastest.
  await page.focus("#cards .running [type=range]");
  await page.keyboard.press("Home");
  await eventually("the slider's start is the slowest rate", async () => (await cell(visitor, "rate")) === "0.1" || undefined);
  await page.click("#cards .running [data-stop] .button");
  await page.waitForSelector("#cards .simulation:first-child.stopped");
  await demandCounted(demo, visitor, before);
  await visitor.go();
}

async function plain(demo, browser) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser, { script: false });
  await visitor.open(`${demo.producer}/simulations`);
  await visitor.page.click("[name=end][value=count]");
  await visitor.page.focus("#count");
  for (let length = (await visitor.value("#count")).length; length > 0; length -= 1) await visitor.page.keyboard.press("Delete");
  await visitor.page.type("#count", "100000");
  await visitor.leave(() => visitor.page.click("#start .button"));
  same(await cell(visitor, "title"), "100,000 ratings", "the newest simulation");
  await visitor.leave(() => visitor.page.click("#cards .running [data-stop] .button"));
  same(await cell(visitor, "state"), "stopped", "its state");
  await demandCounted(demo, visitor, before);
  await visitor.go();
}
