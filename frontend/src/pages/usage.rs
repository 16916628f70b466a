//! Usage: the requests of the team, newest first, with filters; every row opens its receipt, as does its id, typed in.
//!
//! Invariant: the filters are the query of the page, so a view can be sent to somebody else.
//! Reads [`crate::api::usage::requests`], for admins [`crate::api::usage::all_requests`].

mod receipt;

pub use receipt::{AnyReceiptPage, ReceiptPage};

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use super::errors::lead_to;
use super::frame::{Spot, signed_in};
use crate::api::keys::{KeyView, list_keys};
use crate::api::usage::{
    Receipt, RequestFilter, RequestRow, all_requests, any_receipt, people, read_receipt, requests,
};
use crate::api::{ApiError, Code, Moment, Named, Page, PageQuery};
use crate::ui::*;

/// What a request may have ended with, and its words.
const OUTCOMES: [(&str, &str, Tone); 8] = [
    ("ok", "OK", Tone::Ok),
    ("client_error", "Client error", Tone::Warn),
    ("upstream_failed", "Every account failed", Tone::Bad),
    ("hung_up", "Client hung up", Tone::Warn),
    ("cut", "Cut off", Tone::Bad),
    ("refused", "Refused", Tone::Warn),
    ("recovered", "Recovered after a crash", Tone::Warn),
    ("running", "Running", Tone::Accent),
];

/// The words for an outcome.
fn outcome(of: &str) -> (Tone, String) {
    OUTCOMES.iter().find(|(name, _, _)| *name == of).map_or_else(
        || (Tone::Neutral, of.to_owned()),
        |(_, text, tone)| (*tone, (*text).to_owned()),
    )
}

/// The filters and the page, as the query has them.
struct Asked {
    filter: RequestFilter,
    page: PageQuery,
    from: String,
    to: String,
    /// The id of the request whose receipt is wanted.
    wanted: Option<String>,
}

/// What a team chooses from: its keys and its members.
#[derive(Default)]
struct Choices {
    keys: Vec<KeyView>,
    people: Vec<Named>,
}

impl Asked {
    fn read(query: &ParamsMap) -> Self {
        let text = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let (from, to) = (text("from").unwrap_or_default(), text("to").unwrap_or_default());
        let filter = RequestFilter {
            from: Moment::parse(&from),
            to: Moment::parse(&to),
            key: text("key"),
            member: text("member"),
            model: text("model"),
            outcome: text("outcome"),
        };
        Self {
            filter,
            page: PageQuery {
                limit: None,
                after: text("after"),
            },
            from,
            to,
            wanted: text("request").map(|id| id.trim().to_owned()),
        }
    }

    /// Leads to the receipt `found`, the answer to which one is wanted; whether the page is done with that.
    fn open(&self, path: &str, found: Result<Receipt, ApiError>) -> Result<bool, ApiError> {
        match found {
            Ok(receipt) => {
                lead_to(&format!("{path}/{}", receipt.row.id));
                Ok(true)
            }
            Err(error) if error.code == Code::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether anything is left out.
    fn is_filtered(&self) -> bool {
        self.filter != RequestFilter::default()
    }

    /// The address of the next page, with the same filters.
    fn older(&self, path: &str, after: &str) -> String {
        self.address(path, Some(after.to_owned()))
    }

    /// The address of all requests with these filters as a file.
    fn export(&self) -> String {
        self.address("/usage.csv", None)
    }

    fn address(&self, path: &str, after: Option<String>) -> String {
        let filter = self.filter.clone();
        let mut query = ParamsMap::new();
        let fields = [
            ("from", filter.from.map(Moment::render)),
            ("to", filter.to.map(Moment::render)),
            ("key", filter.key),
            ("member", filter.member),
            ("model", filter.model),
            ("outcome", filter.outcome),
            ("after", after),
        ];
        for (name, value) in fields {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                query.insert(name, value);
            }
        }
        format!("{path}{}", query.to_query_string())
    }
}

/// `/usage`
#[component]
pub fn UsagePage() -> impl IntoView {
    let asked = Asked::read(&use_query_map().read_untracked());
    signed_in(Spot::new(Section::Usage, "Usage", "/usage"), |visit| async move {
        if let Some(id) = asked.wanted.clone()
            && asked.open("/usage", read_receipt(id).await)?
        {
            return Ok(().into_any());
        }
        let choices = Choices {
            keys: list_keys().await?,
            people: people().await?,
        };
        let rows = requests(asked.filter.clone(), asked.page.clone()).await?;
        Ok::<_, ApiError>(page("/usage", &visit.clock, &asked, choices, rows))
    })
}

/// `/admin/requests`
#[component]
pub fn AllRequestsPage() -> impl IntoView {
    let asked = Asked::read(&use_query_map().read_untracked());
    signed_in(
        Spot::new(Section::Requests, "Requests", "/admin/requests"),
        |visit| async move {
            if let Some(id) = asked.wanted.clone()
                && asked.open("/admin/requests", any_receipt(id).await)?
            {
                return Ok(().into_any());
            }
            let rows = all_requests(asked.filter.clone(), asked.page.clone()).await?;
            Ok::<_, ApiError>(page("/admin/requests", &visit.clock, &asked, Choices::default(), rows))
        },
    )
}

fn page(path: &'static str, clock: &Clock, asked: &Asked, choices: Choices, rows: Page<RequestRow>) -> AnyView {
    let (title, lead) = if path == "/usage" {
        let lead = "Every request, newest first. A row opens its receipt: attempts, tokens, price, hold and charge.";
        ("Usage", lead)
    } else {
        ("Requests", "The requests of all teams, newest first.")
    };
    let export = (path == "/usage" && !rows.data.is_empty()).then(|| {
        view! { <LinkButton href=asked.export() text="Export CSV" icon=Glyph::Download download=true /> }
    });
    let filters = filters(path, asked, choices);
    let finder = finder(path, asked);
    let older = rows.next.as_deref().map(|after| asked.older(path, after));
    let note = counted_rows(&rows.data, "request", "requests");
    let pager = view! { <Pager note=note nostrip:older=older /> }.into_any();
    let body = if rows.data.is_empty() {
        nothing(path, asked)
    } else {
        request_table(clock, rows.data, path, Some(pager))
    };
    view! {
        <PageHead title=title lead=lead>{export}</PageHead>
        {finder}
        {filters}
        {body}
    }
    .into_any()
}

fn nothing(path: &'static str, asked: &Asked) -> AnyView {
    if asked.is_filtered() || asked.page.after.is_some() {
        let text = "No request has all of these. Take a filter away, or a longer time.";
        return view! {
            <Empty icon=Glyph::Filter title="Nothing matches these filters" text=text>
                <LinkButton href=path text="Clear filters" />
            </Empty>
        }
        .into_any();
    }
    let text = "Your first call appears here, with what it cost and which account answered.";
    view! {
        <Empty icon=Glyph::Receipt title="No calls yet" text=text>
            <LinkButton href="/docs" text="Show snippets" kind=Kind::Primary />
        </Empty>
    }
    .into_any()
}

/// Opens the receipt of the id in an answer's `x-request-id`.
fn finder(path: &'static str, asked: &Asked) -> AnyView {
    let missing = asked.wanted.as_ref().map(|id| {
        format!("No request has the id “{id}”. One refused before anything was set aside for it leaves no receipt.")
    });
    view! {
        <form class="filters filters--form" method="get" action=path>
            <TextField
                name="request"
                label="Request id"
                value=asked.wanted.clone().unwrap_or_default()
                placeholder="req_…"
                mono=true
                nostrip:error=missing
            />
            <Button text="Open receipt" />
        </form>
    }
    .into_any()
}

/// The members to choose from, `chosen` among them even where that one has left.
fn member_field(people: Vec<Named>, chosen: &str) -> Option<AnyView> {
    let gone =
        (!chosen.is_empty() && people.iter().all(|person| person.id != chosen)).then(|| Choice::new(chosen, chosen));
    (people.len() > 1 || gone.is_some()).then(|| {
        let people = people.into_iter().map(|person| Choice::new(person.id, person.name));
        let all = std::iter::once(Choice::new("", "All members"));
        let choices = all.chain(people).chain(gone).collect();
        view! { <SelectField name="member" label="Member" choices=choices selected=chosen /> }.into_any()
    })
}

fn filters(path: &'static str, asked: &Asked, choices: Choices) -> AnyView {
    let filter = &asked.filter;
    let Choices { keys, people } = choices;
    let members = member_field(people, filter.member.as_deref().unwrap_or_default());
    let keys = (!keys.is_empty()).then(|| {
        let keys = keys.into_iter().map(|key| Choice::new(key.id, key.name));
        let choices = std::iter::once(Choice::new("", "All keys")).chain(keys).collect();
        view! { <SelectField name="key" label="Key" choices=choices selected=filter.key.clone().unwrap_or_default() /> }
    });
    let outcomes = OUTCOMES.iter().map(|(name, text, _)| Choice::new(*name, *text));
    let outcomes = std::iter::once(Choice::new("", "All outcomes"))
        .chain(outcomes)
        .collect();
    let clear = asked
        .is_filtered()
        .then(|| view! { <LinkButton href=path text="Clear filters" kind=Kind::Ghost /> });
    view! {
        <form class="filters filters--form" method="get" action=path>
            <TextField name="from" label="From" kind="date" value=asked.from.clone() />
            <TextField name="to" label="To" kind="date" value=asked.to.clone() />
            {keys}
            {members}
            <TextField name="model" label="Model" value=filter.model.clone().unwrap_or_default() placeholder="All models" />
            <SelectField name="outcome" label="Outcome" choices=outcomes selected=filter.outcome.clone().unwrap_or_default() />
            <Button text="Show" />
            {clear}
        </form>
    }
    .into_any()
}

/// Requests as a table; each row opens its receipt below `path`.
pub fn request_table(clock: &Clock, rows: Vec<RequestRow>, path: &'static str, pager: Option<AnyView>) -> AnyView {
    let has_teams = rows.iter().any(|row| row.team.is_some());
    let head = vec![
        th("Time", ""),
        th("Model", ""),
        th(if has_teams { "Team, key" } else { "Key" }, "p2"),
        th("Outcome", "p2"),
        th("Attempts", "p3"),
        th("In", "r p2"),
        th("Out", "r p2"),
        th("Took", "r p3"),
        th("Charged", "r"),
    ];
    let rows = rows.into_iter().map(|row| request(clock, row, path)).collect_view();
    view! {
        <Table head=head tight=true nostrip:pager=pager>
            {rows}
        </Table>
    }
    .into_any()
}

fn request(clock: &Clock, row: RequestRow, path: &'static str) -> AnyView {
    let (tone, ended) = outcome(&row.outcome);
    let key = row.team.map_or_else(
        || row.key.name.clone(),
        |team| format!("{}, {}", team.name, row.key.name),
    );
    let estimate = row.is_estimate.then_some("≈ ");
    let own = (row.own_counted > crate::api::Nano::ZERO).then(|| {
        view! {
            <span class="sub">
                "own account " <Amount of=row.own_counted decimals=6 />
            </span>
        }
    });
    view! {
        <tr>
            <td class="num">
                <a class="link" href=format!("{path}/{}", row.id)>
                    <When at=row.started_at clock=clock.clone() style=Style::TimeOfDay />
                </a>
                <span class="sub only-sm">{key.clone()}</span>
            </td>
            <td class="main mono">
                {row.model}
                {row.answered_by.map(|model| view! { <span class="sub">{format!("by {model}")}</span> })}
                <span class="sub only-sm">
                    <Status tone=tone text=ended.clone() />
                </span>
            </td>
            <td class="p2 muted">{key}</td>
            <td class="p2">
                <Status tone=tone text=ended />
            </td>
            <td class="p3">
                <Pips attempts=row.attempts answered=row.outcome == "ok" />
            </td>
            <td class="r p2">{count(row.usage.prompt())}</td>
            <td class="r p2">{count(row.usage.answer())}</td>
            <td class="r p3">{row.total_ms.map_or_else(|| "running".to_owned(), duration)}</td>
            <td class="r">{estimate} <Amount of=row.charged decimals=6 /> {own}</td>
        </tr>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_from_the_query_and_kept_in_the_next_page() {
        let mut query = ParamsMap::new();
        query.insert("from", "2026-11-01".to_owned());
        query.insert("model", "a/b c".to_owned());
        query.insert("outcome", String::new());
        let asked = Asked::read(&query);
        assert_eq!(asked.filter.from.map(Moment::render).as_deref(), Some("2026-11-01"));
        assert_eq!(asked.filter.outcome, None);
        assert!(asked.is_filtered());
        assert_eq!(asked.export(), "/usage.csv?from=2026%2D11%2D01&model=a%2Fb%20c");
        assert_eq!(
            asked.older("/usage", "9"),
            "/usage?from=2026%2D11%2D01&model=a%2Fb%20c&after=9"
        );
    }

    #[test]
    fn every_outcome_has_words() {
        assert_eq!(outcome("hung_up"), (Tone::Warn, "Client hung up".to_owned()));
        assert_eq!(outcome("new_one"), (Tone::Neutral, "new_one".to_owned()));
    }
}
