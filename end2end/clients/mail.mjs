// What mails are tested on: the real server, which hands them to the mail server at the address that is given.
//
// As a program: prints one line of JSON, { url, token }, and ends when its input does. Certificates are trusted that
// `SSL_CERT_FILE` names.

import { startHub } from "../hub.mjs";

const [smtp] = process.argv.slice(2);
const hub = await startHub(async () => ({ OURHUB_SMTP_URL: smtp }));
const { email } = await hub.createAdmin();
const token = await hub.cli("token", "create", "--email", email);
console.log(JSON.stringify({ url: hub.url, token }));
process.stdin.resume().once("end", () => hub.stop());
