//! Requests that another site may have sent in a visitor's name.

use crate::harness;

/// Server functions that change nothing, and so may take GET.
const READS: [&str; 49] = [
    "account",
    "alert_addresses",
    "alias",
    "all_audit",
    "all_requests",
    "any_receipt",
    "audit",
    "balance",
    "enrolment",
    "factor",
    "health",
    "key",
    "latest_of_key",
    "ledger",
    "list_accounts",
    "list_alerts",
    "list_aliases",
    "list_cap_alerts",
    "list_codes",
    "list_disputes",
    "list_invitations",
    "list_keys",
    "list_mails",
    "list_markups",
    "list_members",
    "list_models",
    "list_payments",
    "list_reconciliations",
    "list_sessions",
    "list_teams",
    "list_tokens",
    "list_users",
    "mail",
    "mail_settings",
    "offer",
    "overview",
    "payment",
    "payments_board",
    "people",
    "presets",
    "receipt",
    "requests",
    "revenue",
    "session",
    "sign_up_policy",
    "statement",
    "team",
    "user",
    "webhook",
];

/// The names of the server functions called by `method`, as the server registers them.
fn functions(method: &str) -> Vec<&'static str> {
    let all = leptos::server_fn::actix::server_fn_paths();
    let named = all.filter(|(_, known)| known.as_str() == method);
    let mut names: Vec<_> = named.map(|(path, _)| path.strip_prefix("/fn/").unwrap()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_is_taken_from_another_site() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let forms = functions("POST");
    assert!(forms.len() >= 20, "{forms:?}");
    for form in forms {
        for (header, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "none"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("x-nothing", "said"),
        ] {
            let request = hub.bare_form(form, &cookie, "id=x").header(header, value);
            assert_eq!(hub.send(request).await.status, 403, "{form} {header}: {value}");
        }
    }
    assert_eq!(hub.page("/overview", &cookie).await.status, 200, "nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_origin_stands_in_where_the_browser_says_nothing_else() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let own = format!("http://{}", hub.address);
    let request = hub.bare_form("create_key", &cookie, "name=ci").header("origin", own);
    assert!(hub.send(request).await.location().ends_with("/created"));
    let other_port = format!("http://127.0.0.1:{}", hub.address.port() ^ 1);
    let request = hub
        .bare_form("create_key", &cookie, "name=ci")
        .header("origin", other_port);
    assert_eq!(hub.send(request).await.status, 403);

    let hub = harness::spawn_with(&["--public-url", "https://hub.example.com"]).await;
    for (origin, status) in [
        ("https://hub.example.com", 302),
        ("http://hub.example.com", 403),
        ("https://hub.example.com.evil.example", 403),
    ] {
        let request = hub
            .bare_form("log_in", "", "email=a&password=b")
            .header("origin", origin);
        assert_eq!(hub.send(request).await.status, status, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_made_to_point_at_this_machine_is_not_ours() {
    let hub = harness::spawn().await;
    let request = hub.bare_form("sign_up", "", "email=a@example.com&password=sunlit-otter-42");
    let request = request
        .header("sec-fetch-site", "same-origin")
        .header("host", "evil.example:3000");
    assert_eq!(hub.send(request).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_that_changes_something_takes_get() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    assert_eq!(functions("GET"), READS);
    for form in functions("POST") {
        let answer = hub
            .page(&format!("/fn/{form}?id=x&name=x&email=x&password=x"), &cookie)
            .await;
        assert!([400, 404, 405].contains(&answer.status), "{form}: {answer:?}");
    }
    let keys = hub.page("/keys", &cookie).await;
    assert!(!keys.text.contains("key_"), "a key was made by a link");
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_open_no_api_and_tokens_no_page() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    let admin = hub.user("admin@example.com", true).await;
    for path in ["/api/v1/teams", "/api/v1/accounts", "/v1/models", "/v1/key"] {
        assert_eq!(hub.page(path, &cookie).await.status, 401, "{path}");
    }
    for (header, value) in [
        ("authorization", format!("Bearer {}", admin.token)),
        ("cookie", format!("ourhub={}", admin.token)),
    ] {
        let request = hub.client.get(hub.url("/overview")).header(header, value);
        assert_eq!(hub.send(request).await.location(), "/login");
    }
    let made = hub
        .post("/teams/current/keys", &admin, serde_json::json!({"name": "k"}))
        .await
        .json();
    let key = made["key"].as_str().unwrap();
    assert_eq!(
        hub.api(reqwest::Method::GET, "/teams", key, serde_json::Value::Null)
            .await
            .status,
        401
    );
    let by_key = hub.client.get(hub.url("/v1/key"));
    let in_cookie = by_key.try_clone().unwrap().header("cookie", format!("ourhub={key}"));
    assert_eq!(hub.send(in_cookie).await.status, 401, "a key in a cookie is none");
    assert_eq!(hub.send(by_key.bearer_auth(key)).await.status, 200);
    assert_eq!(
        hub.send(hub.client.get(hub.url("/v1/key")).bearer_auth(&admin.token))
            .await
            .status,
        401
    );
}
