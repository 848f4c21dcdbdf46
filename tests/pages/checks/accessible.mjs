// Every page of both services, wide and light, and narrow and dark.

import { Visitor } from "../visitor.mjs";

const LOOKS = [{ width: 1280, scheme: "light" }, { width: 390, scheme: "dark" }];

export const accessible = Object.fromEntries(LOOKS.map((look) => [
  `every page is accessible at ${look.width} px in ${look.scheme}`,
  async (demo, browser) => {
    const visitor = await Visitor.come(browser, look);
    for (const [url, status] of pages(demo)) {
      await visitor.open(url, status);
      await visitor.demandAccessible(url);
    }
    await visitor.open(`${demo.producer}/rate`);
    await visitor.leave(() => visitor.page.click("form .button"));
    await visitor.demandAccessible("the form with everything marked");
    await visitor.go();
  },
]));

function pages({ producer, board }) {
  return [
    [`${producer}/`, 200],
    [`${producer}/rate`, 200],
    [`${producer}/rate?sent=3:1234567`, 200],
    [`${producer}/simulations`, 200],
    [`${producer}/api`, 200],
    [`${producer}/nothing-here`, 404],
    [`${board}/`, 200],
    [`${board}/api`, 200],
    [`${board}/nothing-here`, 404],
  ];
}
