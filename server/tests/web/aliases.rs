//! Aliases over the management API and the pages: who may make, change and remove which.

use crate::harness::{self, Hub, User};
use reqwest::Method;
use serde_json::{Value, json};

async fn with_model(hub: &Hub, admin: &User, id: &str) {
    let body = json!({"id": id, "prices": {"input": "1", "output": "2"}});
    assert_eq!(hub.post("/models", admin, body).await.status, 201);
}

async fn delete(hub: &Hub, path: &str, user: &User) -> u16 {
    hub.api(Method::DELETE, path, &user.token, Value::Null).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_makes_changes_and_removes_aliases_of_all_teams() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        let user = hub.user("a@example.com", false).await;
        for model in ["house/one", "house/two"] {
            with_model(&hub, &admin, model).await;
        }
        let body = json!({"name": "vendor/fast", "targets": ["house/one", "house/two"]});
        assert_eq!(hub.post("/aliases", &user, body.clone()).await.status, 403);
        let made = hub.post("/aliases", &admin, body.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        let told = [
            &made["on_context_too_long"],
            &made["on_content_filter"],
            &made["region"],
        ];
        assert_eq!(told, [&json!(true), &json!(false), &Value::Null]);
        assert_eq!(made["is_served"], false);
        let again = hub.post("/aliases", &admin, body).await;
        assert_eq!(
            (again.status, &again.json()["error"]["fields"][0]["field"]),
            (409, &json!("name"))
        );

        let path = "/aliases/vendor/fast";
        assert_eq!(hub.get(path, &user).await.json(), made);
        assert_eq!(hub.get("/aliases", &user).await.json()["data"], json!([made]));
        assert_eq!(
            hub.patch(path, &user, json!({"targets": ["house/two"]})).await.status,
            403
        );
        assert_eq!(made["policy"], "balanced");
        let change =
            json!({"targets": ["house/two"], "policy": "cheapest", "on_context_too_long": false, "region": "EU"});
        let changed = hub.patch(path, &admin, change).await.json();
        let told = [&changed["targets"], &changed["on_context_too_long"], &changed["region"]];
        assert_eq!(told, [&json!(["house/two"]), &json!(false), &json!("eu")]);
        assert_eq!(changed["policy"], "cheapest");
        let odd = hub.patch(path, &admin, json!({"policy": "dearest"})).await;
        assert_eq!(
            (odd.status, &odd.json()["error"]["fields"][0]["field"]),
            (400, &json!("policy"))
        );
        let cleared = json!({"policy": null, "on_context_too_long": null, "region": null});
        let cleared = hub.patch(path, &admin, cleared).await.json();
        assert_eq!(
            [&cleared["on_context_too_long"], &cleared["region"]],
            [&json!(true), &Value::Null]
        );
        assert_eq!(cleared["policy"], "balanced");
        assert_eq!(cleared["targets"], json!(["house/two"]), "absent keeps");

        assert_eq!(delete(&hub, path, &user).await, 403);
        assert_eq!(delete(&hub, path, &admin).await, 204);
        assert_eq!(delete(&hub, path, &admin).await, 404);
        assert_eq!(hub.get(path, &user).await.status, 404);
        let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
        let actions: Vec<_> = log.iter().rev().map(|row| row.action.as_str()).collect();
        let expected = [
            "model.create",
            "model.create",
            "alias.create",
            "alias.update",
            "alias.update",
            "alias.delete",
        ];
        assert_eq!(actions, expected);
        assert_eq!(log[0].target, "vendor/fast");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_teams_owners_and_admins_manage_its_aliases_and_members_only_see_them() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    with_model(&hub, &admin, "house/one").await;
    let owner = hub.user("owner@example.com", false).await;
    let member = hub.join("member@example.com", &owner.team).await;
    let stranger = hub.user("stranger@example.com", false).await;
    let path = format!("/teams/{}/aliases", owner.team);
    let body = json!({"name": "fast", "targets": ["house/one"]});
    assert_eq!(hub.post(&path, &member, body.clone()).await.status, 403);
    assert_eq!(hub.post(&path, &stranger, body.clone()).await.status, 404);
    assert_eq!(hub.post(&path, &owner, body).await.status, 201);
    let one = format!("{path}/fast");
    let change = json!({"on_content_filter": true});
    assert_eq!(hub.patch(&one, &member, change.clone()).await.status, 403);
    assert_eq!(delete(&hub, &one, &member).await, 403);
    assert_eq!(hub.get(&one, &member).await.json()["targets"], json!(["house/one"]));
    let viewer = hub.join("viewer@example.com", &owner.team).await;
    let role = format!("/teams/{}/members/{}", owner.team, viewer.id);
    assert_eq!(hub.patch(&role, &owner, json!({"role": "viewer"})).await.status, 200);
    assert_eq!(
        hub.get(&path, &viewer).await.json()["data"].as_array().unwrap().len(),
        1
    );
    assert_eq!(hub.patch(&one, &viewer, change.clone()).await.status, 403);
    assert_eq!(hub.get(&one, &stranger).await.status, 404);
    assert_eq!(
        hub.get("/aliases", &owner).await.json()["data"],
        json!([]),
        "it is the team's own"
    );
    assert_eq!(hub.patch(&one, &owner, change).await.json()["on_content_filter"], true);
    let role = format!("/teams/{}/members/{}", owner.team, member.id);
    assert_eq!(hub.patch(&role, &owner, json!({"role": "admin"})).await.status, 200);
    assert_eq!(delete(&hub, &one, &member).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_alias_names_the_field_and_what_would_be_right() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    for model in ["house/one", "house/two"] {
        with_model(&hub, &admin, model).await;
    }
    let fast = json!({"name": "fast", "targets": ["house/one"]});
    assert_eq!(hub.post("/aliases", &admin, fast).await.status, 201);
    let refused = async |body: Value| {
        let answer = hub.post("/aliases", &admin, body).await;
        assert_eq!(answer.status, 400, "{answer:?}");
        let fields = &answer.json()["error"]["fields"][0];
        let text = |name: &str| fields[name].as_str().unwrap().to_owned();
        (text("field"), text("message"))
    };
    let (field, message) = refused(json!({"name": "faster", "targets": ["fast"]})).await;
    assert!(field == "targets" && message.contains("house/one"), "{message}");
    assert_eq!(refused(json!({"name": "x", "targets": []})).await.0, "targets");
    assert_eq!(
        refused(json!({"name": "x", "targets": ["house/one"], "region": "no tag"}))
            .await
            .0,
        "region"
    );
    let hides = json!({"name": "house/one", "targets": ["house/two"]});
    assert_eq!(refused(hides.clone()).await.0, "name");
    let mut replaces = hides;
    replaces["replaces_model"] = json!(true);
    assert_eq!(hub.post("/aliases", &admin, replaces).await.status, 201);
    let chain = json!({"name": "house/two", "targets": ["house/two", "house/one"]});
    assert_eq!(hub.post("/teams/current/aliases", &admin, chain).await.status, 201);
    let model = json!({"id": "fast", "prices": {"input": "1", "output": "2"}});
    let taken = hub.post("/models", &admin, model).await;
    assert_eq!(
        (taken.status, &taken.json()["error"]["fields"][0]["field"]),
        (400, &json!("id"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forms_work_for_those_who_may_and_show_what_was_typed_with_its_errors() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("admin%40example.com").await;
    let admin = hub.user("second@example.com", true).await;
    with_model(&hub, &admin, "house/one").await;
    let body = "whose=&name=fast&targets=nothing&on_context_too_long=on";
    let refused = hub.form("create_alias", &cookie, body).await;
    assert_eq!(
        (refused.status, refused.location()),
        (302, "/admin/aliases/new"),
        "{refused:?}"
    );
    let flash = refused.cookie("ourhub-flash").unwrap().0;
    let page = hub.page("/admin/aliases/new", &format!("{cookie}; {flash}")).await.text;
    assert!(
        page.contains("There is no model “nothing” here") && page.contains(r#"value="fast""#),
        "{page}"
    );

    for (whose, list) in [("", "/admin/aliases"), ("team", "/team/models")] {
        let body = format!("whose={whose}&name=fast&targets=house%2Fone&on_context_too_long=on");
        let done = hub.form("create_alias", &cookie, &body).await;
        assert_eq!((done.status, done.location()), (302, list), "{done:?}");
        let page = hub.page(list, &cookie).await.text;
        assert!(page.contains("fast") && page.contains("house/one"), "{page}");
        let edit = hub.page(&format!("{list}/edit?name=fast"), &cookie).await;
        assert_eq!(edit.status, 200);
        let body = format!("whose={whose}&name=fast&targets=house%2Fone&region=eu");
        let saved = hub.form("update_alias", &cookie, &body).await;
        assert_eq!(saved.location(), list, "{saved:?}");
        let removed = hub
            .form("delete_alias", &cookie, &format!("whose={whose}&name=fast"))
            .await;
        assert_eq!(removed.location(), list, "{removed:?}");
    }
    assert_eq!(hub.get("/aliases", &admin).await.json()["data"], json!([]));

    let other = hub.sign_up("b%40example.com").await;
    assert_eq!(hub.page("/admin/aliases", &other).await.status, 403);
    let body = "whose=&name=fast&targets=house%2Fone";
    hub.form("create_alias", &other, body).await;
    assert_eq!(
        hub.get("/aliases", &admin).await.json()["data"],
        json!([]),
        "nothing was made"
    );
    assert_eq!(hub.page("/team/models", &other).await.status, 200);
}
