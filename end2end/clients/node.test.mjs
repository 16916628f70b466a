// Real Node clients against the real server: what changes for them is the key and the base URL, nothing else.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateText, streamText } from "ai";
import OpenAI from "openai";

import { startHub } from "../hub.mjs";
import { REPLY } from "../upstream.mjs";

const MODEL = "gpt-4o-mini";
const messages = [{ role: "user", content: "Say hello." }];
let hub, key, openai;

before(async () => {
  hub = await startHub();
  await hub.createAdmin();
  await hub.createAccount("first", 0);
  await hub.createAccount("second", 1);
  ({ key } = await hub.createKey());
  openai = new OpenAI({ apiKey: key, baseURL: `${hub.url}/v1`, maxRetries: 0 });
});

after(() => hub?.stop());

test("openai: a completion", async () => {
  const completion = await openai.chat.completions.create({ model: MODEL, messages });
  assert.equal(completion.choices[0].message.content, REPLY);
  assert.deepEqual([completion.usage.prompt_tokens, completion.usage.completion_tokens], [11, 4]);
});

test("openai: a stream with its usage", async () => {
  const stream = await openai.chat.completions.create({ model: MODEL, messages, stream: true, stream_options: { include_usage: true } });
  let text = "";
  let usage = null;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, REPLY);
  assert.equal(usage.total_tokens, 15);
});

test("openai: embeddings", async () => {
  const { data } = await openai.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  assert.deepEqual(data.map((row) => row.embedding), [[0.25, -0.5, 0.75], [0.25, -0.5, 0.75]]);
});

test("openai: a wrong key raises the SDK's own exception", async () => {
  const stranger = new OpenAI({ apiKey: "sk-oh-wrong", baseURL: `${hub.url}/v1`, maxRetries: 0 });
  await assert.rejects(stranger.chat.completions.create({ model: MODEL, messages }), OpenAI.AuthenticationError);
});

test("openai: a rate limit of one account is never seen", async () => {
  hub.upstream.answer("first", { status: 429, headers: { "retry-after": "60" } });
  const completion = await openai.chat.completions.create({ model: MODEL, messages });
  hub.upstream.answer("first", null);
  assert.equal(completion.choices[0].message.content, REPLY);
});

test("ai: text, a stream and an embedding", async () => {
  const provider = createOpenAICompatible({ name: "ourhub", apiKey: key, baseURL: `${hub.url}/v1`, includeUsage: true });
  const { text, usage } = await generateText({ model: provider(MODEL), prompt: "Say hello.", maxRetries: 0 });
  assert.equal(text, REPLY);
  assert.equal(usage.outputTokens, 4);
  assert.equal(await streamText({ model: provider(MODEL), prompt: "Say hello.", maxRetries: 0 }).text, REPLY);
  const { embedding } = await embed({ model: provider.textEmbeddingModel("text-embedding-3-small"), value: "one" });
  assert.deepEqual(embedding, [0.25, -0.5, 0.75]);
});
