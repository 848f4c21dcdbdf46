// Simulated researchers as people start, watch, change and stop them.

import { counted, eventually } from "../demo.mjs";
import { Visitor, same } from "../visitor.mjs";

export const simulations = {
  "a simulation is started once, followed live, changed by its slider, and stopped": live,
  "a simulation is started and stopped without scripts": plain,
};

const number = (text) => Number(text.replaceAll(",", ""));
const cell = (visitor, name) => visitor.text(`#cards .simulation:first-child [data-cell=${name}]`);
const cards = async (visitor) => (await visitor.page.$$("#cards .simulation")).length;

async function live(demo, browser) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser);
  const { page } = visitor;
  await visitor.open(`${demo.producer}/simulations`);
  const cardsBefore = await cards(visitor);
  await page.focus("#start [type=range]");
  await page.keyboard.press("Home");
  same(await visitor.value("#rate"), "0.1", "the slowest rate");
  await page.$eval("#rate", (field) => { field.value = "200"; });
  await visitor.leave(() => page.click("#start .button", { count: 2 }));
  await visitor.page.waitForSelector("#cards .running");
  same(await cards(visitor), cardsBefore + 1, "simulations after a double click");
  await eventually("the numbers rise by themselves", async () => number(await cell(visitor, "acknowledged")) > 50 || undefined);
  await eventually("the chart shows them", async () => number(await visitor.text("[data-chart=acknowledged]")) > 50 || undefined);
  await visitor.demandAccessible("the page with a simulation that runs");

  await page.focus("#cards .running [type=range]");
  await page.keyboard.press("End");
  await eventually("the slider's end is the fastest rate", async () => (await cell(visitor, "rate")) === "200,000" || undefined);
  await page.click("#cards .running [data-stop] .button");
  await page.waitForSelector("#cards .simulation:first-child.stopped");
  const acknowledged = number(await cell(visitor, "acknowledged"));
  same(number(await cell(visitor, "sent")), acknowledged, "what was sent");
  same(await counted(demo, before + acknowledged), before + acknowledged, "what the board has counted");
  await visitor.go();
}

async function plain(demo, browser) {
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
  await visitor.go();
}
