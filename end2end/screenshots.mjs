// Every page as a picture: light and dark, 1280 and 360 px wide, into end2end/screenshots. `cargo xtask screenshots`.

import { logIn, test } from "./browser.mjs";
import { ADMIN } from "./hub.mjs";
import { PUBLIC, furnish } from "./pages.mjs";

test("every page", async ({ hub, page }) => {
  const own = await furnish(hub);
  const take = async (pages) => {
    for (const [name, path] of Object.entries(pages)) {
      for (const width of [1280, 360]) {
        for (const colorScheme of ["light", "dark"]) {
          await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
          await page.setViewportSize({ width, height: width === 360 ? 780 : 900 });
          await page.goto(path);
          await page.screenshot({ path: `screenshots/${name}-${colorScheme}-${width}.png`, fullPage: true });
        }
      }
    }
  };
  await take(PUBLIC);
  await logIn(page, ADMIN);
  await take(own);
});
