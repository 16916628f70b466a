//! Webhooks: signed, tried again until they are taken, and never sent to an address that is not public.

use crate::harness::{self, Hub, PASSWORD, User};
use gateway_core::id::{self, Kind};
use reqwest::Method;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};
use server::{
    auth::Person,
    clock,
    teams::{self, TeamScope},
    webhooks::{SIGNATURE, WebhookError, Webhooks, signature},
};
use std::sync::{Arc, Mutex};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// What an address of the test was sent: heads and bodies.
type Received = Arc<Mutex<Vec<(String, String)>>>;

/// An address on this machine that answers with `statuses`, one after the other.
async fn address(statuses: Vec<&'static str>) -> (String, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let received = Received::default();
    let kept = Arc::clone(&received);
    tokio::spawn(async move {
        for status in statuses {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut bytes = [0; 4_096];
            while !is_whole(&text) {
                let count = socket.read(&mut bytes).await.unwrap();
                text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            }
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            kept.lock().unwrap().push((head.to_lowercase(), body.to_owned()));
            let answer =
                format!("HTTP/1.1 {status}\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, received)
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .to_lowercase()
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

async fn scope(hub: &Hub, user: &User) -> TeamScope {
    let person = Person {
        user_id: id::parse(Kind::User, &user.id).unwrap(),
        email: String::new(),
        is_admin: false,
    };
    teams::scope(&hub.app.db, &person, id::parse(Kind::Team, &user.team).unwrap())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_signed_and_tried_again_until_it_is_taken() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let scope = scope(&hub, &owner).await;
        let local = vec!["127.0.0.0/8".parse().unwrap()];
        let webhooks = Webhooks::new(hub.app.db.clone(), hub.app.master.clone(), local);
        let (url, received) = address(vec!["500 No", "302 Found", "204 OK"]).await;
        // Later than the server's own clock, which would try it too.
        let now = clock::now_ms() + 3_600_000;
        let secret = webhooks.set(&scope, &url, now).await.unwrap();
        webhooks.test(&scope, now).await.unwrap();
        let mut at = now;
        for taken in [0, 0, 1] {
            at += 2 * 3_600_000;
            let both = tokio::join!(webhooks.deliver_due(at), webhooks.deliver_due(at));
            assert_eq!(both.0.unwrap() + both.1.unwrap(), taken, "by one process at a time");
        }
        let received = received.lock().unwrap().clone();
        assert_eq!(received.len(), 3);
        for (head, body) in &received {
            let line = head
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{SIGNATURE}: ")))
                .unwrap();
            let at = line
                .strip_prefix("t=")
                .unwrap()
                .split(',')
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert_eq!(line, signature(&secret, at, body));
            let sent: Value = serde_json::from_str(body).unwrap();
            assert_eq!((&sent["event"], &sent["team"]), (&json!("test"), &json!(owner.team)));
        }
        let shown = webhooks.deliveries(&scope, 9).await.unwrap();
        assert!(shown[0].sent_at.is_some() && shown[0].next_at.is_none(), "{shown:?}");
        assert_eq!(webhooks.deliver_due(at + 1).await.unwrap(), 0, "once");
        let stored = entity::webhook::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
        let is_in = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!is_in(&stored.secret), "sealed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_public_is_refused_when_it_is_set_and_when_its_name_leads_there() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let path = format!("/teams/{}/webhook", owner.team);
    for url in [
        "http://127.0.0.1:9/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest",
        "http://10.0.0.1/",
        "ftp://example.com/",
        "https://user:pass@example.com/",
        "nonsense",
    ] {
        let refused = hub.api(Method::PUT, &path, &owner.token, json!({"url": url})).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["fields"][0]["field"]),
            (400, &json!("url")),
            "{url}"
        );
    }
    let (url, received) = address(vec!["204 OK"]).await;
    let local = vec!["127.0.0.0/8".parse().unwrap()];
    let lenient = Webhooks::new(hub.app.db.clone(), hub.app.master.clone(), local);
    let scope = scope(&hub, &owner).await;
    let now = clock::now_ms();
    lenient.set(&scope, &url, now).await.unwrap();
    lenient.test(&scope, now).await.unwrap();
    hub.app.webhooks.deliver_due(now + 1).await.unwrap();
    let told = hub.app.webhooks.deliveries(&scope, 1).await.unwrap();
    assert_eq!(
        (told[0].sent_at, told[0].last_error.as_deref()),
        (None, Some("The address is not public.")),
        "nor when the rule became stricter since"
    );
    let named = url.replace("127.0.0.1", "localhost");
    let made = hub.api(Method::PUT, &path, &owner.token, json!({"url": named})).await;
    assert_eq!(made.status, 200, "a name is looked at when it is called: {made:?}");
    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    let tested = hub.post(&format!("{path}/test"), &owner, Value::Null).await;
    assert_eq!(tested.status, 204, "{tested:?}");
    hub.app.webhooks.deliver_due(clock::now_ms() + 1).await.unwrap();
    let shown = hub.get(&path, &owner).await;
    assert!(!shown.text.contains(&secret), "told once");
    let shown = shown.json();
    assert_eq!(shown["deliveries"][0]["state"], "waiting", "{shown}");
    assert!(received.lock().unwrap().is_empty(), "nothing went out");
    let log = server::audit::list(&hub.app.db, None, None, 9).await.unwrap();
    assert!(log.iter().all(|row| !row.detail.to_string().contains(&secret)));
    assert_eq!(
        hub.api(Method::DELETE, &path, &owner.token, Value::Null).await.status,
        204
    );
    assert_eq!(
        hub.api(Method::DELETE, &path, &owner.token, Value::Null).await.status,
        404
    );
    assert_eq!(hub.post(&format!("{path}/test"), &owner, Value::Null).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_sets_a_webhook_and_shows_its_secret_once() {
    let hub = harness::spawn().await;
    hub.user("owner@example.com", false).await;
    let entered = hub
        .form("log_in", "", &format!("email=owner@example.com&password={PASSWORD}"))
        .await;
    let (cookie, _) = entered.cookie("ourhub").unwrap();
    let wrong = hub.form("set_webhook", &cookie, "url=http%3A%2F%2F10.0.0.1%2F").await;
    let (flash, _) = wrong.cookie("ourhub-flash").unwrap();
    assert!(
        hub.page("/alerts", &format!("{cookie}; {flash}"))
            .await
            .text
            .contains("id=\"url-error\"")
    );
    let set = hub
        .form("set_webhook", &cookie, "url=https%3A%2F%2Fhooks.invalid%2Fhook")
        .await;
    let (flash, _) = set.cookie("ourhub-flash").unwrap();
    let page = hub.page("/alerts", &format!("{cookie}; {flash}")).await.text;
    assert!(page.contains("whsec_") && page.contains("Send test"), "{page}");
    assert!(!hub.page("/alerts", &cookie).await.text.contains("whsec_"), "once");
    assert_eq!(hub.form("remove_webhook", &cookie, "").await.location(), "/alerts");
    assert!(!hub.page("/alerts", &cookie).await.text.contains("Send test"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_with_many_deliveries_keeps_no_other_team_waiting_and_tests_no_more() {
    for hub in harness::everywhere().await {
        let local = vec!["127.0.0.0/8".parse().unwrap()];
        let webhooks = Webhooks::new(hub.app.db.clone(), hub.app.master.clone(), local);
        let now = clock::now_ms() + 3_600_000;
        let mut received = Vec::new();
        for (name, count) in [("busy@example.com", 9), ("calm@example.com", 1)] {
            let owner = hub.user(name, false).await;
            let scope = scope(&hub, &owner).await;
            let (url, kept) = address(vec!["204 OK"; count]).await;
            webhooks.set(&scope, &url, now).await.unwrap();
            for number in 0..count {
                let what = (scope.team_id(), "cap.alert");
                // The busy team was first with all of them.
                let at = now + i64::try_from(number).unwrap();
                webhooks.enqueue(&hub.app.db, what, Value::Null, at).await.unwrap();
            }
            let tested = webhooks.test(&scope, now).await;
            assert_eq!(
                matches!(tested, Err(WebhookError::Busy)),
                count > 5,
                "{name}: {tested:?}"
            );
            received.push(kept);
        }
        // The calm team’s test finds nobody who answers, and is tried later.
        webhooks.deliver_due(now + 60_000).await.unwrap();
        let counts: Vec<usize> = received.iter().map(|kept| kept.lock().unwrap().len()).collect();
        assert_eq!(counts, [5, 1], "five of one team a round");
        webhooks.deliver_due(now + 60_001).await.unwrap();
        assert_eq!(received[0].lock().unwrap().len(), 9, "the rest in the next");
    }
}
