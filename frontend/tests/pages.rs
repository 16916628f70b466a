//! Every page over HTTP, drawn with sample data: what holds for all of them.
//!
//! Reads nothing, writes nothing; no network.

#![allow(clippy::unwrap_used)]

#[path = "../examples/sample/backend.rs"]
mod backend;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, web};
use frontend::api::Backend;
use frontend::{Assets, shell, style};
use leptos::config::LeptosOptions;
use leptos::prelude::provide_context;
use leptos_actix::{LeptosRoutes, generate_route_list};

use backend::{Sample, Who};

const PUBLIC: [&str; 12] = [
    "/",
    "/models",
    "/docs",
    "/gallery",
    "/signup",
    "/login",
    "/login/code",
    "/setup?token=t",
    "/invite/t",
    "/forgot",
    "/reset?token=t",
    "/verify?token=t",
];
const SIGNED_IN: [&str; 48] = [
    "/confirm?to=%2Fteam",
    "/overview",
    "/keys",
    "/keys/new",
    "/keys/key_2",
    "/keys/key_1/created",
    "/keys/key_1/rotate",
    "/keys/key_1/revoke",
    "/usage",
    "/usage?model=none",
    "/usage?request=gone&member=user_9",
    "/usage/req_1",
    "/billing",
    "/billing/payments",
    "/billing/statement",
    "/billing/statement?month=2026-10",
    "/billing/payments/pay_open",
    "/billing/payments/pay_paid",
    "/billing/payments/pay_new",
    "/billing/payments/pay_expired",
    "/billing/payments/pay_failed",
    "/team",
    "/team?edit=user_2",
    "/team/accounts",
    "/team/accounts/new",
    "/team/accounts/new/custom",
    "/team/accounts/acc_2",
    "/team/accounts/acc_2/delete",
    "/team/models",
    "/team/models/new",
    "/team/models/edit?name=fast",
    "/team/models/delete?name=fast",
    "/team/invite",
    "/team/leave",
    "/team/user_2/remove",
    "/team/user_2/hand-over",
    "/teams/new",
    "/alerts",
    "/audit",
    "/audit?action=key.create&actor=mira&from=2026-11-01",
    "/settings",
    "/settings/profile",
    "/settings/security",
    "/settings/sessions",
    "/settings/email?token=t",
    "/settings/authenticator",
    "/settings/recovery",
    "/settings/delete",
];
const PLATFORM: [&str; 34] = [
    "/admin/alerts",
    "/admin/accounts",
    "/admin/accounts/new",
    "/admin/accounts/new/openai",
    "/admin/accounts/new/custom",
    "/admin/accounts/acc_2",
    "/admin/accounts/acc_2/delete",
    "/admin/models",
    "/admin/models?show=all&q=gpt",
    "/admin/models/new",
    "/admin/models/price?model=gpt-6-luna",
    "/admin/payments",
    "/admin/codes",
    "/admin/codes/new",
    "/admin/revenue",
    "/admin/revenue?month=2026-10",
    "/admin/revenue/markups",
    "/admin/aliases",
    "/admin/aliases/new",
    "/admin/aliases/edit?name=fast",
    "/admin/aliases/delete?name=fast",
    "/admin/teams",
    "/admin/teams?grant=team_1",
    "/admin/requests",
    "/admin/requests?request=gone",
    "/admin/requests/req_1",
    "/admin/mail",
    "/admin/mail/mail_3",
    "/admin/health",
    "/admin/audit",
    "/admin/sign-up",
    "/admin/users",
    "/admin/users?q=jonas",
    "/admin/users/user_2/delete",
];

/// An answer, read to its end.
struct Answer {
    status: u16,
    location: Option<String>,
    cookie: Option<String>,
    body: String,
}

async fn read(response: ServiceResponse) -> Answer {
    let header = |name| {
        response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    let (location, cookie) = (header(LOCATION), header(SET_COOKIE));
    Answer {
        status: response.status().as_u16(),
        location,
        cookie: cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned()),
        body: String::from_utf8(read_body(response).await.to_vec()).unwrap(),
    }
}

/// Answers one request as the server would, for `who`.
async fn ask(who: Who, request: TestRequest) -> Answer {
    let context = move || {
        provide_context::<Arc<dyn Backend>>(Arc::new(Sample { who }));
        provide_context(Assets {
            public_url: "http://localhost:3000".to_owned(),
            ..Assets::default()
        });
    };
    let missing = leptos_actix::render_app_async_with_context(context, shell, leptos_router::Method::Get);
    let app = App::new()
        .route("/fn/{name:.*}", leptos_actix::handle_server_fns_with_context(context))
        .leptos_routes_with_context(generate_route_list(frontend::App), context, shell)
        .default_service(missing)
        .app_data(web::Data::new(LeptosOptions::builder().output_name("ourhub").build()));
    let app = init_service(app).await;
    read(call_service(&app, request.to_request()).await).await
}

async fn get(who: Who, path: &str) -> Answer {
    ask(who, TestRequest::get().uri(path).insert_header((ACCEPT, "text/html"))).await
}

/// Sends a form as a browser does.
async fn post(path: &str, form: &str) -> Answer {
    let request = TestRequest::post()
        .uri(path)
        .insert_header((ACCEPT, "text/html"))
        .insert_header((CONTENT_TYPE, "application/x-www-form-urlencoded"))
        .set_payload(form.to_owned());
    ask(Who::Admin, request).await
}

/// Every value of `attribute` in `html`.
fn values(html: &str, attribute: &str) -> BTreeSet<String> {
    let start = format!(" {attribute}=\"");
    html.split(&start)
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .map(|value| value.replace("&amp;", "&"))
        .collect()
}

#[actix_web::test]
async fn the_landing_page_offers_what_the_visitor_lacks_and_shows_what_is_spoken() {
    for (who, act) in [
        (Who::Visitor, "Create your account"),
        (Who::Admin, "Open the dashboard"),
    ] {
        let page = get(who, "/").await.body;
        for offer in ["Create your account", "Open the dashboard"] {
            assert_eq!(page.contains(offer), offer == act, "{who:?}: {offer}");
        }
        assert!(page.contains("OpenAI, account 1"), "{who:?}");
    }
}

#[actix_web::test]
async fn every_page_is_drawn_without_style_attributes_or_inline_handlers() {
    for path in PUBLIC.into_iter().chain(SIGNED_IN).chain(PLATFORM) {
        let page = get(Who::Admin, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.body.contains("<h1"), "{path} has a heading");
        assert!(page.body.contains("id=\"main\""), "{path} has a main part");
        assert!(page.body.contains("· OurHub</title>"), "{path} has a title");
        assert!(page.body.contains(style::STYLESHEET_PATH), "{path} has the stylesheet");
        assert!(
            !page.body.contains(" style=\""),
            "{path}: the policy forbids style attributes"
        );
        assert!(
            values(&page.body, "onclick").is_empty(),
            "{path}: the policy forbids inline handlers"
        );
    }
}

#[actix_web::test]
async fn who_is_not_signed_in_is_led_to_the_log_in() {
    for path in SIGNED_IN.into_iter().chain(PLATFORM) {
        let page = get(Who::Visitor, path).await;
        assert_eq!((page.status, page.location.as_deref()), (303, Some("/login")), "{path}");
        assert!(!page.body.contains("Harbor Robotics"), "{path}");
    }
    for path in PUBLIC {
        assert_eq!(get(Who::Visitor, path).await.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn a_member_sees_no_platform_pages() {
    let page = get(Who::Member, "/overview").await;
    assert!(!page.body.contains("/admin/"));
    for path in [
        "/admin/alerts",
        "/admin/accounts",
        "/admin/teams",
        "/admin/requests",
        "/admin/health",
        "/admin/audit",
        "/admin/sign-up",
        "/admin/users",
    ] {
        let page = get(Who::Member, path).await;
        assert_eq!(page.status, 403, "{path}");
        assert!(page.body.contains("Not allowed"), "{path}");
    }
}

#[actix_web::test]
async fn the_state_of_each_process_is_said_in_a_word() {
    let page = get(Who::Admin, "/admin/health").await.body;
    for said in [
        "Serving", "Silent", "Gone", "hub-0", "this one", "$38.20", "4 ms", "Postgres",
    ] {
        assert!(page.contains(said), "{said}");
    }
}

#[actix_web::test]
async fn no_link_is_dead_and_every_form_has_a_receiver() {
    let receivers: BTreeSet<_> = leptos::server_fn::actix::server_fn_paths()
        .map(|(path, _)| path.to_owned())
        .collect();
    let mut links = BTreeSet::new();
    for path in PUBLIC.into_iter().chain(SIGNED_IN).chain(PLATFORM) {
        let page = get(Who::Admin, path).await;
        links.extend(values(&page.body, "href"));
        for action in values(&page.body, "action") {
            let known = receivers.contains(&action) || !action.starts_with("/fn/");
            assert!(known, "{path}: nothing receives the form sent to {action}");
        }
    }
    // Another service's log-in is led to by the server, which has tests of its own.
    let is_led = |link: &str| {
        ["/confirm/with/", "/settings/link/", "/login/with/"]
            .iter()
            .any(|way| link.starts_with(way))
    };
    let own = links
        .iter()
        .filter(|link| link.starts_with('/') && !link.contains('.') && !is_led(link));
    for link in own {
        assert_eq!(get(Who::Admin, link).await.status, 200, "{link}");
    }
}

/// The forms of `html` that change something, without what stands around them.
fn posted(html: &str) -> Vec<&str> {
    let forms = html.split("<form").skip(1);
    let forms = forms.filter_map(|rest| rest.split("</form>").next());
    forms.filter(|form| form.contains("method=\"post\"")).collect()
}

#[actix_web::test]
async fn every_form_says_which_team_its_page_showed() {
    let mut count = 0;
    for path in SIGNED_IN.into_iter().chain(PLATFORM) {
        let page = get(Who::Admin, path).await;
        for form in posted(&page.body) {
            let field = "<input type=\"hidden\" name=\"shown_team\" value=\"team_1\"";
            assert!(form.contains(field), "{path}: {form}");
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
    // Whoever is not signed in has no team.
    for path in ["/signup", "/login", "/forgot", "/reset?token=t", "/verify?token=t"] {
        let page = get(Who::Visitor, path).await.body;
        assert!(!posted(&page).is_empty() && !page.contains("shown_team"), "{path}");
    }
}

#[test]
fn no_page_writes_a_form_that_is_posted_by_itself() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("ui/form.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("method=\"post\""), "{}: use PostForm", path.display());
            }
        }
    }
}

#[actix_web::test]
async fn what_is_not_there_is_404() {
    for path in [
        "/no-such-page",
        "/keys/none",
        "/invite/none",
        "/team/none/remove",
        "/admin/accounts/new/none",
        "/admin/models/price?model=none",
    ] {
        assert_eq!(get(Who::Admin, path).await.status, 404, "{path}");
    }
}

#[actix_web::test]
async fn what_was_typed_wrongly_is_shown_again_with_the_reason_beside_it() {
    let sent = post("/fn/create_key", "name=laptop&rpm=6O&cap_day=5").await;
    assert_eq!((sent.status, sent.location.as_deref()), (302, Some("/keys/new")));

    let cookie = sent.cookie.unwrap();
    let page = ask(
        Who::Admin,
        TestRequest::get().uri("/keys/new").insert_header((COOKIE, cookie)),
    )
    .await;
    assert!(page.body.contains("value=\"6O\""), "the typed value is there");
    assert!(page.body.contains("id=\"rpm-error\""), "and so is the reason");
    assert!(page.body.contains("aria-describedby=\"rpm-error\""));
    assert!(page.body.contains("value=\"laptop\""), "nothing else is lost");
}

#[actix_web::test]
async fn a_refusal_of_a_drawer_is_said_in_the_drawer() {
    for (path, form) in [
        ("/fn/update_key", "id=key_2&name=laptop"),
        ("/fn/update_member", "user=user_2&role=member"),
        ("/fn/grant", "team=team_1&amount=5&reason=test"),
    ] {
        let sent = post(path, form).await;
        let (to, cookie) = (sent.location.unwrap(), sent.cookie.unwrap());
        let request = TestRequest::get().uri(&to).insert_header((COOKIE, cookie));
        let page = ask(Who::Admin, request).await.body;
        let (behind, drawer) = page.split_once("role=\"dialog\"").unwrap();
        assert!(drawer.contains("Nothing was changed."), "{path}");
        assert!(!behind.contains("Nothing was changed."), "{path}");
    }
}

#[actix_web::test]
async fn a_new_key_is_shown_once() {
    let sent = post("/fn/create_key", "name=laptop").await;
    assert_eq!(sent.location.as_deref(), Some("/keys/key_1/created"));
    let cookie = sent.cookie.unwrap();
    let first = ask(
        Who::Admin,
        TestRequest::get()
            .uri("/keys/key_1/created")
            .insert_header((COOKIE, cookie)),
    )
    .await;
    assert!(
        first
            .body
            .contains("sk-oh-7Qm2fKx1BvWc8RtYpLd4NhZs0JgAe6UiOv3TqMb5EkvT9x")
    );
    assert!(first.cookie.unwrap().ends_with('='), "the browser forgets it");
    let again = get(Who::Admin, "/keys/key_1/created").await;
    assert!(!again.body.contains("sk-oh-7Qm2"));
    assert!(again.body.contains("Waiting for your first call"));
}

#[actix_web::test]
async fn on_the_first_day_every_list_says_what_to_do() {
    for (path, button) in [
        ("/overview", "/admin/accounts/new"),
        ("/keys", "/keys/new"),
        ("/usage", "/docs"),
        ("/admin/accounts", "/admin/accounts/new"),
        ("/admin/models", "/admin/accounts/new"),
    ] {
        let page = get(Who::FirstAdmin, path).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(values(&page.body, "href").contains(button), "{path} leads to {button}");
    }
}

#[actix_web::test]
async fn a_chosen_theme_is_in_every_page_until_the_system_decides_again() {
    let ask_with = |cookie: &str| {
        let request = TestRequest::get().uri("/settings");
        ask(Who::Admin, request.insert_header((COOKIE, cookie.to_owned())))
    };
    let dark = post("/fn/set_theme", "theme=dark").await;
    assert_eq!((dark.status, dark.location.as_deref()), (302, Some("/settings")));
    let page = ask_with(&dark.cookie.unwrap()).await;
    assert!(page.body.contains("<html lang=\"en\" data-theme=\"dark\""));
    assert!(page.body.contains("value=\"dark\" aria-pressed=\"true\""));
    for other in ["system", "%22%3E%3Cscript%3E"] {
        let system = post("/fn/set_theme", &format!("theme={other}")).await;
        assert_eq!(system.cookie.as_deref(), Some("ourhub-theme="));
        let page = ask_with("ourhub-theme=sepia").await;
        assert!(!page.body.contains("data-theme"), "{other}");
    }
}
