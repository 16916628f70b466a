//! The audit log, of a team and of the platform: who changed what, when, from where, and how it was before.
//!
//! Invariant: the filters are the query of the page, so a view can be sent to somebody else.
//! Reads [`crate::api::audit::audit`], for platform admins [`crate::api::audit::all_audit`].

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;
use serde_json::Value;

use super::frame::{Spot, signed_in};
use crate::api::audit::{AuditFilter, AuditView, all_audit, audit};
use crate::api::{ApiError, Code, Moment, Nano, Page, PageQuery, Time};
use crate::ui::*;

/// What changes are about, by the start of their action.
const SUBJECTS: [(&str, &str); 12] = [
    ("key", "Keys"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("team", "Teams"),
    ("user", "Users"),
    ("session", "Sessions"),
    ("account", "Upstream accounts"),
    ("model", "Models"),
    ("price", "Prices"),
    ("ledger", "Money"),
    ("alert", "Alerts"),
    ("setting", "Settings"),
];

/// The filters and the page, as the query has them.
struct Asked {
    filter: AuditFilter,
    after: Option<String>,
    from: String,
    to: String,
}

impl Asked {
    fn read(query: &ParamsMap) -> Self {
        let text = |name: &str| {
            query
                .get(name)
                .map(|value| value.trim().to_owned())
                .filter(|value| !value.is_empty())
        };
        let (from, to) = (text("from").unwrap_or_default(), text("to").unwrap_or_default());
        Self {
            filter: AuditFilter {
                from: Moment::parse(&from),
                to: Moment::parse(&to),
                action: text("action"),
                actor: text("actor"),
                target: text("target"),
            },
            after: text("after"),
            from,
            to,
        }
    }

    fn page(&self) -> PageQuery {
        PageQuery {
            limit: None,
            after: self.after.clone(),
        }
    }

    /// The address of the next page, with the same filters.
    fn older(&self, path: &str, after: &str) -> String {
        let filter = self.filter.clone();
        let mut query = ParamsMap::new();
        let fields = [
            ("from", filter.from.map(Moment::render)),
            ("to", filter.to.map(Moment::render)),
            ("action", filter.action),
            ("actor", filter.actor),
            ("target", filter.target),
            ("after", Some(after.to_owned())),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                query.insert(name, value);
            }
        }
        format!("{path}{}", query.to_query_string())
    }
}

/// `/audit`
#[component]
pub fn AuditPage() -> impl IntoView {
    let asked = Asked::read(&use_query_map().read_untracked());
    signed_in(Spot::new(Section::Audit, "Audit", "/audit"), |visit| async move {
        let rows = audit(asked.filter.clone(), asked.page()).await?;
        Ok::<_, ApiError>(page("/audit", &visit.clock, &asked, rows))
    })
}

/// `/admin/audit`
#[component]
pub fn AllAuditPage() -> impl IntoView {
    let asked = Asked::read(&use_query_map().read_untracked());
    signed_in(
        Spot::new(Section::AllAudit, "Audit", "/admin/audit"),
        |visit| async move {
            if !visit.session.is_admin {
                return Err(ApiError::new(Code::Forbidden));
            }
            let rows = all_audit(asked.filter.clone(), asked.page()).await?;
            Ok(page("/admin/audit", &visit.clock, &asked, rows))
        },
    )
}

fn page(path: &'static str, clock: &Clock, asked: &Asked, rows: Page<AuditView>) -> AnyView {
    let lead = if path == "/audit" {
        "Who changed what in this team. Nothing here is ever changed or deleted."
    } else {
        "Who changed what, in all teams and on the platform. Nothing here is ever changed or deleted."
    };
    let filters = filters(path, asked);
    let older = rows.next.as_deref().map(|after| asked.older(path, after));
    let note = counted_rows(&rows.data, "change", "changes");
    let body = if rows.data.is_empty() {
        view! {
            <Empty icon=Glyph::Audit title="No change to show" text="Nothing matches. Take a filter away, or a longer time.">
                <LinkButton href=path text="Clear filters" />
            </Empty>
        }
        .into_any()
    } else {
        let head = vec![th("What", ""), th("Who", "p2"), th("Where", "p3"), th("When", "r")];
        let shows_team = path != "/audit";
        let lines = rows
            .data
            .into_iter()
            .map(|line| row(clock, line, shows_team))
            .collect_view();
        let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
        view! {
            <Table head=head pager=pager>
                {lines}
            </Table>
        }
        .into_any()
    };
    view! {
        <PageHead title="Audit" lead=lead />
        {filters}
        {body}
    }
    .into_any()
}

fn filters(path: &'static str, asked: &Asked) -> AnyView {
    let filter = &asked.filter;
    let chosen = filter.action.clone().unwrap_or_default();
    let known = SUBJECTS.iter().any(|(name, _)| *name == chosen);
    let other = (!known && !chosen.is_empty()).then(|| Choice::new(chosen.clone(), chosen.clone()));
    let subjects = SUBJECTS.iter().map(|(name, text)| Choice::new(*name, *text));
    let choices = std::iter::once(Choice::new("", "Everything"))
        .chain(subjects)
        .chain(other)
        .collect();
    view! {
        <form class="filters filters--form" method="get" action=path>
            <SelectField name="action" label="About" choices=choices selected=chosen />
            <TextField name="actor" label="Who" value=filter.actor.clone().unwrap_or_default() placeholder="mara@example.com" />
            <TextField name="target" label="Id" value=filter.target.clone().unwrap_or_default() placeholder="key_…" mono=true />
            <TextField name="from" label="From" kind="date" value=asked.from.clone() />
            <TextField name="to" label="To" kind="date" value=asked.to.clone() />
            <Button text="Apply filters" />
        </form>
    }
    .into_any()
}

fn row(clock: &Clock, line: AuditView, shows_team: bool) -> AnyView {
    let who = who(&line);
    let team = line
        .team
        .filter(|_| shows_team)
        .map(|team| view! { <span class="sub">{team.name}</span> });
    let changes = changes(&line.before, &line.after);
    let detail = (!changes.is_empty()).then(|| {
        let facts = changes
            .into_iter()
            .map(|(name, text)| view! { <li><span class="mono">{name}</span> " " {text}</li> });
        view! {
            <details>
                <summary class="t12 muted">"Show what changed"</summary>
                <ul class="t12 muted u-mt1">{facts.collect_view()}</ul>
            </details>
        }
    });
    view! {
        <tr>
            <td class="main">
                {line.action} <span class="sub mono">{line.target}</span>
                <span class="sub only-sm">{who.clone()}</span>
                {detail}
            </td>
            <td class="p2">{who} {team}</td>
            <td class="p3 muted num">{line.address}</td>
            <td class="r muted">
                <When at=line.at clock=clock.clone() />
            </td>
        </tr>
    }
    .into_any()
}

fn who(line: &AuditView) -> String {
    let name = |named: &crate::api::Named| match named.name.as_str() {
        "" => named.id.clone(),
        name => name.to_owned(),
    };
    let actor = line.actor.as_ref().map_or_else(|| "nobody logged in".to_owned(), name);
    match &line.acting_as {
        Some(person) => format!("{actor} as {}", name(person)),
        None => actor,
    }
}

/// What differs between the two, by field: “from → to”.
fn changes(before: &Value, after: &Value) -> Vec<(String, String)> {
    let empty = serde_json::Map::new();
    let (was, is) = (
        before.as_object().unwrap_or(&empty),
        after.as_object().unwrap_or(&empty),
    );
    let names: std::collections::BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    differing
        // The number of a row, which its id says better.
        .filter(|name| !name.ends_with("_id"))
        .map(|name| (name.clone(), (text(name, was.get(name)), text(name, is.get(name)))))
        .filter(|(_, (was, is))| was != is)
        .map(|(name, (was, is))| match (before.is_null(), after.is_null()) {
            (true, _) => (name, is),
            (_, true) => (name, was),
            _ => (name, format!("{was} → {is}")),
        })
        .collect()
}

/// A value for people: caps are nano-USD, moments Unix milliseconds.
fn text(name: &str, value: Option<&Value>) -> String {
    match (value, value.and_then(Value::as_i64)) {
        (None | Some(Value::Null), _) => "none".to_owned(),
        (_, Some(number)) if name.starts_with("cap_") => usd(Nano(number)),
        (_, Some(number)) if name.ends_with("_ms") => Time(number).render(),
        (Some(Value::String(text)), _) => text.clone(),
        (Some(other), _) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::changes;
    use serde_json::{Value, json};

    #[test]
    fn only_what_differs_is_told() {
        let told = |before: &Value, after: &Value| -> Vec<String> {
            changes(before, after)
                .into_iter()
                .map(|(name, text)| format!("{name}: {text}"))
                .collect()
        };
        let (was, is) = (
            json!({"role": "member", "cap_day": null, "user_id": 1}),
            json!({"role": "admin", "cap_day": 5_000_000_000_i64, "user_id": 2}),
        );
        assert_eq!(told(&was, &is), ["cap_day: none → $5.00", "role: member → admin"]);
        assert_eq!(
            told(&Value::Null, &json!({"role": "admin", "cap": null})),
            ["role: admin"]
        );
        assert_eq!(told(&json!({"role": "admin"}), &Value::Null), ["role: admin"]);
        assert_eq!(told(&Value::Null, &Value::Null), Vec::<String>::new());
    }
}
