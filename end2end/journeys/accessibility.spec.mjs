// Every page in light and dark: axe finds nothing, nothing is wider than a phone, the policy holds (browser.mjs watches).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { expect, logIn, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";
import { PUBLIC, furnish } from "../pages.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

test.describe.configure({ timeout: 300_000 });

for (const colorScheme of ["light", "dark"]) {
  test(`every page passes axe and fits a phone, ${colorScheme}`, async ({ hub, page }) => {
    const own = await furnish(hub);
    const found = [];
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const visit = async (pages) => {
      for (const [name, path] of Object.entries(pages)) {
        const response = await page.goto(path);
        if (response.status() !== (name === "missing" ? 404 : 200)) found.push(`${name}: ${path} answered ${response.status()}`);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        for (const { id, impact, nodes } of violations) found.push(`${name}: ${impact} ${id}: ${nodes[0].html}`);
        await page.setViewportSize({ width: 360, height: 780 });
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        if (width > 360) found.push(`${name}: ${width} px wide on a phone of 360`);
        // A frame that clips its table would hide what does not fit.
        const cut = await page.evaluate(() => [...document.querySelectorAll(".tablewrap")].filter((frame) => frame.scrollWidth > frame.clientWidth).length);
        if (cut > 0) found.push(`${name}: a table is cut on a phone of 360`);
        await page.setViewportSize({ width: 1280, height: 900 });
      }
    };
    await visit(PUBLIC);
    await logIn(page, ADMIN);
    await visit(own);
    expect(found).toEqual([]);
  });
}
