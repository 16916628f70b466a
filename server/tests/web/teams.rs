//! A team and its members over the management API: what an owner changes holds and is shown.

use crate::harness;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_changes_every_setting_of_the_team() {
    for hub in harness::everywhere().await {
        let user = hub.user("a@example.com", false).await;
        let change = json!({
            "name": "Harbor", "time_zone": "Asia/Tokyo", "cap_day": "12.50", "cap_month": "200", "rpm": 60, "tpm": 9000,
        });
        let changed = hub.patch(&format!("/teams/{}", user.team), &user, change).await;
        assert_eq!(changed.status, 200, "{changed:?}");
        for team in [changed.json(), hub.get("/teams/current", &user).await.json()] {
            assert_eq!(
                (&team["id"], &team["name"], &team["time_zone"]),
                (&json!(user.team), &json!("Harbor"), &json!("Asia/Tokyo"))
            );
            assert_eq!(
                [&team["cap_day"], &team["cap_month"], &team["rpm"], &team["tpm"]],
                [&json!("12.50"), &json!("200.00"), &json!(60), &json!(9000)]
            );
            let resets_at = team["month"]["resets_at"].as_str().unwrap();
            assert!(
                resets_at.ends_with("T15:00:00Z"),
                "a month ends at midnight in Tokyo: {resets_at}"
            );
        }
        let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
        assert_eq!(log[0].action, "team.update");
        for (field, value) in [
            ("name", json!(" ")),
            ("time_zone", json!("Mars/Base")),
            ("cap_day", json!("0")),
            ("rpm", json!(0)),
        ] {
            let refused = hub.patch("/teams/current", &user, json!({field: value})).await;
            assert_eq!(
                (refused.status, &refused.json()["error"]["fields"][0]["field"]),
                (400, &json!(field))
            );
        }
        assert_eq!(hub.get("/teams/current", &user).await.json()["name"], "Harbor");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_sees_the_members_and_changes_their_role_and_caps() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let member = hub.join("member@example.com", &owner.team).await;
    let path = format!("/teams/{}/members", owner.team);
    let listed = hub.get(&path, &owner).await.json();
    let rows: Vec<(&Value, &Value)> = listed["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (&row["email"], &row["role"]))
        .collect();
    assert_eq!(
        rows,
        [
            (&json!("owner@example.com"), &json!("owner")),
            (&json!("member@example.com"), &json!("member"))
        ]
    );
    assert_eq!(
        hub.get(&path, &member).await.json()["data"].as_array().unwrap().len(),
        2,
        "members see each other"
    );

    let one = format!("{path}/{}", member.id);
    let change = json!({"role": "admin", "cap_day": "5", "cap_month": "50"});
    let refused = hub.patch(&one, &member, change.clone()).await;
    assert_eq!(refused.status, 403, "nobody promotes themselves: {refused:?}");
    let changed = hub.patch(&one, &owner, change).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let listed = hub.get(&path, &owner).await.json();
    for row in [&changed.json(), &listed["data"][1]] {
        assert_eq!(
            [&row["user_id"], &row["role"], &row["cap_day"], &row["cap_month"]],
            [&json!(member.id), &json!("admin"), &json!("5.00"), &json!("50.00")]
        );
        assert_eq!(
            (&row["day"]["cap"], &row["month"]["cap"]),
            (&json!("5.00"), &json!("50.00"))
        );
    }
    assert_eq!(
        hub.patch(&format!("/teams/{}", owner.team), &member, json!({"name": "Ours"}))
            .await
            .status,
        200,
        "an admin of the team manages it"
    );
    let wrong = hub.patch(&one, &owner, json!({"role": "king"})).await;
    assert_eq!(
        (wrong.status, &wrong.json()["error"]["fields"][0]["field"]),
        (400, &json!("role"))
    );
    let last = format!("{path}/{}", owner.id);
    assert_eq!(hub.patch(&last, &owner, json!({"role": "member"})).await.status, 409);
    let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
    assert!(log.iter().any(|row| row.action == "member.update"));
}
