//! The management API: shapes, refusals, permissions, and secrets that are shown once.

use crate::harness;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_made_shown_once_changed_rotated_and_revoked() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    let body =
        json!({"name": "ci", "models": ["gpt-*"], "cap_day": "12.50", "rpm": 60, "expires_at": "2099-01-01T00:00:00Z"});
    let made = hub.post(&format!("/teams/{}/keys", user.team), &user, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let secret = made["key"].as_str().unwrap();
    assert!(secret.starts_with("sk-oh-"));
    let path = format!("/teams/current/keys/{}", made["id"].as_str().unwrap());
    let read = hub.get(&path, &user).await;
    assert!(!read.text.contains(secret));
    let read = read.json();
    assert_eq!(
        (&read["cap_day"], &read["rpm"], &read["state"]),
        (&json!("12.50"), &json!(60), &json!("active"))
    );
    assert_eq!((&read["clamp"], &read["day"]["posted"]), (&json!(true), &json!("0.00")));

    let changed = hub.patch(&path, &user, json!({"cap_day": null, "rpm": 5})).await.json();
    assert_eq!(
        (&changed["cap_day"], &changed["rpm"], &changed["name"]),
        (&Value::Null, &json!(5), &json!("ci"))
    );
    let disabled = hub.patch(&path, &user, json!({"disabled": true})).await.json();
    assert_eq!(disabled["state"], "disabled");
    let rotated = hub.post(&format!("{path}/rotate"), &user, Value::Null).await.json();
    assert_ne!(rotated["key"], made["key"]);
    assert_eq!(rotated["last_four"].as_array().unwrap().len(), 2);
    assert_eq!(
        hub.api(Method::DELETE, &path, &user.token, Value::Null).await.status,
        204
    );
    assert_eq!(hub.get(&path, &user).await.json()["state"], "revoked");
    assert_eq!(hub.patch(&path, &user, json!({"disabled": false})).await.status, 409);
    assert_eq!(
        hub.get("/teams/current/keys", &user).await.json(),
        json!({"data": [], "next": null})
    );

    let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
    let actions: Vec<&str> = log.iter().rev().map(|row| row.action.as_str()).collect();
    assert_eq!(
        actions,
        ["key.create", "key.update", "key.disable", "key.rotate", "key.revoke"]
    );
    assert!(
        log.iter()
            .all(|row| !row.detail.to_string().contains(secret) && row.actor.user_id.is_some())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_and_doubled_fields_and_what_is_no_json_are_refused_on_every_route() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    for (method, path) in [
        ("POST", "/accounts"),
        ("PATCH", "/accounts/acc_0000000000001"),
        ("POST", "/models"),
        ("POST", "/aliases"),
        ("PATCH", "/aliases/fast"),
        ("POST", "/teams/current/aliases"),
        ("POST", "/models/gpt-5/prices"),
        ("PATCH", "/teams/current"),
        ("PATCH", "/teams/current/members/usr_0000000000001"),
        ("PATCH", "/settings/sign-up"),
        ("PATCH", "/users/usr_0000000000001"),
        ("POST", "/teams"),
        ("POST", "/teams/current/transfer"),
        ("POST", "/teams/current/invitations"),
        ("POST", "/invitations/accept"),
        ("PUT", "/teams/current/alert-addresses"),
        ("PUT", "/teams/current/webhook"),
        ("POST", "/teams/current/keys"),
        ("PATCH", "/teams/current/keys/key_0000000000001"),
        ("POST", "/teams/current/keys/key_0000000000001/rotate"),
        ("POST", "/teams/current/grants"),
        ("PUT", "/markups"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
        for body in [
            "{\"is_admin\": true}",
            "{\"name\": \"a\", \"name\": \"b\"}",
            "{",
            "[1e999]",
            "\u{fffd}",
            &deep,
        ] {
            let request = hub.client.request(method.clone(), hub.url(&format!("/api/v1{path}")));
            let answer = hub.send(request.bearer_auth(&admin.token).body(body.to_owned())).await;
            assert_eq!(answer.status, 400, "{method} {path} {}", &body[..body.len().min(40)]);
            let error = &answer.json()["error"];
            assert_eq!(
                (&error["code"], error["request_id"].as_str()),
                (&json!("invalid"), Some(answer.header("x-request-id")))
            );
        }
    }
    assert_eq!(hub.get("/teams?admin=1", &admin).await.status, 400);
    assert_eq!(
        hub.get("/teams/current/usage?group_by=colour", &admin).await.status,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_fields_are_named_one_by_one() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    let body = json!({"name": " ", "cap_day": "0", "rpm": 0, "allowed_ips": ["here"], "models": ["a b"]});
    let answer = hub.post("/teams/current/keys", &user, body).await;
    assert_eq!(answer.status, 400);
    let error = answer.json();
    let fields: Vec<&str> = error["error"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["field"].as_str().unwrap())
        .collect();
    for field in ["name", "cap_day", "rpm", "allowed_ips"] {
        assert!(fields.contains(&field), "{fields:?}");
    }
    assert_eq!(
        hub.post(
            "/teams/current/keys",
            &user,
            json!({"name": "x", "cap_day": "1.0000000001"})
        )
        .await
        .status,
        400
    );
    assert_eq!(
        hub.post("/teams/current/keys", &user, json!({"name": "x", "member": "nobody"}))
            .await
            .status,
        400
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_its_secret_and_never_gives_it_back() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let canary = "sk-canary-0123456789-wxyz";
    let body = json!({
        "label": "first", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": canary,
        "priority": 1, "models": ["*"], "proxy_url": null, "auth_scheme": "X-Api-Key",
    });
    let made = hub.post("/accounts", &admin, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&made.json()["last_four"], &made.json()["models"]),
        (&json!("wxyz"), &json!(["*"]))
    );
    assert_eq!(made.json()["auth_scheme"], "x-api-key");
    let path = format!("/accounts/{id}");
    let cleared = hub.patch(&path, &admin, json!({"auth_scheme": null})).await;
    assert_eq!(cleared.json()["auth_scheme"], "bearer");
    let patched = hub
        .patch(
            &path,
            &admin,
            json!({"priority": 7, "rpm": 60, "models": [{"model": "fast", "upstream_model": "gpt-5"}]}),
        )
        .await;
    assert_eq!(
        (&patched.json()["priority"], &patched.json()["rpm"]),
        (&json!(7), &json!(60))
    );
    let moved = hub
        .patch(&path, &admin, json!({"base_url": "http://127.0.0.1:10/v1"}))
        .await;
    assert_eq!(moved.status, 400, "another origin demands the secret anew");
    let tested = hub.post(&format!("{path}/test"), &admin, Value::Null).await;
    assert_eq!((tested.status, &tested.json()["ok"]), (200, &json!(false)));
    let cookie = hub
        .form(
            "log_in",
            "",
            &format!("email=admin@example.com&password={}", harness::PASSWORD),
        )
        .await;
    let (cookie, _) = cookie.cookie("ourhub").unwrap();
    for page in ["/admin/accounts".to_owned(), format!("/admin{path}")] {
        assert!(!hub.page(&page, &cookie).await.text.contains("canary"), "{page}");
    }
    for answer in [
        made,
        patched,
        moved,
        tested,
        hub.get("/accounts", &admin).await,
        hub.get(&path, &admin).await,
    ] {
        assert!(!answer.text.contains("canary"), "{answer:?}");
    }
    let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
    assert!(log.len() >= 2 && log.iter().all(|row| !row.detail.to_string().contains("canary")));
    assert_eq!(
        hub.api(Method::DELETE, &path, &admin.token, Value::Null).await.status,
        204
    );
    assert_eq!(hub.get(&path, &admin).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn platform_routes_are_for_platform_admins() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    let account = json!({"label": "x", "provider": "openai", "secret": "sk-0123456789abcd"});
    let model = json!({"id": "m", "prices": {"input": "1", "output": "2"}});
    for (method, path, body) in [
        (Method::GET, "/accounts", Value::Null),
        (Method::POST, "/accounts", account),
        (Method::GET, "/accounts/acc_0000000000001", Value::Null),
        (Method::POST, "/accounts/acc_0000000000001/test", Value::Null),
        (Method::DELETE, "/accounts/acc_0000000000001", Value::Null),
        (Method::POST, "/models", model),
        (
            Method::POST,
            "/models/gpt-5/prices",
            json!({"input": "1", "output": "2"}),
        ),
        (Method::GET, "/revenue", Value::Null),
        (Method::GET, "/markups", Value::Null),
        (Method::PUT, "/markups", json!({"percent": "5"})),
        (Method::DELETE, "/markups/mku_0000000000001", Value::Null),
        (Method::GET, "/requests", Value::Null),
        (Method::GET, "/requests/req_0000000000001", Value::Null),
        (
            Method::POST,
            "/teams/current/grants",
            json!({"amount": "1000", "reason": "mine"}),
        ),
        (Method::PATCH, "/teams/current", json!({"suspended": false})),
    ] {
        let answer = hub.api(method.clone(), path, &user.token, body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (403, &json!("forbidden")),
            "{method} {path}"
        );
    }
    assert_eq!(hub.get("/teams/current/balance", &user).await.json()["balance"], "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    for number in 0..5 {
        hub.post("/teams/current/keys", &user, json!({"name": format!("k{number}")}))
            .await;
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = hub
            .get(&format!("/teams/current/keys?limit=2{after}"), &user)
            .await
            .json();
        names.extend(
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["name"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["k4", "k3", "k2", "k1", "k0"]);
    assert_eq!(hub.get("/teams/current/keys?after=x", &user).await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_a_line_and_the_balance_is_the_sum() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let user = hub.user("a@example.com", false).await;
    let path = format!("/teams/{}", user.team);
    for (amount, reason) in [("25", "welcome"), ("-0.000000001", "taken back")] {
        let line = hub
            .post(
                &format!("{path}/grants"),
                &admin,
                json!({"amount": amount, "reason": reason}),
            )
            .await;
        assert_eq!(line.status, 201, "{line:?}");
    }
    for body in [
        json!({"amount": "0", "reason": "x"}),
        json!({"amount": "1", "reason": " "}),
        json!({"amount": 1, "reason": "x"}),
    ] {
        assert_eq!(hub.post(&format!("{path}/grants"), &admin, body).await.status, 400);
    }
    let balance = hub.get("/teams/current/balance", &user).await.json();
    assert_eq!(
        (&balance["balance"], &balance["entries"]),
        (&json!("24.999999999"), &json!("24.999999999"))
    );
    let lines = hub.get("/teams/current/ledger?limit=1", &user).await.json();
    assert_eq!(
        (&lines["data"][0]["reason"], &lines["data"][0]["amount"]),
        (&json!("taken back"), &json!("-0.000000001"))
    );
    let next = lines["next"].as_str().unwrap();
    let lines = hub
        .get(&format!("/teams/current/ledger?after={next}"), &user)
        .await
        .json();
    assert_eq!(
        (&lines["data"][0]["kind"], &lines["next"]),
        (&json!("grant"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_of_service_tiers_are_set_by_the_api_and_by_the_form_and_listed() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("first@example.com").await;
    let admin = hub.user("admin@example.com", true).await;
    let tier = json!({"input": "0.5", "output": "1", "cache_read": "0.05"});
    let prices = json!({"input": "1", "output": "2", "flex": tier});
    let made = hub
        .post("/models", &admin, json!({"id": "tiered", "prices": prices}))
        .await;
    let shown = json!({"input": "0.50", "output": "1.00", "cache_read": "0.05"});
    assert_eq!((made.status, &made.json()["prices"]["flex"]), (201, &shown), "{made:?}");
    assert_eq!(made.json()["prices"]["priority"], Value::Null);
    for (path, body, field) in [
        (
            "/models/tiered/prices",
            json!({"input": "1", "output": "2", "flex": {"input": "1", "output": "-2"}}),
            "flex.output",
        ),
        (
            "/models",
            json!({"id": "x", "prices": {"input": "1", "output": "2", "priority": {"input": "", "output": "2"}}}),
            "prices.priority.input",
        ),
    ] {
        let refused = hub.post(path, &admin, body).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["fields"][0]["field"]),
            (400, &json!(field)),
            "{refused:?}"
        );
    }
    let page = "/admin/models/price?model=tiered";
    let shown = hub.page(page, &cookie).await.text;
    assert!(
        shown.contains(r#"name="flex_input""#) && shown.contains(r#"value="0.05""#),
        "{shown}"
    );
    let body = "id=tiered&input=1&output=2&priority_input=2&priority_output=4";
    assert_eq!(hub.form("add_price", &cookie, body).await.location(), "/admin/models");
    let listed = hub.page("/admin/models?show=all&q=tiered", &cookie).await.text;
    assert!(
        listed.contains("priority: $2.00 in, $4.00 out") && !listed.contains("flex: "),
        "{listed}"
    );
    let body = "id=tiered&input=1&output=2&flex_output=1";
    let refused = hub.form("add_price", &cookie, body).await;
    let flash = refused.cookie("ourhub-flash").unwrap().0;
    let shown = hub.page(refused.location(), &format!("{cookie}; {flash}")).await.text;
    assert!(shown.contains("is not a price"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_prices_are_added_and_listed() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let body = json!({"id": "house/model", "context": 8000, "prices": {"input": "0.15", "output": "0.60"}});
    let made = hub.post("/models", &admin, body).await;
    assert_eq!(
        (made.status, &made.json()["prices"]["output"]),
        (201, &json!("0.60")),
        "{made:?}"
    );
    let priced = hub
        .post(
            "/models/house/model/prices",
            &admin,
            json!({"input": "1", "output": "2.5"}),
        )
        .await;
    assert_eq!(
        (priced.status, &priced.json()["prices"]["output"]),
        (201, &json!("2.50")),
        "{priced:?}"
    );
    assert_eq!(
        hub.post("/models/no-such/prices", &admin, json!({"input": "1", "output": "2"}))
            .await
            .status,
        404
    );
    assert_eq!(
        hub.post(
            "/models",
            &admin,
            json!({"id": "x", "prices": {"input": "-1", "output": "2"}})
        )
        .await
        .status,
        400
    );
    let wrong = json!({"id": "x", "prices": {"input": "-1", "output": "2"}});
    let wrong = hub.post("/models", &admin, wrong).await.json();
    assert_eq!(wrong["error"]["fields"][0]["field"], "prices.input");
    let wrong = json!({"input": "-1", "output": "2"});
    let wrong = hub.post("/models/house/model/prices", &admin, wrong).await.json();
    assert_eq!(wrong["error"]["fields"][0]["field"], "input");
    let again = json!({"id": "house/model", "prices": {"input": "1", "output": "2"}});
    assert_eq!(hub.post("/models", &admin, again).await.status, 409);
    let later = json!({"input": "3", "output": "4", "effective_at": "2099-01-01T00:00:00Z"});
    let later = hub.post("/models/house/model/prices", &admin, later).await.json();
    assert_eq!(
        (
            &later["prices"]["input"],
            &later["next_price"]["effective_at"],
            &later["next_price"]["prices"]["input"]
        ),
        (&json!("1.00"), &json!("2099-01-01T00:00:00Z"), &json!("3.00"))
    );
    let page = hub.get("/models?limit=1&after=house/modek", &admin).await.json();
    assert_eq!(page["data"][0]["id"], "house/model");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_written_otherwise_open_nothing() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    for path in [
        "//api/v1/teams",
        "/api//v1/teams",
        "/api/v1/./teams",
        "/api/v1%2faccounts",
        "/API/v1/teams",
        "/api/v1/teams/",
        "/api",
        "/api/v2/teams",
    ] {
        let answer = hub.page(path, "").await;
        assert!([303, 401, 404].contains(&answer.status), "{path}: {}", answer.status);
        let request = hub.client.get(hub.url(path)).bearer_auth(&user.token);
        let request = request
            .header("x-original-url", "/api/v1/accounts")
            .header("x-http-method-override", "DELETE");
        assert!(
            [303, 404].contains(&hub.send(request).await.status) || path == "/api/v1/./teams",
            "{path}"
        );
    }
    let bearer = format!("authorization: Bearer {}\r\n", user.token);
    for (line, host, headers, status) in [
        ("GET http://{hub}/api/v1/teams", "{hub}", "", 401),
        ("GET http://evil.example/api/v1/teams", "evil.example", "", 401),
        ("GET http://{hub}/api/v1/accounts", "{hub}", &*bearer, 403),
        ("GET http://evil.example/api/v1/accounts", "evil.example", &*bearer, 403),
        ("GET /api/v1/accounts", "evil.example", &*bearer, 403),
        ("GET http://{hub}/api/v1/../v1/teams", "{hub}", &*bearer, 404),
        ("GET http://{hub}/v1/models", "{hub}", "", 401),
        ("GET http://evil.example/v1/key", "evil.example", "", 401),
        ("GET http://{hub}/v1/models", "{hub}", &*bearer, 401),
        ("POST http://{hub}/v1/chat/completions", "{hub}", &*bearer, 401),
        ("POST /v1/embeddings", "evil.example", "", 401),
        ("GET http://{hub}//v1/models", "{hub}", &*bearer, 404),
        ("POST http://{hub}/v1/../fn/sign_up", "{hub}", "", 404),
        ("POST http://evil.example/fn/sign_up", "evil.example", "", 403),
    ] {
        let fill = |text: &str| text.replace("{hub}", &hub.address.to_string());
        let answer = raw(&hub, &fill(line), &fill(host), headers).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line} ({host}): {answer}"
        );
    }
    for token in ["", "mt-oh-", "mt-oh-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        let answer = hub.api(Method::GET, "/teams", token, Value::Null).await;
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"));
    }
}

/// The answer to a request without a body, written by hand: clients would set target and host right.
async fn raw(hub: &harness::Hub, line: &str, host: &str, headers: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(hub.address).await.unwrap();
    let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: 0\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn null_in_a_patch_where_nothing_can_be_cleared_is_refused() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let key = hub
        .post("/teams/current/keys", &admin, json!({"name": "ci"}))
        .await
        .json();
    let key = format!("/teams/current/keys/{}", key["id"].as_str().unwrap());
    let account = json!({"label": "first", "provider": "ollama", "base_url": "http://127.0.0.1:9/v1"});
    let account = hub.post("/accounts", &admin, account).await.json();
    let account = format!("/accounts/{}", account["id"].as_str().unwrap());
    let member = format!("/teams/current/members/{}", admin.id);
    for (path, field) in [
        (key.as_str(), "name"),
        (&key, "disabled"),
        (&account, "label"),
        (&account, "base_url"),
        (&account, "secret"),
        (&account, "disabled"),
        ("/teams/current", "name"),
        ("/teams/current", "time_zone"),
        ("/teams/current", "suspended"),
        (&member, "role"),
    ] {
        let answer = hub.patch(path, &admin, json!({field: null})).await;
        assert_eq!(answer.status, 400, "{path} {field} {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_and_named_ones_do_not_mix() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let account = json!({
        "label": "first", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-0123456789",
        "models": ["*", {"model": "fast", "upstream_model": "gpt-5"}],
    });
    let refused = hub.post("/accounts", &admin, account).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["fields"][0]["field"]),
        (400, &json!("models"))
    );
    assert_eq!(hub.get("/accounts", &admin).await.json()["data"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_out_of_service_cannot_be_tested_and_says_so() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let account =
        json!({"label": "first", "provider": "openai", "base_url": "http://127.0.0.1:9/v1", "secret": "sk-0123456789"});
    let account = hub.post("/accounts", &admin, account).await.json();
    let path = format!("/accounts/{}", account["id"].as_str().unwrap());
    hub.patch(&path, &admin, json!({"disabled": true})).await;
    assert_eq!(hub.post(&format!("{path}/test"), &admin, Value::Null).await.status, 409);
    assert_eq!(
        hub.post("/accounts/acc_0000000000001/test", &admin, Value::Null)
            .await
            .status,
        404
    );
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    assert!(log[0].detail.to_string().contains("models"), "{:?}", log[0].detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_may_have_32_mib_and_a_longer_one_is_told_so() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    let request = hub.client.post(hub.url("/api/v1/teams/current/keys"));
    let long = format!("{}{}", " ".repeat(1 << 20), json!({"name": "ci"}));
    let made = hub.send(request.bearer_auth(&user.token).body(long)).await;
    assert_eq!(made.status, 201, "{made:?}");

    // Told from the length alone: the body need not be sent.
    let mut stream = tokio::net::TcpStream::connect(hub.address).await.unwrap();
    let head = format!(
        "POST /api/v1/teams/current/keys HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        hub.address,
        user.token,
        (32 << 20) + 1
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("request_id") {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"too_large\""), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_add_the_same_model_at_once_one_is_told_that_it_exists() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        let body = json!({"id": "house/model", "prices": {"input": "1", "output": "2"}});
        let calls = (0..8).map(|_| hub.post("/models", &admin, body.clone()));
        let mut statuses: Vec<u16> = futures_util::future::join_all(calls)
            .await
            .iter()
            .map(|made| made.status)
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409, 409, 409, 409, 409, 409, 409]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_what_a_revoked_key_was() {
    let hub = harness::spawn().await;
    let user = hub.user("a@example.com", false).await;
    let made = hub
        .post("/teams/current/keys", &user, json!({"name": "ci"}))
        .await
        .json();
    let path = format!("/teams/current/keys/{}", made["id"].as_str().unwrap());
    hub.api(Method::DELETE, &path, &user.token, Value::Null).await;
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    let detail: Value = serde_json::to_value(&log[0].detail).unwrap();
    assert_eq!(log[0].action, "key.revoke");
    assert_eq!(
        (
            &detail["before"]["name"],
            &detail["before"]["is_revoked"],
            &detail["after"]["is_revoked"]
        ),
        (&json!("ci"), &json!(false), &json!(true)),
        "{detail}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admins_list_of_teams_counts_their_members() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let other = hub.user("other@example.com", false).await;
    for user in [&admin, &other] {
        let teams = hub.get("/teams", user).await.json();
        let teams = teams["data"].as_array().unwrap();
        assert_eq!(teams.len(), if user.team == admin.team { 2 } else { 1 });
        assert!(
            teams
                .iter()
                .all(|team| team["members"] == 1 && team["balance"] == "0.00"),
            "{teams:?}"
        );
    }
}
