//! One tenant with another's ids, everywhere: each id of a tenant that has everything, on every route, page and server function there
//! is, as somebody else's owner, as its own viewer and member, and signed out: nothing is shown, and nothing is changed.
//!
//! Invariant: walks what the server registers; what is new is tried by itself, or fails here until it is said how.

use crate::{
    harness::{Answer, Hub, User},
    shapes::{self, Function},
    usage,
    world::{ALIAS, MARK, World},
};
use futures_util::{StreamExt as _, stream};
use gateway_core::ledger::Outcome;
use reqwest::Method;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use server::http::{management, relay};

/// Server functions that a member calls to change what is their own.
const OWN: [&str; 22] = [
    "accept_invitation",
    "ask_email",
    "ask_reset",
    "begin_factor",
    "change_password",
    "confirm",
    "confirm_email",
    "confirm_factor",
    "create_team",
    "create_token",
    "delete_self",
    "disable_factor",
    "end_other_sessions",
    "end_session",
    "finish_sign_up",
    "leave_team",
    "log_in",
    "log_out",
    "renew_codes",
    "reset_password",
    "revoke_token",
    "switch_team",
];
/// What the platform offers everybody: a model and an alias, also as they stand in links.
const PUBLIC: [&str; 4] = ["quokka-model", "quokka-house", "quokka%2Dmodel", "quokka%2Dhouse"];
/// What members do in their team besides.
const OF_MEMBERS: [&str; 1] = ["create_key"];

/// What is wrong, all of it.
fn assert_none(wrong: &[String]) {
    assert!(
        wrong.is_empty(),
        "{} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(40)]
    );
}

/// Whether an answer tells of the tenant; what was asked for by its name may come back, and the catalogue is for everybody.
fn tells(answer: &Answer, asked: &str) -> bool {
    let mut text = answer.text.replace(asked, "");
    for name in PUBLIC {
        text = text.replace(name, "");
    }
    text.contains(MARK)
        || answer
            .headers
            .values()
            .any(|value| value.as_bytes().windows(MARK.len()).any(|part| part == MARK.as_bytes()))
}

/// Every call of the management API that concerns `id`, with its body; of the team `team`.
fn calls(document: &Value, team: &str, id: &str) -> Vec<(Method, String, Value)> {
    let calls = management::ROUTES.iter().map(|(method, path)| {
        let target = path.replace("{team}", team);
        let target = target
            .split('/')
            .map(|part| if part.starts_with('{') { id } else { part });
        let target = target.collect::<Vec<_>>().join("/");
        let body = shapes::body(document, method, path, id);
        (
            Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
            target,
            body,
        )
    });
    calls.collect()
}

fn names_something(target: &str, id: &str, team: &str) -> bool {
    target.contains(id) || team != "current" && target.contains(team)
}

async fn walk_api(world: &World, who: &User, wrong: &mut Vec<String>) {
    let hub = &world.hub;
    let document = hub.send(hub.client.get(hub.url("/api/openapi.json"))).await.json();
    let mut tried = Vec::new();
    let names = world.ids.iter().map(String::as_str).chain([ALIAS, "quokka-house"]);
    for (at, id) in names.enumerate() {
        for team in [world.owner.team.as_str(), "current"] {
            // Whoever is not in the team gets to none of its things, whatever they are called.
            if at > 0 && team != "current" {
                continue;
            }
            let calls = calls(&document, team, id).into_iter();
            tried.extend(
                calls
                    .filter(|(_, target, _)| names_something(target, id, team))
                    .map(|call| (id, call)),
            );
        }
    }
    assert!(tried.len() > 500, "{}", tried.len());
    let answers = stream::iter(tried).map(|(id, (method, target, body))| async move {
        let answer = hub.api(method.clone(), &target, &who.token, body.clone()).await;
        let is_offered = method == Method::GET && PUBLIC.contains(&id) && answer.status == 200;
        let is_hidden = (is_offered || [403, 404].contains(&answer.status)) && !tells(&answer, id);
        (!is_hidden).then(|| format!("{method} {target} {body}: {answer:?}"))
    });
    wrong.extend(
        answers
            .buffer_unordered(8)
            .filter_map(|found| async { found })
            .collect::<Vec<_>>()
            .await,
    );
}

async fn walk_pages(world: &World, cookie: &str, wrong: &mut Vec<String>) {
    let hub = &world.hub;
    let mut tried = Vec::new();
    for page in leptos_actix::generate_route_list(frontend::App) {
        let (path, is_for_admins) = (page.path(), page.path().starts_with("/admin/"));
        for id in world.ids.iter().map(String::as_str).chain([ALIAS]) {
            let target = path
                .split('/')
                .map(|part| if part.starts_with('{') { id } else { part });
            let target = target.collect::<Vec<_>>().join("/");
            let names_it = target.contains(id);
            if names_it {
                tried.push((target, id, if is_for_admins { 403 } else { 404 }));
            } else if id == ALIAS {
                // What a page takes from its query.
                let query = [
                    "id", "name", "key", "member", "model", "after", "edit", "team", "user", "search",
                ];
                let query = query.map(|field| format!("{field}={id}")).join("&");
                tried.push((format!("{target}?{query}"), id, if is_for_admins { 403 } else { 0 }));
            }
        }
    }
    assert!(tried.len() > 300, "{}", tried.len());
    let answers = stream::iter(tried).map(|(target, id, status)| async move {
        let answer = hub.page(&target, cookie).await;
        let is_hidden =
            (status == 0 || answer.status == status || target.starts_with("/invite/")) && !tells(&answer, id);
        (!is_hidden).then(|| format!("GET {target}: {} {}", answer.status, answer.text))
    });
    wrong.extend(
        answers
            .buffer_unordered(8)
            .filter_map(|found| async { found })
            .collect::<Vec<_>>()
            .await,
    );
    for export in ["/usage.csv", "/billing/statement.csv", "/profile.json"] {
        let targets = world.ids.iter().map(|id| format!("{export}?key={id}&member={id}"));
        for target in targets.chain([export.to_owned()]) {
            let answer = hub.page(&target, cookie).await;
            if tells(&answer, ALIAS) {
                wrong.push(format!("GET {target}: {answer:?}"));
            }
        }
    }
}

/// The code of a refusal, or nothing where it was done.
pub async fn call(hub: &Hub, function: &Function, cookie: &str, body: &str) -> (String, Answer) {
    let request = if function.is_read {
        hub.client.get(hub.url(&format!("/fn/{}?{body}", function.name)))
    } else {
        let request = hub
            .client
            .post(hub.url(&format!("/fn/{}", function.name)))
            .body(body.to_owned());
        request.header("content-type", "application/x-www-form-urlencoded")
    };
    let request = request
        .header("accept", "application/json")
        .header("sec-fetch-site", "same-origin");
    let answer = hub.send(request.header("cookie", cookie)).await;
    let told: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    (told["code"].as_str().unwrap_or_default().to_owned(), answer)
}

async fn walk_functions(world: &World, (email, team): (&str, &str), wrong: &mut Vec<String>) {
    let mut cookie = world.log_in(email).await;
    for function in shapes::functions() {
        let mut bodies = Vec::new();
        if function.takes_ids() {
            bodies.extend(world.ids.iter().map(|id| (id.as_str(), function.body(id))));
        } else {
            bodies.push((ALIAS, function.body("")));
        }
        bodies.extend(function.body_about(ALIAS).map(|body| (ALIAS, body)));
        let with_team = format!("{cookie}; {team}");
        let answers = stream::iter(&bodies).map(|(id, body)| {
            let (function, with_team) = (&function, &with_team);
            async move {
                let (code, answer) = call(&world.hub, function, with_team, body).await;
                let is_known = [
                    "",
                    "not_found",
                    "forbidden",
                    "invalid",
                    "conflict",
                    "throttled",
                    "unauthenticated",
                ]
                .contains(&code.as_str());
                // A refusal is told with status 500 where a script asks; its code says what it is.
                let is_told = answer.status < 500 || !code.is_empty();
                let is_understood = is_known && is_told && !answer.text.contains("missing field");
                (!is_understood || tells(&answer, id)).then(|| format!("{} {body}: {answer:?}", function.name))
            }
        });
        wrong.extend(
            answers
                .buffer_unordered(8)
                .filter_map(|found| async { found })
                .collect::<Vec<_>>()
                .await,
        );
        if world.hub.page("/overview", &cookie).await.status != 200 {
            cookie = world.log_in(email).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_is_told_to_or_changed_by_the_owner_of_another() {
    let world = World::new().await;
    let before = world.rows();
    let other = world.hub.user("bystander@example.com", false).await;
    let mut wrong = Vec::new();
    walk_api(&world, &other, &mut wrong).await;
    let cookie = world.log_in("bystander@example.com").await;
    // A cookie that says that the tenant's team is shown is worth nothing.
    let team = format!("ourhub-team={}.{}", other.id, world.owner.team);
    walk_pages(&world, &cookie, &mut wrong).await;
    walk_functions(&world, ("bystander@example.com", &team), &mut wrong).await;
    let made = world
        .hub
        .post("/teams/current/keys", &other, json!({"name": "bystanders"}))
        .await
        .json();
    let key = made["key"].as_str().unwrap();
    for (method, path) in relay::ROUTES {
        let path = path.replace(
            "{model:.+}",
            if *method == "GET" {
                ALIAS
            } else {
                "quokka-fast:generateContent"
            },
        );
        let body = json!({"model": ALIAS, "messages": [{"role": "user", "content": "hi"}], "input": "hi", "prompt": "hi", "max_tokens": 9,
            "contents": [{"role": "user", "parts": [{"text": "hi"}]}], "query": "hi", "documents": ["hi"], "voice": "alloy"});
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let request = world
            .hub
            .client
            .request(method.clone(), world.hub.url(&path))
            .bearer_auth(key);
        let request = if method == Method::GET {
            request
        } else {
            request.body(body.to_string())
        };
        let answer = world.hub.send(request).await;
        if answer.status == 200 && method != Method::GET
            || tells(&answer, ALIAS)
            || path.ends_with(ALIAS) && answer.status != 404
        {
            wrong.push(format!("{method} {path}: {answer:?}"));
        }
    }
    assert_none(&wrong);
    assert_none(&world.changed_since(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_change_nothing_and_members_only_what_is_their_own() {
    let world = World::new().await;
    let hub = &world.hub;
    let document = hub.send(hub.client.get(hub.url("/api/openapi.json"))).await.json();
    let before = world.rows();
    let mut wrong = Vec::new();
    for (who, email) in [
        (&world.viewer, "quokka-viewer@example.com"),
        (&world.member, "quokka-member@example.com"),
    ] {
        for id in &world.ids {
            for (method, target, body) in calls(&document, &world.owner.team, id) {
                let is_of_team = target.contains(&world.owner.team) || target.contains(id.as_str());
                let is_own = target.ends_with("/keys") && email.contains("member") || target.contains(who.id.as_str());
                if method == Method::GET
                    || !is_of_team
                    || is_own
                    || !target.contains(id.as_str()) && *id != world.ids[0]
                {
                    continue;
                }
                let answer = hub.api(method.clone(), &target, &who.token, body.clone()).await;
                if ![403, 404].contains(&answer.status) {
                    wrong.push(format!("{method} {target} {body} as {email}: {answer:?}"));
                }
            }
        }
        let cookie = world.log_in(email).await;
        let cookie = format!("{cookie}; ourhub-team={}.{}", who.id, world.owner.team);
        for path in ["/overview", "/keys"] {
            let page = hub.page(path, &cookie).await;
            let offers = page.text.contains("href=\"/keys/new\"");
            assert_eq!(
                (page.status, offers),
                (200, email.contains("member")),
                "{path} as {email}"
            );
        }
        for function in shapes::functions() {
            let is_own = OWN.contains(&function.name.as_str())
                || email.contains("member") && OF_MEMBERS.contains(&function.name.as_str());
            if function.is_read || is_own {
                continue;
            }
            let ids = world.ids.iter().filter(|id| function.takes_ids() && **id != who.id);
            for body in ids.map(|id| function.body(id)).chain([function.body("")]) {
                call(hub, &function, &cookie, &body).await;
            }
            let changed = world.changed_since(&before);
            assert!(changed.is_empty(), "{} as {email} changed {changed:#?}", function.name);
        }
    }
    assert_none(&wrong);
    assert_none(&world.changed_since(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_tenant_is_told_to_or_changed_by_somebody_unknown() {
    let world = World::new().await;
    let hub = &world.hub;
    let before = world.rows();
    let document = hub.send(hub.client.get(hub.url("/api/openapi.json"))).await.json();
    let mut wrong = Vec::new();
    for id in &world.ids {
        for token in ["", "mt-oh-", "null"] {
            for (method, target, body) in calls(&document, &world.owner.team, id) {
                if !target.contains(id.as_str()) && (*id != world.ids[0] || !token.is_empty()) {
                    continue;
                }
                let answer = hub.api(method.clone(), &target, token, body).await;
                if answer.status != 401 || tells(&answer, id) {
                    wrong.push(format!("{method} {target} with {token:?}: {answer:?}"));
                }
            }
            if !token.is_empty() {
                break;
            }
        }
    }
    for function in shapes::functions() {
        for body in [function.body(&world.ids[0]), function.body(world.ids.last().unwrap())] {
            let (_, answer) = call(hub, &function, "", &body).await;
            if tells(&answer, ALIAS) {
                wrong.push(format!("{} {body}: {answer:?}", function.name));
            }
        }
    }
    assert_none(&wrong);
    assert_none(&world.changed_since(&before));
}

/// All that `user` is told of their team where no id is asked for, over the management API and in files.
async fn seen(world: &World, user: &User, cookie: &str) -> Vec<(String, String)> {
    let reads = management::ROUTES.iter().filter(|(method, _)| *method == "get");
    let paths = reads.map(|(_, path)| path.replace("{team}", "current"));
    let mut seen = Vec::new();
    for path in paths.filter(|path| path.starts_with("/teams/current") && !path.contains('{')) {
        let answer = world.hub.get(&path, user).await;
        seen.push((path, answer.text));
    }
    for file in ["/usage.csv", "/billing/statement.csv"] {
        seen.push((file.to_owned(), world.hub.page(file, cookie).await.text));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_does_what_it_likes_to_itself_and_sees_the_same_with_a_neighbour_as_without_one() {
    let world = World::new().await;
    let hub = &world.hub;
    hub.app
        .db
        .execute_unprepared("UPDATE customer SET method = 'pm_quokka', card = 'quokka 4242'")
        .await
        .unwrap();
    let before = world.rows();
    let other = hub.user("bystander@example.com", false).await;
    // In the same hour, for the same model, by an alias of the same name.
    let key = usage::key_of(hub, &other, "bystanders").await;
    usage::call(hub, &other, key, ("quokka-model", Outcome::Ok)).await;
    usage::written(hub).await;
    let alias = json!({"name": ALIAS, "targets": ["quokka-model"]});
    assert_eq!(hub.post("/teams/current/aliases", &other, alias).await.status, 201);
    let own = format!("/teams/current/aliases/{ALIAS}");
    for (method, path, body) in [
        (
            Method::PUT,
            "/teams/current/alert-addresses",
            json!({"emails": ["bystander@example.com"]}),
        ),
        (Method::DELETE, "/teams/current/card", Value::Null),
        (Method::PATCH, own.as_str(), json!({"on_content_filter": true})),
        (Method::DELETE, own.as_str(), Value::Null),
    ] {
        let answer = hub.api(method.clone(), path, &other.token, body).await;
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
    }
    let mut changed = world.changed_since(&before);
    // It says that the catalogue is another, and not whose part of it.
    changed.retain(|row| !row.contains("stamp_catalog"));
    assert_none(&changed);
    for path in [&own, "/teams/current/aliases/quokka-house"] {
        assert_eq!(hub.get(path, &other).await.status, 404, "{path}");
    }

    let cookie = world.log_in("bystander@example.com").await;
    for (cookie, is_disputed) in [
        (&cookie, false),
        (&world.log_in("quokka-owner@example.com").await, true),
    ] {
        let board = hub.client.get(hub.url("/fn/payments_board"));
        let board = board.header("accept", "application/json").header("cookie", cookie);
        let board = hub.send(board).await.json();
        assert_eq!(board["disputes"] != json!([]), is_disputed, "{board}");
    }
    let with = seen(&world, &other, &cookie).await;
    assert!(with.len() > 15, "{with:?}");
    world.forget();
    for (with, without) in with.into_iter().zip(seen(&world, &other, &cookie).await) {
        assert_eq!(with, without);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_has_a_script_a_style_or_a_handler_that_its_policy_would_block() {
    let world = World::new().await;
    let mut wrong = Vec::new();
    let mut seen = 0;
    for email in ["quokka-root@example.com", "quokka-owner@example.com", ""] {
        let cookie = if email.is_empty() {
            String::new()
        } else {
            world.log_in(email).await
        };
        for page in leptos_actix::generate_route_list(frontend::App) {
            let ids = world.ids.iter().filter(|_| page.path().contains('{'));
            for id in ids.map(String::as_str).chain([""]) {
                let target = page
                    .path()
                    .split('/')
                    .map(|part| if part.starts_with('{') { id } else { part });
                let answer = world.hub.page(&target.collect::<Vec<_>>().join("/"), &cookie).await;
                if answer.status >= 500 {
                    wrong.push(format!("{} for {email:?}: {}", page.path(), answer.status));
                }
                if answer.status >= 300 {
                    continue;
                }
                seen += 1;
                wrong.extend(blocked(&answer).map(|part| format!("{} for {email:?}: {part}", page.path())));
            }
        }
    }
    assert!(seen > 100, "{seen}");
    assert_none(&wrong);
}

/// What in a page its own policy would block.
fn blocked(page: &Answer) -> impl Iterator<Item = String> {
    let policy = page.header("content-security-policy");
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next());
    let nonce = format!("nonce=\"{}\"", nonce.expect("a policy with a nonce"));
    let tags = page.text.split('<').skip(1).map(|tag| tag.split('>').next().unwrap());
    let is_blocked = move |tag: &&str| {
        let is_script = tag.starts_with("script") && !tag.contains(&nonce);
        let has_handler = tag
            .split_whitespace()
            .any(|word| word.starts_with("on") && word.contains("=\""));
        is_script
            || has_handler
            || tag.contains(" style=")
            || tag.starts_with("style")
            || tag.contains("=\"javascript:")
            || ["src", "href", "action"]
                .iter()
                .any(|name| tag.contains(&format!(" {name}=\"http://")))
    };
    tags.filter(is_blocked)
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
}
