// Google and GitHub, played by `emulate` on ports of their own.
//
// `const elsewhere = await startElsewhere(hubUrl)`, then `elsewhere.settings` for the hub and `elsewhere.stop()`. `emulate` needs a newer
// Node than the journeys do: it runs in the one that is among the packages, or in this one where that is new enough.
// With words on the command line this file is that other process: it plays them until its input ends.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";

const CLIENT = { client_id: "ourhub-end2end", client_secret: "ourhub-end2end-secret", name: "OurHub" };

if (process.argv[2] === "play") await play(process.argv[3]);

/** Google knows mira@example.com and noah@example.com, whose address it has not proven; GitHub knows mira. */
export async function startElsewhere(hubUrl) {
  const child = spawn(node(), [fileURLToPath(import.meta.url), "play", hubUrl], { stdio: ["pipe", "pipe", "inherit"] });
  const { google, github } = await new Promise((resolve, reject) => {
    let text = "";
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`emulate ended with ${code}`)));
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const line = text.split("\n").find((line) => line.startsWith("{") && line.endsWith("}"));
      if (line) resolve(JSON.parse(line));
    });
  });
  return {
    settings: {
      OURHUB_GOOGLE_CLIENT_ID: CLIENT.client_id,
      OURHUB_GOOGLE_CLIENT_SECRET: CLIENT.client_secret,
      OURHUB_GOOGLE_ISSUER: google,
      OURHUB_GITHUB_CLIENT_ID: CLIENT.client_id,
      OURHUB_GITHUB_CLIENT_SECRET: CLIENT.client_secret,
      OURHUB_GITHUB_URL: github,
      OURHUB_GITHUB_API_URL: github,
    },
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.end();
      await ended;
    },
  };
}

function node() {
  if (Number(process.versions.node.split(".")[0]) >= 22) return process.execPath;
  return fileURLToPath(new URL(`node_modules/node-linux-${process.arch}/bin/node`, import.meta.url));
}

async function play(hubUrl) {
  const { createEmulator } = await import("emulate");
  const back = (service) => ({ ...CLIENT, redirect_uris: [`${hubUrl}/login/with/${service}/back`] });
  const seed = {
    google: {
      users: [
        { email: "mira@example.com", name: "Mira" },
        { email: "noah@example.com", name: "Noah", email_verified: false },
      ],
      oauth_clients: [back("google")],
    },
    github: {
      users: [{ login: "mira", name: "Mira", email: "mira@example.com" }],
      oauth_apps: [back("github")],
    },
  };
  const google = await createEmulator({ service: "google", port: await freePort(), seed });
  const github = await createEmulator({ service: "github", port: await freePort(), seed });
  console.log(JSON.stringify({ google: google.url, github: github.url }));
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
  process.exit(0);
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
