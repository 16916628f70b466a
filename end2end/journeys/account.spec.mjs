// One's own account: a forgotten password, and an authenticator app.

import { createHmac } from "node:crypto";

import { expect, logIn, signUp, test } from "../browser.mjs";
import { ADMIN } from "../hub.mjs";

/** What an authenticator app shows for this secret, steps of 30 seconds from now. */
function code(secret, steps = 0) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const bytes = bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const tag = createHmac("sha1", Buffer.from(bytes)).update(counter).digest();
  return String((tag.readUInt32BE(tag[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

/** The newest mail to this address, once it is there, as an admin reads it in a browser: no token may. */
async function mailTo(hub, browser, email) {
  const context = await browser.newContext({ baseURL: hub.url });
  const page = await context.newPage();
  await logIn(page, ADMIN);
  for (let tries = 0; tries < 100; tries += 1) {
    const outbox = await hub.api("GET", "/mail/outbox");
    const mail = outbox.data.find((row) => row.recipient === email);
    if (mail) {
      await page.goto(`/admin/mail/${mail.id}`);
      const text = await page.locator("pre").innerText();
      await context.close();
      return text;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`no mail to ${email}`);
}

test("who forgot their password chooses a new one by the link in their mail, once", async ({ browser, hub, page }) => {
  await hub.createAdmin();
  const person = await signUp(page);
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByRole("link", { name: "Forgot your password?" }).click();
  await page.getByLabel("Email").fill(person.email);
  await page.getByRole("button", { name: "Mail me a link" }).click();
  await expect(page.getByRole("status")).toContainText("a mail with a link is on its way");

  const link = (await mailTo(hub, browser, person.email)).match(/http\S+token=\S+/)[0];
  await page.goto(link);
  await page.getByLabel("New password").fill("another long passphrase");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page).toHaveURL(/\/login/);
  await logIn(page, { ...person, password: "another long passphrase" });
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();

  await page.goto(link);
  await page.getByLabel("New password").fill("a third long passphrase");
  await page.getByRole("button", { name: "Change password" }).click();
  await expect(page.getByRole("alert")).toContainText("This link was used");
});

test("an authenticator app is set up, asked for, and stood in for by a recovery code", async ({ page }) => {
  const person = await signUp(page);
  await page.goto("/settings/security");
  await page.getByRole("button", { name: "Set up an app" }).click();
  await expect(page.getByRole("img", { name: "QR code for the authenticator app" })).toBeVisible();
  const secret = (await page.getByText(/^[A-Z2-7]{32}$/).textContent()).trim();
  await page.getByLabel("Code", { exact: true }).fill(code(secret));
  await page.getByRole("button", { name: "Turn on" }).click();
  const recovery = (await page.locator("pre").innerText()).match(/[a-z2-9]{5}-[a-z2-9]{5}/g);
  expect(recovery).toHaveLength(10);

  await page.getByRole("button", { name: "Log out" }).click();
  await logIn(page, person);
  await expect(page.getByRole("alert")).toContainText("wrong");
  for (const typed of [code(secret, 1), recovery[0]]) {
    await page.getByLabel("Email").fill(person.email);
    await page.getByLabel("Password").fill(person.password);
    const field = page.getByLabel("Code", { exact: true });
    if (!(await field.isVisible())) await page.getByText("Code of my authenticator app").click();
    await field.fill(typed);
    await page.getByRole("button", { name: "Log in" }).click();
    await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
    await page.getByRole("button", { name: "Log out" }).click();
  }
});
