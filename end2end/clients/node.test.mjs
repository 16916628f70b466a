// Real Node clients against the real server: what changes for them is the key and the base URL, nothing else.
//
// Every task is asked of both stand-ins, which answer the same; every failure must be the client's own exception.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, embed, generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";

import { REPLY } from "../upstream.mjs";
import { startStage } from "./stage.mjs";

const MODELS = { "gpt-4o-mini": "text-embedding-3-small", "gpt-4o": "text-embedding-3-large" };
const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const PERSON = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};
const PICTURE =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const ANSWERS = {
  chat: REPLY,
  stream: REPLY,
  tools: "The tool said: 7 degrees",
  vision: "A picture of the type image/png",
  schema: { name: "Ada", age: 36 },
  embed: [0.25, -0.5, 0.75],
};

const user = (content) => [{ role: "user", content }];

async function all(items) {
  const list = [];
  for await (const item of items) list.push(item);
  return list;
}

/** What each client does with `key`; `again` is how often it may try again, its own default where undefined. */
const CLIENTS = {
  openai: (key, again) => {
    const client = new OpenAI({ apiKey: key, baseURL: stage.facts.base_url, maxRetries: again });
    const chat = (model, messages, more) => client.chat.completions.create({ model, messages, ...more });
    const content = (completion) => completion.choices[0].message.content;
    return {
      chat: async (model) => content(await chat(model, user("Say hello."))),
      async stream(model) {
        const chunks = await all(await chat(model, user("Say hello."), { stream: true }));
        return chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
      },
      async tools(model) {
        const tools = [{ type: "function", function: { name: "weather", parameters: CITY } }];
        const messages = user("What is the weather?");
        const { message } = (await chat(model, messages, { tools })).choices[0];
        const [{ id, function: call }] = message.tool_calls;
        assert.deepEqual([call.name, JSON.parse(call.arguments)], ["weather", { city: "Oslo" }]);
        const result = { role: "tool", tool_call_id: id, content: "7 degrees" };
        return content(await chat(model, [...messages, message, result], { tools }));
      },
      async vision(model) {
        const image = { type: "image_url", image_url: { url: PICTURE } };
        return content(await chat(model, user([{ type: "text", text: "What picture is this?" }, image])));
      },
      async schema(model) {
        const response_format = { type: "json_schema", json_schema: { name: "person", strict: true, schema: PERSON } };
        const messages = user("Who is Ada?");
        const completion = await client.chat.completions.parse({ model, messages, response_format });
        return completion.choices[0].message.parsed ?? JSON.parse(content(completion));
      },
      // aimock knows no base64, in which the SDK asks by itself.
      embed: async (model) =>
        (await client.embeddings.create({ model, input: "one", encoding_format: "float" })).data[0].embedding,
    };
  },
  ai: (key, again) => {
    const provider = createOpenAICompatible({
      name: "ourhub",
      apiKey: key,
      baseURL: stage.facts.base_url,
      includeUsage: true,
      supportsStructuredOutputs: true,
    });
    const ask = (model, more) => generateText({ model: provider(model), maxRetries: again, ...more });
    return {
      chat: async (model) => (await ask(model, { prompt: "Say hello." })).text,
      async stream(model) {
        let text = "";
        for await (const part of streamText({ model: provider(model), prompt: "Say hello.", onError: () => {} }).fullStream) {
          if (part.type === "error") throw part.error;
          if (part.type === "text-delta") text += part.text;
        }
        return text;
      },
      async tools(model) {
        const weather = tool({ inputSchema: jsonSchema(CITY), execute: ({ city }) => (city === "Oslo" ? "7 degrees" : city) });
        return (await ask(model, { prompt: "What is the weather?", tools: { weather }, stopWhen: stepCountIs(2) })).text;
      },
      async vision(model) {
        const content = [{ type: "text", text: "What picture is this?" }, { type: "image", image: PICTURE }];
        return (await ask(model, { messages: user(content) })).text;
      },
      async schema(model) {
        return (await ask(model, { prompt: "Who is Ada?", output: Output.object({ schema: jsonSchema(PERSON) }) })).output;
      },
      embed: async (model) => (await embed({ model: provider.textEmbeddingModel(model), value: "one" })).embedding,
    };
  },
};

/** name: key, model, task, status; how often it may try again, and how many requests arrive then. */
const FAILURES = {
  "a wrong key": ["wrong", "gpt-4o-mini", "chat", 401, undefined, 1],
  "a model that the key may not use": ["narrow", "gpt-4o-mini", "chat", 403, undefined, 1],
  "a model that is not there": ["good", "no-such-model", "chat", 404, undefined, 1],
  "a request that the upstream refuses": ["good", "refusing", "chat", 400, undefined, 1],
  "a rate limit": ["slow", "gpt-4o-mini", "chat", 429, 0, 1],
  "no money": ["poor", "gpt-4o-mini", "chat", 429, undefined, 1],
  "no account that works": ["good", "failing", "chat", 502, 0, 1],
  "an answer that breaks off": ["good", "cutting", "stream", undefined, 0, 1],
};
const OPENAI_ERRORS = {
  400: OpenAI.BadRequestError,
  401: OpenAI.AuthenticationError,
  403: OpenAI.PermissionDeniedError,
  404: OpenAI.NotFoundError,
  429: OpenAI.RateLimitError,
  502: OpenAI.InternalServerError,
  undefined: OpenAI.APIError,
};
let stage;

before(async () => void (stage = await startStage(Object.keys(CLIENTS))));
after(() => stage?.stop());

for (const [name, client] of Object.entries(CLIENTS)) {
  for (const [model, embedder] of Object.entries(MODELS)) {
    for (const [task, answer] of Object.entries(ANSWERS)) {
      test(`${name}: ${task} (${model})`, async () => {
        assert.deepEqual(await client(stage.facts.keys.good)[task](task === "embed" ? embedder : model), answer);
      });
    }
  }
  for (const [failure, [key, model, task, status, again, arrivals]] of Object.entries(FAILURES)) {
    test(`${name}: ${failure} is its own exception`, async () => {
      const { keys, counter_url } = stage.facts;
      // `ai` knows no x-should-retry: to it, every 429 is worth another try.
      const own = client(keys[key] ?? keys[`slow-${name}`], name === "ai" ? 0 : again);
      if (key === "slow") await own.chat(model);
      await fetch(counter_url);
      const error = await own[task](model === "failing" ? `failing-${name}` : model).then(assert.fail, (error) => error);
      assert.equal(await (await fetch(counter_url)).text(), String(arrivals));
      check[name](error, status);
      if (key === "slow") assert.ok(Number(retryAfter(error)) > 0, "no retry-after");
      if (key === "poor") assert.match(JSON.stringify(error.error ?? error.responseBody), /insufficient_quota/);
    });
  }
}

const retryAfter = (error) => error.responseHeaders?.["retry-after"] ?? error.headers.get("retry-after");
const check = {
  openai(error, status) {
    assert.equal(error.constructor, OPENAI_ERRORS[status]);
    assert.equal(error.status, status);
  },
  ai(error, status) {
    if (!status) return assert.match(String(error.message ?? error), /broke off/);
    assert.ok(APICallError.isInstance(error), String(error));
    assert.equal(error.statusCode, status);
  },
};

test("openai: the models list, and one model", async () => {
  const client = new OpenAI({ apiKey: stage.facts.keys.good, baseURL: stage.facts.base_url });
  const ids = (await all(client.models.list())).map((model) => model.id);
  assert.ok(Object.entries(MODELS).flat().every((model) => ids.includes(model)), ids.join());
  assert.equal((await client.models.retrieve("gpt-4o")).id, "gpt-4o");
});

test("openai: a stream with its usage", async () => {
  const client = new OpenAI({ apiKey: stage.facts.keys.good, baseURL: stage.facts.base_url });
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await all(await client.chat.completions.create({ model: "gpt-4o-mini", messages: user("Say hello."), ...options }));
  assert.equal(chunks.at(-1).usage.total_tokens, 15);
});

test("openai: an embedding in base64, in which the SDK asks by itself", async () => {
  const client = new OpenAI({ apiKey: stage.facts.keys.good, baseURL: stage.facts.base_url });
  const { data } = await client.embeddings.create({ model: "text-embedding-3-small", input: ["one", "two"] });
  assert.deepEqual(data.map((row) => row.embedding), [ANSWERS.embed, ANSWERS.embed]);
});

test("openai: a rate limit of one account is never seen", async () => {
  stage.hub.upstream.answer("first", { status: 429, headers: { "retry-after": "60" } });
  const answer = await CLIENTS.openai(stage.facts.keys.good, 0).chat("gpt-4o-mini");
  stage.hub.upstream.answer("first", null);
  assert.equal(answer, REPLY);
});
