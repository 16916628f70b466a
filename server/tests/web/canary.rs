//! Secrets that were planted everywhere, and everything the server says, writes and logs: none of them is in it.
//!
//! Invariant: each secret is looked for as it is, in base64 and in hex; what shows one on purpose, once, is left out. The server is a
//! process of its own that logs at the level of debugging; whoever it calls sends back all it was sent, as providers do in errors.

use crate::{app::code, shapes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::CommandFactory as _;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::{Value, json};
use server::{clock, config::Flags};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const EMAIL: &str = "root@example.com";
const PASSWORD: &str = "canary-password-7c1e";
const UPSTREAM: &str = "sk-canary-upstream-91d0";
const PROXY: &str = "canary-proxy-password-55aa";
const SMTP: &str = "canary-smtp-password-30fe";
const METRICS: &str = "canary-metrics-token-8842";
const STRIPE: &str = "sk_test_canarystripe4411";
const STRIPE_WEBHOOK: &str = "whsec_canarystripewebhook7733";
const GOOGLE: &str = "canary-google-secret-2f6b";
const GITHUB: &str = "canary-github-secret-e410";
const OIDC: &str = "canary-issuer-secret-77c3";
/// In base64.
const MASTER: &[u8; 32] = b"canary-master-key-of-32-bytes-ok";

/// What is set by the environment, and the setting; every setting that is hidden in `--help` has to be here.
fn settings(echo: &str, smtp: &str) -> Vec<(&'static str, String)> {
    vec![
        ("OURHUB_MASTER_KEY", STANDARD.encode(MASTER)),
        ("OURHUB_STRIPE_SECRET_KEY", STRIPE.to_owned()),
        ("OURHUB_STRIPE_WEBHOOK_SECRET", STRIPE_WEBHOOK.to_owned()),
        ("OURHUB_METRICS_TOKEN", METRICS.to_owned()),
        ("OURHUB_SMTP_URL", format!("smtp://canary:{SMTP}@{smtp}")),
        ("OURHUB_STRIPE_API_BASE", echo.to_owned()),
        ("OURHUB_GOOGLE_CLIENT_ID", "canary".to_owned()),
        ("OURHUB_GOOGLE_CLIENT_SECRET", GOOGLE.to_owned()),
        ("OURHUB_GOOGLE_ISSUER", echo.to_owned()),
        ("OURHUB_GITHUB_CLIENT_ID", "canary".to_owned()),
        ("OURHUB_GITHUB_CLIENT_SECRET", GITHUB.to_owned()),
        ("OURHUB_GITHUB_URL", echo.to_owned()),
        ("OURHUB_OIDC_CLIENT_ID", "canary".to_owned()),
        ("OURHUB_OIDC_CLIENT_SECRET", OIDC.to_owned()),
        ("OURHUB_OIDC_ISSUER", echo.to_owned()),
        ("OURHUB_PREPAID", "false".to_owned()),
    ]
}

/// A server in a process of its own, with all it writes in `dir`.
struct Nest {
    dir: PathBuf,
    url: String,
    process: Child,
    client: Client,
}

impl Drop for Nest {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn command(dir: &Path, words: &[&str], settings: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ourhub"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OURHUB_")) {
        command.env_remove(name);
    }
    command
        .args(words)
        .envs(settings.iter().map(|(name, value)| (name, value)));
    command
        .env("OURHUB_DATA_DIR", dir.join("data"))
        .env("OURHUB_LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null());
    command
}

impl Nest {
    fn new(settings: &[(&'static str, String)]) -> (Self, String) {
        let dir = std::env::temp_dir().join(format!("ourhub_canary_{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let user = ["user", "create", "--admin", "--email", EMAIL, "--password", PASSWORD];
        assert!(command(&dir, &user, settings).output().unwrap().status.success());
        let token = command(&dir, &["token", "create", "--email", EMAIL], settings)
            .output()
            .unwrap();
        let token = String::from_utf8(token.stdout).unwrap().trim().to_owned();
        let log = fs::File::create(dir.join("log")).unwrap();
        let mut serve = command(&dir, &[], settings);
        serve
            .env("OURHUB_LOG", "debug,server=trace,gateway_core=trace")
            .env("OURHUB_LOG_FORMAT", "json");
        let mut process = serve.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| Some(line.unwrap().split_once("ready at ")?.1.trim().to_owned()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let nest = Self {
            dir,
            url: url.expect("the server did not start"),
            process,
            client: Client::builder().no_proxy().redirect(Policy::none()).build().unwrap(),
        };
        (nest, token)
    }

    /// Head and body of an answer, one text.
    async fn say(&self, request: reqwest::RequestBuilder) -> (u16, String) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let head = format!("{:?}", response.headers());
        let body = String::from_utf8_lossy(&response.bytes().await.unwrap()).into_owned();
        (status, format!("{head}\n{body}"))
    }

    async fn api(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value, String) {
        let request = self
            .client
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(token);
        let request = if body.is_null() {
            request
        } else {
            request.body(body.to_string())
        };
        let (status, text) = self.say(request).await;
        let body = text.split_once('\n').unwrap().1;
        (status, serde_json::from_str(body).unwrap_or_default(), text)
    }

    async fn form(&self, name: &str, cookie: &str, body: &str) -> reqwest::Response {
        let request = self
            .client
            .post(format!("{}/fn/{name}", self.url))
            .header("sec-fetch-site", "same-origin");
        let request = request
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "text/html");
        request
            .header("cookie", cookie)
            .body(body.to_owned())
            .send()
            .await
            .unwrap()
    }

    async fn read(&self, path: &str, cookie: &str) -> String {
        let request = self
            .client
            .get(format!("{}{path}", self.url))
            .header("accept", "text/html");
        self.say(request.header("cookie", cookie)).await.1
    }
}

/// The cookie called `name` that an answer sets.
fn cookie(response: &reqwest::Response, name: &str) -> String {
    let lines = response
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|line| line.to_str().unwrap().to_owned());
    let found = lines
        .filter_map(|line| Some(line.split_once(';')?.0.to_owned()))
        .find(|pair| pair.starts_with(&format!("{name}=")));
    found.unwrap_or_else(|| panic!("no {name}: {response:?}"))
}

/// Somebody who answers every request with an error that says all that was sent; where it listens.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(repeat(stream));
        }
    });
    format!("http://{address}")
}

async fn repeat(mut stream: TcpStream) {
    let mut sent = vec![0; 64 << 10];
    let Ok(count) = stream.read(&mut sent).await else {
        return;
    };
    let sent = String::from_utf8_lossy(&sent[..count]).into_owned();
    // Alternately as the status that says a key is wrong, and as those that say the request or the server is.
    let status =
        ["400", "401", "500"][usize::from(sent.contains("please-401")) + 2 * usize::from(sent.contains("please-500"))];
    let error = json!({"error": {"message": format!("wrong: {sent}"), "type": "invalid_request_error", "code": sent, "param": sent}}).to_string();
    let body = if sent.contains("\"stream\":true") {
        format!("data: {error}\n\n")
    } else {
        error
    };
    let (status, kind) = if sent.contains("\"stream\":true") {
        ("200", "text/event-stream")
    } else {
        (status, "application/json")
    };
    let answer = format!(
        "HTTP/1.1 {status} No\r\ncontent-type: {kind}\r\nx-request-id: {UPSTREAM}\r\nset-cookie: a={UPSTREAM}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// A mail server that refuses everybody in the words they logged in with.
async fn mail_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut stream = tokio::io::BufReader::new(stream);
                let _ = stream.write_all(b"220 mail.example.com\r\n").await;
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
                    let answer = if line.starts_with("EHLO") {
                        "250-mail.example.com\r\n250 AUTH PLAIN LOGIN\r\n".to_owned()
                    } else {
                        let sent = STANDARD
                            .decode(line.trim().rsplit(' ').next().unwrap())
                            .unwrap_or_default();
                        let sent = String::from_utf8_lossy(&sent).replace('\0', " ");
                        format!("535 5.7.8 wrong: {} that is {sent}\r\n", line.trim())
                    };
                    line.clear();
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address.to_string()
}

/// What the admin does; every secret that comes of it.
async fn plant(nest: &Nest, token: &str, echo: &str) -> (String, Vec<(&'static str, String)>) {
    let mut secrets = vec![("a management token", token.to_owned())];
    let entered = nest
        .form("log_in", "", &format!("email={EMAIL}&password={PASSWORD}"))
        .await;
    let session = cookie(&entered, "ourhub");
    let jwt = session.split_once('=').unwrap().1.to_owned();
    secrets.push(("a session", jwt.rsplit('.').next().unwrap().to_owned()));
    for (label, proxy) in [
        ("plain", Value::Null),
        ("behind a proxy", json!(format!("http://canary:{PROXY}@{}", &echo[7..]))),
    ] {
        let account = json!({"label": label, "provider": "custom", "dialect": "chat", "base_url": format!("{echo}/v1"), "secret": UPSTREAM,
            "proxy_url": proxy});
        let (status, made, text) = nest.api(Method::POST, "/accounts", token, account).await;
        assert_eq!(status, 201, "{text}");
        let test = format!("/accounts/{}/test", made["id"].as_str().unwrap());
        nest.api(Method::POST, &test, token, Value::Null).await;
    }
    let (_, made, _) = nest
        .api(Method::POST, "/teams/current/keys", token, json!({"name": "one"}))
        .await;
    let rotated = format!("/teams/current/keys/{}/rotate", made["id"].as_str().unwrap());
    let (_, rotated, _) = nest
        .api(Method::POST, &rotated, token, json!({"overlap_s": 3600}))
        .await;
    for key in [&made["key"], &rotated["key"]] {
        // Its first part is a public name.
        secrets.push(("a key", key.as_str().unwrap()[14..].to_owned()));
    }
    let hook = json!({"url": "https://hooks.invalid/hook"});
    let (status, hook, text) = nest.api(Method::PUT, "/teams/current/webhook", token, hook).await;
    let secret = hook["secret"].as_str().unwrap_or_else(|| panic!("{status} {text}"));
    secrets.push(("a webhook's secret", secret.trim_start_matches("whsec_").to_owned()));
    nest.api(Method::POST, "/teams/current/webhook/test", token, Value::Null)
        .await;
    let (_, codes, text) = nest.api(Method::POST, "/codes", token, json!({"amount": "5"})).await;
    let code_of_money = codes["data"][0]["code"].as_str().unwrap_or_else(|| panic!("{text}"));
    secrets.push(("a redeem code", code_of_money.to_owned()));
    secrets.push(("a redeem code", code_of_money.replace('-', "")));
    let (_, invited, text) = nest
        .api(
            Method::POST,
            "/teams/current/invitations",
            token,
            json!({"role": "viewer"}),
        )
        .await;
    let link = invited["path"].as_str().unwrap_or_else(|| panic!("{text}"));
    secrets.push(("an invitation", link.rsplit('/').next().unwrap().to_owned()));
    nest.api(Method::POST, "/mail/test", token, Value::Null).await;
    nest.form("ask_reset", "", &format!("email={EMAIL}")).await;
    let (session, planted) = plant_factor(nest, &session).await;
    secrets.extend(planted);
    (session, secrets)
}

/// An authenticator, its recovery codes, and the session after it.
async fn plant_factor(nest: &Nest, session: &str) -> (String, Vec<(&'static str, String)>) {
    nest.form("begin_factor", session, "").await;
    let enrolment = nest.read("/fn/enrolment", session).await;
    let enrolment: Value = serde_json::from_str(enrolment.split_once('\n').unwrap().1).unwrap();
    let secret = enrolment["secret"].as_str().unwrap();
    let typed = code(secret, clock::now_ms());
    let on = nest.form("confirm_factor", session, &format!("code={typed}")).await;
    assert_eq!(on.headers()["location"], "/settings/recovery");
    let flash = cookie(&on, "ourhub-flash");
    let shown = nest.read("/settings/recovery", &format!("{session}; {flash}")).await;
    let is_code = |word: &&str| word.len() == 11 && word.as_bytes()[5] == b'-';
    let words = shown.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let codes: Vec<String> = words.filter(is_code).map(str::to_owned).collect();
    assert!(codes.len() >= 10, "{shown}");
    let mut planted = vec![("an authenticator's secret", secret.replace(' ', ""))];
    planted.push(("an authenticator's secret", secret.to_owned()));
    planted.extend(codes.into_iter().map(|code| ("a recovery code", code)));
    (session.to_owned(), planted)
}

/// Whatever the server says to its customers, its admin and anybody, by where it said it.
async fn listen(nest: &Nest, token: &str, (session, key): (&str, &str)) -> Vec<(String, String)> {
    let mut said = Vec::new();
    for path in [
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/messages",
        "/v1/embeddings",
        "/v1beta/models/gpt-4o-mini:generateContent",
    ] {
        for (word, stream) in [
            ("please-400", false),
            ("please-401", false),
            ("please-500", false),
            ("please-400", true),
        ] {
            let body = json!({"model": "gpt-4o-mini", "stream": stream, "max_tokens": 9, "input": word,
                "messages": [{"role": "user", "content": word}]});
            let body = if path.contains("v1beta") {
                json!({"contents": [{"role": "user", "parts": [{"text": word}]}]})
            } else {
                body
            };
            let request = nest
                .client
                .post(format!("{}{path}", nest.url))
                .bearer_auth(key)
                .body(body.to_string());
            said.push((format!("POST {path} {word}"), nest.say(request).await.1));
        }
    }
    said.extend(come_back_from_providers(nest).await);
    let order = json!({"amount": "10"});
    said.push((
        "POST payments".to_owned(),
        nest.api(Method::POST, "/teams/current/payments", token, order).await.2,
    ));
    for path in ["/v1/models", "/v1/key"] {
        let request = nest.client.get(format!("{}{path}", nest.url)).bearer_auth(key);
        said.push((path.to_owned(), nest.say(request).await.1));
    }
    let metrics = nest.client.get(format!("{}/metrics", nest.url)).bearer_auth(METRICS);
    said.push(("/metrics".to_owned(), nest.say(metrics).await.1));
    // Twice: what the first answers name is asked for the second time.
    let mut ids: Vec<String> = vec!["x".to_owned()];
    for _ in 0..2 {
        for (_, path) in server::http::management::ROUTES
            .iter()
            .filter(|(method, _)| *method == "get")
        {
            let path = path.replace("{team}", "current");
            for id in ids.iter().filter(|id| path.contains('{') || **id == ids[0]) {
                let target = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { id.as_str() } else { part });
                let target = target.collect::<Vec<_>>().join("/");
                let (_, _, text) = nest.api(Method::GET, &target, token, Value::Null).await;
                said.push((format!("GET /api/v1{target}"), text));
            }
        }
        let mut found: Vec<String> = said.iter().flat_map(|(_, text)| named(text)).collect();
        found.sort_unstable();
        found.dedup_by_key(|id| id[..4].to_owned());
        ids = found;
    }
    for page in leptos_actix::generate_route_list(frontend::App) {
        for id in ids.iter().filter(|id| page.path().contains('{') || **id == ids[0]) {
            let target = page
                .path()
                .split('/')
                .map(|part| if part.starts_with('{') { id.as_str() } else { part });
            let target = target.collect::<Vec<_>>().join("/");
            for cookie in [session, ""] {
                said.push((format!("GET {target}"), nest.read(&target, cookie).await));
            }
        }
    }
    for function in shapes::functions().iter().filter(|function| function.is_read) {
        for id in &ids {
            let target = format!("/fn/{}?{}", function.name, function.body(id));
            said.push((format!("GET {target}"), nest.read(&target, session).await));
        }
    }
    let landing = nest.read("/", "").await;
    let assets = landing
        .split('"')
        .filter(|word| word.starts_with("/pkg/"))
        .map(str::to_owned);
    let others = [
        "/api/openapi.json",
        "/usage.csv",
        "/billing/statement.csv",
        "/profile.json",
        "/healthz",
        "/readyz",
        "/nowhere",
    ];
    for path in assets.chain(others.map(str::to_owned)) {
        said.push((format!("GET {path}"), nest.read(&path, session).await));
    }
    said
}

/// What is said to who leaves for each provider, and comes back from the one that asks nothing before.
async fn come_back_from_providers(nest: &Nest) -> Vec<(String, String)> {
    let mut said = Vec::new();
    for provider in ["google", "oidc"] {
        let target = format!("/login/with/{provider}");
        said.push((format!("GET {target}"), nest.read(&target, "").await));
    }
    let leave = nest.client.get(format!("{}/login/with/github", nest.url));
    let leave = leave.header("sec-fetch-site", "same-origin");
    let left = leave.header("accept", "text/html").send().await.unwrap();
    let kept = cookie(&left, "ourhub-away");
    let there = reqwest::Url::parse(left.headers()["location"].to_str().unwrap()).unwrap();
    said.push(("GET /login/with/github".to_owned(), format!("{:?}", left.headers())));
    let state = there.query_pairs().find(|(name, _)| name == "state").unwrap().1;
    for word in ["please-400", "please-500"] {
        let target = format!("/login/with/github/back?code={word}&state={state}");
        said.push((format!("GET {target}"), nest.read(&target, &kept).await));
    }
    said
}

/// The ids in a text.
fn named(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_id = |word: &&str| {
        word.split_once('_')
            .is_some_and(|(kind, letters)| (3..=4).contains(&kind.len()) && letters.len() == 13)
    };
    words.filter(is_id).map(str::to_owned).collect()
}

/// Every file below `dir`, by its name.
fn files(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// The ways a secret may be written.
fn ways(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut ways = vec![
        secret.as_bytes().to_vec(),
        hex.clone().into_bytes(),
        hex.to_uppercase().into_bytes(),
    ];
    // Wherever it begins within three bytes, the middle of it reads the same.
    for shift in 0..3 {
        let padded = [&b"\0\0\0"[..shift], secret.as_bytes()].concat();
        let encoded = STANDARD.encode(padded);
        let middle = encoded.trim_end_matches('=');
        ways.push(middle.as_bytes()[4.min(middle.len() / 4)..middle.len() - 3].to_vec());
    }
    ways.retain(|way| way.len() >= 8);
    ways
}

#[test]
fn every_setting_that_is_a_secret_is_planted() {
    let planted: Vec<&str> = settings("", "").into_iter().map(|(name, _)| name).collect();
    let command = Flags::command();
    let hidden = command
        .get_arguments()
        .filter(|argument| argument.is_hide_env_values_set());
    for argument in hidden {
        let name = argument.get_env().unwrap().to_str().unwrap();
        // Of a database that is a file it has none.
        assert!(
            name == "OURHUB_DATABASE_URL" || planted.contains(&name),
            "{name} is a secret: plant one"
        );
    }
    for argument in command.get_arguments() {
        let name = argument.get_env().map_or("", |name| name.to_str().unwrap());
        let sounds_secret = ["SECRET", "PASSWORD", "TOKEN", "KEY"]
            .iter()
            .any(|word| name.split('_').any(|part| part == *word));
        assert!(
            !sounds_secret || argument.is_hide_env_values_set(),
            "{name} would be shown by --help"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_page_answer_log_metric_or_file() {
    let (echo, mail) = (echo().await, mail_server().await);
    let (mut nest, token) = Nest::new(&settings(&echo, &mail));
    let (session, mut secrets) = plant(&nest, &token, &echo).await;
    let key = {
        let (_, made, _) = nest
            .api(Method::POST, "/teams/current/keys", &token, json!({"name": "caller"}))
            .await;
        made["key"].as_str().unwrap().to_owned()
    };
    secrets.push(("a key", key[14..].to_owned()));
    let master = STANDARD.encode(MASTER);
    for (name, secret) in [
        ("a password", PASSWORD),
        ("an upstream's secret", UPSTREAM),
        ("a proxy's password", PROXY),
        ("the mail server's password", SMTP),
        ("Stripe's key", STRIPE),
        ("the secret of Stripe's webhook", STRIPE_WEBHOOK),
        ("the token of the metrics", METRICS),
        ("Google's secret", GOOGLE),
        ("GitHub's secret", GITHUB),
        ("the issuer's secret", OIDC),
        ("the master key", std::str::from_utf8(MASTER).unwrap()),
        ("the master key", master.as_str()),
    ] {
        secrets.push((name, secret.to_owned()));
    }
    let said = listen(&nest, &token, (&session, &key)).await;
    assert!(said.len() > 300, "{}", said.len());
    let told = Command::new("kill")
        .arg(nest.process.id().to_string())
        .status()
        .unwrap();
    assert!(told.success() && nest.process.wait().unwrap().success());
    let written = files(&nest.dir);
    assert!(
        written
            .iter()
            .any(|(name, text)| name.ends_with("/log") && text.len() > 10_000),
        "nothing was logged"
    );
    assert!(
        written.iter().any(|(name, _)| name.ends_with("ourhub.db")),
        "nothing was stored"
    );

    let mut found = BTreeMap::new();
    let texts = said.iter().map(|(at, text)| (at, text.as_bytes()));
    for (at, text) in texts.chain(written.iter().map(|(at, bytes)| (at, bytes.as_slice()))) {
        for (name, secret) in &secrets {
            for from in ways(secret).iter().filter_map(|way| memchr::memmem::find(text, way)) {
                let around = &text[from.saturating_sub(160)..(from + 60).min(text.len())];
                found.insert(format!("{name} in {at}"), String::from_utf8_lossy(around).into_owned());
            }
        }
    }
    assert!(found.is_empty(), "{} found: {found:#?}", found.len());
}
