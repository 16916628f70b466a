//! Days instead of moments: in the team's time zone, whole.

use crate::{
    harness::{self, Hub, User},
    usage,
};
use gateway_core::{
    id::{self, Kind},
    ledger::Outcome,
};
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::{Value, json};
use server::clock;

/// So far ahead of UTC that its day is mostly another.
const ZONE: &str = "Pacific/Kiritimati";

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_to_the_end_of_its_last_day_where_the_team_is() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    for (zone, end) in [
        ("UTC", "2100-01-01T00:00:00Z"),
        ("America/New_York", "2100-01-01T05:00:00Z"),
    ] {
        let moved = hub.patch("/teams/current", &user, json!({"time_zone": zone})).await;
        assert_eq!(moved.status, 200, "{moved:?}");
        let body = json!({"name": "ci", "expires_at": "2099-12-31"});
        let made = hub.post("/teams/current/keys", &user, body).await;
        assert_eq!((made.status, &made.json()["expires_at"]), (201, &json!(end)), "{zone}");
        let path = format!("/teams/current/keys/{}", made.json()["id"].as_str().unwrap());
        let exact = hub
            .patch(&path, &user, json!({"expires_at": "2099-12-31T12:00:00+01:00"}))
            .await;
        assert_eq!(exact.json()["expires_at"], "2099-12-31T11:00:00Z");
        let again = hub.patch(&path, &user, json!({"expires_at": "2099-12-31"})).await;
        assert_eq!(again.json()["expires_at"], end);
    }
    for wrong in ["2099-02-30", "31.12.2099", "tomorrow", "2099-12-31T12:00", ""] {
        let body = json!({"name": "ci", "expires_at": wrong});
        let refused = hub.post("/teams/current/keys", &user, body).await;
        assert_eq!(refused.status, 400, "{wrong}");
        assert!(
            refused.text.contains("2026-11-24"),
            "{wrong}: an example is given: {refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_form_shows_the_day_that_was_typed_again() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let form = format!("name=a&time_zone={ZONE}");
    assert_eq!(hub.form("update_team", &cookie, &form).await.status, 302);
    let made = hub
        .form("create_key", &cookie, "name=ci&expires_at=2099-12-31&clamp=on")
        .await;
    let page = made.location().strip_suffix("/created").unwrap();
    for _ in 0..2 {
        let shown = hub.page(page, &cookie).await.text;
        assert!(shown.contains("value=\"2099-12-31\""), "{shown}");
        let id = page.rsplit('/').next().unwrap();
        let body = format!("id={id}&name=ci&expires_at=2099-12-31&clamp=on");
        assert_eq!(hub.form("update_key", &cookie, &body).await.location(), "/keys");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_begins_with_a_day_of_utc() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("first@example.com").await;
    let admin = hub.user("admin@example.com", true).await;
    let form = format!("name=a&time_zone={ZONE}");
    assert_eq!(hub.form("update_team", &cookie, &form).await.status, 302);
    let model = json!({"id": "small", "prices": {"input": "1", "output": "2"}});
    hub.post("/models", &admin, model).await;
    let price = |from: &str| json!({"input": "3", "output": "4", "effective_at": from});
    let moved = hub.post("/models/small/prices", &admin, price("2099-12-31")).await;
    assert_eq!(
        (moved.status, &moved.json()["next_price"]["effective_at"]),
        (201, &json!("2099-12-31T00:00:00Z")),
        "{moved:?}"
    );
    let exact = hub
        .post("/models/small/prices", &admin, price("2099-12-01T12:00:00+01:00"))
        .await;
    assert_eq!(exact.json()["next_price"]["effective_at"], "2099-12-01T11:00:00Z");
    for (typed, from) in [("2099-11-30", "T00:00:00Z"), ("2099-11-29T18:30", "T18:30:00Z")] {
        let body = format!("id=small&input=5&output=6&effective_at={}", typed.replace(':', "%3A"));
        let done = hub.form("add_price", &cookie, &body).await;
        assert_eq!(done.location(), "/admin/models", "{done:?}");
        let small = hub.app.catalog.model("small").unwrap();
        let next = small.next_price(clock::now_ms()).unwrap().effective_at_ms;
        let expected: Timestamp = format!("{}{from}", &typed[..10]).parse().unwrap();
        assert_eq!(next, expected.as_millisecond());
    }
    for wrong in ["2026-11-01", "2099-02-30", "tomorrow"] {
        let refused = hub.post("/models/small/prices", &admin, price(wrong)).await;
        assert_eq!(refused.status, 400, "{wrong}");
    }
}

async fn count(hub: &Hub, user: &User, path: &str) -> usize {
    let answer = hub.get(path, user).await;
    assert_eq!(answer.status, 200, "{path} {answer:?}");
    answer.json()["data"].as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_sums_are_asked_for_by_day_first_and_last_included() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let user = hub.user("a@example.com", false).await;
    hub.patch("/teams/current", &user, json!({"time_zone": ZONE})).await;
    let model = json!({"id": "small", "prices": {"input": "1", "output": "2"}});
    hub.post("/models", &admin, model).await;
    let key = hub
        .post("/teams/current/keys", &user, json!({"name": "ci"}))
        .await
        .json();
    let key = id::parse(Kind::Key, key["id"].as_str().unwrap()).unwrap();
    usage::call(&hub, &user, key, ("small", Outcome::Ok)).await;
    usage::written(&hub).await;
    let listed = hub.get("/teams/current/requests", &user).await.json();
    let at: Timestamp = listed["data"][0]["started_at"].as_str().unwrap().parse().unwrap();

    for (asking, zone, lists) in [
        (
            &user,
            ZONE,
            ["/teams/current/requests", "/teams/current/usage"].as_slice(),
        ),
        (&admin, "UTC", &["/requests"]),
    ] {
        let day = at.to_zoned(TimeZone::get(zone).unwrap()).date();
        let (before, after) = (day.yesterday().unwrap(), day.tomorrow().unwrap());
        let exact = at.checked_add(1.hour()).unwrap();
        for path in lists {
            for (query, found) in [
                (format!("from={day}&to={day}"), 1),
                (format!("from={day}"), 1),
                (format!("to={day}"), 1),
                (format!("from={before}&to={after}"), 1),
                (format!("from={day}&to={exact}"), 1),
                (format!("from={after}"), 0),
                (format!("to={before}"), 0),
            ] {
                assert_eq!(
                    count(&hub, asking, &format!("{path}?{query}")).await,
                    found,
                    "{path}?{query}"
                );
            }
            for wrong in ["from=2026-13-01", "to=yesterday", "from="] {
                assert_eq!(
                    hub.get(&format!("{path}?{wrong}"), asking).await.status,
                    400,
                    "{path}?{wrong}"
                );
            }
        }
    }
    let none: Value = hub.get("/teams/current/usage?from=2099-01-01", &user).await.json();
    assert_eq!(none["data"], json!([]));
}
