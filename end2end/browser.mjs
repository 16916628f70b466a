// What the journeys share: a server of their own, a page that must not break its content security policy, and what
// a person does again and again.

import { test as base, expect } from "@playwright/test";

import { startHub } from "./hub.mjs";

export { expect };

export const MODEL = "gpt-4o-mini";

export const test = base.extend({
  /** A server with an empty database, for this test alone. */
  hub: async ({}, use, info) => {
    const hub = await startHub();
    await use(hub);
    await hub.stop();
    if (info.status !== info.expectedStatus) console.log(hub.log());
  },
  baseURL: async ({ hub }, use) => use(hub.url),
  /** A page whose console must stay clean: no violation of the policy, no script that throws. */
  page: async ({ page }, use) => {
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error}`));
    page.on("console", (message) => {
      if (/content security policy/i.test(message.text())) complaints.push(`${page.url()}: ${message.text()}`);
    });
    await use(page);
    expect(complaints).toEqual([]);
  },
});

export async function signUp(page, { email = "mira@example.com", password = "a long enough passphrase" } = {}) {
  await page.goto("/signup");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Create account" }).click();
  await expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
  return { email, password };
}

export async function logIn(page, { email, password }) {
  await page.goto("/login");
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

/** Follows a link of the side navigation. */
export async function open(page, section) {
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: section }).click();
  await expect(page.getByRole("heading", { level: 1, name: section })).toBeVisible();
}

/** Fills the key form and sends it; returns the secret, which is shown once. */
export async function createKey(page, fields) {
  await page.goto("/keys/new");
  for (const [label, value] of Object.entries(fields)) await page.getByLabel(label).fill(value);
  await page.getByRole("button", { name: "Create key" }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Your key is ready" })).toBeVisible();
  return (await page.getByText(/^sk-oh-[0-9A-Za-z]+$/).first().textContent()).trim();
}

/** One chat completion with this key, as an application would make it. */
export async function call(hub, key, { model = MODEL, ...more } = {}) {
  const response = await fetch(`${hub.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ model, messages: [{ role: "user", content: "Say hello." }], max_tokens: 16, ...more }),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}
