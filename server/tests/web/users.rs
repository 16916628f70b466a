//! Users as platform admins see them: found, suspended, deleted and acted as.

use crate::harness::{self, Hub, PASSWORD, User};
use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use server::{
    auth::{AuthError, CONFIRMED_MS, NewUser},
    clock,
    teams::{self, TeamError},
};

async fn browser(hub: &Hub, email: &str) -> String {
    let answer = hub
        .form("log_in", "", &format!("email={email}&password={PASSWORD}"))
        .await;
    answer.cookie("ourhub").unwrap().0
}

async fn key_of(hub: &Hub, user: &User, body: Value) -> String {
    let made = hub.post("/teams/current/keys", user, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["key"].as_str().unwrap().to_owned()
}

async fn calls(hub: &Hub, key: &str) -> u16 {
    hub.send(hub.client.get(hub.url("/v1/models")).bearer_auth(key))
        .await
        .status
}

async fn delete(hub: &Hub, by: &User, user: &User) -> u16 {
    let path = format!("/users/{}", user.id);
    hub.api(Method::DELETE, &path, &by.token, Value::Null).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn users_and_teams_are_found_by_a_part_of_their_name_page_by_page() {
    for hub in harness::everywhere().await {
        let admin = hub.user("root@example.com", true).await;
        let mara = hub.user("mara@harbor.example", false).await;
        hub.user("jonas@harbor.example", false).await;
        let emails = async |query: &str| -> Vec<String> {
            let listed = hub.get(&format!("/users{query}"), &admin).await.json();
            let rows = listed["data"].as_array().unwrap().iter();
            rows.map(|row| row["email"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(emails("").await.len(), 3);
        assert_eq!(
            emails("?q=HARBOR").await,
            ["jonas@harbor.example", "mara@harbor.example"]
        );
        let first = hub.get("/users?q=harbor&limit=1", &admin).await.json();
        let next = first["next"].as_str().unwrap();
        assert_eq!(
            emails(&format!("?q=harbor&after={next}")).await,
            ["mara@harbor.example"]
        );
        let one = hub.get(&format!("/users/{}", mara.id), &admin).await.json();
        assert_eq!(
            [&one["teams"][0]["name"], &one["teams"][0]["role"]],
            [&json!("mara"), &json!("owner")]
        );
        let teams = hub.get("/teams?q=MAR", &admin).await.json();
        assert_eq!(teams["data"].as_array().unwrap().len(), 1);
        for path in ["/users".to_owned(), format!("/users/{}", mara.id)] {
            assert_eq!(hub.get(&path, &mara).await.status, 403, "{path}");
        }
        let cookie = browser(&hub, "root@example.com").await;
        let page = hub.page("/admin/users?q=jonas", &cookie).await.text;
        assert!(
            page.contains("jonas@harbor.example") && !page.contains("mara@"),
            "{page}"
        );
        let page = hub.page("/admin/users?q=nobody", &cookie).await.text;
        assert!(page.contains("Nobody is called so"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_opens_nothing_until_they_are_let_in_again() {
    for hub in harness::everywhere().await {
        let admin = hub.user("root@example.com", true).await;
        let mara = hub.user("mara@example.com", false).await;
        let key = key_of(&hub, &mara, json!({"name": "hers", "member": mara.id})).await;
        let cookie = browser(&hub, "mara@example.com").await;
        let path = format!("/users/{}", mara.id);
        assert_eq!(calls(&hub, &key).await, 200);
        let suspended = hub.patch(&path, &admin, json!({"suspended": true})).await;
        assert!(suspended.json()["suspended_at"].is_string(), "{suspended:?}");
        assert_eq!(calls(&hub, &key).await, 403, "at once");
        assert_eq!(hub.page("/overview", &cookie).await.location(), "/login");
        assert_eq!(hub.get("/teams", &mara).await.status, 401);
        let log_in = format!("email=mara@example.com&password={PASSWORD}");
        assert!(hub.form("log_in", "", &log_in).await.cookie("ourhub").is_none());
        hub.patch(&path, &admin, json!({"suspended": false})).await;
        assert_eq!(calls(&hub, &key).await, 200);
        assert_eq!(hub.get("/teams", &mara).await.status, 200);
        let own = format!("/users/{}", admin.id);
        assert_eq!(
            hub.patch(&own, &admin, json!({"suspended": true})).await.status,
            409,
            "nobody suspends themselves"
        );
        assert_eq!(hub.patch(&path, &mara, json!({"suspended": false})).await.status, 403);
        let team = format!("/teams/{}", mara.team);
        hub.patch(&team, &admin, json!({"suspended": true})).await;
        assert_eq!(calls(&hub, &key).await, 403, "a suspended team’s keys are refused");
        let log = server::audit::list(&hub.app.db, None, None, 9).await.unwrap();
        let actions: Vec<&str> = log.iter().rev().map(|row| row.action.as_str()).collect();
        assert_eq!(actions, ["key.create", "user.suspend", "user.resume", "team.suspend"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_is_gone_with_keys_and_teams_of_their_own_and_no_team_loses_its_last_owner() {
    for hub in harness::everywhere().await {
        let admin = hub.user("root@example.com", true).await;
        let mara = hub.user("mara@example.com", false).await;
        let lena = hub.join("lena@example.com", &mara.team).await;
        let hers = key_of(&hub, &lena, json!({"name": "hers"})).await;
        let body = json!({"name": "theirs", "member": lena.id});
        let made = hub
            .post(&format!("/teams/{}/keys", mara.team), &mara, body)
            .await
            .json();
        let theirs = made["key"].as_str().unwrap().to_owned();
        let cookie = browser(&hub, "lena@example.com").await;
        assert_eq!(delete(&hub, &lena, &mara).await, 403);
        assert_eq!(delete(&hub, &admin, &admin).await, 409);
        assert_eq!(
            delete(&hub, &admin, &mara).await,
            409,
            "Mara is the last owner of a team with Lena"
        );
        assert_eq!(
            hub.get("/teams/current/members", &mara).await.json()["data"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(delete(&hub, &admin, &lena).await, 204);
        for key in [&hers, &theirs] {
            assert_eq!(calls(&hub, key).await, 401, "at once");
        }
        assert_eq!(hub.page("/overview", &cookie).await.location(), "/login");
        assert_eq!(hub.get("/teams", &lena).await.status, 401);
        assert_eq!(delete(&hub, &admin, &lena).await, 404);
        let closed = hub.get(&format!("/teams/{}", lena.team), &admin).await.json();
        assert!(
            closed["suspended_at"].is_string() && closed["members"] == json!(0),
            "{closed}"
        );
        let again = hub
            .form("sign_up", "", &format!("email=lena@example.com&password={PASSWORD}"))
            .await;
        assert!(again.cookie("ourhub").is_some(), "the address is free");
        assert_eq!(delete(&hub, &admin, &mara).await, 204, "now nobody else is in her team");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_acts_as_somebody_is_seen_to_do_so_and_reaches_nothing_that_is_theirs_alone() {
    for hub in harness::everywhere().await {
        hub.user("root@example.com", true).await;
        let other = hub.user("second@example.com", true).await;
        let mara = hub.user("mara@example.com", false).await;
        let admin = browser(&hub, "root@example.com").await;
        let begun = hub.form("act_as", &admin, &format!("user={}", mara.id)).await;
        assert_eq!(begun.location(), "/overview", "{begun:?}");
        let acting = format!("{admin}; {}", begun.cookie("ourhub-acting").unwrap().0);
        for page in ["/overview", "/keys", "/team", "/settings", "/docs", "/audit"] {
            let text = hub.page(page, &acting).await.text;
            assert!(
                text.contains("You act as mara@example.com.") && text.contains("End acting"),
                "{page}: {text}"
            );
        }
        assert_eq!(
            hub.page("/admin/users", &acting).await.status,
            403,
            "as somebody who is no admin"
        );
        let made = hub.form("create_key", &acting, "name=helped").await;
        assert!(made.location().ends_with("/created"), "{made:?}");
        let keys = hub.get("/teams/current/keys", &mara).await.json();
        assert_eq!(keys["data"][0]["name"], "helped");
        let lines = hub.get("/teams/current/audit?action=key", &mara).await.json();
        assert_eq!(
            [
                &lines["data"][0]["actor"]["name"],
                &lines["data"][0]["acting_as"]["name"]
            ],
            [&json!("root@example.com"), &json!("mara@example.com")]
        );
        let new = format!("current={PASSWORD}&new=another-otter-43");
        assert!(
            hub.form("change_password", &acting, &new)
                .await
                .cookie("ourhub")
                .is_none()
        );
        let log_in = format!("email=mara@example.com&password={PASSWORD}");
        assert!(
            hub.form("log_in", "", &log_in).await.cookie("ourhub").is_some(),
            "her password is what it was"
        );

        for who in [&other.id, "usr_0000000000001"] {
            let refused = hub.form("act_as", &admin, &format!("user={who}")).await;
            assert!(refused.cookie("ourhub-acting").is_none(), "{who}");
        }
        let hers = browser(&hub, "mara@example.com").await;
        let refused = hub.form("act_as", &hers, &format!("user={}", other.id)).await;
        assert!(refused.cookie("ourhub-acting").is_none(), "only admins act");
        let (_, stolen) = acting.split_once("; ").unwrap();
        for session in [hers, browser(&hub, "root@example.com").await] {
            let page = hub.page("/overview", &format!("{session}; {stolen}")).await.text;
            assert!(
                !page.contains("You act as"),
                "the cookie is worth something in the session it was made for alone"
            );
        }
        let confirmed = hub
            .form("confirm", &acting, &format!("password={PASSWORD}&to=/keys"))
            .await;
        assert!(confirmed.cookie("ourhub").is_none(), "{confirmed:?}");
        let (flash, _) = confirmed.cookie("ourhub-flash").unwrap();
        let page = hub.page(confirmed.location(), &format!("{acting}; {flash}")).await.text;
        assert!(page.contains("you act as mara@example.com. End that"), "{page}");
        let ended = hub.form("end_act_as", &acting, "").await;
        assert!(ended.cookie("ourhub-acting").unwrap().0.ends_with('='), "{ended:?}");
        let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
        for action in ["user.act_as", "user.end_act_as"] {
            assert_eq!(log.iter().filter(|row| row.action == action).count(), 1, "{action}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_acts_as_somebody_changes_no_secret_once_their_own_password_is_long_ago_and_nothing_once_they_are_no_admin()
{
    let hub = harness::spawn().await;
    hub.user("root@example.com", true).await;
    let mara = hub.user("mara@example.com", false).await;
    let admin = browser(&hub, "root@example.com").await;
    let begun = hub.form("act_as", &admin, &format!("user={}", mara.id)).await;
    let acting = format!("{admin}; {}", begun.cookie("ourhub-acting").unwrap().0);
    let shown = async || hub.get("/teams/current/webhook", &mara).await.json()["url"].clone();
    let set = async |name: &str| {
        let url = format!("url=https%3A%2F%2Fhooks.invalid%2F{name}");
        hub.form("set_webhook", &acting, &url).await
    };
    set("lately").await;
    assert_eq!(shown().await, "https://hooks.invalid/lately");

    let root = hub.app.auth.find_person("root@example.com").await.unwrap();
    let change = async |statement: String| {
        hub.app.db.execute_unprepared(&statement).await.unwrap();
        hub.app.auth.forget_user(root.user_id);
    };
    change(format!("UPDATE session SET created_at = created_at - {CONFIRMED_MS}")).await;
    let refused = set("late").await;
    assert!(
        !refused.location().starts_with("/confirm"),
        "it would not be hers: {refused:?}"
    );
    assert_eq!(shown().await, "https://hooks.invalid/lately");

    let words = "You act as mara@example.com.";
    assert!(hub.page("/overview", &acting).await.text.contains(words));
    change(format!(
        "UPDATE \"user\" SET is_admin = FALSE WHERE id = {}",
        root.user_id
    ))
    .await;
    assert!(!hub.page("/overview", &acting).await.text.contains(words));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_comes_after_acting_ended_is_refused_and_not_sent_to_the_admins_own_team() {
    let hub = harness::spawn().await;
    let root = hub.user("root@example.com", true).await;
    let mara = hub.user("mara@example.com", false).await;
    let admin = browser(&hub, "root@example.com").await;
    let begun = hub.form("act_as", &admin, &format!("user={}", mara.id)).await;
    let (cookie, attributes) = begun.cookie("ourhub-acting").unwrap();
    let age = attributes.split("Max-Age=").nth(1).unwrap().split(';').next().unwrap();
    assert!(
        age.parse::<i64>().unwrap() > 3_600,
        "it outlives the hour, so that what comes then is known"
    );
    let acting = format!("{admin}; {cookie}");
    hub.patch(&format!("/users/{}", mara.id), &root, json!({"suspended": true}))
        .await;
    let refused = hub.form("create_key", &acting, "name=helped").await;
    let (flash, _) = refused.cookie("ourhub-flash").unwrap();
    let page = hub.page(refused.location(), &format!("{admin}; {flash}")).await.text;
    assert!(page.contains("You act as nobody any more"), "{page}");
    let keys = hub.get("/teams/current/keys", &root).await.json();
    assert_eq!(keys["data"], json!([]));
    assert!(refused.cookie("ourhub-acting").unwrap().0.ends_with('='), "{refused:?}");
    let made = hub.form("create_key", &admin, "name=own").await;
    assert!(made.location().ends_with("/created"), "{made:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_users_mails_leave_the_outbox() {
    let hub = harness::spawn().await;
    let admin = hub.user("root@example.com", true).await;
    let mara = hub.user("mara@example.com", false).await;
    hub.form("ask_reset", "", "email=mara@example.com").await;
    while hub.app.mail.list(None, 9).await.unwrap().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(delete(&hub, &admin, &mara).await, 204);
    assert_eq!(hub.app.mail.list(None, 9).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_admins_who_put_each_other_out_at_once_one_is_left() {
    for hub in harness::everywhere().await {
        for round in 0..4 {
            let one = hub.user(&format!("one{round}@example.com"), true).await;
            let two = hub.user(&format!("two{round}@example.com"), true).await;
            let suspend = async |by: &User, user: &User| {
                let path = format!("/users/{}", user.id);
                hub.patch(&path, by, json!({"suspended": true})).await.status
            };
            let statuses = match round % 2 {
                0 => tokio::join!(suspend(&one, &two), suspend(&two, &one)),
                _ => tokio::join!(delete(&hub, &one, &two), delete(&hub, &two, &one)),
            };
            let done = [statuses.0, statuses.1].iter().filter(|status| **status < 300).count();
            assert_eq!(done, 1, "{statuses:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_who_was_put_out_meanwhile_puts_nobody_out() {
    for hub in harness::everywhere().await {
        let person = async |email: &str| {
            let new = NewUser {
                email,
                password: PASSWORD,
            };
            let made = hub.app.auth.create_user(new, true, clock::now_ms()).await.unwrap();
            made.person
        };
        let (one, two) = (person("one@example.com").await, person("two@example.com").await);
        let now = clock::now_ms();
        hub.app.auth.disable_user(&one, two.user_id, now).await.unwrap();
        let late = hub.app.auth.disable_user(&two, one.user_id, now).await;
        assert!(matches!(late, Err(AuthError::Forbidden)), "{late:?}");
        let late = teams::delete_user(&hub.app.db, &two, one.user_id, now).await;
        assert!(matches!(late, Err(TeamError::Forbidden)), "{late:?}");
    }
}
