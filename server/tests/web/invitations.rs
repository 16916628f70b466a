//! Invitations over pages and the management API: who may invite, who may accept, and that nothing is left half done.

use crate::harness::{self, Hub, PASSWORD, User};
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _, Statement};
use serde_json::{Value, json};

/// The token of an invitation that `by` makes into their team.
async fn invite(hub: &Hub, by: &User, body: Value) -> (String, String) {
    let made = hub.post(&format!("/teams/{}/invitations", by.team), by, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let made = made.json();
    let token = made["path"].as_str().unwrap().strip_prefix("/invite/").unwrap();
    (made["id"].as_str().unwrap().to_owned(), token.to_owned())
}

async fn accept(hub: &Hub, user: &User, token: &str) -> (u16, Value) {
    let answer = hub.post("/invitations/accept", user, json!({"token": token})).await;
    (answer.status, answer.json())
}

async fn members(hub: &Hub, of: &User) -> Vec<(String, String)> {
    let listed = hub.get(&format!("/teams/{}/members", of.team), of).await.json();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    let rows = listed["data"].as_array().unwrap().iter();
    rows.map(|row| (text(row, "email"), text(row, "role"))).collect()
}

async fn run(hub: &Hub, statement: &str) {
    let db = &hub.app.db;
    let statement = Statement::from_string(db.get_database_backend(), statement);
    db.execute_raw(statement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_joins_once_with_the_role_and_caps_that_were_offered() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let lena = hub.user("lena@example.com", false).await;
        let jonas = hub.user("jonas@example.com", false).await;
        let body = json!({"email": "Lena@Example.com", "role": "member", "cap_month": "50"});
        let (id, token) = invite(&hub, &owner, body).await;
        let listed = hub.get("/teams/current/invitations", &owner).await;
        assert!(!listed.text.contains(&token), "the link is told once");
        let listed = listed.json();
        assert_eq!(
            [
                &listed["data"][0]["state"],
                &listed["data"][0]["email"],
                &listed["data"][0]["invited_by"]
            ],
            [&json!("open"), &json!("lena@example.com"), &json!("owner@example.com")]
        );
        let (status, error) = accept(&hub, &jonas, &token).await;
        assert_eq!(
            (status, &error["error"]["code"]),
            (403, &json!("forbidden")),
            "another address"
        );
        let (status, joined) = accept(&hub, &lena, &token).await;
        assert_eq!((status, &joined["team_id"]), (200, &json!(owner.team)), "{joined}");
        let listed = hub.get(&format!("/teams/{}/members", owner.team), &lena).await.json();
        assert_eq!(
            [&listed["data"][1]["role"], &listed["data"][1]["cap_month"]],
            [&json!("member"), &json!("50.00")]
        );
        for user in [&lena, &jonas] {
            let (status, error) = accept(&hub, user, &token).await;
            assert_eq!(
                (status, &error["error"]["code"]),
                (409, &json!("conflict")),
                "used: {error}"
            );
        }
        let path = format!("/teams/current/invitations/{id}");
        let revoked = hub.api(Method::DELETE, &path, &owner.token, Value::Null).await;
        assert_eq!(revoked.status, 409, "what was accepted is not taken back");
        let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
        let actions: Vec<&str> = log.iter().rev().map(|row| row.action.as_str()).collect();
        assert_eq!(actions, ["invitation.create", "invitation.accept"]);
        assert!(log.iter().all(|row| !row.detail.to_string().contains(&token)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_accept_one_link_at_once_one_joins() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let (_, token) = invite(&hub, &owner, json!({"role": "member"})).await;
        let mut users = Vec::new();
        for count in 0..8 {
            users.push(hub.user(&format!("u{count}@example.com"), false).await);
        }
        let tries = users.iter().map(|user| accept(&hub, user, &token));
        let answers = futures_util::future::join_all(tries).await;
        let joined = answers.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(joined, 1, "{answers:?}");
        assert_eq!(members(&hub, &owner).await.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_revoked_unknown_or_unbacked_invitation_says_why_and_leaves_nothing() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let guest = hub.user("guest@example.com", false).await;
        let (id, revoked) = invite(&hub, &owner, json!({"role": "member"})).await;
        let path = format!("/teams/current/invitations/{id}");
        assert_eq!(
            hub.api(Method::DELETE, &path, &owner.token, Value::Null).await.status,
            204
        );
        let (_, older) = invite(&hub, &owner, json!({"role": "member", "email": "guest@example.com"})).await;
        invite(&hub, &owner, json!({"role": "viewer", "email": "guest@example.com"})).await;

        let admin = hub.join("admin@example.com", &owner.team).await;
        let role = |role: &str| json!({"role": role});
        let member = format!("/teams/{}/members/{}", owner.team, admin.id);
        assert_eq!(hub.patch(&member, &owner, role("admin")).await.status, 200);
        let theirs = User {
            team: owner.team.clone(),
            ..admin
        };
        let (_, unbacked) = invite(&hub, &theirs, json!({"role": "admin"})).await;
        let gone = hub.api(Method::DELETE, &member, &owner.token, Value::Null).await;
        assert_eq!(gone.status, 204, "{gone:?}");

        for (token, status, said) in [
            (revoked.as_str(), 409, "taken back"),
            (older.as_str(), 409, "taken back"),
            (unbacked.as_str(), 409, "may not invite"),
            (
                "0000000000000000000000000000000000000000",
                404,
                "No invitation has this link",
            ),
        ] {
            let (got, error) = accept(&hub, &guest, token).await;
            let message = error["error"]["message"].as_str().unwrap();
            assert!(got == status && message.contains(said), "{got} {message}");
            let page = hub.page(&format!("/invite/{token}"), "").await;
            assert!(
                page.status == status && page.text.contains(said),
                "{said}: {}",
                page.status
            );
            let form = format!("email=new@example.com&password={PASSWORD}&token={token}");
            assert!(hub.form("sign_up_invited", "", &form).await.cookie("ourhub").is_none());
        }
        let (_, late) = invite(&hub, &owner, json!({"role": "member"})).await;
        run(&hub, "UPDATE invitation SET expires_at = 1").await;
        let (status, error) = accept(&hub, &guest, &late).await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(status == 409 && message.contains("older than 7 days"), "{message}");
        assert_eq!(members(&hub, &owner).await.len(), 1);
        let users = entity::user::Entity::find().count(&hub.app.db).await.unwrap();
        assert_eq!(users, 3, "nobody was made");

        let (_, suspended) = invite(&hub, &owner, json!({"role": "member"})).await;
        run(
            &hub,
            "UPDATE \"user\" SET disabled_at = 1 WHERE email = 'owner@example.com'",
        )
        .await;
        let (status, error) = accept(&hub, &guest, &suspended).await;
        let message = error["error"]["message"].as_str().unwrap();
        assert!(status == 409 && message.contains("may not invite"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_invite_owners_and_members_and_viewers_nobody() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let path = format!("/teams/{}/invitations", owner.team);
    for (role, may) in [
        ("owner", ["owner", "admin", "member", "viewer"].as_slice()),
        ("admin", ["admin", "member", "viewer"].as_slice()),
        ("member", [].as_slice()),
        ("viewer", [].as_slice()),
    ] {
        let user = hub.join(&format!("{role}@team.example.com"), &owner.team).await;
        let member = format!("/teams/{}/members/{}", owner.team, user.id);
        assert_eq!(hub.patch(&member, &owner, json!({"role": role})).await.status, 200);
        for offered in ["owner", "admin", "member", "viewer"] {
            let made = hub.post(&path, &user, json!({"role": offered})).await;
            let expected = if may.contains(&offered) { 201 } else { 403 };
            assert_eq!(made.status, expected, "{role} invites {offered}: {made:?}");
        }
        let listed = hub.get(&path, &user).await.status;
        assert_eq!(listed, if may.is_empty() { 403 } else { 200 }, "{role}");
    }
    for (body, field) in [
        (json!({"role": "king"}), "role"),
        (json!({"role": "member", "email": "nobody"}), "email"),
        (json!({"role": "member", "email": "member@team.example.com"}), "email"),
        (json!({"role": "member", "cap_day": "0"}), "cap_day"),
    ] {
        let refused = hub.post(&path, &owner, body).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["fields"][0]["field"]),
            (400, &json!(field))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_account_signs_up_on_the_page_of_the_link_and_is_in_that_team_alone() {
    for hub in harness::everywhere().await {
        let owner = hub.user("owner@example.com", false).await;
        let body = json!({"role": "member", "email": "lena@example.com"});
        let (_, token) = invite(&hub, &owner, body).await;
        let page = hub.page(&format!("/invite/{token}"), "").await;
        assert!(page.status == 200 && page.text.contains("Join owner"), "{}", page.text);
        assert!(page.text.contains("value=\"lena@example.com\""), "{}", page.text);
        let (kept, _) = page.cookie("ourhub-invitation").unwrap();
        let form = |email: &str| format!("email={email}&password={PASSWORD}&token={token}");
        let other = hub.form("sign_up_invited", "", &form("other@example.com")).await;
        assert_eq!(other.location(), format!("/invite/{token}"), "another address");
        assert!(other.cookie("ourhub").is_none());
        let joined = hub.form("sign_up_invited", "", &form("lena@example.com")).await;
        assert_eq!(joined.location(), "/overview", "{joined:?}");
        let (cookie, _) = joined.cookie("ourhub").unwrap();
        let team = hub.page("/team", &cookie).await.text;
        assert!(team.contains("2 people in owner"), "{team}");
        assert_eq!(
            members(&hub, &owner).await[1],
            ("lena@example.com".to_owned(), "member".to_owned())
        );
        let users = entity::user::Entity::find().count(&hub.app.db).await.unwrap();
        let teams = entity::team::Entity::find().count(&hub.app.db).await.unwrap();
        assert_eq!((users, teams), (2, 1), "nobody else was made, and no team");

        // Who has an account finds the way back after logging in.
        let (_, token) = invite(&hub, &owner, json!({"role": "viewer"})).await;
        let page = hub.page(&format!("/invite/{token}"), "").await;
        let (again, _) = page.cookie("ourhub-invitation").unwrap();
        assert_ne!(kept, again);
        let jonas = hub.sign_up("jonas@example.com").await;
        let overview = hub.page("/overview", &format!("{jonas}; {again}")).await.text;
        assert!(overview.contains(&format!("href=\"/invite/{token}\"")), "{overview}");
        let accepted = hub.form("accept_invitation", &jonas, &format!("token={token}")).await;
        assert_eq!(accepted.location(), "/overview", "{accepted:?}");
        let (shown, _) = accepted.cookie("ourhub-team").unwrap();
        let page = hub.page("/team", &format!("{jonas}; {shown}")).await.text;
        assert!(page.contains("3 people in owner"), "the team joined is shown");
        let twice = hub.form("accept_invitation", &jonas, &format!("token={token}")).await;
        assert_eq!(twice.location(), format!("/invite/{token}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_invites_from_the_team_page_and_the_link_is_shown_once() {
    let hub = harness::spawn().await;
    let owner = hub.sign_up("owner@example.com").await;
    let sent = hub
        .form("invite", &owner, "email=lena%40example.com&role=member&cap_month=5O")
        .await;
    assert_eq!(sent.location(), "/team/invite");
    let (flash, _) = sent.cookie("ourhub-flash").unwrap();
    let page = hub.page("/team/invite", &format!("{owner}; {flash}")).await.text;
    assert!(
        page.contains("id=\"cap_month-error\"") && page.contains("value=\"lena@example.com\""),
        "{page}"
    );
    let sent = hub
        .form("invite", &owner, "email=lena%40example.com&role=member&cap_month=50")
        .await;
    assert_eq!(sent.location(), "/team", "{sent:?}");
    let (flash, _) = sent.cookie("ourhub-flash").unwrap();
    let page = hub.page("/team", &format!("{owner}; {flash}")).await.text;
    let link = page.split("value=\"http").nth(1).unwrap().split('"').next().unwrap();
    let path = link.split_once("/invite/").unwrap().1;
    assert!(
        page.contains("lena@example.com") && page.contains("$50.00 a month"),
        "{page}"
    );
    let page = hub.page("/team", &owner).await.text;
    assert!(!page.contains(path), "once");
    let id = page
        .split("name=\"id\" value=\"inv_")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let revoked = hub.form("revoke_invitation", &owner, &format!("id=inv_{id}")).await;
    assert_eq!(revoked.location(), "/team");
    let page = hub.page(&format!("/invite/{path}"), "").await;
    assert!(page.text.contains("taken back"), "{}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_invited_by_address_is_written_to_with_the_link() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let (_, token) = invite(&hub, &owner, json!({"role": "member", "email": "lena@example.com"})).await;
    invite(&hub, &owner, json!({"role": "member"})).await;
    let mails = hub.app.mail.list(None, 10).await.unwrap();
    assert_eq!(mails.len(), 1, "nobody is written to about a link for anybody");
    assert_eq!(
        (mails[0].kind.as_str(), mails[0].recipient.as_str()),
        ("invitation", "lena@example.com")
    );
    assert_eq!(mails[0].subject, "owner@example.com invites you to owner");
    let (_, written) = hub.app.mail.open(mails[0].id).await.unwrap();
    let text = written.unwrap().text;
    assert!(text.contains(&format!("/invite/{token}")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_addresses_are_proven_a_link_for_anybody_makes_no_account() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    hub.app.auth.set_verifies_sign_ups(true).await.unwrap();
    let (_, token) = invite(&hub, &owner, json!({"role": "member"})).await;
    let form = format!("email=lena@example.com&password={PASSWORD}&token={token}");
    let refused = hub.form("sign_up_invited", "", &form).await;
    assert_eq!(refused.location(), format!("/invite/{token}"), "{refused:?}");
    assert!(refused.cookie("ourhub").is_none());
    let lena = hub.user("lena@example.com", false).await;
    assert_eq!(accept(&hub, &lena, &token).await.0, 200, "who has an account joins");
}

/// The token in the last mail, which carries the proof that the shown one lacks.
async fn mailed(hub: &Hub) -> String {
    let mails = hub.app.mail.list(None, 1).await.unwrap();
    let (_, written) = hub.app.mail.open(mails[0].id).await.unwrap();
    let text = written.unwrap().text;
    let behind = text.split("/invite/").nth(1).unwrap();
    behind.split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_addresses_are_proven_the_mailed_link_alone_makes_an_account_not_the_one_shown_to_who_invites() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    hub.app.auth.set_verifies_sign_ups(true).await.unwrap();
    let (_, shown) = invite(&hub, &owner, json!({"role": "member", "email": "lena@example.com"})).await;
    let mailed = mailed(&hub).await;
    assert!(mailed.starts_with(&shown) && mailed.len() > shown.len(), "{mailed}");
    let page = hub.page(&format!("/invite/{shown}"), "").await.text;
    assert!(page.contains("open the link in the mail to lena@example.com"), "{page}");
    assert!(!page.contains("Create account and join"), "{page}");
    let forged = format!("{shown}{}", "0".repeat(mailed.len() - shown.len()));
    let form = |token: &str| format!("email=Lena@example.com&password={PASSWORD}&token={token}");
    for token in [&shown, &forged] {
        let refused = hub.form("sign_up_invited", "", &form(token)).await;
        assert!(refused.cookie("ourhub").is_none(), "{token}: {refused:?}");
    }
    let page = hub.page(&format!("/invite/{mailed}"), "").await.text;
    assert!(page.contains("Create account and join"), "{page}");
    let joined = hub.form("sign_up_invited", "", &form(&mailed)).await;
    assert!(joined.cookie("ourhub").is_some(), "{joined:?}");

    let jonas = hub.user("jonas@example.com", false).await;
    let (_, shown) = invite(&hub, &owner, json!({"role": "member", "email": "jonas@example.com"})).await;
    assert_eq!(
        accept(&hub, &jonas, &shown).await.0,
        200,
        "who has the address joins by either"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_tells_nobody_whether_another_address_has_an_account() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let (_, token) = invite(&hub, &owner, json!({"role": "member", "email": "lena@example.com"})).await;
    for email in ["owner@example.com", "nobody@example.com"] {
        let form = format!("email={email}&password={PASSWORD}&token={token}");
        let refused = hub.form("sign_up_invited", "", &form).await;
        let (flash, _) = refused.cookie("ourhub-flash").unwrap();
        let page = hub.page(&format!("/invite/{token}"), &flash).await.text;
        assert!(
            page.contains("This invitation is for another address."),
            "{email}: {page}"
        );
        assert!(!page.contains("signed up with this address"), "{email}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_mailbox_is_sent_few_invitations_an_hour() {
    let hub = harness::spawn().await;
    let owner = hub.user("owner@example.com", false).await;
    let path = format!("/teams/{}/invitations", owner.team);
    let body = json!({"role": "member", "email": "lena@example.com"});
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(hub.post(&path, &owner, body.clone()).await.status);
    }
    assert_eq!(statuses, [201, 201, 201, 201, 201, 429]);
    assert_eq!(hub.app.mail.list(None, 10).await.unwrap().len(), 5);
    assert_eq!(
        hub.post(&path, &owner, json!({"role": "member"})).await.status,
        201,
        "a link for anybody is mailed to nobody"
    );
}
