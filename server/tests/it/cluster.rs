//! Several servers on one Postgres: what one learns about an account, or an admin changes at one, binds all of them.

use crate::harness::{Hub, PATIENCE, Place, Setup, hello};
use crate::upstream::Reply;
use gateway_core::health::Snapshot;
use gateway_core::retry::{Action, Billed, Fault, Mark, Verdict};
use gateway_core::routing::RouteRequest;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use server::app::App;
use server::keys::KeyRefusal;
use server::relay::{self, Relay};
use server::{alerts, clock, http};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Another server on the data of a hub.
struct Replica {
    app: Arc<App>,
    address: SocketAddr,
    server: http::Ending,
}

impl Replica {
    async fn start(hub: &Hub) -> Self {
        let app = App::start(&hub.place.config(&[])).await.unwrap();
        let relay = Relay::new(&app, setup().relay);
        let listening = http::listen(Arc::clone(&app), relay).unwrap();
        tokio::spawn(listening.server);
        Self {
            app,
            address: listening.address,
            server: listening.ending,
        }
    }

    /// The status of the answer to a chat request.
    async fn chat(&self, hub: &Hub, key: &str) -> u16 {
        let url = format!("http://{}/v1/chat/completions", self.address);
        let request = hub.client.post(url).bearer_auth(key);
        let request = request
            .header("content-type", "application/json")
            .body(hello().to_string());
        request.send().await.unwrap().status().as_u16()
    }

    /// How the account does, as this server sees it; nothing where it has not heard of it.
    async fn health(&self, account: i64) -> Option<Snapshot> {
        health(&self.app, account).await
    }

    async fn until(&self, account: i64, is_so: impl Fn(&Snapshot) -> bool) {
        until(async || self.health(account).await.is_some_and(|health| is_so(&health))).await;
    }

    async fn close(self) {
        self.server.now().await;
        self.app.close().await;
    }
}

async fn health(app: &App, account: i64) -> Option<Snapshot> {
    app.fleet.get(account).await.unwrap().live.health
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("what one server knows does not reach the others");
}

/// Nothing waits for an account.
fn setup() -> Setup {
    Setup {
        relay: relay::Config {
            wait: Duration::ZERO,
            ..relay::Config::default()
        },
        ..Setup::default()
    }
}

async fn three() -> Option<(Hub, Vec<Replica>)> {
    let hub = Hub::start(Place::postgres().await?, setup()).await;
    let replicas = vec![Replica::start(&hub).await, Replica::start(&hub).await];
    Some((hub, replicas))
}

async fn close(hub: Hub, replicas: Vec<Replica>) {
    for replica in replicas {
        replica.close().await;
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_stated_a_pause_to_one_server_is_left_alone_by_all_until_then() {
    let Some((hub, mut replicas)) = three().await else {
        return;
    };
    let account = hub.account("one").await;
    let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "12");
    hub.upstream.answer_each("one", vec![busy, Reply::chat("hello", 10, 5)]);
    let key = hub.key().await;
    assert_eq!(key.chat(&hello()).await.status, 429);
    for replica in &replicas {
        replica
            .until(account, |health| health.state == "cooling" && health.stated)
            .await;
    }
    replicas.push(Replica::start(&hub).await);
    let health = replicas[2].health(account).await.unwrap();
    assert!(
        health.state == "cooling" && health.stated,
        "one that starts later knows it from the beginning: {health:?}"
    );
    for replica in &replicas {
        assert_eq!(replica.chat(&hub, &key.text).await, 429);
    }
    assert_eq!(hub.upstream.arrived("one").len(), 1, "the others asked it too");
    for replica in &replicas {
        replica.until(account, |health| health.state == "ready").await;
        assert_eq!(replica.chat(&hub, &key.text).await, 200);
    }
    let asked = hub.upstream.arrived("one");
    assert!(
        asked[1].at - asked[0].at >= Duration::from_secs(11),
        "asked before its time"
    );
    drop(key);
    close(hub, replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_one_server_parks_is_parked_for_all_and_comes_back_for_all() {
    let Some((hub, replicas)) = three().await else { return };
    let account = hub.account("one").await;
    hub.upstream.answer("one", Reply::error(429, "insufficient_quota"));
    let key = hub.key().await;
    key.chat(&hello()).await;
    for replica in &replicas {
        replica.until(account, |health| health.state == "parked").await;
    }
    until(async || !alerts::list_open(&hub.app.db).await.unwrap().is_empty()).await;
    let open = alerts::list_open(&hub.app.db).await.unwrap();
    assert_eq!(
        open.iter().map(|alert| alert.count).collect::<Vec<_>>(),
        [1],
        "one server tells of it"
    );
    hub.upstream.behave("one", |call| match call.path.ends_with("/models") {
        true => Reply::json(200, &serde_json::json!({ "data": [{ "id": "small" }] })),
        false => Reply::chat("hello", 10, 5),
    });
    let asked = hub.upstream.arrived("one").len();
    assert!(replicas[1].app.fleet.test(account).await.unwrap().ok);
    replicas[0].until(account, |health| health.state == "ready").await;
    until(async || {
        health(&hub.app, account)
            .await
            .is_some_and(|health| health.state == "ready")
    })
    .await;
    assert_eq!(hub.upstream.arrived("one").len(), asked + 1, "nobody else had to ask");
    assert_eq!(key.chat(&hello()).await.status, 200);
    until(async || alerts::list_open(&hub.app.db).await.unwrap().is_empty()).await;
    drop(key);
    close(hub, replicas).await;
}

/// A request to `account` at `hub` failed, and nothing was said about when to come back.
fn fail(hub: &Hub, account: i64, fault: Fault) {
    let request = RouteRequest {
        now_ms: clock::now_ms(),
        ..RouteRequest::default()
    };
    let routes = hub.app.fleet.plan("small", &request);
    let verdict = Verdict {
        action: Action::NextAccount,
        mark: Mark::Guess,
        billed: Billed::NotBilled,
        fault,
    };
    let mut found = routes.ordered.iter();
    let deployment = found.find(|deployment| deployment.account_id == account);
    deployment.unwrap().judge(&verdict, "failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_one_server_cannot_reach_is_paused_there_alone() {
    let Some((hub, replicas)) = three().await else { return };
    let (cut_off, failing) = (hub.account("one").await, hub.account("two").await);
    for replica in &replicas {
        replica.until(failing, |health| health.state == "ready").await;
    }
    fail(&hub, cut_off, Fault::Unreachable);
    fail(&hub, failing, Fault::Upstream);
    for replica in &replicas {
        replica.until(failing, |health| health.state == "cooling").await;
        assert_eq!(replica.health(cut_off).await.unwrap().state, "ready");
    }
    let here = hub.app.fleet.get(cut_off).await.unwrap().live.health.unwrap();
    assert_eq!(here.state, "cooling");
    close(hub, replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_about_an_account_that_was_changed_or_removed_meanwhile() {
    let Some((hub, replicas)) = three().await else { return };
    let ids = [hub.account("changed").await, hub.account("removed").await];
    let last = hub.account("last").await;
    for replica in &replicas {
        replica.until(last, |health| health.state == "ready").await;
    }
    // Behind the servers' back, so that they know the old rows only.
    let [changed, removed] = ids;
    let meanwhile =
        format!("UPDATE account SET secret = '\\x00' WHERE id = {changed}; DELETE FROM account WHERE id = {removed}");
    hub.app.db.execute_unprepared(&meanwhile).await.unwrap();
    for account in [changed, removed, last] {
        fail(&hub, account, Fault::Upstream);
    }
    for replica in &replicas {
        replica.until(last, |health| health.state == "cooling").await;
    }
    let written = Statement::from_string(DatabaseBackend::Postgres, "SELECT account_id FROM cooldown");
    let written = hub.app.db.query_all_raw(written).await.unwrap();
    let written = written.iter().map(|row| row.try_get("", "account_id").unwrap());
    let written: Vec<i64> = written.collect();
    assert_eq!(written, [last]);
    close(hub, replicas).await;
}

/// Counts what is written into `cooldown` from now on.
const COUNT: &str = r"
CREATE SEQUENCE written;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''written''); RETURN NULL; END';
CREATE TRIGGER note AFTER INSERT OR UPDATE ON cooldown FOR EACH ROW EXECUTE FUNCTION note()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_refusals_writes_some_rows_a_second() {
    let Some((hub, replicas)) = three().await else { return };
    let account = hub.account("one").await;
    hub.app.db.execute_unprepared(COUNT).await.unwrap();
    // All are under way when the first is refused, and each refusal states a later end.
    let nth = AtomicU64::new(0);
    hub.upstream.behave("one", move |_| {
        let pause = Duration::from_millis(1_000 + 20 * nth.fetch_add(1, Ordering::Relaxed));
        let busy = Reply::error(429, "rate_limit_exceeded").header("retry-after", "60");
        busy.after(pause)
    });
    let key = hub.key().await;
    let began = Instant::now();
    let body = hello();
    let answers = futures_util::future::join_all((0..150).map(|_| key.chat(&body))).await;
    assert!(answers.iter().all(|answer| answer.status == 429));
    assert!(hub.upstream.arrived("one").len() > 50, "there was no storm");
    for replica in &replicas {
        replica.until(account, |health| health.state == "cooling").await;
    }
    let seconds = i64::try_from(began.elapsed().as_secs()).unwrap() + 1;
    let written = Statement::from_string(DatabaseBackend::Postgres, "SELECT last_value FROM written");
    let written = hub.app.db.query_one_raw(written).await.unwrap().unwrap();
    let written: i64 = written.try_get("", "last_value").unwrap();
    assert!(written <= seconds * 5, "{written} rows in {seconds} s");
    drop(key);
    close(hub, replicas).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_revoked_at_one_server_opens_nothing_at_another_without_waiting_for_the_clock() {
    let Some((hub, replicas)) = three().await else { return };
    let key = hub.key().await;
    // Time stands still, so that only what is told can end what is remembered.
    let now = clock::now_ms();
    let keys = &replicas[0].app.keys;
    assert!(keys.verify(&key.text, now).await.is_ok());
    hub.app.keys.revoke(&hub.team, key.id, now).await.unwrap();
    until(async || keys.verify(&key.text, now).await == Err(KeyRefusal::Revoked)).await;
    drop(key);
    close(hub, replicas).await;
}
