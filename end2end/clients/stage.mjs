// What the clients play on: the real server, two stand-ins for providers behind it, keys that are refused, and models that fail.
//
// `gpt-4o-mini` and `text-embedding-3-small` are answered by our own stand-in, `gpt-4o` and `text-embedding-3-large` by aimock, in
// the same words. `refusing`, `cutting` and one `failing-…` for each client are models whose only account does that.
//
// As a program (for the Python clients): prints one line of JSON, `facts`, and ends when its input does.

import { createServer, request as forward } from "node:http";
import { fileURLToPath } from "node:url";

import { LLMock } from "@copilotkit/aimock";

import { startHub } from "../hub.mjs";

const FIXTURES = fileURLToPath(new URL("aimock.json", import.meta.url));
const PRICES = { input: "1", output: "1" };

/** The stage for `clients`: { hub, facts, stop }. */
export async function startStage(clients) {
  const hub = await startHub();
  await hub.createAdmin();
  const aimock = new LLMock({ port: 0, strict: true }).loadFixtureFile(FIXTURES);
  await aimock.start();
  // They speak OpenAI's chat alone: whoever speaks another dialect is translated for.
  const models = (...names) => ({ provider: "custom", models: names.map((model) => ({ model })) });
  await hub.createAccount("first", 0, models("gpt-4o-mini", "text-embedding-3-small"));
  await hub.createAccount("second", 1, models("gpt-4o-mini", "text-embedding-3-small"));
  await hub.createAccount("aimock", 0, { ...models("gpt-4o", "text-embedding-3-large"), base_url: `${aimock.url}/v1` });

  await hub.createAccount("media", 0, models("gpt-image-2", "tts-1", "gpt-4o-transcribe", "whisper-1", "rerank-v3.5"));

  const misbehaving = async (name, behaviour) => {
    await hub.api("POST", "/models", { id: name, prices: PRICES });
    await hub.createAccount(name, 0, models(name));
    hub.upstream.answer(name, behaviour);
  };
  await misbehaving("refusing", { status: 400 });
  await misbehaving("cutting", { cut: true });
  const keys = {
    good: (await hub.createKey()).key,
    wrong: "sk-oh-wrong",
    narrow: (await hub.createKey({ models: ["gpt-4o"] })).key,
    poor: (await hub.createKey({ cap_total: "0.000001" })).key,
  };
  for (const client of clients) {
    await misbehaving(`failing-${client}`, { status: 500 });
    keys[`slow-${client}`] = (await hub.createKey({ rpm: 1 })).key;
  }
  const counter = await startCounter(hub.url);
  return {
    hub,
    facts: { base_url: `${counter.url}/v1`, counter_url: `${counter.url}/count`, keys },
    async stop() {
      counter.stop();
      await aimock.stop();
      await hub.stop();
    },
  };
}

/** Passes everything on to `target`; `GET /count` tells how many requests came since it was last asked. */
async function startCounter(target) {
  let count = 0;
  const server = createServer((request, response) => {
    if (request.url === "/count") {
      response.end(String(count));
      count = 0;
      return;
    }
    count += 1;
    const { method, headers } = request;
    const onward = forward(`${target}${request.url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.once("error", () => response.destroy());
    request.pipe(onward);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => (server.close(), server.closeAllConnections()) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stage = await startStage(process.argv.slice(2));
  console.log(JSON.stringify(stage.facts));
  process.stdin.resume().once("end", () => stage.stop());
}
