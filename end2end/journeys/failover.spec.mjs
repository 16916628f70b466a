// When an upstream account is out, another answers; the receipt tells.

import { REPLY } from "../upstream.mjs";
import { call, expect, logIn, open, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";

test("a rate-limited account is passed over, and the receipt shows both attempts", async ({ hub, page }) => {
  await hub.createAdmin();
  await hub.createAccount("first", 0);
  await hub.createAccount("second", 1);
  const { key } = await hub.createKey();
  hub.upstream.answer("first", { status: 429, headers: { "retry-after": "60" } });

  const answer = await call(hub, key);
  expect(answer.status).toBe(200);
  expect(answer.body.choices[0].message.content).toBe(REPLY);
  expect(answer.headers.get("x-ourhub-attempts")).toBe("2");

  await logIn(page, ADMIN);
  await open(page, "Usage");
  await page.getByRole("table").getByRole("link").first().click();
  await expect(page.getByText("1 failover")).toBeVisible();
  await expect(page.getByText("429 rate limited")).toBeVisible();

  await open(page, "Upstream accounts");
  await expect(page.getByRole("row", { name: /first/ })).toContainText("Cooling down");
});

test("when every account fails, the caller is told in its own dialect and pays nothing", async ({ hub, page }) => {
  await hub.createAdmin();
  await hub.createAccount("first");
  const { key } = await hub.createKey();
  hub.upstream.answer("first", { status: 500 });

  const answer = await call(hub, key);
  expect(answer.status).toBeGreaterThanOrEqual(500);
  expect(answer.body.error.message).toBeTruthy();
  expect(JSON.stringify(answer.body)).not.toContain("first");

  await logIn(page, ADMIN);
  await open(page, "Usage");
  await page.getByRole("table").getByRole("link").first().click();
  await expect(page.getByText("Every account failed").first()).toBeVisible();
  await expect(page.getByText("$0.000000000").first()).toBeVisible();
});
