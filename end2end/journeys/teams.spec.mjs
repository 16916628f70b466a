// Teams: from an invitation to a call with a key of one's own, and out again.

import { call, createKey, expect, logIn, signUp, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";

const LENA = { email: "lena@example.com", password: "a long enough passphrase" };

/** Invites from the team page; the link, which is shown once. */
async function invite(page, { email, cap }) {
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
  await page.goto("/team");
  await page.getByRole("link", { name: "Invite people" }).click();
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Per month").fill(cap);
  await page.getByRole("button", { name: "Make invitation" }).click();
  return page.getByLabel("Link of the invitation").inputValue();
}

test("who is invited joins, makes a key within the cap and calls", async ({ browser, hub, javaScriptEnabled, page }) => {
  await hub.createAdmin();
  await hub.createAccount("first");
  await logIn(page, ADMIN);
  const link = await invite(page, { email: LENA.email, cap: "5" });

  const context = await browser.newContext({ baseURL: hub.url, javaScriptEnabled });
  const guest = await context.newPage();
  await guest.goto(link);
  await expect(guest.getByRole("heading", { level: 1, name: "Join admin" })).toBeVisible();
  await expect(guest.getByLabel("Email")).toHaveValue(LENA.email);
  await guest.getByLabel("Password").fill(LENA.password);
  await guest.getByRole("button", { name: "Create account and join" }).click();
  await expect(guest.getByRole("navigation", { name: "Main" })).toContainText("admin");

  const key = await createKey(guest, { Name: "laptop", "Per day": "1" });
  expect((await call(hub, key)).status).toBe(200);
  await guest.goto("/team");
  await expect(guest.getByRole("row", { name: LENA.email })).toContainText("of $5.00");
  await guest.goto(link);
  await expect(guest.getByText("accepted already")).toBeVisible();

  await page.goto("/team");
  await page.getByLabel(`Actions for ${LENA.email}`).click();
  await page.getByRole("link", { name: "Remove member…" }).click();
  await page.getByRole("button", { name: "Remove member" }).click();
  await expect.poll(async () => (await call(hub, key)).status).toBe(403);
  await guest.goto("/overview");
  await expect(guest.getByText("You are in no team")).toBeVisible();
  await context.close();
});

test("who was there before accepts by the link, and switches between teams", async ({ browser, hub, javaScriptEnabled, page }) => {
  await hub.createAdmin();
  await logIn(page, ADMIN);
  const link = await invite(page, { email: LENA.email, cap: "5" });
  const context = await browser.newContext({ baseURL: hub.url, javaScriptEnabled });
  const guest = await context.newPage();
  await signUp(guest, LENA);
  await guest.goto(link);
  await guest.getByRole("button", { name: "Accept invitation" }).click();
  const nav = guest.getByRole("navigation", { name: "Main" });
  await expect(nav.locator("summary")).toContainText("admin");
  await nav.locator("summary").click();
  await nav.getByRole("button", { name: "lena" }).click();
  await expect(nav.locator("summary")).toContainText("lena");
  await context.close();
});
