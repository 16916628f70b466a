// Every page in light and dark: axe finds nothing, nothing is wider than a phone, the policy holds (browser.mjs watches).

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { expect, logIn, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";
import { PUBLIC, UNSEEN, furnish } from "../pages.mjs";

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

/** Everything that a policy has to block, done by whoever could write into the page; what ran of it. */
async function inject() {
  const put = (name, fields, where = document.body) => where.append(Object.assign(document.createElement(name), fields));
  const by = (what) => `globalThis.injected = [...(globalThis.injected ?? []), "${what}"]`;
  put("script", { textContent: by("a script") });
  put("script", { src: `data:text/javascript,${encodeURIComponent(by("a script from elsewhere"))}` });
  put("div", { innerHTML: `<img src="data:," onerror='${by("a handler")}'><style>body { --injected: 1 }</style>` });
  put("iframe", { srcdoc: `<script>parent.${by("a frame").slice("globalThis.".length)}</script>` });
  put("base", { href: "https://evil.example/" }, document.head);
  put("a", { href: `javascript:${by("a link")}`, id: "put-link" });
  document.getElementById("put-link").click();
  await new Promise((resolve) => setTimeout(resolve, 50));
  const ran = globalThis.injected ?? [];
  if (getComputedStyle(document.body).getPropertyValue("--injected")) ran.push("a style");
  if (!document.baseURI.startsWith(location.origin)) ran.push("a base");
  return ran;
}

test("what is injected into any page is blocked", async ({ context, hub, page }) => {
  const own = await furnish(hub);
  await logIn(page, ADMIN);
  const victim = await context.newPage(); // not the page whose console must stay clean
  const ran = [];
  for (const [name, path] of Object.entries({ ...PUBLIC, ...own })) {
    await victim.goto(path);
    for (const what of await victim.evaluate(inject)) ran.push(`${name}: ${what}`);
  }
  expect(ran).toEqual([]);
});

test("every page of the router is among those that are looked at", async ({ hub }) => {
  const seen = Object.values({ ...PUBLIC, ...(await furnish(hub)) }).map((path) => path.split("?")[0]);
  const router = readFileSync(new URL("../../frontend/src/app.rs", import.meta.url), "utf8");
  const routes = [...router.matchAll(/path!\("([^"]+)"\)/g)].map(([, path]) => path);
  expect(routes.length).toBeGreaterThan(60);
  const isSeen = (route) => seen.some((path) => new RegExp(`^${route.replace(/:\w+/g, "[^/]+")}$`).test(path));
  expect(routes.filter((route) => !isSeen(route) && !UNSEEN.includes(route))).toEqual([]);
});
