// A visitor: one tab that notes whatever a page complains about.

import axe from "axe-core";

/// Contrast, names, roles, order, keyboard: what the law asks for and what is good practice.
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export class Visitor {
  /// `scheme` is light or dark; `script` says whether the pages' scripts run; `tolerated` is what the
  /// browser may complain about.
  static async come(browser, { width = 1280, scheme = "light", script = true, tolerated } = {}) {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: scheme },
      // What moves would be measured halfway.
      { name: "prefers-reduced-motion", value: "reduce" },
    ]);
    await page.setJavaScriptEnabled(script);
    return new Visitor(context, page, tolerated);
  }

  /// Opens another tab of the same browser; `how` is what puppeteer takes, such as { type: "window" }.
  async another(how) {
    return new Visitor(this.context, await this.context.newPage(how), this.tolerated);
  }

  constructor(context, page, tolerated) {
    this.context = context;
    this.page = page;
    this.tolerated = tolerated;
    this.complaints = [];
    // That a page is an error is its status; the browser's remark on it says nothing more.
    const note = (text) => { if (!/status of 4\d\d/.test(text) && !tolerated?.test(text)) this.complaints.push(text); };
    page.on("console", (message) => {
      if (["error", "warn"].includes(message.type())) note(`console: ${message.text()}`);
    });
    page.on("pageerror", (error) => note(`script: ${error.message}`));
    page.on("requestfailed", (request) => {
      // The board's stream ends when its page is left.
      if (request.failure().errorText !== "net::ERR_ABORTED") note(`${request.url()}: ${request.failure().errorText}`);
    });
  }

  /// Opens a page and demands its status.
  async open(url, status = 200) {
    const answer = await this.page.goto(url, { waitUntil: "load" });
    same(answer.status(), status, url);
  }

  /// Presses a key and waits for the page that this leads to.
  async leave(act) {
    const [answer] = await Promise.all([this.page.waitForNavigation({ waitUntil: "load" }), act()]);
    return answer.status();
  }

  /// What is in focus: an id, else the text.
  focus() {
    return this.page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
  }

  text(selector) {
    return this.page.$eval(selector, (element) => element.textContent.trim());
  }

  value(selector) {
    return this.page.$eval(selector, (element) => element.value);
  }

  /// Demands that the page in the tab keeps nobody out.
  async demandAccessible(name) {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate((tags) => axe.run({ runOnly: tags }), RULES);
    const lines = found.violations.flatMap(({ id, help, nodes }) =>
      nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 200)} ${node.any[0]?.message ?? ""}`));
    if (found.passes.length < 10) lines.push(`only ${found.passes.length} rules applied`);
    const [needed, there] = await this.page.evaluate(() =>
      [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    if (needed > there) lines.push(`the page is ${needed} px wide in a window of ${there} px`);
    if (lines.length) throw new Error(`${name}:\n  ${lines.join("\n  ")}`);
  }

  /// Ends the visit; a page that has complained fails it.
  async go() {
    await this.context.close();
    same(this.complaints, [], "complaints of the browser");
  }
}

/// Demands equality.
export function same(found, wanted, what) {
  const [one, other] = [found, wanted].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`);
}
