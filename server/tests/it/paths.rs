//! Who may do what is decided by the route that matched, never by how its path was spelt, the Host header, or what a header claims.
//!
//! Invariant: walks the routes as the server registers them, so that a new one is tried as well.

use crate::harness::{Hub, hello, spawn};
use crate::smuggling::raw;
use frontend::App;
use futures_util::{StreamExt as _, stream};
use leptos_actix::generate_route_list;
use server::http::{management, relay};

/// Whom nobody has to be to see them.
const PUBLIC: [&str; 12] = [
    "/",
    "/models",
    "/docs",
    "/gallery",
    "/signup",
    "/login",
    "/setup",
    "/invite/{token}",
    "/forgot",
    "/reset",
    "/verify",
    "/login/code",
];

/// Every route that is for somebody: method and path, its parts filled in.
fn routes() -> Vec<(String, String)> {
    let api = management::ROUTES
        .iter()
        .map(|(method, path)| (method.to_uppercase(), format!("/api/v1{path}")));
    let relayed = relay::ROUTES
        .iter()
        .map(|(method, path)| ((*method).to_owned(), (*path).to_owned()));
    let pages = generate_route_list(App);
    let pages = pages.iter().map(|page| page.path().to_owned());
    let exports = [
        "/usage.csv",
        "/billing/statement.csv",
        "/admin/revenue.csv",
        "/profile.json",
    ]
    .map(str::to_owned);
    let pages = pages.chain(exports).filter(|path| !PUBLIC.contains(&path.as_str()));
    let pages: Vec<_> = pages.map(|path| ("GET".to_owned(), path)).collect();
    assert!(
        pages.len() > 50 && pages.iter().all(|(_, path)| path.starts_with('/')),
        "{pages:?}"
    );
    api.chain(relayed)
        .chain(pages)
        .map(|(method, path)| (method, filled(&path)))
        .collect()
}

/// `path` with an `x` for each of its parts that vary.
fn filled(path: &str) -> String {
    let mut filled = String::new();
    let mut depth = 0;
    for letter in path.chars() {
        match letter {
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                filled.push('x');
            }
            other if depth == 0 => filled.push(other),
            _ => {}
        }
    }
    filled
}

/// The ways to write the path of a request.
fn spellings(path: &str) -> Vec<String> {
    let rest = &path[1..];
    let (parent, last) = path.rsplit_once('/').unwrap();
    let first = rest
        .chars()
        .next()
        .map_or_else(String::new, |letter| format!("%{:02x}", u32::from(letter)));
    vec![
        path.to_owned(),
        format!("/{path}"),
        format!("/.{path}"),
        format!("/x/..{path}"),
        format!("/login/..{path}"),
        format!("/%2e%2e{path}"),
        format!("/models/..;{path}"),
        format!("{parent}%2f{last}"),
        format!("{parent}//{last}"),
        format!("{parent}/./{last}"),
        format!("{path}/"),
        format!("{path}/."),
        format!("{path}%00"),
        format!("{path};x=y"),
        format!("{path}?x#/login"),
        format!("/{first}{}", rest.get(1..).unwrap_or_default()),
        path.to_uppercase(),
        format!("/\\{rest}"),
        format!("http://127.0.0.1{path}"),
        format!("http://evil.example/login{path}"),
        format!("http://evil.example{path}"),
    ]
}

/// Heads that claim to be another request, or from somebody else.
const CLAIMS: &[&str] = &[
    "host: 127.0.0.1\r\n",
    "host: evil.example\r\n",
    "host: localhost@evil.example\r\n",
    "host: 127.0.0.1/login\r\n",
    "host: \r\n",
    "",
    "host: 127.0.0.1\r\nhost: evil.example\r\n",
    "host: 127.0.0.1\r\nx-http-method-override: GET\r\nx-http-method: GET\r\nx-method-override: GET\r\n",
    "host: 127.0.0.1\r\nx-original-url: /login\r\nx-rewrite-url: /login\r\nx-original-uri: /login\r\n",
    "host: 127.0.0.1\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-host: localhost\r\nx-forwarded-prefix: /login\r\nforwarded: for=127.0.0.1\r\nx-real-ip: 127.0.0.1\r\n",
    "host: 127.0.0.1\r\nauthorization: Bearer\r\nauthorization: Bearer null\r\nx-api-key: undefined\r\ncookie: ourhub=; __Host-ourhub=x; ourhub-acting=x; ourhub-team=x\r\n",
    "host: 127.0.0.1\r\nx-forwarded-user: admin\r\nx-remote-user: admin\r\nremote-user: admin\r\nx-user-id: 1\r\n",
    "host: 127.0.0.1/login?\r\n",
    "host: 127.0.0.1/login#\r\n",
];

/// The status and the rest of an answer to a request that is written as it stands.
async fn ask(hub: &Hub, method: &str, target: &str, claims: &str) -> (u16, String) {
    let body = if ["GET", "HEAD"].contains(&method) { "" } else { "{}" };
    let request = format!(
        "{method} {target} HTTP/1.1\r\n{claims}sec-fetch-site: same-origin\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(hub, request.as_bytes()).await;
    let status = answer.get(9..12).and_then(|status| status.parse().ok());
    (
        status.unwrap_or_else(|| panic!("{method} {target} {claims}: {answer:?}")),
        answer,
    )
}

/// Whether an answer gives nothing to somebody unknown: refused, not found, or led to a log-in.
fn is_nothing(status: u16, answer: &str) -> bool {
    let is_login = status == 303 && answer.to_lowercase().contains("\r\nlocation: /login\r\n");
    is_login || [400, 401, 403, 404, 405, 409, 415].contains(&status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_passes_by_spelling_a_path_otherwise_by_another_host_or_by_what_a_header_claims() {
    let hub = spawn().await;
    hub.account("one").await;
    let mut tried = Vec::new();
    for (method, path) in routes() {
        let spelt = spellings(&path).into_iter().map(|target| (target, CLAIMS[0]));
        let claimed = CLAIMS.iter().map(|claims| (path.clone(), *claims));
        for (target, claims) in spelt.chain(claimed) {
            // What no client may send at all says nothing about who is let in.
            tried.push((method.clone(), target, claims));
        }
        for other in ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "post"] {
            tried.push((other.to_owned(), path.clone(), CLAIMS[0]));
        }
    }
    assert!(tried.len() > 3_000, "{}", tried.len());
    let hub = &hub;
    let answers = stream::iter(tried).map(|(method, target, claims)| async move {
        let (status, answer) = ask(hub, &method, &target, claims).await;
        let line = answer.lines().next().unwrap_or_default().to_owned();
        (!is_nothing(status, &answer)).then(|| format!("{method} {target} {claims:?}: {line}"))
    });
    let passed: Vec<String> = answers
        .buffer_unordered(16)
        .filter_map(|passed| async { passed })
        .collect()
        .await;
    assert!(
        passed.is_empty(),
        "{} passed: {:#?}",
        passed.len(),
        &passed[..passed.len().min(40)]
    );
    assert!(hub.upstream.arrived_anywhere().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_on_the_books_however_its_path_is_spelt_and_whatever_its_host() {
    let hub = spawn().await;
    hub.account("one").await;
    let key = hub.key().await;
    let body = hello().to_string();
    let mut answered = 0;
    let path = "/v1/chat/completions";
    let targets = spellings(path)
        .into_iter()
        .map(|target| (target, "host: 127.0.0.1\r\n"));
    let hosts = CLAIMS[..10].iter().map(|claims| (path.to_owned(), *claims));
    for (target, claims) in targets.chain(hosts) {
        let request = format!(
            "POST {target} HTTP/1.1\r\n{claims}authorization: Bearer {}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            key.text,
            body.len()
        );
        let answer = raw(&hub, request.as_bytes()).await;
        answered += usize::from(answer.starts_with("HTTP/1.1 200 "));
        let arrived = hub.upstream.arrived_anywhere().len();
        assert_eq!(
            (arrived, hub.holds().await.len()),
            (answered, answered),
            "{target} {claims}"
        );
    }
    assert!(answered >= 2, "the plain path, at the least");
    drop(key);
    hub.close().await;
}
