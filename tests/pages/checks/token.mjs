// Ratings by token, over plain HTTP from another machine, as within a company's network.

import { counted, startDemo } from "../demo.mjs";
import { Visitor, same } from "../visitor.mjs";
import { fillIn } from "./form.mjs";

const TOKEN = "a-token-of-this-check";

export const token = (erboh) => ({
  "who has a token rates from another machine, and nobody else": async (_, browser) => {
    const demo = await startDemo(erboh, `lab:${TOKEN}\n`);
    const producer = demo.producer.replace("127.0.0.1", "rate.example");
    // A browser ignores one of our headers on a site without TLS, and says so.
    const visitor = await Visitor.come(browser, { tolerated: /Cross-Origin-Opener-Policy/ });
    const { page } = visitor;
    same((await fetch(demo.producer)).status, 401, "the first page without a token");
    same((await fetch(`${demo.producer}/rate`, { method: "POST" })).status, 401, "the form without a token");
    await page.authenticate({ username: "lab", password: TOKEN });
    await visitor.open(`${producer}/rate`);
    await fillIn(page);
    await visitor.leave(() => page.click(".sheet .button"));
    same(await visitor.text("#sent"), "Your rating is on the queue", "the answer with a token");
    same(await counted(demo, 1), 1, "ratings");
    await visitor.go();
    await demo.end();
  },
});
