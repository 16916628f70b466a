//! A tenant with at least one of everything that belongs to somebody, and what of it stands in the database.
//!
//! Invariant: every table with a team or a user in it has a row of this tenant, also one that this file never heard of; all its
//! names have [`MARK`] in them, so that an answer shows whether it tells of it.

use crate::{
    harness::{self, Hub, PASSWORD, User},
    payments::{deliver, id},
    stripe::Stripe,
    usage::{call, key_of, written},
};
use gateway_core::{id as ids, ledger::Outcome};
use reqwest::Method;
use rusqlite::{Connection, types::Value as Cell};
use serde_json::{Value, json};
use server::{alerts, clock};
use std::collections::{BTreeMap, BTreeSet};

/// Stands in whatever the tenant named.
pub const MARK: &str = "quokka";
/// The name of the team's alias.
pub const ALIAS: &str = "quokka-fast";

/// Tables that change by themselves.
const RESTLESS: [&str; 8] = [
    "cooldown",
    "delivery",
    "journal",
    "lease",
    "node",
    "rate",
    "reconciliation",
    "outbox",
];

pub struct World {
    pub hub: Hub,
    pub stripe: Stripe,
    pub root: User,
    pub owner: User,
    pub member: User,
    pub viewer: User,
    /// What the tenant's things are called by: some of each kind.
    pub ids: Vec<String>,
}

impl World {
    pub async fn new() -> Self {
        let stripe = Stripe::start().await;
        let mut words = stripe.words();
        words.push("--prepaid=false".to_owned());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let hub = harness::spawn_with(&words).await;
        let root = hub.user("quokka-root@example.com", true).await;
        let owner = hub.user("quokka-owner@example.com", false).await;
        let member = hub.join("quokka-member@example.com", &owner.team).await;
        let viewer = hub.join("quokka-viewer@example.com", &owner.team).await;
        let spare = hub.join("quokka-spare@example.com", &owner.team).await;
        let mut world = Self {
            hub,
            stripe,
            root,
            owner,
            member,
            viewer,
            ids: Vec::new(),
        };
        world.settle(&spare).await;
        world.spend().await;
        world.pay().await;
        let shown = world.look().await;
        world.ids = world.complete(&spare);
        world.ids.extend(world.some_of_each(shown));
        world
    }

    async fn done(&self, who: &User, (method, path): (Method, &str), body: Value) -> Value {
        let answer = self.hub.api(method.clone(), path, &who.token, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        serde_json::from_str(&answer.text).unwrap_or_default()
    }

    /// The team's and the platform's settings, people and names.
    async fn settle(&self, spare: &User) {
        let owner = &self.owner;
        let viewer = format!("/teams/current/members/{}", self.viewer.id);
        for (method, path, body) in [
            (
                Method::PATCH,
                viewer.as_str(),
                json!({"role": "viewer", "cap_day": "3"}),
            ),
            (
                Method::PATCH,
                "/teams/current",
                json!({"name": "quokka team", "cap_month": "900"}),
            ),
            (
                Method::POST,
                "/teams/current/keys",
                json!({"name": "quokka-key", "cap_day": "5", "member": spare.id}),
            ),
            (
                Method::POST,
                "/teams/current/invitations",
                json!({"role": "viewer", "email": "quokka-guest@example.com"}),
            ),
            (
                Method::PUT,
                "/teams/current/alert-addresses",
                json!({"emails": ["quokka-owner@example.com"]}),
            ),
            (
                Method::PUT,
                "/teams/current/webhook",
                json!({"url": "https://quokka.invalid/hook"}),
            ),
            (Method::POST, "/teams/current/webhook/test", Value::Null),
        ] {
            self.done(owner, (method, path), body).await;
        }
        let account = json!({"label": "quokka-account", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-quokka"});
        self.done(&self.root, (Method::POST, "/accounts"), account).await;
        let model = json!({"id": "quokka-model", "prices": {"input": "1", "output": "2"}});
        self.done(&self.root, (Method::POST, "/models"), model).await;
        for (who, path, name) in [
            (&self.root, "/aliases", "quokka-house"),
            (owner, "/teams/current/aliases", ALIAS),
        ] {
            let alias = json!({"name": name, "targets": ["quokka-model"]});
            self.done(who, (Method::POST, path), alias).await;
        }
        let told = alerts::raise(
            &self.hub.app.db,
            alerts::Kind::Overrun,
            "quokka-model",
            "quokka-model cost too much.",
        );
        told.await.unwrap();
        self.log_in("quokka-owner@example.com").await;
    }

    /// Requests of a key.
    async fn spend(&self) {
        let key = key_of(&self.hub, &self.owner, "quokka-spent").await;
        call(&self.hub, &self.owner, key, ("quokka-model", Outcome::Ok)).await;
        call(&self.hub, &self.owner, key, ("quokka-model", Outcome::UpstreamFailed)).await;
        written(&self.hub).await;
    }

    /// Money that came by every way.
    async fn pay(&self) {
        let grants = format!("/teams/{}/grants", self.owner.team);
        let grant = json!({"amount": "25", "reason": "quokka-grant"});
        self.done(&self.root, (Method::POST, &grants), grant).await;
        let codes = json!({"amount": "5", "count": 2, "note": "quokka-code"});
        let codes = self.done(&self.root, (Method::POST, "/codes"), codes).await;
        let code = json!({"code": codes["data"][0]["code"]});
        self.done(&self.owner, (Method::POST, "/teams/current/redemptions"), code)
            .await;
        for is_paid in [true, false] {
            let body = json!({"amount": "10", "keep_card": true});
            let begun = self
                .done(&self.owner, (Method::POST, "/teams/current/payments"), body)
                .await;
            if is_paid {
                let session = self.stripe.session_of(id(&begun));
                let paid = self.stripe.pay(&session);
                let (_, dispute) = self.stripe.dispute(&session);
                for event in [paid, dispute] {
                    assert_eq!(deliver(&self.hub, &event).await.status, 200);
                }
            }
        }
    }

    /// The cookie of a browser that somebody logged in with.
    pub async fn log_in(&self, email: &str) -> String {
        let body = format!("email={email}&password={PASSWORD}");
        let entered = self.hub.form("log_in", "", &body).await;
        entered.cookie("ourhub").unwrap_or_else(|| panic!("{entered:?}")).0
    }

    /// Whatever is called something in what the tenant and the platform's admin see.
    async fn look(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut kinds: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let prefixes = prefixes();
        for who in [&self.root, &self.owner] {
            for (_, path) in server::http::management::ROUTES
                .iter()
                .filter(|(method, _)| *method == "get")
            {
                let path = path.replace("{team}", "current");
                if path.contains('{') {
                    continue;
                }
                note(&mut kinds, &prefixes, &self.hub.get(&path, who).await.text);
            }
        }
        for email in ["quokka-root@example.com", "quokka-owner@example.com"] {
            let cookie = self.log_in(email).await;
            for page in leptos_actix::generate_route_list(frontend::App) {
                if !page.path().contains('{') {
                    note(&mut kinds, &prefixes, &self.hub.page(page.path(), &cookie).await.text);
                }
            }
            note(
                &mut kinds,
                &prefixes,
                &self.hub.page("/profile.json", &cookie).await.text,
            );
        }
        kinds
    }

    /// The first and the last id of each kind; of one that nobody is shown, those in its table.
    fn some_of_each(&self, mut shown: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
        let connection = self.connection();
        for (table, prefix) in prefixes() {
            if shown.contains_key(&prefix) {
                continue;
            }
            let ends = format!("SELECT MIN(id), MAX(id) FROM \"{table}\"");
            let ends: Result<(i64, i64), _> = connection.query_row(&ends, [], |row| Ok((row.get(0)?, row.get(1)?)));
            let (first, last) = ends.unwrap_or_else(|error| panic!("{table}: {error}: let the tenant have one"));
            shown.insert(prefix.clone(), [first, last].map(|id| called(&prefix, id)).into());
        }
        let ends =
            |ids: &BTreeSet<String>| BTreeSet::from_iter([ids.first(), ids.last()].into_iter().flatten().cloned());
        shown.values().flat_map(ends).collect()
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(self.hub.database()).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection
    }

    /// Gives the tenant, or `spare` of it, who never logs in, a row in each table of teams or users in which it has none; what their
    /// ids would be called.
    fn complete(&self, spare: &User) -> Vec<String> {
        let connection = self.connection();
        let team = ids::parse(ids::Kind::Team, &self.owner.team).unwrap();
        let user = ids::parse(ids::Kind::User, &spare.id).unwrap();
        let id = clock::new_id();
        let mut is_used = false;
        for (table, columns) in tables(&connection) {
            let has = |name: &str| columns.iter().any(|(column, _)| column == name);
            let (column, owner) = match (has("team_id"), has("user_id")) {
                (true, _) => ("team_id", team),
                (_, true) => ("user_id", user),
                _ => continue,
            };
            let count = format!("SELECT COUNT(*) FROM \"{table}\" WHERE {column} = {owner}");
            if connection.query_row(&count, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
                continue;
            }
            let cells = columns
                .iter()
                .map(|(name, kind)| match (name.as_str(), kind.to_uppercase()) {
                    ("team_id", _) => Cell::Integer(team),
                    ("user_id", _) => Cell::Integer(user),
                    ("id", kind) if kind.contains("INT") => Cell::Integer(id),
                    (_, kind) if kind.contains("BLOB") => Cell::Blob(vec![0]),
                    (_, kind) if kind.contains("INT") || kind.contains("BOOL") => Cell::Integer(1),
                    _ => Cell::Text(MARK.to_owned()),
                });
            let places = vec!["?"; columns.len()].join(",");
            let inserted = connection.execute(
                &format!("INSERT INTO \"{table}\" VALUES ({places})"),
                rusqlite::params_from_iter(cells.collect::<Vec<_>>()),
            );
            inserted.unwrap_or_else(|error| panic!("{table}: {error}: let the tenant have a row of it"));
            is_used |= has("id");
        }
        let prefixes = prefixes().into_iter().filter(|_| is_used);
        prefixes.map(|(_, prefix)| called(&prefix, id)).collect()
    }

    /// Nothing of the tenant's team is left in the database.
    pub fn forget(&self) {
        let connection = self.connection();
        let team = ids::parse(ids::Kind::Team, &self.owner.team).unwrap();
        for (table, columns) in tables(&connection) {
            if columns.iter().any(|(column, _)| column == "team_id") {
                let statement = format!("DELETE FROM \"{table}\" WHERE team_id = {team}");
                connection.execute(&statement, []).unwrap();
            }
        }
    }

    /// Every row there is, of each table that does not change by itself.
    pub fn rows(&self) -> BTreeSet<String> {
        let connection = self.connection();
        let mut rows = BTreeSet::new();
        for (table, columns) in tables(&connection) {
            if RESTLESS.contains(&table.as_str()) {
                continue;
            }
            let mut statement = connection.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
            let read = statement.query_map([], |row| {
                let cells =
                    (0..columns.len()).map(|at| format!("{}={:?}", columns[at].0, row.get::<_, Cell>(at).unwrap()));
                Ok(format!("{table}: {}", cells.collect::<Vec<_>>().join(" ")))
            });
            rows.extend(read.unwrap().map(Result::unwrap));
        }
        rows
    }

    /// What of `before` is there no more as it was.
    pub fn changed_since(&self, before: &BTreeSet<String>) -> Vec<String> {
        let now = self.rows();
        before.difference(&now).cloned().collect()
    }
}

/// What each id names, as a table would be called, and what stands before its underscore, as the core says.
fn prefixes() -> Vec<(String, String)> {
    let source = include_str!("../../core/src/id.rs");
    let arms = source
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Self::")?.split_once(" => \""));
    let prefixes: Vec<_> = arms
        .map(|(kind, prefix)| (kind.to_lowercase(), prefix.trim_end_matches("\",").to_owned()))
        .collect();
    assert!(prefixes.len() >= 17, "{prefixes:?}");
    prefixes
}

/// The id `id` of a thing of the kind with this prefix.
fn called(prefix: &str, id: i64) -> String {
    let text = ids::render(ids::Kind::Team, id);
    format!("{prefix}_{}", text.split_once('_').unwrap().1)
}

fn note(kinds: &mut BTreeMap<String, BTreeSet<String>>, prefixes: &[(String, String)], text: &str) {
    for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
        if let Some((prefix, letters)) = word.split_once('_')
            && letters.len() == 13
            && prefixes.iter().any(|(_, known)| known == prefix)
        {
            kinds.entry(prefix.to_owned()).or_default().insert(word.to_owned());
        }
    }
}

/// Every table, and its columns with their types.
fn tables(connection: &Connection) -> Vec<(String, Vec<(String, String)>)> {
    let list =
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'seaql_%'";
    let mut statement = connection.prepare(list).unwrap();
    let names = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    names
        .map(|name| {
            let name = name.unwrap();
            let mut statement = connection.prepare(&format!("PRAGMA table_info(\"{name}\")")).unwrap();
            let columns = statement.query_map([], |row| Ok((row.get(1)?, row.get(2)?))).unwrap();
            (name, columns.map(Result::unwrap).collect())
        })
        .collect()
}
