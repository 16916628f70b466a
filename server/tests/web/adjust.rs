//! Corrections of charges over the management API and on the receipt's page.

use crate::{
    harness::{self, Hub, PASSWORD, User},
    usage::{call, key_of, written},
};
use gateway_core::{
    id::{self, Kind},
    ledger::Outcome,
};
use serde_json::{Value, json};

/// An admin, a user, and a request of theirs that was charged 0.00012.
async fn charged(hub: &Hub) -> (User, User, String) {
    let admin = hub.user("admin@example.com", true).await;
    let user = hub.user("a@example.com", false).await;
    hub.post(
        "/models",
        &admin,
        json!({"id": "small", "prices": {"input": "1", "output": "2"}}),
    )
    .await;
    let key_id = key_of(hub, &user, "one").await;
    let request_id = call(hub, &user, key_id, ("small", Outcome::Ok)).await;
    written(hub).await;
    (admin, user, id::render(Kind::Request, request_id))
}

fn path(team: &str, request: &str) -> String {
    format!("/teams/{team}/requests/{request}/adjustments")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_is_on_the_receipt_in_the_ledger_in_the_balance_and_in_the_audit_log() {
    for hub in harness::everywhere().await {
        let (admin, user, request) = charged(&hub).await;
        let body = json!({"amount": "0.00002", "reason": "double counted"});
        let first = hub.post(&path(&user.team, &request), &admin, body.clone()).await;
        assert_eq!(first.status, 201, "{first:?}");
        let again = hub.post(&path(&user.team, &request), &admin, body).await;
        assert_eq!(
            (again.status, again.json()["id"].clone()),
            (201, first.json()["id"].clone())
        );

        let receipt = hub
            .get(&format!("/teams/current/requests/{request}"), &user)
            .await
            .json();
        assert_eq!(receipt["adjustments"].as_array().unwrap().len(), 1, "{receipt}");
        assert_eq!(
            (
                &receipt["adjustments"][0]["amount"],
                &receipt["adjustments"][0]["actor"]
            ),
            (&json!("0.00002"), &json!("platform admin"))
        );
        assert_eq!(
            (
                &receipt["charged"],
                &receipt["holds"][0]["posted"],
                &receipt["holds"][0]["charged"]
            ),
            (&json!("0.00012"), &json!("0.00012"), &json!("0.0001"))
        );
        let ledger = hub.get("/teams/current/ledger", &user).await.json();
        assert_eq!(
            (
                &ledger["data"][0]["kind"],
                &ledger["data"][0]["request"],
                &ledger["data"][0]["reason"]
            ),
            (&json!("adjustment"), &json!(request), &json!("double counted"))
        );
        let balance = hub.get("/teams/current/balance", &user).await.json();
        assert_eq!(balance["balance"], "-0.0001");
        let overview = hub.get("/teams/current/overview", &user).await.json();
        assert_eq!(overview["day"]["posted"], "0.0001", "the cap's room is free again");
        let log = server::audit::list(&hub.app.db, id::parse(Kind::Team, &user.team), None, 50)
            .await
            .unwrap();
        let changes: Vec<_> = log.iter().filter(|row| row.action == "wallet.adjust").collect();
        assert_eq!(changes.len(), 1, "one for both calls");
        assert_eq!(
            (changes[0].target.as_str(), &changes[0].detail),
            (
                request.as_str(),
                &json!({"before": {"charged": "0.00012"}, "after": {"charged": "0.0001", "reason": "double counted"}})
            )
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_corrected_is_refused_and_says_why() {
    let hub = harness::spawn().await;
    let (admin, user, request) = charged(&hub).await;
    let other = hub.user("b@example.com", false).await;
    let good = json!({"amount": "0.00002", "reason": "x"});
    for (who, team, request, body, status, field) in [
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "0", "reason": "x"}),
            400,
            "amount",
        ),
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "0.000120001", "reason": "x"}),
            400,
            "amount",
        ),
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "-5", "reason": "x"}),
            400,
            "amount",
        ),
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "0.00002", "reason": " "}),
            400,
            "reason",
        ),
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "0.00002", "reason": "a\u{0}b"}),
            400,
            "reason",
        ),
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "0.00002", "reason": "x", "charged": "0.2"}),
            409,
            "",
        ),
        (
            &admin,
            &user.team,
            &request,
            json!({"amount": "0.00002", "reason": "x", "hold": "nonsense"}),
            400,
            "hold",
        ),
        (
            &admin,
            &user.team,
            &"req_0000000000007".to_owned(),
            good.clone(),
            404,
            "",
        ),
        (&admin, &user.team, &"nonsense".to_owned(), good.clone(), 404, ""),
        (&admin, &other.team, &request, good.clone(), 404, ""),
        (&user, &user.team, &request, good.clone(), 403, ""),
        (&other, &user.team, &request, good.clone(), 403, ""),
    ] {
        let answer = hub.post(&path(team, request), who, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let told = answer.json();
        assert!(
            told["error"]["message"].as_str().is_some_and(|told| !told.is_empty()),
            "{told}"
        );
        if !field.is_empty() {
            assert!(answer.text.contains(&format!("\"{field}\"")), "{body}: {told}");
        }
    }
    let receipt = hub
        .get(&format!("/teams/current/requests/{request}"), &user)
        .await
        .json();
    assert_eq!(receipt["adjustments"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_on_the_receipt_corrects_and_shows_what_was_wrong() {
    let hub = harness::spawn().await;
    let (_, user, request) = charged(&hub).await;
    let login = format!("email=admin@example.com&password={PASSWORD}");
    let cookie = hub.form("log_in", "", &login).await.cookie("ourhub").unwrap().0;
    let page = format!("/admin/requests/{request}");
    let shown = hub.page(&page, &cookie).await;
    assert!(shown.text.contains("Correct this charge"), "{}", shown.text);
    let form = |charge: &str, reason: &str| {
        format!(
            "team={}&request={request}&hold={request}&charged=0.00012&charge={charge}&reason={reason}",
            user.team
        )
    };
    let refused = hub.form("adjust", &cookie, &form("9", "late")).await;
    assert_eq!((refused.status, refused.location()), (302, page.as_str()));
    let flash = refused.cookie("ourhub-flash").unwrap().0;
    let back = hub.page(&page, &format!("{cookie}; {flash}")).await;
    assert!(back.text.contains("value=\"9\"") && back.text.contains("what was set aside"));

    for _ in 0..2 {
        let sent = hub.form("adjust", &cookie, &form("0.0001", "late")).await;
        assert_eq!((sent.status, sent.location()), (302, page.as_str()));
    }
    let balance = hub.get("/teams/current/balance", &user).await.json();
    assert_eq!(balance["balance"], "-0.0001", "sent twice, made once");
    let shown = hub.page(&page, &cookie).await;
    assert!(shown.text.contains("Corrections") && shown.text.contains("late"));
    let own = hub.user("c@example.com", false).await;
    let theirs = hub.get(&format!("/teams/{}/requests/{request}", user.team), &own).await;
    assert_eq!(theirs.status, 404);
}
