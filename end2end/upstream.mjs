// A stand-in for a provider that speaks OpenAI's chat dialect: models, chat completions (whole and streamed), embeddings, images,
// speech, transcriptions, and rerank.
//
// It calls the first tool it is offered, repeats the result of a tool, names the media type of a picture, fills in a person
// where a JSON schema is asked for, and says hello to anything else.
//
// Each account has a base URL of its own, `${url}/<account>/v1`, and misbehaves on demand:
//     upstream.answer("first", { status: 429, headers: { "retry-after": "60" } });   // from now on
//     upstream.answer("first", { hang: true });                                      // never answers
//     upstream.answer("first", { cut: true });                                       // breaks off in the middle of a stream
//     upstream.answer("first", null);                                                // well again
// `upstream.requests` holds what arrived: { account, path, authorization, body }.

import { createServer } from "node:http";

const USAGE = { prompt_tokens: 11, completion_tokens: 4, total_tokens: 15 };
export const REPLY = "Hello from the upstream";

export async function startUpstream() {
  const behaviours = new Map();
  const requests = [];
  const server = createServer(async (request, response) => {
    const [, account, path] = /^\/([^/]+)(\/v1\/.*)$/.exec(request.url) ?? [null, null, request.url];
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = await read(request.headers["content-type"], Buffer.concat(chunks));
    requests.push({ account, path, authorization: request.headers.authorization, body });

    const behaviour = behaviours.get(account);
    if (behaviour?.hang) return;
    if (behaviour?.status) return fail(response, behaviour);
    if (path === "/v1/models") return json(response, { object: "list", data: [{ id: "gpt-4o-mini", object: "model" }] });
    if (path === "/v1/embeddings") return json(response, embeddings(body));
    const other = MEDIA[path];
    if (other) return other(response, body);
    if (path !== "/v1/chat/completions") return fail(response, { status: 404 });
    return body.stream ? stream(response, body, behaviour?.cut) : json(response, completion(body));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  return {
    url,
    requests,
    answer: (account, behaviour) => (behaviour ? behaviours.set(account, behaviour) : behaviours.delete(account)),
    stop: () => new Promise((resolve) => (server.close(resolve), server.closeAllConnections())),
  };
}

/** A body: JSON, or the fields of a form, of files their sizes. */
async function read(type, bytes) {
  if (!bytes.length) return null;
  if (!type?.startsWith("multipart/")) return JSON.parse(bytes.toString());
  const form = await new Response(bytes, { headers: { "content-type": type } }).formData();
  return Object.fromEntries([...form].map(([name, value]) => [name, typeof value === "string" ? value : value.size]));
}

const MEDIA = {
  "/v1/images/generations": images("image_generation"),
  "/v1/images/edits": images("image_edit"),
  "/v1/audio/speech": (response, body) => {
    response.writeHead(200, { "content-type": "audio/mpeg" });
    response.end(`spoken: ${body.input}`);
  },
  "/v1/audio/transcriptions": heard,
  "/v1/audio/translations": heard,
  "/v1/rerank": (response, body) => {
    const results = body.documents.map((_, index) => ({ index, relevance_score: 1 / (index + 1) }));
    json(response, { id: "rerank-mock", results: results.slice(0, body.top_n), meta: { billed_units: { search_units: 1 } } });
  },
};

function events(response, all) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const event of all) response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
  response.end();
}

function images(kind) {
  const usage = {
    input_tokens: 50,
    input_tokens_details: { text_tokens: 10, image_tokens: 40 },
    output_tokens: 100,
    total_tokens: 150,
  };
  const image = { b64_json: Buffer.from("a picture").toString("base64") };
  const shown = { ...image, created_at: 1_700_000_000, size: "1024x1024", quality: "low", background: "opaque", output_format: "png" };
  return (response, body) => {
    if (!body.stream || body.stream === "false") return json(response, { created: 1_700_000_000, data: [image], usage });
    events(response, [
      { type: `${kind}.partial_image`, partial_image_index: 0, ...shown },
      { type: `${kind}.completed`, ...shown, usage },
    ]);
  };
}

function heard(response, body) {
  const text = `heard ${body.file} bytes`;
  const usage = { type: "tokens", input_tokens: 20, input_token_details: { audio_tokens: 20, text_tokens: 0 }, output_tokens: 4, total_tokens: 24 };
  if (body.stream === "true") {
    return events(response, [
      { type: "transcript.text.delta", delta: text },
      { type: "transcript.text.done", text, usage },
    ]);
  }
  if (body.response_format !== "verbose_json") return json(response, { text, usage });
  json(response, { task: "transcribe", language: "english", duration: 2.5, text, segments: [{ id: 0, start: 0, end: 2.5, text }] });
}

function json(response, value, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

function fail(response, { status, headers }) {
  const code = status === 429 ? "rate_limit_exceeded" : null;
  json(response, { error: { message: `status ${status} on demand`, type: "mock_error", param: null, code } }, status, headers);
}

/** What is answered to `body`: a message in one piece, whose content may come in words. */
function reply(body) {
  const last = body.messages.at(-1);
  const parts = Array.isArray(last.content) ? last.content : [];
  const picture = parts.find((part) => part.type === "image_url")?.image_url.url;
  const text = (content) => ({ message: { role: "assistant", content }, finish_reason: "stop" });
  if (last.role === "tool") return text(`The tool said: ${parts[0]?.text ?? last.content}`);
  if (body.tools) {
    const call = { name: body.tools[0].function.name, arguments: JSON.stringify({ city: "Oslo" }) };
    const tool_calls = [{ id: "call_1", type: "function", function: call }];
    return { message: { role: "assistant", content: null, tool_calls }, finish_reason: "tool_calls" };
  }
  if (picture) return text(`A picture of the type ${/^data:([^;]+);base64,/.exec(picture)?.[1]}`);
  if (body.response_format?.type === "json_schema") return text(JSON.stringify({ name: "Ada", age: 36 }));
  return text(REPLY);
}

function completion(body) {
  const { message, finish_reason } = reply(body);
  return {
    id: "chatcmpl-mock",
    object: "chat.completion",
    created: 1_700_000_000,
    model: body.model,
    choices: [{ index: 0, message: { ...message, refusal: null }, logprobs: null, finish_reason }],
    usage: USAGE,
  };
}

function stream(response, body, isCut) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const event = (choices, usage) => {
    const chunk = { id: "chatcmpl-mock", object: "chat.completion.chunk", created: 1_700_000_000, model: body.model, choices, usage };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  const choice = (delta, finish_reason = null) => [{ index: 0, delta, logprobs: null, finish_reason }];
  const { message, finish_reason } = reply(body);
  event(choice({ role: "assistant", content: "" }));
  for (const content of message.content?.split(/(?= )/) ?? []) event(choice({ content }));
  if (message.tool_calls) event(choice({ tool_calls: message.tool_calls.map((call, index) => ({ index, ...call })) }));
  if (isCut) return setTimeout(() => response.destroy(), 50);
  event(choice({}, finish_reason));
  if (body.stream_options?.include_usage) event([], USAGE);
  response.end("data: [DONE]\n\n");
}

function embeddings(body) {
  const inputs = Array.isArray(body.input) && typeof body.input[0] !== "number" ? body.input : [body.input];
  const numbers = [0.25, -0.5, 0.75];
  const embedding = body.encoding_format === "base64" ? Buffer.from(new Float32Array(numbers).buffer).toString("base64") : numbers;
  return {
    object: "list",
    data: inputs.map((_, index) => ({ object: "embedding", index, embedding })),
    model: body.model,
    usage: { prompt_tokens: 6, total_tokens: 6 },
  };
}
