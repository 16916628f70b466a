// Passkeys: asks the browser's authenticator for what a form needs, then sends the form.
//
// A part of a form says in `data-passkey` whether to create one or to get one, and with what in `data-options`; the answer goes
// into the form's field `answer`. `[data-scriptless]` is for who has no script. What must not be sent without a script stands in `[data-ready]`, what went wrong in `[role=alert]`.

const SAID = {
  AbortError: "No passkey was used: another request was under way.",
  InvalidStateError: "This device has a passkey for you already.",
  NotAllowedError: "No passkey was used: it was cancelled, or took too long.",
  SecurityError: "This browser has no passkeys for this address.",
};

const toBytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const toText = (buffer) => {
  const letters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
};
const known = (list) => list.map((one) => ({ ...one, id: toBytes(one.id) }));

async function create(options) {
  const publicKey = {
    ...options,
    challenge: toBytes(options.challenge),
    user: { ...options.user, id: toBytes(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  };
  const { response } = await navigator.credentials.create({ publicKey });
  return { client: toText(response.clientDataJSON), attestation: toText(response.attestationObject) };
}

async function get(options) {
  const publicKey = {
    ...options,
    challenge: toBytes(options.challenge),
    allowCredentials: known(options.allowCredentials),
  };
  const { rawId, response } = await navigator.credentials.get({ publicKey });
  return {
    id: toText(rawId),
    client: toText(response.clientDataJSON),
    data: toText(response.authenticatorData),
    signature: toText(response.signature),
    user: response.userHandle ? toText(response.userHandle) : "",
  };
}

for (const part of document.querySelectorAll("[data-passkey]")) {
  const form = part.closest("form");
  part.querySelector("[data-scriptless]").hidden = true;
  const alert = form.querySelector("[role=alert]");
  const say = (words) => {
    alert.textContent = words;
    alert.hidden = words === "";
  };
  if (!window.PublicKeyCredential) {
    say("This browser has no passkeys, or has them over https only.");
    continue;
  }
  form.querySelector("[data-ready]").hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say("");
    try {
      const ask = part.dataset.passkey === "create" ? create : get;
      form.elements.answer.value = JSON.stringify(await ask(JSON.parse(part.dataset.options)));
      form.submit();
    } catch (error) {
      say(SAID[error.name] ?? `No passkey was used: ${error.message}`);
    }
  });
}
