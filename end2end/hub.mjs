// Starts the real `ourhub` on a free port with an empty data folder, and a stand-in upstream beside it.
//
// `const hub = await startHub()`, then `hub.url`, `hub.upstream`, `hub.api(...)`, `hub.stop()`.

import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { startUpstream } from "./upstream.mjs";

const BINARY = process.env.OURHUB_BIN ?? fileURLToPath(new URL("../target/debug/ourhub", import.meta.url));
const run = promisify(execFile);

export const ADMIN = { email: "admin@example.com", password: "a long enough passphrase" };

/** `settingsFor` returns further settings for the hub at this URL. */
export async function startHub(settingsFor = async () => ({})) {
  const upstream = await startUpstream();
  const folder = await mkdtemp(join(tmpdir(), "ourhub-end2end-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const settings = Object.entries(process.env).filter(([name]) => !name.startsWith("OURHUB_"));
  const env = { ...Object.fromEntries(settings), OURHUB_DATA_DIR: folder, OURHUB_LISTEN: `127.0.0.1:${port}`, ...(await settingsFor(url)) };

  const log = [];
  const server = spawn(BINARY, ["serve"], { env, cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
  for (const output of [server.stdout, server.stderr]) output.on("data", (chunk) => log.push(chunk.toString()));
  const ended = new Promise((resolve) => {
    server.once("exit", (code, signal) => (log.push(`ended: ${code ?? signal}\n`), resolve()));
    server.once("error", (error) => (log.push(`${error}\n`), resolve()));
  });
  await isReady(url, server, log);

  let token;
  const cli = async (...args) => (await run(BINARY, args, { env, cwd: folder })).stdout.trim();
  const api = async (method, path, body) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const response = await fetch(`${url}/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  return {
    url,
    upstream,
    api,
    cli,
    log: () => log.join(""),
    /** A platform admin, made on the command line; `api` then speaks for it. */
    async createAdmin() {
      await cli("user", "create", "--email", ADMIN.email, "--password", ADMIN.password, "--admin");
      token = await cli("token", "create", "--email", ADMIN.email);
      return ADMIN;
    },
    /** An upstream account whose base URL is `${upstream.url}/${name}/v1`; lower priorities are asked first. */
    createAccount: (name, priority = 0, fields = {}) =>
      api("POST", "/accounts", {
        label: name,
        provider: "openai",
        dialect: "chat",
        base_url: `${upstream.url}/${name}/v1`,
        secret: `sk-${name}-secret`,
        priority,
        models: ["*"],
        ...fields,
      }),
    /** A key of the admin's team: { id, key }. */
    async createKey(fields = {}) {
      const teams = await api("GET", "/teams");
      return api("POST", `/teams/${teams.data[0].id}/keys`, { name: "end2end", ...fields });
    },
    async stop() {
      server.kill("SIGTERM");
      const timer = setTimeout(() => server.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(timer);
      await upstream.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function isReady(url, server, log) {
  const until = Date.now() + 60_000;
  while (Date.now() < until && server.exitCode === null && server.pid) {
    const response = await fetch(`${url}/readyz`).catch(() => null);
    if (response?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  server.kill("SIGKILL");
  throw new Error(`${BINARY} did not become ready at ${url}:\n${log.join("")}`);
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
