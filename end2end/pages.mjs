// Every page, and a server with something to show on each.

import { call } from "./browser.mjs";

export const PUBLIC = { landing: "/", models: "/models", docs: "/docs", gallery: "/gallery", signup: "/signup", login: "/login", "login-code": "/login/code", setup: "/setup?token=x", forgot: "/forgot", reset: "/reset?token=x", verify: "/verify?token=x", missing: "/no-such-page" };

/** Pages that need what this server has not: a Stripe, or a step just taken. */
export const UNSEEN = ["/billing/payments", "/billing/payments/:id", "/admin/payments", "/settings/authenticator", "/settings/recovery"];

// Addresses as long as people have, so that tables are tried with them.
const LONG = "magdalena.okonkwo-lindqvist@research.example.com";
const JONAS = "jonas.okonkwo-lindqvist@research.example.com";

/** Two accounts, one of them cooling down, two keys, six requests and an alert; returns the signed-in pages by name. */
export async function furnish(hub) {
  await hub.createAdmin();
  const account = await hub.createAccount("first", 0);
  await hub.createAccount("second", 1);
  const { id, key } = await hub.createKey({ name: "ci-agents", cap_day: "5", cap_month: "50", rpm: 60 });
  await hub.createKey({ name: "laptop", models: ["gpt-*"] });
  for (let calls = 0; calls < 3; calls += 1) await call(hub, key);
  hub.upstream.answer("first", { status: 429, headers: { "retry-after": "600" } });
  await call(hub, key);
  await call(hub, key, { model: "no-such-model" });
  await call(hub, key, { model: await unpriced(hub) });
  const teams = await hub.api("GET", "/teams");
  const requests = await hub.api("GET", `/teams/${teams.data[0].id}/requests`);
  const request = requests.data[0].id;
  await hub.api("POST", "/teams/current/aliases", { name: "fast", targets: ["gpt-4o-mini", "gpt-4o"] });
  await hub.api("POST", "/aliases", { name: "house", targets: ["gpt-4o"] });
  const invitation = await hub.api("POST", "/teams/current/invitations", { role: "member", email: LONG });
  const mails = await hub.api("GET", "/mail/outbox");
  const user = await joined(hub);
  const own = await hub.api("POST", "/teams/current/accounts", { label: "ours", provider: "openai", secret: "sk-ours" });
  return {
    overview: "/overview",
    confirm: "/confirm?to=/team",
    keys: "/keys",
    "key-new": "/keys/new",
    "key-edit": `/keys/${id}`,
    "key-created": `/keys/${id}/created`,
    "key-rotate": `/keys/${id}/rotate`,
    "key-revoke": `/keys/${id}/revoke`,
    usage: "/usage",
    receipt: `/usage/${request}`,
    billing: "/billing",
    statement: "/billing/statement",
    team: "/team",
    "team-models": "/team/models",
    "team-alias-new": "/team/models/new",
    "team-alias-edit": "/team/models/edit?name=fast",
    "team-alias-delete": "/team/models/delete?name=fast",
    "team-invite": "/team/invite",
    "team-accounts": "/team/accounts",
    "team-account-choice": "/team/accounts/new",
    "team-account-new": "/team/accounts/new/openai",
    "team-account-edit": `/team/accounts/${own.id}`,
    "team-account-delete": `/team/accounts/${own.id}/delete`,
    "team-leave": "/team/leave",
    "team-remove": `/team/${user}/remove`,
    "team-hand-over": `/team/${user}/hand-over`,
    invite: invitation.path,
    "team-new": "/teams/new",
    alerts: "/alerts",
    audit: "/audit",
    settings: "/settings",
    "settings-profile": "/settings/profile",
    "settings-security": "/settings/security",
    "settings-sessions": "/settings/sessions",
    "settings-delete": "/settings/delete",
    "settings-email": "/settings/email?token=x",
    "admin-alerts": "/admin/alerts",
    "admin-accounts": "/admin/accounts",
    "admin-account-choice": "/admin/accounts/new",
    "admin-account-new": "/admin/accounts/new/openai",
    "admin-account-edit": `/admin/accounts/${account.id}`,
    "admin-account-delete": `/admin/accounts/${account.id}/delete`,
    "admin-models": "/admin/models",
    "admin-model-new": "/admin/models/new",
    "admin-model-price": "/admin/models/price?model=gpt-4o-mini",
    "admin-codes": "/admin/codes",
    "admin-revenue": "/admin/revenue",
    "admin-markups": "/admin/revenue/markups",
    "admin-code-new": "/admin/codes/new",
    "admin-aliases": "/admin/aliases",
    "admin-alias-new": "/admin/aliases/new",
    "admin-alias-edit": "/admin/aliases/edit?name=house",
    "admin-alias-delete": "/admin/aliases/delete?name=house",
    "admin-teams": "/admin/teams",
    "admin-requests": "/admin/requests",
    "admin-receipt": `/admin/requests/${request}`,
    "admin-users": "/admin/users",
    "admin-user-delete": `/admin/users/${user}/delete`,
    "admin-audit": "/admin/audit",
    "admin-sign-up": "/admin/sign-up",
    "admin-mail": "/admin/mail",
    "admin-mail-read": `/admin/mail/${mails.data[0].id}`,
    "admin-health": "/admin/health",
  };
}

/** Somebody who has joined the admin's team; the id. */
async function joined(hub) {
  const { path } = await hub.api("POST", "/teams/current/invitations", { role: "member" });
  await hub.cli("user", "create", "--email", JONAS, "--password", "a long enough passphrase");
  const token = await hub.cli("token", "create", "--email", JONAS);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const body = JSON.stringify({ token: path.split("/").pop() });
  const response = await fetch(`${hub.url}/api/v1/invitations/accept`, { method: "POST", headers, body });
  if (!response.ok) throw new Error(`the invitation is not accepted: ${response.status} ${await response.text()}`);
  const members = await hub.api("GET", "/teams/current/members");
  return members.data.find((member) => member.email === JONAS).user_id;
}

/** A model of the catalogue without a price: whoever calls it is refused, and the admin alerted. */
async function unpriced(hub) {
  let after = "";
  for (;;) {
    const page = await hub.api("GET", `/models?limit=200${after && `&after=${encodeURIComponent(after)}`}`);
    const found = page.data.find((model) => model.prices === null && model.mode === "chat");
    if (found) return found.id;
    if (page.next === null) throw new Error("every model of the catalogue has a price");
    after = page.next;
  }
}
