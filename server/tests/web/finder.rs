//! The usage page finds a request by its id and those of one member, without script.

use crate::{
    harness::{self, User},
    usage::{call, key_of, written},
};
use gateway_core::{
    id::{self, Kind},
    ledger::Outcome,
};
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use server::clock;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_found_by_its_id_and_by_its_member() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let person = hub.app.auth.find_person("a@example.com").await.unwrap();
    let token = hub.app.auth.create_token(&person, clock::now_ms()).await.unwrap().shown;
    let teams = hub
        .api(reqwest::Method::GET, "/teams", &token, serde_json::Value::Null)
        .await
        .json();
    let user = User {
        team: teams["data"][0]["id"].as_str().unwrap().to_owned(),
        id: id::render(Kind::User, person.user_id),
        token,
    };
    let other = hub.user("other@example.com", false).await;
    let model = json!({"id": "small", "prices": {"input": "1", "output": "2"}});
    hub.post("/models", &user, model).await;
    let key = key_of(&hub, &user, "ci").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(call(&hub, &user, key, ("small", Outcome::Ok)).await);
    }
    let others_key = key_of(&hub, &other, "theirs").await;
    let foreign = call(&hub, &other, others_key, ("small", Outcome::Ok)).await;
    written(&hub).await;
    let shown = |request: i64| id::render(Kind::Request, request);

    // Pasted with what stood around it.
    let found = hub
        .page(&format!("/usage?request=+{}%0A", shown(ids[0])), &cookie)
        .await;
    let receipt = format!("/usage/{}", shown(ids[0]));
    assert_eq!((found.status, found.location()), (303, receipt.as_str()));
    assert_eq!(hub.page(&receipt, &cookie).await.status, 200);
    for unknown in [shown(foreign).as_str(), "req_nonsense", "%3Cb%3E"] {
        let answer = hub.page(&format!("/usage?request={unknown}"), &cookie).await;
        assert_eq!((answer.status, answer.location()), (200, ""), "{unknown}");
        assert!(answer.text.contains("No request has the id"), "{unknown}");
        assert!(!answer.text.contains("<b>"));
    }
    let admins = hub
        .page(&format!("/admin/requests?request={}", shown(foreign)), &cookie)
        .await;
    assert_eq!(admins.location(), format!("/admin/requests/{}", shown(foreign)));

    // One member alone is no choice; two are.
    let rows = |page: &str| page.matches("href=\"/usage/req_").count();
    let all = hub.page("/usage", &cookie).await.text;
    assert!(rows(&all) == 2 && !all.contains("All members"));
    let mate = hub.join("mate@example.com", &user.team).await;
    let mine = id::parse(Kind::User, &mate.id).unwrap();
    let statement = format!("UPDATE hold SET member_id = {mine} WHERE id = {}", ids[1]);
    hub.app.db.execute_unprepared(&statement).await.unwrap();
    let page = hub.page(&format!("/usage?member={}", mate.id), &cookie).await.text;
    assert_eq!(rows(&page), 1, "{page}");
    assert!(page.contains(&shown(ids[1])) && page.contains("mate@example.com"));
    let none = hub.page(&format!("/usage?member={}", user.id), &cookie).await.text;
    assert!(rows(&none) == 0 && none.contains("Nothing matches these filters"));
}
