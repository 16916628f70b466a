// Two projects run the same journeys, with JavaScript and without; a third takes screenshots.
// The browser is the system's Chromium: set OURHUB_CHROMIUM where it is not at /usr/bin/chromium.

import { defineConfig } from "@playwright/test";

const browser = {
  browserName: "chromium",
  launchOptions: {
    executablePath: process.env.OURHUB_CHROMIUM ?? "/usr/bin/chromium",
    chromiumSandbox: process.getuid?.() !== 0, // root cannot have one
    args: ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  },
  viewport: { width: 1280, height: 900 },
  locale: "en-GB",
  trace: "retain-on-failure",
};
const journeys = { testDir: "journeys" };

export default defineConfig({
  outputDir: "test-results",
  forbidOnly: process.env.CI === "true",
  fullyParallel: true,
  workers: 2,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  reporter: [["list"]],
  projects: [
    { name: "script", ...journeys, use: browser },
    { name: "no-script", ...journeys, testIgnore: "accessibility.spec.mjs", use: { ...browser, javaScriptEnabled: false } },
    { name: "screenshots", testMatch: "screenshots.mjs", timeout: 300_000, use: browser },
  ],
});
