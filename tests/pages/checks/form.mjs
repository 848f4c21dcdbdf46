// The form as people use it: by keyboard, in haste, and with or without scripts.

import { counted, eventually } from "../demo.mjs";
import { Visitor, same } from "../visitor.mjs";

const BOTH = [true, false];
const ENABLED = ".sheet .button:enabled";
const named = (what, check) =>
  BOTH.map((script) => [`${what}, ${script ? "with" : "without"} scripts`, (demo, browser) => check(demo, browser, script)]);

export const form = Object.fromEntries([
  ...named("the form works by keyboard alone", byKeyboard),
  ...named("a double click counts once", doubleClick),
  ...named("what is wrong is in focus, and nothing is lost", mistakes),
  ["who goes back and sends again is counted once, who changes something is asked", goBack],
]);

/// Tab after Tab through the whole form, and Enter.
async function byKeyboard(demo, browser, script) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser, { script });
  const { keyboard } = visitor.page;
  await visitor.open(`${demo.producer}/rate`);
  await keyboard.press("Tab");
  same(await visitor.focus(), "Skip to the content", "the first stop");
  await keyboard.press("Enter");
  await eventually("the content is next", () => visitor.page.evaluate(() => location.hash === "#main" || undefined));
  const stops = [];
  for (const keys of ["Moses vs Santa Claus", "Joan", "Macho", null, "Zoë"]) {
    await keyboard.press("Tab");
    stops.push(await visitor.focus());
    if (keys === null) {
      await keyboard.press("ArrowRight");
      await keyboard.press("ArrowRight");
    } else {
      await keyboard.type(keys);
    }
  }
  same(stops, ["battle", "voice1", "voice2", "rating", "rater"], "the order of the fields");
  const values = { battle: "Moses vs Santa Claus", voice1: "Joan of Arc", voice2: "Macho Man" };
  for (const [id, value] of Object.entries(values)) same(await visitor.value(`#${id}`), value, id);
  same(await visitor.value("[name=rating]:checked"), "2", "the rating");
  await visitor.leave(() => keyboard.press("Enter"));
  same(await visitor.text("#sent"), "Your rating is on the queue", "the answer");
  await visitor.page.reload();
  await visitor.page.reload();
  same(await counted(demo, before + 1), before + 1, "ratings after two reloads");
  await visitor.go();
}

/// A rating, but for the button.
export async function fillIn(page) {
  await page.type("#battle", "Moses vs Santa Claus");
  await page.select("#voice1", "Big Bird");
  await page.select("#voice2", "Macho Man");
  await page.click("[name=rating][value='1']");
}

async function doubleClick(demo, browser, script) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser, { script });
  await visitor.open(`${demo.producer}/rate`);
  await fillIn(visitor.page);
  let posts = 0;
  visitor.page.on("request", (request) => { if (request.method() === "POST") posts += 1; });
  await visitor.leave(() => visitor.page.click(".sheet .button", { count: 2 }));
  await visitor.page.waitForSelector("#sent");
  if (script) same(posts, 1, "requests, since the button is disabled");
  same(await counted(demo, before + 1), before + 1, "ratings");
  await visitor.go();
}

async function mistakes(demo, browser, script) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser, { script });
  await visitor.open(`${demo.producer}/rate`);
  await visitor.page.type("#battle", "<b>Moses</b>");
  await visitor.page.select("#voice1", "Big Bird");
  await visitor.page.select("#voice2", "Big Bird");
  same(await visitor.leave(() => visitor.page.click(".sheet .button")), 422, "the answer");
  // The browser moves the focus after it has said that the page is there.
  await eventually("the list of mistakes is in focus", async () => (await visitor.focus()).startsWith("Not sent yet") || undefined);
  same(await visitor.value("#battle"), "<b>Moses</b>", "the battle");
  await visitor.page.keyboard.press("Tab");
  await visitor.page.keyboard.press("Enter");
  await eventually("a mistake leads to its field", async () => (await visitor.focus()) === "voice2" || undefined);
  await visitor.page.select("#voice2", "Macho Man");
  await visitor.page.click("[name=rating][value='0']");
  await visitor.leave(() => visitor.page.click(".sheet .button"));
  await visitor.page.waitForSelector("#sent");
  same(await counted(demo, before + 1), before + 1, "ratings");
  await visitor.go();
}

/// The browser shows the page as it was left, with its id, and with a button that was disabled then.
async function goBack(demo, browser) {
  const before = await counted(demo, 0);
  const visitor = await Visitor.come(browser);
  const { page } = visitor;
  await visitor.open(`${demo.producer}/rate`);
  const id = await visitor.value("[name=id]");
  await fillIn(page);
  await visitor.leave(() => page.click(".sheet .button"));
  await page.goBack();
  same(await visitor.value("[name=id]"), id, "the id of the page that was left");
  await page.waitForSelector(ENABLED);
  await visitor.leave(() => page.click(".sheet .button"));
  await page.waitForSelector("#sent");
  await page.goBack();
  await page.waitForSelector(ENABLED);
  await page.click("[name=rating][value='2']");
  same(await visitor.leave(() => page.click(".sheet .button")), 422, "the answer to a changed rating");
  same(await visitor.text("#trouble"), "You have sent this form before", "what is said of it");
  await visitor.leave(() => page.click(".sheet .button"));
  await page.waitForSelector("#sent");
  same(await counted(demo, before + 2), before + 2, "ratings");
  await visitor.go();
}
