//! The real server in this process, on a port and a database of its own, and short names for what tests set up.
//!
//! Invariant: what a test made is gone when it ends, on SQLite; a Postgres database stays in the test server.

use crate::upstream::Upstream;
use clap::Parser as _;
use futures_util::StreamExt as _;
use gateway_core::money::Nano;
use sea_orm::{ConnectOptions, ConnectionTrait as _, Database, EntityTrait as _, QueryOrder as _};
use serde_json::{Value, json};
use server::accounts::{Models, NewAccount};
use server::app::App;
use server::auth::{NewUser, Person};
use server::catalog::{NewModel, Prices};
use server::config::{Config, Flags};
use server::keys::KeySettings;
use server::relay::{self, Relay};
use server::secrets::Secret;
use server::teams::{self, TeamScope};
use server::{clock, http, ledger};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The charge of the upstream's ordinary answer, 10 tokens in and 5 out, by the prices of [`Hub::model`].
pub const HELLO: Nano = Nano(10 * 1_000 + 5 * 2_000);

/// How the server of a test is set up.
#[derive(Clone)]
pub struct Setup {
    pub relay: relay::Config,
    /// Further words of the command line.
    pub flags: Vec<&'static str>,
}

impl Default for Setup {
    fn default() -> Self {
        let relay = relay::Config {
            wait: Duration::from_secs(10),
            ..relay::Config::default()
        };
        Self {
            relay,
            flags: Vec::new(),
        }
    }
}

/// Where the data of a test is.
pub struct Place {
    pub dir: PathBuf,
    pub database_url: Option<String>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "ourhub_it_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

impl Place {
    /// A SQLite file of the test's own.
    pub fn sqlite() -> Self {
        Self::new(None)
    }

    fn new(database_url: Option<String>) -> Self {
        let dir = std::env::temp_dir().join(name());
        std::fs::create_dir_all(&dir).unwrap();
        Self { dir, database_url }
    }

    /// A Postgres database of the test's own, where `OURHUB_TEST_POSTGRES` names a server.
    pub async fn postgres() -> Option<Self> {
        let server = std::env::var("OURHUB_TEST_POSTGRES").ok()?;
        let name = name();
        let root = Database::connect(ConnectOptions::new(&server)).await.unwrap();
        for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            root.execute_unprepared(&format!("{statement} {name}")).await.unwrap();
        }
        let (base, _) = server.rsplit_once('/').unwrap();
        Some(Self::new(Some(format!("{base}/{name}"))))
    }

    /// The server's configuration, as the command line would make it.
    pub fn config(&self, further: &[&str]) -> Config {
        let mut words = vec!["ourhub", "--listen", "127.0.0.1:0", "--data-dir", path(&self.dir)];
        if let Some(url) = &self.database_url {
            words.extend(["--database-url", url]);
        }
        words.extend(further);
        let config = Config::new(&Flags::try_parse_from(words).unwrap()).unwrap();
        // The upstream of a test is on loopback, for teams' own accounts too.
        Config {
            team_upstream_allow: vec!["127.0.0.0/8".parse().unwrap()],
            ..config
        }
    }
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

/// A running server with an upstream, a team, and a model called `small` at $1 and $2 a million tokens.
pub struct Hub {
    pub app: Arc<App>,
    pub relay: Relay,
    pub address: SocketAddr,
    pub upstream: Upstream,
    pub admin: Person,
    pub team: TeamScope,
    pub client: reqwest::Client,
    pub server: server::http::Ending,
    pub place: Place,
}

/// A server on SQLite.
pub async fn spawn() -> Hub {
    spawn_with(Setup::default()).await
}

/// A server on SQLite, set up otherwise.
pub async fn spawn_with(setup: Setup) -> Hub {
    Hub::start(Place::sqlite(), setup).await
}

/// A server on every database there is to test on.
pub async fn everywhere(setup: Setup) -> Vec<Hub> {
    let mut hubs = vec![spawn_with(setup.clone()).await];
    if let Some(place) = Place::postgres().await {
        hubs.push(Hub::start(place, setup).await);
    }
    hubs
}

impl Hub {
    pub async fn start(place: Place, setup: Setup) -> Self {
        // Fails where a test before did it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let app = App::start(&place.config(&setup.flags)).await.unwrap();
        let relay = Relay::new(&app, setup.relay);
        let listening = http::listen(Arc::clone(&app), relay.clone()).unwrap();
        tokio::spawn(listening.server);
        let server = listening.ending;
        let new = NewUser {
            email: "owner@example.com",
            password: "sunlit-otter",
        };
        let made = app.auth.create_user(new, true, clock::now_ms()).await.unwrap();
        let team = teams::scope(&app.db, &made.person, made.team_id).await.unwrap();
        let hub = Self {
            app,
            relay,
            address: listening.address,
            upstream: Upstream::start().await,
            admin: made.person,
            team,
            client: reqwest::Client::builder().no_proxy().http1_only().build().unwrap(),
            server,
            place,
        };
        hub.model("small", "1", "2").await;
        hub
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A model with prices in USD per million tokens, and 4,096 tokens of output at most.
    pub async fn model(&self, id: &str, input: &str, output: &str) {
        let new = NewModel {
            id: id.to_owned(),
            max_output: Some(4_096),
            prices: Prices {
                input: input.to_owned(),
                output: output.to_owned(),
                ..Prices::default()
            },
            ..NewModel::default()
        };
        self.app.catalog.add_model(&new, self.admin.user_id).await.unwrap();
    }

    /// An account at the upstream that serves every model.
    pub async fn account(&self, name: &str) -> i64 {
        self.account_with(name, |_| {}).await
    }

    /// An account of the team's own at the upstream that serves every model.
    pub async fn own_account(&self, team: &TeamScope, name: &str) -> i64 {
        self.own_account_with(team, name, |_| {}).await
    }

    /// The same, as `change` makes it.
    pub async fn own_account_with(&self, team: &TeamScope, name: &str, change: impl FnOnce(&mut NewAccount)) -> i64 {
        let mut new = self.new_account(name);
        change(&mut new);
        let fleet = self.app.fleet.of(Some(team.team_id()));
        fleet.create(&new).await.unwrap().id
    }

    /// An account at the upstream, as `change` makes it.
    pub async fn account_with(&self, name: &str, change: impl FnOnce(&mut NewAccount)) -> i64 {
        let mut new = self.new_account(name);
        change(&mut new);
        self.app.fleet.create(&new).await.unwrap().id
    }

    fn new_account(&self, name: &str) -> NewAccount {
        NewAccount {
            label: name.to_owned(),
            provider: "custom".to_owned(),
            dialect: None,
            base_url: Some(self.upstream.base_url(name)),
            secret: Secret::new(format!("sk-up-{name}")),
            auth_scheme: None,
            proxy_url: None,
            models: Models::All,
            standing: server::accounts::Standing::default(),
            grants: server::accounts::Grants::default(),
        }
    }

    /// A key that may do anything.
    pub async fn key(&self) -> Key<'_> {
        self.key_with(|_| {}).await
    }

    /// A key, as `change` makes it.
    pub async fn key_with(&self, change: impl FnOnce(&mut KeySettings)) -> Key<'_> {
        let mut settings = KeySettings::named("test");
        change(&mut settings);
        let made = self
            .app
            .keys
            .create(&self.team, settings, clock::now_ms())
            .await
            .unwrap();
        Key {
            hub: self,
            id: made.row.key_id,
            text: made.shown,
        }
    }

    /// Another server on the same data, as in a process of its own. Not on SQLite.
    pub async fn another(&self, setup: Setup) -> Other {
        let app = App::start(&self.place.config(&setup.flags)).await.unwrap();
        let relay = Relay::new(&app, setup.relay);
        let listening = http::listen(Arc::clone(&app), relay).unwrap();
        tokio::spawn(listening.server);
        Other {
            app,
            address: listening.address,
            server: listening.ending,
        }
    }

    /// Waits until no hold is open and all is written.
    pub async fn quiet(&self) {
        self.until("holds are open, or the journal lags", || {
            let status = self.app.ledger.status();
            status.open_holds == 0 && status.queued == 0
        })
        .await;
    }

    /// Waits until `is_so`; `otherwise` says what is wrong if that takes too long.
    pub async fn until(&self, otherwise: &str, is_so: impl Fn() -> bool) {
        let waiting = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect(otherwise);
    }

    /// Every hold, in order, once all is quiet.
    pub async fn holds(&self) -> Vec<entity::hold::Model> {
        self.quiet().await;
        let all = entity::hold::Entity::find().order_by_asc(entity::hold::Column::Id);
        all.all(&self.app.db).await.unwrap()
    }

    /// What all holds charged together.
    pub async fn charged(&self) -> Nano {
        Nano(self.holds().await.iter().map(|hold| hold.posted).sum())
    }

    /// Ends the server and proves that the books balance and nothing is held.
    pub async fn close(self) {
        drop(self.close_keeping_data().await);
    }

    /// The same; the data stays until the place is dropped.
    pub async fn close_keeping_data(self) -> Place {
        self.quiet().await;
        let report = ledger::verify(&self.app.db).await.unwrap();
        assert_eq!(report.differences, Vec::<String>::new());
        assert_eq!((report.difference_count, report.open), (0, 0));
        self.server.now().await;
        self.app.close().await;
        self.place
    }
}

/// A further server.
pub struct Other {
    pub app: Arc<App>,
    pub address: SocketAddr,
    server: http::Ending,
}

impl Other {
    /// Ends it, once nothing is under way.
    pub async fn close(self) {
        self.app.settle(PATIENCE).await;
        self.server.now().await;
        self.app.close().await;
    }
}

/// A customer's key.
pub struct Key<'a> {
    hub: &'a Hub,
    pub id: i64,
    pub text: String,
}

/// An answer of the server, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub async fn read(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.unwrap().to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The code of an error in OpenAI's shape.
    pub fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The data of each event of a stream; comments are left out.
    pub fn events(&self) -> Vec<String> {
        let text = self.text();
        let events = text.split("\n\n").filter_map(|event| event.strip_prefix("data: "));
        events.map(str::to_owned).collect()
    }

    /// The id of the request's row.
    pub fn request_id(&self) -> i64 {
        let text = self.header("x-request-id").expect("no x-request-id");
        gateway_core::id::parse(gateway_core::id::Kind::Request, text).unwrap()
    }
}

/// A chat request for `small`.
pub fn hello() -> Value {
    json!({ "model": "small", "messages": [{ "role": "user", "content": "hi" }] })
}

/// The same, streamed.
pub fn hello_streamed() -> Value {
    let mut body = hello();
    body["stream"] = Value::Bool(true);
    body
}

impl Key<'_> {
    /// A request that is not sent yet.
    pub fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        self.post_as(path, "application/json", body)
    }

    /// The same with a body of `content_type`.
    pub fn post_as(&self, path: &str, content_type: &str, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
        let request = self.hub.client.post(self.hub.url(path)).bearer_auth(&self.text);
        request.header("content-type", content_type).body(body)
    }

    pub async fn get(&self, path: &str) -> Answer {
        let request = self.hub.client.get(self.hub.url(path)).bearer_auth(&self.text);
        Answer::read(request.send().await.unwrap()).await
    }

    /// The answer to a chat request.
    pub async fn chat(&self, body: &Value) -> Answer {
        self.send("/v1/chat/completions", body.to_string()).await
    }

    /// The answer of the server at `address` to a chat request.
    pub async fn post_at(&self, address: SocketAddr, body: &str) -> Answer {
        let url = format!("http://{address}/v1/chat/completions");
        let request = self.hub.client.post(url).bearer_auth(&self.text);
        let request = request.header("content-type", "application/json").body(body.to_owned());
        Answer::read(request.send().await.unwrap()).await
    }

    /// The answer to `body`.
    pub async fn send(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::read(self.post(path, body).send().await.unwrap()).await
    }

    /// A stream whose head has arrived.
    pub async fn open(&self, body: &Value) -> Open {
        let request = self.post("/v1/chat/completions", body.to_string());
        let response = request.send().await.unwrap();
        Open {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            pieces: Box::pin(response.bytes_stream()),
            seen: Vec::new(),
        }
    }
}

/// A stream that is being read; dropping it hangs up.
pub struct Open {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pieces: std::pin::Pin<Box<dyn futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Send>>,
    seen: Vec<u8>,
}

impl Open {
    /// Reads on until `text` has come.
    pub async fn until(&mut self, text: &str) {
        while !self.seen.windows(text.len()).any(|part| part == text.as_bytes()) {
            let piece = tokio::time::timeout(PATIENCE, self.pieces.next()).await.unwrap();
            let piece =
                piece.unwrap_or_else(|| panic!("“{text}” did not come: {:?}", String::from_utf8_lossy(&self.seen)));
            self.seen.extend_from_slice(&piece.unwrap());
        }
    }

    /// The rest.
    pub async fn finish(mut self) -> Answer {
        while let Some(piece) = tokio::time::timeout(PATIENCE, self.pieces.next()).await.unwrap() {
            self.seen.extend_from_slice(&piece.unwrap());
        }
        Answer {
            status: self.status,
            headers: self.headers,
            body: self.seen,
        }
    }
}
