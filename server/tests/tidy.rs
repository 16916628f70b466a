//! The style rules of this repository, as tests: who may import whom, file size, headers, names.
//!
//! Invariant: each failure names file, line and the reason of the rule, so that it can be mended without asking anyone.
//! Reads the sources below the repository's root; writes nothing. `server/ARCHITECTURE.md` tells the whole story.

#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write,
    path::{Path, PathBuf},
};

/// Modules of `server/src`, top to bottom: each may import only what stands further down. Modules of one line are strangers.
const LAYERS: [&[&str]; 23] = [
    &["main"],
    &["cli"],
    &["http"],
    &["relay", "dashboard", "jobs"],
    &["app"],
    &["config", "error"],
    &["billing"],
    &["metering"],
    &["cap_alerts"],
    &["webhooks"],
    &["keys"],
    &["teams"],
    &["audit"],
    &["accounts"],
    &["catalog"],
    &["limits"],
    &["auth"],
    &["ledger"],
    &["kept"],
    &["mail"],
    &["alerts", "stamp"],
    &["secrets", "signals", "guard"],
    &["clock", "csv", "fields", "telemetry"],
];

/// The lowest module that is not an area, and the highest below the areas: the areas lie between.
const ABOVE_AREAS: &str = "error";
const BELOW_AREAS: &str = "clock";

/// Crates that only some modules may name, and why.
const RESERVED: [(&str, &[&str], &str); 4] = [
    (
        "actix_web",
        &["main", "http"],
        "the web framework stays at the edge, so that everything below runs in a plain test",
    ),
    (
        "leptos_actix",
        &["main", "http"],
        "the web framework stays at the edge, so that everything below runs in a plain test",
    ),
    (
        "reqwest",
        &["relay/call", "accounts", "billing", "auth", "guard", "mail", "webhooks"],
        "few places call out, so that time-outs, proxies and address checks can be read in one sitting",
    ),
    (
        "lettre",
        &["mail"],
        "mail leaves through the outbox alone, so that none is lost and every one can be seen",
    ),
];

/// Files longer than [`MAX_LINES`], and why each may be.
const LONG_FILES: [(&str, &str); 0] = [];

/// Lines of one file, its unit tests not counted.
const MAX_LINES: usize = 600;

/// Words that say nothing about what a module holds, and so attract everything.
const EMPTY_NAMES: [&str; 9] = [
    "common", "helpers", "misc", "service", "services", "shared", "types", "util", "utils",
];

/// What makes a rule depend on more than its arguments.
const IMPURE: [&str; 8] = [
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
];

/// One source file.
struct Source {
    /// From the repository's root, with `/`.
    path: String,
    /// Its text up to the unit tests at its end.
    code: String,
}

impl Source {
    /// Lines without comments, numbered from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, without_comment(line)))
    }

    /// The module of `server/src` it belongs to, and its full path there: `("relay", "relay/call")`.
    fn module(&self) -> Option<(&str, &str)> {
        let path = self.path.strip_prefix("server/src/")?.strip_suffix(".rs")?;
        Some((path.split('/').next().unwrap_or(path), path))
    }
}

#[test]
fn imports_point_down() {
    let mut found = String::new();
    for file in sources() {
        let Some((module, _)) = file.module() else { continue };
        if module == "lib" {
            continue;
        }
        let Some(from) = layer_of(module) else {
            let _ = writeln!(
                found,
                "{}:1: `{module}` has no place in LAYERS of server/tests/tidy.rs",
                file.path
            );
            continue;
        };
        for (line, target) in imports(&file) {
            let is_down = layer_of(&target).is_none_or(|to| to > from);
            if target != module && !is_down {
                let _ = writeln!(
                    found,
                    "{}:{line}: `{module}` imports `{target}`, which is not below it",
                    file.path
                );
            }
        }
    }
    fail(
        &found,
        "imports point down (and never to app, config or error from an area), so that any module can be read and tested without those above it",
    );
}

#[test]
fn few_modules_name_the_web_framework_or_the_http_client() {
    for (name, allowed, reason) in RESERVED {
        let mut found = String::new();
        for file in sources() {
            let Some((module, path)) = file.module() else { continue };
            if allowed.contains(&module) || allowed.contains(&path) || module == "lib" {
                continue;
            }
            for (line, text) in file.lines().filter(|(_, text)| names_crate(text, name)) {
                let _ = writeln!(found, "{}:{line}: names {name}: {}", file.path, text.trim());
            }
        }
        fail(
            &found,
            &format!("only {} may name {name}: {reason}", allowed.join(", ")),
        );
    }
}

#[test]
fn only_areas_name_database_rows() {
    let areas = layer_of(ABOVE_AREAS).unwrap() + 1..layer_of(BELOW_AREAS).unwrap();
    let mut found = String::new();
    for file in sources() {
        let Some((module, _)) = file.module() else { continue };
        if layer_of(module).is_some_and(|layer| areas.contains(&layer)) {
            continue;
        }
        for (line, text) in file.lines().filter(|(_, text)| names_crate(text, "entity")) {
            let _ = writeln!(found, "{}:{line}: names entity: {}", file.path, text.trim());
        }
    }
    fail(
        &found,
        "a row is read and written by the one area that owns it; everyone else asks that area",
    );
}

#[test]
fn the_core_does_no_io_and_knows_neither_clock_nor_chance() {
    let mut found = String::new();
    for file in sources()
        .into_iter()
        .filter(|file| file.path.starts_with("server/core/src/"))
    {
        for (line, text) in file.lines() {
            for name in IMPURE.iter().filter(|name| text.contains(**name)) {
                let _ = writeln!(found, "{}:{line}: names {name}", file.path);
            }
        }
    }
    let manifest = std::fs::read_to_string(root().join("server/core/Cargo.toml")).unwrap();
    let dependencies = manifest
        .split("[dependencies]")
        .nth(1)
        .unwrap()
        .split("\n[")
        .next()
        .unwrap();
    for name in ["tokio", "reqwest", "sea-orm", "actix-web", "getrandom", "rand"] {
        if dependencies
            .lines()
            .any(|line| line.split(['.', ' ', '=']).next() == Some(name))
        {
            let _ = writeln!(found, "server/core/Cargo.toml: depends on {name}");
        }
    }
    fail(
        &found,
        "a rule is a function of its arguments (`now` and `seed` among them), so that it can be tested by the hundred",
    );
}

#[test]
fn files_are_short() {
    let mut found = String::new();
    for file in sources() {
        let lines = file.code.lines().count();
        if lines > MAX_LINES && !LONG_FILES.iter().any(|(path, _)| *path == file.path) {
            let _ = writeln!(found, "{}:{MAX_LINES}: has {lines} lines without its tests", file.path);
        }
    }
    for (path, _) in LONG_FILES {
        if !sources()
            .iter()
            .any(|file| file.path == path && file.code.lines().count() > MAX_LINES)
        {
            let _ = writeln!(found, "{path}: listed in LONG_FILES but not long");
        }
    }
    fail(
        &found,
        "a file is read as a whole: split it by subject, or list it with a reason if it is a table",
    );
}

#[test]
fn files_open_with_what_they_are() {
    let mut found = String::new();
    for file in sources() {
        let header: Vec<&str> = file.code.lines().take_while(|line| line.starts_with("//!")).collect();
        let is_empty = file.lines().all(|(_, line)| line.trim().is_empty());
        if is_empty {
            continue; // a place that is kept for what comes
        }
        if header.len() < 2 {
            let _ = writeln!(
                found,
                "{}:1: opens with {} lines of `//!`, wants two or more",
                file.path,
                header.len()
            );
        } else if is_shell_or_core(&file.path) && !header.iter().any(|line| line.contains("Invariant")) {
            let _ = writeln!(found, "{}:1: the header names no Invariant", file.path);
        }
    }
    fail(
        &found,
        "a header says what the file is, the invariant it keeps, and what it reads and writes",
    );
}

#[test]
fn files_of_unit_tests_say_what_they_prove() {
    let mut found = String::new();
    for path in paths().iter().filter(|path| is_for_tests(path)) {
        if !read(path).starts_with("//! ") {
            let _ = writeln!(found, "{path}:1: opens without a line of `//!`");
        }
    }
    fail(&found, "one line says which promises stand in the file");
}

#[test]
fn modules_have_telling_names() {
    let mut found = String::new();
    for file in sources() {
        let names = file.path.trim_end_matches(".rs").split('/');
        for name in names.filter(|name| EMPTY_NAMES.contains(name)) {
            let _ = writeln!(found, "{}:1: `{name}` says nothing about what is inside", file.path);
        }
        if file.path.ends_with("/mod.rs") {
            let _ = writeln!(
                found,
                "{}:1: write foo.rs beside foo/, so that an editor's tab shows a name",
                file.path
            );
        }
    }
    fail(
        &found,
        "one word finds a feature; a name that fits everything attracts everything",
    );
}

#[test]
fn nothing_is_left_for_later() {
    let mut found = String::new();
    for file in sources() {
        for (index, text) in file.code.lines().enumerate() {
            for mark in ["TODO", "FIXME", "XXX"].into_iter().filter(|mark| has_word(text, mark)) {
                let _ = writeln!(found, "{}:{}: {mark}", file.path, index + 1);
            }
        }
        for (line, text) in file
            .lines()
            .filter(|(_, text)| text.contains("allow(clippy::unwrap_used"))
        {
            let _ = writeln!(found, "{}:{line}: {}", file.path, text.trim());
        }
    }
    fail(
        &found,
        "do it, or write it into the tracker; and no unwrap outside tests, since a panic loses other people's requests",
    );
}

#[test]
fn what_is_in_the_audit_log_is_never_changed_or_deleted() {
    let mut found = String::new();
    for file in sources()
        .into_iter()
        .filter(|file| file.path.starts_with("server/src/"))
    {
        let changes = [
            "Entity::update",
            "Entity::delete",
            "into_active_model",
            ".save(",
            ".update(",
        ];
        for (line, text) in file.lines() {
            let sql = text.to_lowercase();
            let is_sql = [
                "update audit",
                "delete from audit",
                "update \\\"audit",
                "delete from \\\"audit",
            ];
            let is_call = changes.iter().any(|change| {
                text.contains(&format!("audit::{change}"))
                    || file.path.ends_with("src/audit.rs") && text.contains(change)
            });
            if is_call || is_sql.iter().any(|statement| sql.contains(statement)) {
                let _ = writeln!(found, "{}:{line}: {}", file.path, text.trim());
            }
        }
    }
    fail(&found, "a record that can be changed proves nothing");
}

#[test]
fn whoever_calls_out_asks_no_proxy_of_the_environment_follows_no_redirect_and_looks_at_addresses() {
    let mut found = String::new();
    let mut clients = 0;
    for file in sources()
        .into_iter()
        .filter(|file| file.path.starts_with("server/src/"))
    {
        let code: Vec<&str> = file.lines().map(|(_, text)| text.trim()).collect();
        for (at, text) in code.iter().enumerate() {
            if ["Client::new()", "Client::default()", "reqwest::get("]
                .iter()
                .any(|way| text.contains(way))
            {
                let _ = writeln!(found, "{}:{}: {text}", file.path, at + 1);
            }
            if !text.contains("Client::builder()") {
                continue;
            }
            clients += 1;
            let end = code[at..].iter().position(|line| line.ends_with(';')).unwrap();
            let built = code[at..=at + end].concat();
            // Stripe's address is not of anybody's choosing.
            let looks = if file.path.ends_with("/stripe.rs") {
                ""
            } else {
                ".dns_resolver("
            };
            for call in [".no_proxy()", "redirect::Policy::none())", looks] {
                if !built.contains(call) {
                    let _ = writeln!(found, "{}:{}: a client without {call}", file.path, at + 1);
                }
            }
        }
    }
    assert!(clients >= 4, "{clients}");
    fail(
        &found,
        "what the environment, an answer or a name leads to is not what an admin allowed",
    );
}

#[test]
fn the_server_starts_no_program_and_pages_show_text_as_text() {
    let mut found = String::new();
    for file in sources() {
        let is_server = file.path.starts_with("server/src/") || file.path.starts_with("server/core/src/");
        for (line, text) in file.lines() {
            let starts = is_server && (text.contains("Command::new(") || text.contains("process::Command"));
            // An icon is a constant of the sources.
            let shows = text.contains("inner_html") && file.path != "frontend/src/ui/icon.rs";
            if starts || shows {
                let _ = writeln!(found, "{}:{line}: {}", file.path, text.trim());
            }
        }
    }
    fail(
        &found,
        "what somebody typed is never run, and what a model or a stranger said is never HTML",
    );
}

#[test]
fn the_web_framework_is_no_older_than_what_mends_its_smuggling() {
    let lock = read("Cargo.lock");
    let (_, rest) = lock.split_once("name = \"actix-http\"\nversion = \"").unwrap();
    let version: Vec<u32> = rest
        .split('"')
        .next()
        .unwrap()
        .split('.')
        .map(|part| part.parse().unwrap())
        .collect();
    assert!(version.as_slice() >= [3, 20].as_slice(), "actix-http {version:?}");
    assert_eq!(lock.matches("name = \"actix-http\"").count(), 1, "one of it");
}

fn fail(found: &str, reason: &str) {
    assert!(found.is_empty(), "\n{found}Why: {reason}.\n");
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn is_shell_or_core(path: &str) -> bool {
    path.starts_with("server/src/") || path.starts_with("server/core/src/")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// All Rust sources but those of tests.
fn sources() -> Vec<Source> {
    let paths: Vec<String> = paths().into_iter().filter(|path| !is_for_tests(path)).collect();
    assert!(paths.len() > 20, "too few sources found below {}", root().display());
    paths
        .into_iter()
        .map(|path| Source {
            code: without_tests(&read(&path)),
            path,
        })
        .collect()
}

/// Where all Rust sources are but those of integration tests.
fn paths() -> Vec<String> {
    let mut files = Vec::new();
    for folder in [
        "server/src",
        "server/core/src",
        "frontend/src",
        "frontend/examples",
        "entity/src",
        "migration/src",
        "xtask",
    ] {
        walk(&root().join(folder), &mut files);
    }
    files.sort();
    let relative = |file: &PathBuf| file.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
    files.iter().map(relative).collect()
}

/// Whether the file's parent declares it for tests only.
fn is_for_tests(path: &str) -> bool {
    let Some((folder, name)) = path.trim_end_matches(".rs").rsplit_once('/') else {
        return false;
    };
    let parents = [
        format!("{folder}.rs"),
        format!("{folder}/lib.rs"),
        format!("{folder}/main.rs"),
    ];
    let declared = format!("#[cfg(test)]\nmod {name};");
    parents
        .iter()
        .any(|parent| root().join(parent).is_file() && read(parent).contains(&declared))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// A file's text up to the unit tests, which stand at its end.
fn without_tests(text: &str) -> String {
    let end = text.find("\n#[cfg(test)]\nmod ").map_or(text.len(), |at| at + 1);
    text[..end].to_owned()
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") {
        return "";
    }
    line.find(" // ").map_or(line, |at| &line[..at])
}

/// Modules named by `crate::…` paths and by `use super::…` at the top of a file beside `main.rs`, with their lines.
fn imports(file: &Source) -> Vec<(usize, String)> {
    let code: String = file.lines().fold(String::new(), |text, (_, line)| text + line + "\n");
    let is_top = file.path.matches('/').count() == 2;
    let mut found = Vec::new();
    for start in ["crate::", "\nuse super::", "super::super::"] {
        if start == "\nuse super::" && !is_top || start == "super::super::" && is_top {
            continue;
        }
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back();
            if start == "crate::" && before.is_some_and(|it| it.is_alphanumeric() || "_$".contains(it)) {
                continue;
            }
            let line = code[..at + start.len()].matches('\n').count() + 1;
            found.extend(
                first_words(&code[at + start.len()..])
                    .into_iter()
                    .map(|word| (line, word)),
            );
        }
    }
    found
}

/// The first word of a path, or of each path of a group in braces.
fn first_words(path: &str) -> Vec<String> {
    let word = |text: &str| {
        text.trim()
            .chars()
            .take_while(|it| it.is_alphanumeric() || *it == '_')
            .collect::<String>()
    };
    let Some(group) = path.strip_prefix('{') else {
        return vec![word(path)];
    };
    let (mut depth, mut start, mut words) = (0, 0, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => {
                words.push(word(&group[start..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                words.push(word(&group[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a line names a crate as the root of a path.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + name.len()..];
        let is_root = before.is_none_or(|it| !(it.is_alphanumeric() || it == '_' || it == ':' || it == '"'));
        is_root && (after.starts_with("::") || line.trim_start().starts_with("use ") && after.starts_with([';', ' ']))
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|it: char| !(it.is_alphanumeric() || it == '_'))
        .any(|it| it == word)
}

#[test]
fn the_rules_see_what_they_forbid() {
    let file = Source {
        path: "server/src/keys.rs".into(),
        code: "use crate::{\n    app::App,\n    ledger::{self, Hold},\n};\nuse super::billing;\n// crate::http\nlet it = crate::error::X;\n".into(),
    };
    let words: Vec<String> = imports(&file).into_iter().map(|(_, word)| word).collect();
    assert_eq!(words, ["app", "ledger", "error", "billing"]);
    assert_eq!(imports(&file)[2].0, 7);
    assert!(names_crate("use entity::key;", "entity") && names_crate("    let it = entity::key::Model {", "entity"));
    assert!(!names_crate("use sea_orm::entity::prelude::*;", "entity") && !names_crate("identity::of(x)", "entity"));
    assert_eq!(without_tests("a\n#[cfg(test)]\nmod tests {\n}\n"), "a\n");
    assert!(has_word("// TODO: later", "TODO") && !has_word("AUTODOC", "TODO"));
}
