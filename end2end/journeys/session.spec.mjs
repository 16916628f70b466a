// Signing up, in and out.

import { expect, logIn, signUp, test } from "../browser.mjs";

test("who logs out is out, and can log in again", async ({ page }) => {
  const person = await signUp(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.goto("/overview");
  await expect(page).toHaveURL(/\/login/);

  await logIn(page, person);
  await expect(page.getByRole("navigation", { name: "Main" })).toContainText(person.email);
});

test("a wrong password is refused in words that fit an unknown address too", async ({ page }) => {
  const person = await signUp(page);
  await page.getByRole("button", { name: "Log out" }).click();

  await logIn(page, { ...person, password: "something else entirely" });
  await expect(page).toHaveURL(/\/login/);
  await expect(page.getByLabel("Email")).toHaveValue(person.email);
  const main = page.getByRole("main");
  const wrong = (await main.innerText()).replace(/req_\w+/g, "");
  await logIn(page, { email: "nobody@example.com", password: "something else entirely" });
  expect((await main.innerText()).replace(/req_\w+/g, "")).toBe(wrong);
});

test("a second person gets a team of their own and no platform pages", async ({ browser, baseURL, page }) => {
  await signUp(page);
  const context = await browser.newContext({ baseURL });
  const other = await context.newPage();
  await signUp(other, { email: "jonas@example.com" });
  await expect(other.getByRole("link", { name: "Upstream accounts" })).toHaveCount(0);
  const response = await other.goto("/admin/accounts");
  expect([403, 404]).toContain(response.status());
  await context.close();
});

test("a page needs a session, and an injected script does not run", async ({ context, page }) => {
  const response = await page.goto("/keys");
  await expect(page).toHaveURL(/\/login/);
  expect(response.headers()["content-security-policy"]).toContain("script-src");

  const victim = await context.newPage(); // not the page whose console must stay clean
  await victim.goto("/login");
  const result = await victim.evaluate(() => {
    const script = document.createElement("script");
    script.textContent = "globalThis.isInjected = true";
    document.body.append(script);
    return globalThis.isInjected;
  });
  expect(result).toBeUndefined();
});
