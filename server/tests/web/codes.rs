//! Redeem codes over the management API and on the pages: worth their amount once, to whoever has them.

use crate::harness::{self, Hub, PASSWORD, User};
use gateway_core::id::{self, Kind};
use sea_orm::{ConnectionTrait as _, EntityTrait as _};
use serde_json::{Value, json};
use server::{
    auth::throttle::{Limit, Limits},
    billing::{self, Billing, BillingError, CodeState},
    clock,
    ledger::verify,
    teams,
};
use std::net::{IpAddr, Ipv4Addr};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A code worth 12.50, made by `admin`.
async fn code(hub: &Hub, admin: &User) -> String {
    let made = hub
        .post("/codes", admin, json!({"amount": "12.5", "note": "fair"}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["data"][0]["code"].as_str().unwrap().to_owned()
}

async fn balance(hub: &Hub, user: &User) -> Value {
    hub.get("/teams/current/balance", user).await.json()["balance"].clone()
}

async fn assert_books_balance(hub: &Hub) {
    let report = verify(&hub.app.db).await.unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!(billing::verify(&hub.app.db).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_money_once_and_stands_in_ledger_list_and_audit_log_without_itself() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        let (alice, bob) = (
            hub.user("alice@example.com", false).await,
            hub.user("bob@example.com", false).await,
        );
        let code = code(&hub, &admin).await;
        let row = entity::code::Entity::find().one(&hub.app.db).await.unwrap().unwrap();
        let bare = |text: &str| text.to_uppercase().replace('-', "");
        assert!(!bare(&code).contains(&bare(&row.hash)), "what is kept is worth nothing");
        let typed = code.to_lowercase().replace('-', " ");
        let line = hub
            .post("/teams/current/redemptions", &alice, json!({"code": typed}))
            .await;
        assert_eq!(
            (line.status, &line.json()["kind"], &line.json()["amount"]),
            (201, &json!("code"), &json!("12.50"))
        );
        for user in [&alice, &bob] {
            let again = hub
                .post("/teams/current/redemptions", user, json!({"code": code}))
                .await;
            assert_eq!(again.status, 409, "{again:?}");
            assert!(again.text.contains("redeemed before"));
        }
        assert_eq!(
            (balance(&hub, &alice).await, balance(&hub, &bob).await),
            (json!("12.50"), json!("0.00"))
        );
        let ledger = hub.get("/teams/current/ledger", &alice).await.json();
        assert_eq!(ledger["data"][0]["id"], line.json()["id"]);
        let list = hub.get("/codes", &admin).await;
        assert_eq!(
            (
                &list.json()["data"][0]["state"],
                &list.json()["data"][0]["team"]["name"]
            ),
            (&json!("redeemed"), &json!("alice"))
        );
        let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
        let actions: Vec<&str> = log.iter().map(|row| row.action.as_str()).collect();
        assert!(
            actions.contains(&"code.create") && actions.contains(&"code.redeem"),
            "{actions:?}"
        );
        let letters = code.replace('-', "");
        for text in [list.text, format!("{log:?}"), ledger.to_string()] {
            assert!(!text.contains(&code) && !text.contains(&letters), "{text}");
        }
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_who_redeem_one_code_at_once_one_has_its_money() {
    for hub in harness::everywhere().await {
        let admin = hub.user("admin@example.com", true).await;
        let code = code(&hub, &admin).await;
        let many = Limit {
            count: 1_000,
            window_ms: 1_000,
        };
        let limits = Limits {
            log_in_address: many,
            log_in_account: many,
            ..Limits::default()
        };
        let (db, ledger) = (hub.app.db.clone(), hub.app.ledger.clone());
        let master = hub.app.master.derive("billing");
        let mail = hub.app.mail.clone();
        let config = billing::Config {
            limits,
            ..billing::Config::default()
        };
        let billing = Billing::new(db, (ledger, mail), &master, config).unwrap();
        let mut scopes = Vec::new();
        for name in ["alice", "bob", "carol", "dave"] {
            let user = hub.user(&format!("{name}@example.com"), false).await;
            let person = hub.app.auth.find_person(&format!("{name}@example.com")).await.unwrap();
            let team_id = id::parse(Kind::Team, &user.team).unwrap();
            scopes.push(teams::scope(&hub.app.db, &person, team_id).await.unwrap());
        }
        let mut tries = tokio::task::JoinSet::new();
        for count in 0..64 {
            let (billing, scope, code) = (billing.clone(), scopes[count % 4].clone(), code.clone());
            tries.spawn(async move { billing.redeem(&scope, &code, HERE, clock::now_ms()).await });
        }
        let outcomes = tries.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        let spent =
            |outcome: &Result<_, BillingError>| matches!(outcome, Err(BillingError::CodeSpent(CodeState::Redeemed)));
        assert_eq!(outcomes.iter().filter(|outcome| spent(outcome)).count(), 63);
        let mut sum = 0;
        for scope in &scopes {
            sum += hub.app.ledger.balance(scope.team_id()).await.unwrap().left().0;
        }
        assert_eq!(sum, 12_500_000_000);
        assert_books_balance(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_is_wrong_late_or_taken_back_is_refused_and_says_so() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let user = hub.user("a@example.com", false).await;
    let (revoked, late) = (code(&hub, &admin).await, code(&hub, &admin).await);
    let list = hub.get("/codes", &admin).await.json();
    let path = format!("/codes/{}", list["data"][1]["id"].as_str().unwrap());
    assert_eq!(
        hub.api(reqwest::Method::DELETE, &path, &admin.token, Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        hub.api(reqwest::Method::DELETE, &path, &admin.token, Value::Null)
            .await
            .status,
        409
    );
    let past = "UPDATE code SET expires_at = 1 WHERE revoked_at IS NULL";
    hub.app.db.execute_unprepared(past).await.unwrap();
    for (code, status, told) in [
        (revoked.as_str(), 409, "taken back"),
        (late.as_str(), 409, "time of this code is over"),
        ("OH-00000-00000-00000-00000", 400, "no such code"),
        ("", 400, "no such code"),
        (&"9".repeat(5_000), 400, "no such code"),
    ] {
        let answer = hub
            .post("/teams/current/redemptions", &user, json!({"code": code}))
            .await;
        assert_eq!(answer.status, status, "{code}: {answer:?}");
        assert!(answer.text.contains(told), "{code}: {answer:?}");
    }
    assert_eq!(balance(&hub, &user).await, "0.00");
    for body in [
        json!({"amount": "0"}),
        json!({"amount": "-1"}),
        json!({"amount": "100000.01"}),
        json!({"amount": "1", "count": 51}),
        json!({"amount": "1", "count": 0}),
        json!({"amount": "1", "expires_at": "2001-01-01"}),
        json!({"amount": "1", "note": "a\u{0}b"}),
        json!({"amount": "1", "worth": "2"}),
    ] {
        assert_eq!(hub.post("/codes", &admin, body.clone()).await.status, 400, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_are_made_by_platform_admins_and_redeemed_by_who_manages_the_team() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let owner = hub.user("owner@example.com", false).await;
    let code = code(&hub, &admin).await;
    assert_eq!(hub.get("/codes", &owner).await.status, 403);
    assert_eq!(hub.post("/codes", &owner, json!({"amount": "1"})).await.status, 403);
    let member = hub.join("member@example.com", &owner.team).await;
    let path = format!("/teams/{}/redemptions", owner.team);
    assert_eq!(hub.post(&path, &member, json!({"code": code})).await.status, 403);
    assert_eq!(hub.post(&path, &owner, json!({"code": code})).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_wrong_codes_is_stopped_and_right_ones_do_not_count() {
    let hub = harness::spawn().await;
    let admin = hub.user("admin@example.com", true).await;
    let user = hub.user("a@example.com", false).await;
    for _ in 0..12 {
        let code = code(&hub, &admin).await;
        let answer = hub
            .post("/teams/current/redemptions", &user, json!({"code": code}))
            .await;
        assert_eq!(answer.status, 201);
    }
    let wrong = json!({"code": "OH-00000-00000-00000-00000"});
    for _ in 0..10 {
        assert_eq!(
            hub.post("/teams/current/redemptions", &user, wrong.clone())
                .await
                .status,
            400
        );
    }
    let right = json!({"code": code(&hub, &admin).await});
    let stopped = hub.post("/teams/current/redemptions", &user, right.clone()).await;
    assert_eq!(stopped.status, 429, "{stopped:?}");
    let other = hub.user("b@example.com", false).await;
    assert_eq!(hub.post("/teams/current/redemptions", &other, right).await.status, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_make_show_once_and_redeem_codes_without_script() {
    let hub = harness::spawn().await;
    hub.user("admin@example.com", true).await;
    let login = format!("email=admin@example.com&password={PASSWORD}");
    let admin = hub.form("log_in", "", &login).await.cookie("ourhub").unwrap().0;
    let wrong = hub.form("create_codes", &admin, "amount=free&count=2").await;
    assert_eq!(wrong.location(), "/admin/codes/new");
    let flash = wrong.cookie("ourhub-flash").unwrap().0;
    let back = hub.page("/admin/codes/new", &format!("{admin}; {flash}")).await;
    assert!(back.text.contains("value=\"free\"") && back.text.contains("not an amount"));
    let made = hub
        .form("create_codes", &admin, "amount=5&count=50&expires_at=&note=fair")
        .await;
    assert_eq!(made.location(), "/admin/codes", "{made:?}");
    let flash = made.cookie("ourhub-flash").unwrap().0;
    let shown = hub.page("/admin/codes", &format!("{admin}; {flash}")).await.text;
    let codes: Vec<&str> = shown.split("secret__value\">").skip(1).collect();
    let codes: Vec<&str> = codes.iter().map(|rest| rest.split('<').next().unwrap()).collect();
    assert_eq!(codes.len(), 50);
    let later = hub.page("/admin/codes", &admin).await.text;
    assert!(!later.contains(codes[0]) && later.contains("Take back"));

    let owner = hub.sign_up("owner@example.com").await;
    assert!(hub.page("/billing", &owner).await.text.contains("Redeem a code"));
    let redeemed = hub.form("redeem", &owner, &format!("code={}", codes[0])).await;
    assert_eq!(redeemed.location(), "/billing");
    let flash = redeemed.cookie("ourhub-flash").unwrap().0;
    let page = hub.page("/billing", &format!("{owner}; {flash}")).await.text;
    assert!(page.contains("$5.00 was added to the balance."), "{page}");
    let twice = hub.form("redeem", &owner, &format!("code={}", codes[0])).await;
    let flash = twice.cookie("ourhub-flash").unwrap().0;
    let page = hub.page("/billing", &format!("{owner}; {flash}")).await.text;
    assert!(page.contains("redeemed before") && page.contains(codes[0]), "{page}");
    assert_eq!(hub.page("/admin/codes", &owner).await.status, 403);
}
