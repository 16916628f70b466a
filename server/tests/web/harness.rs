//! The real server in this process on a free port, and the people who use it.
//!
//! Invariant: what a test made is gone when it ends.

use clap::Parser as _;
use entity::{member, usage_hour};
use gateway_core::id::{self, Kind};
use reqwest::{
    Method,
    header::{HeaderMap, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use sea_orm::{ActiveModelTrait as _, ConnectionTrait as _, Database, EntityTrait as _, IntoActiveModel as _, Set};
use serde_json::Value;
use server::{
    app::App,
    auth::NewUser,
    clock,
    config::{Config, Flags},
    http,
    relay::{self, Relay},
};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

/// The password of everybody.
pub const PASSWORD: &str = "sunlit-otter-42";

/// A running server.
pub struct Hub {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub client: reqwest::Client,
    dir: PathBuf,
}

/// Somebody with a team of their own and a token for the management API.
pub struct User {
    pub team: String,
    pub id: String,
    pub token: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The cookie called `name` as it is sent back, and its attributes.
    pub fn cookie(&self, name: &str) -> Option<(String, String)> {
        let cookies = self
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().unwrap());
        let found = cookies
            .into_iter()
            .find(|cookie| cookie.starts_with(&format!("{name}=")))?;
        let (pair, attributes) = found.split_once("; ")?;
        Some((pair.to_owned(), attributes.to_owned()))
    }
}

/// A server on loopback, as `ourhub` starts it without any setting.
pub async fn spawn() -> Hub {
    spawn_with(&[]).await
}

/// A server with further words on its command line.
pub async fn spawn_with(words: &[&str]) -> Hub {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Fails where a test before did it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let dir = std::env::temp_dir().join(format!("ourhub_web_{}_{count}", std::process::id()));
    let line = ["ourhub", "--listen", "127.0.0.1:0", "--data-dir", dir.to_str().unwrap()];
    let flags = Flags::try_parse_from(line.iter().chain(words)).unwrap();
    let app = App::start(&Config::new(&flags).unwrap()).await.unwrap();
    let relay = Relay::new(&app, relay::Config::default());
    let listening = http::listen(Arc::clone(&app), relay).unwrap();
    tokio::spawn(listening.server);
    let client = reqwest::Client::builder().no_proxy().redirect(Policy::none());
    Hub {
        app,
        address: listening.address,
        client: client.build().unwrap(),
        dir,
    }
}

/// The words that choose each database there is to test on: SQLite, and Postgres where `OURHUB_TEST_POSTGRES` names a server.
pub async fn databases() -> Vec<Vec<String>> {
    let mut databases = vec![Vec::new()];
    if let Ok(server) = std::env::var("OURHUB_TEST_POSTGRES") {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ourhub_web_{}_{count}", std::process::id());
        let root = Database::connect(&server).await.unwrap();
        for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
            root.execute_unprepared(&format!("{statement} {name}")).await.unwrap();
        }
        let (base, _) = server.rsplit_once('/').unwrap();
        databases.push(vec!["--database-url".to_owned(), format!("{base}/{name}")]);
    }
    databases
}

/// A server on every database there is to test on.
pub async fn everywhere() -> Vec<Hub> {
    let mut hubs = Vec::new();
    for words in databases().await {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        hubs.push(spawn_with(&words).await);
    }
    hubs
}

impl Hub {
    /// The SQLite file, where that is the database.
    pub fn database(&self) -> PathBuf {
        self.dir.join("ourhub.db")
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Somebody who signed up elsewhere.
    pub async fn user(&self, email: &str, is_admin: bool) -> User {
        let new = NewUser {
            email,
            password: PASSWORD,
        };
        let made = self.app.auth.create_user(new, is_admin, clock::now_ms()).await.unwrap();
        let token = self.app.auth.create_token(&made.person, clock::now_ms()).await.unwrap();
        User {
            team: id::render(Kind::Team, made.team_id),
            id: id::render(Kind::User, made.person.user_id),
            token: token.shown,
        }
    }

    /// Somebody new who joined `team` as a member.
    pub async fn join(&self, email: &str, team: &str) -> User {
        let user = self.user(email, false).await;
        let row = member::ActiveModel {
            team_id: Set(id::parse(Kind::Team, team).unwrap()),
            user_id: Set(id::parse(Kind::User, &user.id).unwrap()),
            role: Set("member".to_owned()),
            cap_day: Set(None),
            cap_month: Set(None),
            created_at: Set(clock::now_ms()),
            ..Default::default()
        };
        let inserted = member::Entity::insert(row).exec_without_returning(&self.app.db);
        inserted.await.unwrap();
        user
    }

    /// The user with the id `user` is no longer in `team`.
    pub async fn leave(&self, user: &str, team: &str) {
        let row = (
            id::parse(Kind::Team, team).unwrap(),
            id::parse(Kind::User, user).unwrap(),
        );
        member::Entity::delete_by_id(row).exec(&self.app.db).await.unwrap();
    }

    /// One request of the team `team_id` for `model`, in the hour of `at_ms`, came to `posted`: as the overview counts it, and nothing besides.
    pub async fn used(&self, team_id: i64, (at_ms, model): (i64, &str), posted: i64) {
        let row = usage_hour::Model {
            hour: at_ms / 3_600_000 * 3_600_000,
            team_id,
            key_id: 1,
            model: model.to_owned(),
            member_id: None,
            requests: 1,
            failed: 0,
            failovers: 0,
            input: 0,
            cache_read: 0,
            cache_write: 0,
            output: 0,
            posted,
            own_posted: 0,
            ttft_ms_sum: 0,
            ttft_count: 0,
        };
        row.into_active_model().insert(&self.app.db).await.unwrap();
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// A page, as a browser with `cookie` gets it.
    pub async fn page(&self, path: &str, cookie: &str) -> Answer {
        let request = self.client.get(self.url(path)).header("accept", "text/html");
        self.send(request.header("cookie", cookie)).await
    }

    /// A form that is not sent yet, without saying where it comes from.
    pub fn bare_form(&self, name: &str, cookie: &str, body: &str) -> reqwest::RequestBuilder {
        self.client
            .post(self.url(&format!("/fn/{name}")))
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", cookie)
            .body(body.to_owned())
    }

    /// A form of our own pages.
    pub async fn form(&self, name: &str, cookie: &str, body: &str) -> Answer {
        let request = self.bare_form(name, cookie, body);
        self.send(request.header("sec-fetch-site", "same-origin")).await
    }

    /// The cookie of a browser that signed up just now.
    pub async fn sign_up(&self, email: &str) -> String {
        let body = format!("email={email}&password={PASSWORD}");
        let answer = self.form("sign_up", "", &body).await;
        assert_eq!((answer.status, answer.location()), (302, "/overview"), "{answer:?}");
        answer.cookie("ourhub").unwrap().0
    }

    /// A call of the management API.
    pub async fn api(&self, method: Method, path: &str, token: &str, body: Value) -> Answer {
        let request = self
            .client
            .request(method, self.url(&format!("/api/v1{path}")))
            .bearer_auth(token);
        let request = match body {
            Value::Null => request,
            body => request
                .header("content-type", "application/json")
                .body(body.to_string()),
        };
        self.send(request).await
    }

    pub async fn get(&self, path: &str, user: &User) -> Answer {
        self.api(Method::GET, path, &user.token, Value::Null).await
    }

    pub async fn post(&self, path: &str, user: &User, body: Value) -> Answer {
        self.api(Method::POST, path, &user.token, body).await
    }

    pub async fn patch(&self, path: &str, user: &User, body: Value) -> Answer {
        self.api(Method::PATCH, path, &user.token, body).await
    }
}
