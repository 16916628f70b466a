// The first five minutes: from an empty server to the receipt of the first call.

import { REPLY } from "../upstream.mjs";
import { MODEL, call, createKey, expect, open, signUp, test } from "../browser.mjs";

test("from sign-up to the receipt of the first call", async ({ hub, page }) => {
  await signUp(page);

  await open(page, "Upstream accounts");
  await expect(page.getByText("No upstream account yet")).toBeVisible();
  await page.getByRole("link", { name: "Add account" }).first().click();
  await page.getByRole("link", { name: "OpenAI", exact: true }).click();
  await page.getByLabel("API key").fill("sk-first-secret");
  await page.getByLabel("Label").fill("OpenAI main");
  await page.getByText("Routing and limits").click();
  await page.getByLabel("Base URL").fill(`${hub.upstream.url}/first/v1`);
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await expect(page.getByText("The key works", { exact: true })).toBeVisible();
  expect(hub.upstream.requests.at(-1).authorization).toBe("Bearer sk-first-secret");
  expect(await page.content()).not.toContain("sk-first-secret");
  await page.getByRole("button", { name: "Save account" }).click();
  await expect(page.getByText("Account OpenAI main added.")).toBeVisible();

  const key = await createKey(page, { Name: "laptop" });
  await expect(page.getByText("Waiting for your first call…")).toBeVisible();
  await page.reload();
  await expect(page.getByText(key)).toHaveCount(0);

  const answer = await call(hub, key);
  expect(answer.status).toBe(200);
  expect(answer.body.choices[0].message.content).toBe(REPLY);

  await page.reload();
  await page.getByRole("link", { name: "Open receipt" }).click();
  await expect(page.getByRole("heading", { level: 1, name: MODEL })).toBeVisible();
  await expect(page.getByText("200", { exact: false }).first()).toBeVisible();
  await expect(page.getByText("15", { exact: true }).first()).toBeVisible(); // tokens: 11 in, 4 out

  await open(page, "Usage");
  await expect(page.getByRole("row", { name: new RegExp(MODEL) })).toHaveCount(1);
});

test("an account whose key is refused says so and can be mended", async ({ hub, page }) => {
  await signUp(page);
  hub.upstream.answer("first", { status: 401 });
  await page.goto("/admin/accounts/new/openai");
  await page.getByLabel("API key").fill("sk-wrong");
  await page.getByText("Routing and limits").click();
  await page.getByLabel("Base URL").fill(`${hub.upstream.url}/first/v1`);
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await expect(page.getByText("The test failed")).toBeVisible();
  await expect(page.locator("body")).not.toContainText("sk-wrong");

  await page.getByRole("button", { name: "Save account" }).click();
  await page.getByRole("link", { name: "OpenAI main" }).click();
  await page.getByRole("button", { name: "Test account" }).click();
  await expect(page.getByText("The test failed")).toBeVisible();
  hub.upstream.answer("first", null);
  await page.getByRole("button", { name: "Test account" }).click();
  await expect(page.getByText("The key works", { exact: true })).toBeVisible();
});
