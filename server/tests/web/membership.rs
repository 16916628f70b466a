//! Belonging to several teams: which one is shown, leaving, removing, handing over, and what is left to who is out.

use crate::harness::{self, Hub, PASSWORD, User};
use reqwest::Method;
use serde_json::{Value, json};

/// The cookies of a browser in which `user` logs in.
async fn browser(hub: &Hub, email: &str) -> String {
    let answer = hub
        .form("log_in", "", &format!("email={email}&password={PASSWORD}"))
        .await;
    answer.cookie("ourhub").unwrap().0
}

/// `cookie` with the choice of `team`.
async fn show(hub: &Hub, cookie: &str, team: &str) -> String {
    let switched = hub.form("switch_team", cookie, &format!("team={team}")).await;
    assert_eq!(switched.location(), "/overview", "{switched:?}");
    format!("{cookie}; {}", switched.cookie("ourhub-team").unwrap().0)
}

async fn remove(hub: &Hub, team: &str, by: &User, user: &str) -> u16 {
    let path = format!("/teams/{team}/members/{user}");
    hub.api(Method::DELETE, &path, &by.token, Value::Null).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_shows_the_team_that_was_chosen_and_keys_are_made_there() {
    let hub = harness::spawn().await;
    let owner = hub.user("harbor@example.com", false).await;
    let mara = hub.join("mara@example.com", &owner.team).await;
    let cookie = browser(&hub, "mara@example.com").await;
    let page = hub.page("/overview", &cookie).await.text;
    assert!(
        page.contains("value=\"team_") && page.contains(">mara<"),
        "the switcher names the other: {page}"
    );
    let there = show(&hub, &cookie, &mara.team).await;
    assert!(hub.page("/team", &there).await.text.contains("One person in mara"));
    assert!(hub.page("/team", &cookie).await.text.contains("2 people in harbor"));
    let made = hub.form("create_key", &there, "name=laptop").await;
    assert!(made.location().ends_with("/created"), "{made:?}");
    let keys = hub.get(&format!("/teams/{}/keys", mara.team), &mara).await.json();
    assert_eq!(keys["data"][0]["name"], "laptop");

    let foreign = hub.user("foreign@example.com", false).await;
    let refused = hub
        .form("switch_team", &cookie, &format!("team={}", foreign.team))
        .await;
    assert!(refused.cookie("ourhub-team").is_none(), "{refused:?}");
    let forged = show(&hub, &cookie, &owner.team)
        .await
        .replace(&owner.team, &foreign.team);
    let page = hub.page("/team", &forged).await;
    assert!(page.status == 404 && !page.text.contains("foreign"), "{}", page.status);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_a_tab_that_shows_another_team_than_the_browser_by_now_changes_neither() {
    let hub = harness::spawn().await;
    let owner = hub.user("harbor@example.com", false).await;
    let mara = hub.join("mara@example.com", &owner.team).await;
    let cookie = browser(&hub, "mara@example.com").await;
    let harbor = show(&hub, &cookie, &owner.team).await;
    // One tab shows harbor; another one switches to mara's own.
    let page = hub.page("/keys/new", &harbor).await.text;
    let field = format!("name=\"shown_team\" value=\"{}\"", owner.team);
    assert!(page.contains(&field), "{page}");
    let own = show(&hub, &cookie, &mara.team).await;
    let stale = format!("name=stray&shown_team={}", owner.team);
    let refused = hub.form("create_key", &own, &stale).await;
    assert_eq!(refused.location(), "/keys/new", "{refused:?}");
    let (flash, _) = refused.cookie("ourhub-flash").unwrap();
    let told = hub.page("/keys/new", &format!("{own}; {flash}")).await.text;
    assert!(
        told.contains("That page was of harbor") && told.contains("shows mara by now"),
        "{told}"
    );
    for user in [&owner, &mara] {
        let keys = hub.get(&format!("/teams/{}/keys", user.team), user).await.json();
        assert_eq!(keys["data"], json!([]));
    }
    // Of a form that is about the team itself no less, nor of one that names no team of hers.
    let foreign = hub.user("foreign@example.com", false).await;
    for team in [&owner.team, &foreign.team] {
        let body = format!("name=Renamed&time_zone=UTC&shown_team={team}");
        assert_eq!(hub.form("update_team", &own, &body).await.location(), "/settings");
        let read = hub.get(&format!("/teams/{}", mara.team), &mara).await.json();
        assert_eq!(read["name"], "mara");
    }
    // What is hers alone, and a tab that shows what the browser does, go through.
    let theme = format!("theme=dark&shown_team={}", owner.team);
    assert!(
        hub.form("set_theme", &own, &theme)
            .await
            .cookie("ourhub-theme")
            .is_some()
    );
    let right = format!("name=laptop&shown_team={}", mara.team);
    assert!(
        hub.form("create_key", &own, &right)
            .await
            .location()
            .ends_with("/created")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_team_is_shown_at_once_and_owned_by_who_made_it() {
    let hub = harness::spawn().await;
    let cookie = hub.sign_up("mara@example.com").await;
    let wrong = hub.form("create_team", &cookie, "name=+&time_zone=Mars").await;
    assert_eq!(wrong.location(), "/teams/new");
    let (flash, _) = wrong.cookie("ourhub-flash").unwrap();
    let page = hub.page("/teams/new", &format!("{cookie}; {flash}")).await.text;
    assert!(
        page.contains("id=\"name-error\"") && page.contains("id=\"time_zone-error\""),
        "{page}"
    );
    let made = hub
        .form("create_team", &cookie, "name=Side+projects&time_zone=Europe/Berlin")
        .await;
    assert_eq!(made.location(), "/overview", "{made:?}");
    let there = format!("{cookie}; {}", made.cookie("ourhub-team").unwrap().0);
    let page = hub.page("/settings", &there).await.text;
    assert!(
        page.contains("value=\"Side projects\"") && page.contains("Europe/Berlin"),
        "{page}"
    );
    let log = server::audit::list(&hub.app.db, None, None, 1).await.unwrap();
    assert_eq!(log[0].action, "team.create");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_removed_is_told_so_and_acts_on_no_other_team_instead() {
    for hub in harness::everywhere().await {
        let owner = hub.user("harbor@example.com", false).await;
        let mara = hub.join("mara@example.com", &owner.team).await;
        let there = show(&hub, &browser(&hub, "mara@example.com").await, &owner.team).await;
        let body = json!({"name": "hers", "member": mara.id});
        let made = hub.post("/teams/current/keys", &owner, body).await.json();
        let key = made["key"].as_str().unwrap().to_owned();
        let listed = |key: String| hub.send(hub.client.get(hub.url("/v1/models")).bearer_auth(key));
        assert_eq!(listed(key.clone()).await.status, 200);
        assert_eq!(remove(&hub, &owner.team, &owner, &mara.id).await, 204);
        assert_eq!(listed(key).await.status, 403, "at once");
        for page in ["/overview", "/keys", "/team", "/settings", "/billing"] {
            let answer = hub.page(page, &there).await;
            assert_eq!(answer.status, 404, "{page}");
            assert!(
                answer.text.contains("not in this team any more"),
                "{page}: {}",
                answer.text
            );
            assert!(!answer.text.contains("harbor"), "{page}");
        }
        let refused = hub.form("create_key", &there, "name=stray").await;
        assert_eq!(refused.location(), "/keys/new", "{refused:?}");
        let keys = hub.get("/teams/current/keys", &mara).await.json();
        assert_eq!(keys["data"], json!([]), "her own team has no stray key");
        assert_eq!(hub.get(&format!("/teams/{}", owner.team), &mara).await.status, 404);
        assert_eq!(remove(&hub, &owner.team, &owner, &mara.id).await, 404);
        assert_eq!(hub.page("/teams/new", &there).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_likes_leaves_but_not_the_last_owner() {
    for hub in harness::everywhere().await {
        let owner = hub.user("harbor@example.com", false).await;
        let mara = hub.join("mara@example.com", &owner.team).await;
        let jonas = hub.join("jonas@example.com", &owner.team).await;
        assert_eq!(
            remove(&hub, &owner.team, &owner, &owner.id).await,
            409,
            "the last owner"
        );
        assert_eq!(
            remove(&hub, &owner.team, &mara, &jonas.id).await,
            403,
            "a member removes nobody else"
        );
        assert_eq!(remove(&hub, &owner.team, &mara, &mara.id).await, 204, "but leaves");
        let cookie = show(&hub, &browser(&hub, "jonas@example.com").await, &owner.team).await;
        let left = hub.form("leave_team", &cookie, &format!("team={}", owner.team)).await;
        assert_eq!(left.location(), "/overview", "{left:?}");
        assert_eq!(hub.get(&format!("/teams/{}", owner.team), &jonas).await.status, 404);
        let cookie = browser(&hub, "harbor@example.com").await;
        let refused = hub.form("leave_team", &cookie, &format!("team={}", owner.team)).await;
        assert_eq!(refused.location(), "/team");
        let log = server::audit::list(&hub.app.db, None, None, 50).await.unwrap();
        assert_eq!(log.iter().filter(|row| row.action == "member.leave").count(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_hands_the_team_over_and_becomes_an_admin() {
    for hub in harness::everywhere().await {
        let owner = hub.user("harbor@example.com", false).await;
        let mara = hub.join("mara@example.com", &owner.team).await;
        let path = format!("/teams/{}/transfer", owner.team);
        assert_eq!(hub.post(&path, &mara, json!({"user": mara.id})).await.status, 403);
        assert_eq!(hub.post(&path, &owner, json!({"user": owner.id})).await.status, 400);
        assert_eq!(
            hub.post(&path, &owner, json!({"user": "usr_0000000000001"}))
                .await
                .status,
            404
        );
        let given = hub.post(&path, &owner, json!({"user": mara.id})).await;
        assert_eq!(
            (given.status, &given.json()["role"]),
            (200, &json!("owner")),
            "{given:?}"
        );
        let listed = hub.get(&format!("/teams/{}/members", owner.team), &mara).await.json();
        assert_eq!(
            [&listed["data"][0]["role"], &listed["data"][1]["role"]],
            [&json!("admin"), &json!("owner")]
        );
        assert_eq!(hub.post(&path, &owner, json!({"user": owner.id})).await.status, 403);
        assert_eq!(
            remove(&hub, &owner.team, &owner, &mara.id).await,
            403,
            "an admin removes no owner"
        );
        assert_eq!(remove(&hub, &owner.team, &mara, &owner.id).await, 204);
    }
}
