// The game: hit the producer, and the board in another tab rises by itself.

import { counted, eventually } from "../demo.mjs";
import { Visitor, same } from "../visitor.mjs";

export const game = {
  "each visit of the producer puts 20 ratings on the board, live": async (demo, browser) => {
    const before = await counted(demo, 0);
    const [visitor, watcher] = [await Visitor.come(browser), await Visitor.come(browser)];
    await watcher.open(`${demo.board}/`);
    await visitor.open(`${demo.producer}/`);
    await visitor.page.reload();
    await visitor.leave(() => visitor.page.click(".lead .button"));
    same((await visitor.page.$$("tbody tr")).length, 20, "rows");
    const wanted = new Intl.NumberFormat("en-US").format(before + 60);
    await eventually(`the open board shows ${wanted}`, async () =>
      (await watcher.text("[data-total=counted]")) === wanted || undefined);
    same(await counted(demo, before + 60), before + 60, "ratings");
    await visitor.go();
    await watcher.go();
  },
};
