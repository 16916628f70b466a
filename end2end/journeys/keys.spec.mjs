// Keys: what the form promises, the gateway keeps.

import { call, createKey, expect, logIn, open, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";

test.beforeEach(async ({ hub, page }) => {
  await hub.createAdmin();
  await hub.createAccount("first");
  await logIn(page, ADMIN);
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
});

test("a key is held to its requests per minute", async ({ hub, page }) => {
  const key = await createKey(page, { Name: "slow", "Requests per minute": "1" });
  expect((await call(hub, key)).status).toBe(200);
  const second = await call(hub, key);
  expect(second.status).toBe(429);
  expect(Number(second.headers.get("retry-after"))).toBeGreaterThan(0);
});

test("a key may use the models it names and no other", async ({ hub, page }) => {
  const key = await createKey(page, { Name: "narrow", Models: "gpt-4o-mini" });
  expect((await call(hub, key)).status).toBe(200);
  const other = await call(hub, key, { model: "gpt-4o" });
  expect([403, 404]).toContain(other.status);
});

test("a cap that cannot pay for a call refuses it", async ({ hub, page }) => {
  const key = await createKey(page, { Name: "poor", "Per day": "0.000000001" });
  const answer = await call(hub, key);
  expect(answer.status).toBeGreaterThanOrEqual(400);
  expect(answer.status).toBeLessThan(500);
  expect(hub.upstream.requests.filter(({ path }) => path === "/v1/chat/completions")).toHaveLength(0);
});

test("what was typed wrongly is shown again, with the reason beside it", async ({ page }) => {
  await page.goto("/keys/new");
  await page.getByLabel("Name").fill("typo");
  await page.getByLabel("Requests per minute").fill("6O");
  await page.getByRole("button", { name: "Create key" }).click();
  const field = page.getByLabel("Requests per minute");
  await expect(field).toHaveValue("6O");
  await expect(field).toHaveAttribute("aria-invalid", "true");
  await expect(page.getByLabel("Name")).toHaveValue("typo");
});

test("a disabled key stops at once and comes back", async ({ hub, page }) => {
  const key = await createKey(page, { Name: "switched" });
  await open(page, "Keys");
  const act = async (name) => {
    await page.getByLabel("Actions for switched").click();
    await page.getByRole("button", { name }).click();
  };
  await act("Disable");
  await expect.poll(async () => (await call(hub, key)).status).toBe(401);
  await act("Enable");
  await expect.poll(async () => (await call(hub, key)).status).toBe(200);
});

test("a revoked key is asked about first and then refused for good", async ({ hub, page }) => {
  const key = await createKey(page, { Name: "gone" });
  await open(page, "Keys");
  await page.getByLabel("Actions for gone").click();
  await page.getByRole("link", { name: "Revoke key…" }).click();
  await page.getByRole("button", { name: "Revoke key" }).click();
  await expect.poll(async () => (await call(hub, key)).status).toBe(401);
});
