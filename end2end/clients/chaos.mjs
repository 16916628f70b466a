// What chaos plays on: the real server before accounts that fail by chance.
//
// `gpt-4o-mini` is answered by llmock at the addresses that are given, `gpt-4o` by two of aimock's, of which one is well.
//
// As a program: prints one line of JSON, { base_url, key }, and ends when its input does.

import { fileURLToPath } from "node:url";

import { LLMock } from "@copilotkit/aimock";

import { startHub } from "../hub.mjs";

const FIXTURES = fileURLToPath(new URL("aimock.json", import.meta.url));
const CHAOS = { dropRate: 0.15, malformedRate: 0.15, rateLimitRate: 0.3, disconnectRate: 0.2 };

const hub = await startHub();
await hub.createAdmin();
const account = (name, model, base_url) =>
  hub.createAccount(name, 0, { provider: "custom", models: [{ model }], base_url });
for (const [at, url] of process.argv.slice(2).entries()) await account(`llmock-${at}`, "gpt-4o-mini", `${url}/v1`);
const mocks = [new LLMock({ port: 0, strict: true, chaos: CHAOS }), new LLMock({ port: 0, strict: true })];
for (const [at, mock] of mocks.entries()) {
  await mock.loadFixtureFile(FIXTURES).start();
  await account(`aimock-${at}`, "gpt-4o", `${mock.url}/v1`);
}
const { key } = await hub.createKey();
console.log(JSON.stringify({ base_url: `${hub.url}/v1`, key }));
process.stdin.resume().once("end", async () => {
  // The server first: it keeps connections to them.
  await hub.stop();
  for (const mock of mocks) await mock.stop();
});
