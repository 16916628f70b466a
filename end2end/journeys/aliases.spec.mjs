// A name stands for models in order: the next one answers where the first cannot, and the receipt says which.

import { call, expect, logIn, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";

test("an alias is made, asked for, and falls back to its second model", async ({ hub, page }) => {
  await hub.createAdmin();
  await hub.createAccount("first", 0, { models: [{ model: "gpt-4o" }] });
  await hub.createAccount("second", 0, { models: [{ model: "gpt-4o-mini" }] });
  const { key } = await hub.createKey({ models: ["fast"] });

  await logIn(page, ADMIN);
  await page.goto("/team/models");
  await page.getByRole("link", { name: "Add alias" }).first().click();
  await page.getByLabel("Name", { exact: true }).fill("fast");
  await page.getByLabel("Models, in order").fill("gpt-4o\nno-such-model");
  await page.getByRole("button", { name: "Add alias" }).click();
  await expect(page.getByText("There is no model “no-such-model” here")).toBeVisible();
  await page.getByLabel("Models, in order").fill("gpt-4o\ngpt-4o-mini");
  await page.getByRole("button", { name: "Add alias" }).click();
  await expect(page.getByText("Alias fast added.")).toBeVisible();
  await expect(page.getByRole("row", { name: /fast/ })).toContainText("gpt-4o, gpt-4o-mini");

  expect((await call(hub, key, { model: "gpt-4o" })).status).toBe(403);
  hub.upstream.answer("first", { status: 429, headers: { "retry-after": "60" } });
  const answer = await call(hub, key, { model: "fast" });
  expect(answer.status).toBe(200);
  expect(answer.headers.get("x-ourhub-attempts")).toBe("2");

  await page.goto("/usage");
  await page.getByRole("table").getByRole("link").first().click();
  await expect(page.getByRole("heading", { level: 1, name: "fast" })).toBeVisible();
  await expect(page.getByText("answered by gpt-4o-mini")).toBeVisible();
  await expect(page.getByText(/^gpt-4o at /)).toBeVisible();

  await page.goto("/team/models/delete?name=fast");
  await page.getByRole("button", { name: "Delete alias" }).click();
  await expect(page.getByText("Alias fast deleted.")).toBeVisible();
  expect((await call(hub, key, { model: "fast" })).status).toBe(404);
});
