//! The program as operators call it: what it prints, and how it ends.
//!
//! Invariant: each test has a data directory of its own, gone when it ends; the programs it started are gone too.

#![allow(clippy::unwrap_used)]

use clap::CommandFactory as _;
use serde_json::{Value, json};
use server::config::Flags;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

const PASSWORD: &str = "sunlit-otter-42";

/// A data directory.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("ourhub_cli_{}_{count}", std::process::id())))
    }

    /// `ourhub` with `words`, and no setting but these.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ourhub"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OURHUB_")) {
            command.env_remove(name);
        }
        command.args(words).env("OURHUB_DATA_DIR", &self.0).stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a successful call printed.
    fn says(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn create_user(&self, email: &str, further: &[&str]) -> String {
        let words = ["user", "create", "--email", email, "--password", PASSWORD];
        self.says(&[&words, further].concat())
    }

    fn token(&self, email: &str) -> String {
        self.says(&["token", "create", "--email", email]).trim().to_owned()
    }

    fn damage(&self, statement: &str) {
        let database = rusqlite::Connection::open(self.0.join("ourhub.db")).unwrap();
        assert!(database.execute(statement, []).unwrap() > 0, "{statement}");
    }
}

/// `ourhub serve`, and the first line it printed.
struct Served {
    process: Child,
    ready: String,
    out: BufReader<std::process::ChildStdout>,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Served {
    fn start(mut command: Command) -> Self {
        let spawned = command
            .env("OURHUB_LISTEN", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut process = spawned.spawn().unwrap();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        let mut ready = String::new();
        out.read_line(&mut ready).unwrap();
        Self { process, ready, out }
    }

    fn url(&self) -> &str {
        self.ready.trim().rsplit_once(' ').unwrap().1
    }

    /// Ends it in order; what else it printed, and whether it ended well.
    fn stop(mut self) -> (String, bool) {
        let told = Command::new("kill")
            .arg(self.process.id().to_string())
            .status()
            .unwrap();
        assert!(told.success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (rest, self.process.wait().unwrap().success())
    }
}

fn client() -> reqwest::Client {
    // Fails where a test before did it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn api(served: &Served, path: &str, token: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("{}/api/v1{path}", served.url());
    let request = match body {
        Some(body) => client().post(url).body(body.to_string()),
        None => client().get(url),
    };
    let answer = request.bearer_auth(token).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_user_and_a_token_are_made_beside_a_running_server_and_work_at_once() {
    let place = Place::new();
    let served = Served::start(place.command(&["serve"]));
    assert!(
        served.ready.starts_with("OurHub is ready at http://127.0.0.1:"),
        "{}",
        served.ready
    );
    let made = place.create_user("admin@example.com", &["--admin"]);
    assert!(
        made.contains("admin@example.com") && made.lines().count() == 1,
        "{made}"
    );
    assert!(!made.contains(PASSWORD));
    let printed = place.says(&["token", "create", "--email", "admin@example.com"]);
    let token = printed.trim();
    assert_eq!(
        printed,
        format!("{token}\n"),
        "the token alone, so that a script can take it"
    );
    assert!(token.starts_with("mt-oh-"), "{printed}");
    assert_eq!(api(&served, "/accounts", token, None).await.0, 200, "an admin's token");
    let (rest, ended_well) = served.stop();
    assert_eq!(
        (rest.as_str(), ended_well),
        ("", true),
        "one line and no other, and SIGTERM ends it in order"
    );
}

#[tokio::test]
async fn a_new_password_opens_and_the_old_one_does_not() {
    let place = Place::new();
    place.create_user("a@example.com", &[]);
    let words = [
        "user",
        "set-password",
        "--email",
        "a@example.com",
        "--password",
        "amber-heron-77",
    ];
    assert_eq!(place.says(&words).lines().count(), 1);
    let served = Served::start(place.command(&[]));
    // Fails where a test before did it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for (password, page) in [("amber-heron-77", "/overview"), (PASSWORD, "/login")] {
        let form = client
            .post(format!("{}/fn/log_in", served.url()))
            .header("sec-fetch-site", "same-origin")
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("email=a@example.com&password={password}"));
        let answer = form.send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(location.starts_with(page), "{password}: {location}");
    }
}

#[tokio::test]
async fn verify_finds_the_books_in_order_and_a_damaged_row_out_of_it() {
    let place = Place::new();
    place.create_user("admin@example.com", &["--admin"]);
    let token = place.token("admin@example.com");
    let served = Served::start(place.command(&[]));
    let grant = json!({"amount": "25", "reason": "welcome"});
    assert_eq!(api(&served, "/teams/current/grants", &token, Some(grant)).await.0, 201);
    let beside = place.says(&["ledger", "verify"]);
    assert!(
        beside.ends_with("\n0 differences\n"),
        "beside a running server: {beside}"
    );
    served.stop();
    assert!(place.says(&["ledger", "verify"]).ends_with("\n0 differences\n"));

    place.damage("UPDATE entry SET amount = amount + 1");
    let damaged = place.run(&["ledger", "verify"]);
    assert_eq!(damaged.status.code(), Some(1), "{damaged:?}");
    let told = String::from_utf8(damaged.stdout).unwrap();
    assert!(!told.ends_with("\n0 differences\n"), "{told}");
}

#[tokio::test]
async fn prepaid_is_a_word_that_can_say_no() {
    for (word, is_prepaid) in [("false", false), ("0", false), ("", false), ("true", true), ("1", true)] {
        let place = Place::new();
        place.create_user("a@example.com", &[]);
        let token = place.token("a@example.com");
        let mut command = place.command(&["serve"]);
        command.env("OURHUB_PREPAID", word);
        let served = Served::start(command);
        let (_, balance) = api(&served, "/teams/current/balance", &token, None).await;
        assert_eq!(balance["prepaid"], is_prepaid, "OURHUB_PREPAID={word}");
    }
}

#[test]
fn what_cannot_be_done_ends_with_a_failure_and_says_why_on_the_error_stream() {
    let place = Place::new();
    place.create_user("a@example.com", &[]);
    for words in [
        &["frobnicate"][..],
        &["serve", "--no-such-flag"],
        &["user"],
        &["user", "create", "--email", "b@example.com"],
        &["user", "create", "--email", "a@example.com", "--password", PASSWORD],
        &["user", "create", "--email", "b@example.com", "--password", "short"],
        &[
            "user",
            "set-password",
            "--email",
            "nobody@example.com",
            "--password",
            PASSWORD,
        ],
        &["token", "create", "--email", "nobody@example.com"],
        &["serve", "--listen", "0.0.0.0:0"],
    ] {
        let output = place.run(words);
        assert!(!output.status.success(), "{words:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{words:?}: {output:?}"
        );
    }
}

#[test]
fn who_serves_browsers_elsewhere_over_plain_http_is_warned_at_start() {
    for (public_url, is_warned) in [
        ("http://hub.example.com", true),
        ("https://hub.example.com", false),
        ("", false),
    ] {
        let place = Place::new();
        let mut command = place.command(&["serve"]);
        command
            .env("OURHUB_LISTEN", "127.0.0.1:0")
            .env("OURHUB_PUBLIC_URL", public_url);
        let spawned = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut process = spawned.unwrap();
        let mut ready = String::new();
        BufReader::new(process.stdout.as_mut().unwrap())
            .read_line(&mut ready)
            .unwrap();
        process.kill().unwrap();
        let said = process.wait_with_output().unwrap().stderr;
        let said = String::from_utf8(said).unwrap();
        let is_told = said.contains("session cookies can be read on their way");
        assert_eq!(is_told, is_warned, "{public_url}: {ready} {said}");
    }
}

#[test]
fn every_setting_has_its_name_in_the_environment() {
    let command = Flags::command();
    let known: Vec<&str> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env()?.to_str())
        .collect();
    for name in [
        "OURHUB_LISTEN",
        "OURHUB_DATABASE_URL",
        "OURHUB_DATA_DIR",
        "OURHUB_MASTER_KEY",
        "OURHUB_PUBLIC_URL",
        "OURHUB_UPSTREAM_ALLOW",
        "OURHUB_TRUSTED_PROXIES",
        "OURHUB_PREPAID",
        "OURHUB_WAIT",
    ] {
        assert!(known.contains(&name), "{name}: {known:?}");
    }
    let help = Place::new().says(&["serve", "--help"]);
    for name in known {
        assert!(help.contains(name), "{name} is not in --help");
    }
    for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
        let flag = argument.get_long().unwrap_or_default();
        assert!(argument.get_env().is_some(), "--{flag} has no name in the environment");
    }
}
