//! Signing up, in and out by plain forms; who becomes the first admin; what cookies and headers say.

use crate::harness::{self, PASSWORD};

#[tokio::test(flavor = "multi_thread")]
async fn the_first_visitor_of_a_laptop_owns_it_and_the_second_does_not() {
    let hub = harness::spawn().await;
    let first = hub.sign_up("first@example.com").await;
    assert_eq!(hub.page("/admin/accounts", &first).await.status, 200);
    let second = hub.sign_up("second@example.com").await;
    assert_eq!(hub.page("/admin/accounts", &second).await.status, 403);
    assert_eq!(hub.page("/overview", &second).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_through_a_proxy_or_by_another_name_does_not_own_it() {
    let hub = harness::spawn_with(&["--public-url", "https://hub.example.com"]).await;
    let forms = [
        ("x-forwarded-for", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1"),
        ("host", "hub.example.com"),
        // A proxy on this machine that adds nothing.
        ("host", "127.0.0.1:3000"),
    ];
    for (at, (header, value)) in forms.into_iter().enumerate() {
        let body = format!("email=p{at}@example.com&password={PASSWORD}");
        let form = hub
            .bare_form("sign_up", "", &body)
            .header("sec-fetch-site", "same-origin");
        let answer = hub.send(form.header(header, value)).await;
        let (cookie, _) = answer.cookie("__Host-ourhub").unwrap();
        assert_eq!(hub.page("/admin/accounts", &cookie).await.status, 403, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_setup_link_makes_an_admin_once() {
    let hub = harness::spawn_with(&["--public-url", "https://hub.example.com"]).await;
    let token = hub.app.auth.setup_token().await.unwrap().unwrap();
    let mut cookies = Vec::new();
    for email in ["one@example.com", "two@example.com"] {
        let form = hub.bare_form("sign_up", "", &format!("email={email}&password={PASSWORD}"));
        let form = form
            .header("sec-fetch-site", "same-origin")
            .header("x-forwarded-for", "192.0.2.1");
        cookies.push(hub.send(form).await.cookie("__Host-ourhub").unwrap().0);
    }
    let body = format!("token={token}");
    assert_eq!(
        hub.form("redeem_setup", &cookies[0], &body).await.location(),
        "/overview"
    );
    assert_eq!(hub.form("redeem_setup", &cookies[1], &body).await.location(), "/setup");
    assert_eq!(hub.page("/admin/accounts", &cookies[0]).await.status, 200);
    assert_eq!(hub.page("/admin/accounts", &cookies[1]).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_cannot_be_read_by_scripts_nor_sent_by_other_sites() {
    let hub = harness::spawn().await;
    let answer = hub
        .form("sign_up", "", &format!("email=a@example.com&password={PASSWORD}"))
        .await;
    let (_, attributes) = answer.cookie("ourhub").unwrap();
    for attribute in ["Path=/", "HttpOnly", "SameSite=Lax"] {
        assert!(attributes.contains(attribute), "{attributes}");
    }
    assert!(!attributes.contains("Secure"));
    let hub = harness::spawn_with(&["--public-url", "https://hub.example.com"]).await;
    let answer = hub
        .form("sign_up", "", &format!("email=a@example.com&password={PASSWORD}"))
        .await;
    let (_, attributes) = answer.cookie("__Host-ourhub").unwrap();
    assert!(
        attributes.contains("Secure") && attributes.contains("HttpOnly"),
        "{attributes}"
    );
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_signed_in_is_led_to_the_log_in_and_back_out() {
    let hub = harness::spawn().await;
    for page in [
        "/overview",
        "/keys",
        "/keys/new",
        "/usage",
        "/usage.csv",
        "/billing",
        "/team",
        "/settings",
        "/admin/accounts",
    ] {
        let answer = hub.page(page, "").await;
        assert_eq!((answer.status, answer.location()), (303, "/login"), "{page}");
        let forged = hub.page(page, "ourhub=eyJhbGciOiJub25lIn0.e30.").await;
        assert_eq!(forged.location(), "/login", "{page}");
        for (header, value) in [
            ("x-original-url", "/login"),
            ("x-rewrite-url", "/login"),
            ("host", "127.0.0.1/login"),
            ("host", "127.0.0.1/login?"),
            ("host", "127.0.0.1/login#"),
        ] {
            let request = hub.client.get(hub.url(page)).header(header, value);
            let claimed = hub.send(request).await;
            assert_eq!((claimed.status, claimed.location()), (303, "/login"), "{page} {header}");
        }
    }
    for page in ["/", "/models", "/docs", "/signup", "/login"] {
        assert_eq!(hub.page(page, "").await.status, 200, "{page}");
    }
    let cookie = hub.sign_up("a@example.com").await;
    for page in ["/login", "/signup"] {
        assert_eq!(hub.page(page, &cookie).await.location(), "/overview", "{page}");
    }
    let out = hub.form("log_out", &cookie, "").await;
    assert_eq!(out.location(), "/login");
    assert!(out.cookie("ourhub").unwrap().1.contains("Max-Age=0"));
    assert_eq!(hub.page("/overview", &cookie).await.location(), "/login");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_form_comes_back_with_what_was_typed_but_not_the_password() {
    let hub = harness::spawn().await;
    let refused = hub.form("sign_up", "", "email=mara@example.com&password=short").await;
    assert_eq!((refused.status, refused.location()), (302, "/signup"));
    let (flash, _) = refused.cookie("ourhub-flash").unwrap();
    assert!(!flash.contains("mara"), "the flash is sealed");
    let page = hub.page("/signup", &flash).await;
    assert!(
        page.text.contains("mara@example.com") && page.text.contains("too short"),
        "{}",
        page.text
    );
    assert!(!page.text.contains("value=\"short\""));
    assert!(
        page.cookie("ourhub-flash").unwrap().1.contains("Max-Age=0"),
        "it is shown once"
    );
    let cookie = hub.sign_up("other@example.com").await;
    let stolen = hub.page("/settings", &format!("{cookie}; {flash}")).await;
    assert!(!stolen.text.contains("mara@example.com"), "a flash is for who left it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_other_browsers_and_keeps_this_one() {
    let hub = harness::spawn().await;
    let here = hub.sign_up("a@example.com").await;
    let elsewhere = hub
        .form("log_in", "", &format!("email=a@example.com&password={PASSWORD}"))
        .await;
    let (elsewhere, _) = elsewhere.cookie("ourhub").unwrap();
    let body = format!("current={PASSWORD}&new=a-new-long-password");
    let changed = hub.form("change_password", &here, &body).await;
    assert_eq!(changed.location(), "/settings/security");
    let (renewed, _) = changed.cookie("ourhub").unwrap();
    assert_eq!(hub.page("/overview", &renewed).await.status, 200);
    for ended in [here, elsewhere] {
        assert_eq!(hub.page("/overview", &ended).await.location(), "/login");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_tells_browsers_to_be_careful() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    for path in [
        "/",
        "/overview",
        "/nowhere",
        "/api/v1/teams",
        "/v1/models",
        "/healthz",
        "/favicon.ico",
    ] {
        let answer = hub.page(path, &cookie).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(answer.header("x-request-id").starts_with("req_"), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"),
            "{path}: {policy}"
        );
    }
    let page = hub.page("/overview", &cookie).await;
    assert_eq!(page.header("cache-control"), "no-store");
    let nonce = page.header("content-security-policy").split("'nonce-").nth(1).unwrap();
    let nonce = nonce.split('\'').next().unwrap();
    let policy = page.header("content-security-policy");
    let directives: Vec<&str> = policy.split("; ").collect();
    assert_eq!(
        directives,
        [
            "default-src 'none'",
            &format!("script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'"),
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    );
    for script in page.text.split("<script").skip(1) {
        assert!(
            script.contains(&format!("nonce=\"{nonce}\"")),
            "a script without the nonce: {script}"
        );
    }
    assert!(!page.text.contains(" style=\""), "a style attribute");
    assert_ne!(
        hub.page("/overview", &cookie).await.header("content-security-policy"),
        page.header("content-security-policy")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_how_it_is() {
    let hub = harness::spawn().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(hub.page(path, "").await.status, 200, "{path}");
    }
    assert!(hub.page("/metrics", "").await.text.contains("\nourhub_ready 1\n"));
    hub.app.begin_drain();
    assert_eq!(hub.page("/readyz", "").await.status, 503);
    assert_eq!(hub.page("/healthz", "").await.status, 200);
    let unknown = hub.page("/v1/nowhere", "").await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (404, &"unknown_url".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_answered_by_a_redirect_whatever_the_client_accepts() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("a@example.com").await;
    for accept in ["text/html", "*/*", "application/json"] {
        let form = hub.client.post(hub.url("/fn/create_key")).header("accept", accept);
        let form = form
            .header("content-type", "application/x-www-form-urlencoded")
            .header("cookie", &cookie)
            .header("sec-fetch-site", "same-origin");
        let answer = hub.send(form.body("name=laptop")).await;
        assert_eq!(answer.status, 302, "{accept}");
        assert!(answer.location().ends_with("/created"), "{accept}: {answer:?}");
        for (cookie, page) in [("", "/login"), (cookie.as_str(), "/overview")] {
            let request = hub.client.get(hub.url("/login")).header("accept", accept);
            let answer = hub.send(request.header("cookie", cookie)).await;
            if cookie.is_empty() {
                assert_eq!(answer.status, 200, "{accept}");
            } else {
                assert_eq!((answer.status, answer.location()), (303, page), "{accept}");
            }
        }
    }
}
