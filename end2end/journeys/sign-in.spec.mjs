// Signing in without a password of ours: at Google and GitHub, which `emulate` plays, and with a passkey of Chromium's.

import { expect, logIn, signUp, test } from "../browser.mjs";
import { startElsewhere } from "../emulate.mjs";
import { startHub } from "../hub.mjs";

const signedIn = (page) => expect(page.getByRole("navigation", { name: "Main" })).toBeVisible();
const logOut = (page) => page.getByRole("button", { name: "Log out" }).click();

test.describe("elsewhere", () => {
  test.use({
    hub: async ({}, use) => {
      let elsewhere;
      const hub = await startHub(async (url) => (elsewhere = await startElsewhere(url)).settings);
      await use(hub);
      await hub.stop();
      await elsewhere.stop();
    },
  });

  test("who signs up with Google links GitHub too, and is signed in by either", async ({ page }) => {
    await page.goto("/signup");
    await page.getByRole("link", { name: "Continue with Google" }).click();
    await page.getByRole("button", { name: /mira@example\.com/ }).click();
    await signedIn(page);
    await page.goto("/settings/security");
    await page.getByRole("link", { name: "Link GitHub" }).click();
    await page.getByRole("button", { name: /mira/ }).click();
    await expect(page.getByRole("status")).toContainText("GitHub signs you in from now on.");
    await expect(page.getByRole("row", { name: /GitHub/ })).toContainText("mira@example.com");

    for (const name of ["GitHub", "Google"]) {
      await logOut(page);
      await page.getByRole("link", { name: `Continue with ${name}` }).click();
      await page.getByRole("button", { name: /mira/ }).click();
      await signedIn(page);
    }
    await page.goto("/settings/security");
    await page.getByRole("row", { name: /GitHub/ }).getByRole("button", { name: "Unlink" }).click();
    await expect(page.getByRole("status")).toContainText("Unlinked");
    await page.getByRole("row", { name: /Google/ }).getByRole("button", { name: "Unlink" }).click();
    await expect(page.getByRole("alert")).toContainText("Nothing else signs you in");
  });

  test("an address that Google has not proven opens nothing, and nor does one that somebody has here", async ({ page }) => {
    await page.goto("/login");
    await page.getByRole("link", { name: "Continue with Google" }).click();
    await page.getByRole("button", { name: /noah@example\.com/ }).click();
    await expect(page.getByRole("alert")).toContainText("Google has not proven your e-mail address");

    await signUp(page, { email: "mira@example.com" });
    await logOut(page);
    await page.getByRole("link", { name: "Continue with GitHub" }).click();
    await page.getByRole("button", { name: /mira/ }).click();
    await expect(page.getByRole("alert")).toContainText("Somebody has an account with this address here");
    await expect(page).toHaveURL(/\/login$/);
  });
});

test.describe("passkeys", () => {
  // An address in digits has no passkeys.
  test.use({ baseURL: async ({ hub }, use) => use(hub.url.replace("127.0.0.1", "localhost")) });

  test("a passkey is added, signs in, confirms, and is removed", async ({ context, javaScriptEnabled, page }) => {
    const person = await signUp(page);
    await page.goto("/settings/security");
    if (javaScriptEnabled === false) {
      await expect(page.getByText("Passkeys need JavaScript, which is off in this browser.")).toBeVisible();
      await expect(page.getByRole("button", { name: "Add passkey" })).toBeHidden();
      return;
    }
    const devtools = await context.newCDPSession(page);
    await devtools.send("WebAuthn.enable");
    const options = { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true };
    const authenticator = { ...options, automaticPresenceSimulation: true };
    const { authenticatorId } = await devtools.send("WebAuthn.addVirtualAuthenticator", { options: authenticator });

    await page.getByLabel("Name", { exact: true }).fill("Laptop");
    await page.getByRole("button", { name: "Add passkey" }).click();
    await expect(page.getByRole("row", { name: /Laptop/ })).toContainText("never");
    await page.getByLabel("Name", { exact: true }).fill("Twice");
    await page.getByRole("button", { name: "Add passkey" }).click();
    await expect(page.getByRole("alert").filter({ visible: true })).toContainText("has a passkey for you already");

    await logOut(page);
    await page.getByRole("button", { name: "Log in with a passkey" }).click();
    await expect(page.getByRole("navigation", { name: "Main" })).toContainText(person.email);
    await page.goto("/confirm?to=/settings/security");
    await page.getByRole("button", { name: "Confirm with a passkey" }).click();
    await expect(page).toHaveURL(/\/settings\/security$/);
    await expect(page.getByRole("status")).toContainText("It is you");

    await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: false });
    await page.goto("/confirm?to=/settings/security");
    await page.getByRole("button", { name: "Confirm with a passkey" }).click();
    await expect(page.getByRole("alert").filter({ visible: true })).toContainText("No passkey was used");
    await devtools.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified: true });

    await page.goto("/settings/security");
    await page.getByRole("row", { name: /Laptop/ }).getByRole("button", { name: "Remove" }).click();
    await expect(page.getByRole("status")).toContainText("Passkey removed");
    await logOut(page);
    await page.getByRole("button", { name: "Log in with a passkey" }).click();
    await expect(page.getByRole("alert").filter({ visible: true })).toContainText("not known here");
    await logIn(page, person);
    await signedIn(page);
  });
});
