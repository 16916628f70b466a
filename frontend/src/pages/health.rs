//! Health, for platform admins: whether requests are taken, how far the journal is behind, and which processes serve.
//!
//! Reads [`crate::api::health::health`].

use leptos::prelude::*;

use super::frame::{Spot, signed_in};
use crate::api::ApiError;
use crate::api::health::{HealthView, JournalView, NodeView, health};
use crate::ui::*;

/// A journal that is behind by more is worth a look, in milliseconds.
const LATE_MS: u64 = 1_000;

/// `/admin/health`
#[component]
pub fn HealthPage() -> impl IntoView {
    signed_in(
        Spot::new(Section::Health, "Health", "/admin/health"),
        |visit| async move {
            let health = health().await?;
            Ok::<_, ApiError>(draw(&visit.clock, health))
        },
    )
}

fn draw(clock: &Clock, health: HealthView) -> AnyView {
    let HealthView {
        ready,
        database,
        journal,
        open_holds,
        waiting,
        nodes,
    } = health;
    let serving = nodes.iter().filter(|node| node.state == "serving").count();
    let of_all = (serving < nodes.len()).then(|| format!("of {}", nodes.len()));
    let (tone, word) = match ready {
        true => (Tone::Ok, "Requests are taken"),
        false => (Tone::Bad, "Requests are refused"),
    };
    let written = format!("{} written", counted(journal.commits, "group", "groups"));
    let head = vec![
        th("Process", ""),
        th("State", ""),
        th("Up since", "p2"),
        th("Heard of", "p3"),
        th("Open holds", "r p2"),
        th("Leased", "r"),
    ];
    let rows = nodes.into_iter().map(|node| row(clock, node)).collect_view();
    view! {
        <PageHead
            title="Health"
            lead="What this platform runs on. Figures are those of the process that drew this page, but for the list of all."
        />
        <Stats>
            <Stat label="Processes serving" value=serving.into_any() nostrip:of=of_all />
            <Stat
                label="Journal behind"
                value=duration(journal.lag_ms.try_into().unwrap_or(i64::MAX)).into_any()
                note=format!("{} not written yet", counted(journal.queued, "operation", "operations"))
            />
            <Stat label="Waiting for an account" value=count(waiting).into_any() note="requests" />
            <Stat label="Open holds" value=count(open_holds).into_any() note="calls with money set aside" />
        </Stats>
        <Table head=vec![th("Part", ""), th("State", ""), th("Now", "r p2")]>
            {part("This process", "what answers you", (tone, word), String::new())}
            {part("Database", "everything that lasts", (Tone::Ok, "Answers"), name_of(&database))}
            {part("Journal", "holds and charges, in groups", state_of(journal), written)}
        </Table>
        <section class="stack stack--2">
            <h2>"Processes"</h2>
            <Table head=head>{rows}</Table>
        </section>
    }
    .into_any()
}

fn name_of(database: &str) -> String {
    match database {
        "postgres" => "Postgres".to_owned(),
        "sqlite" => "SQLite".to_owned(),
        other => other.to_owned(),
    }
}

const fn state_of(journal: JournalView) -> (Tone, &'static str) {
    if !journal.writable {
        (Tone::Bad, "Does not write")
    } else if journal.lag_ms > LATE_MS {
        (Tone::Warn, "Late")
    } else {
        (Tone::Ok, "Writes")
    }
}

fn part(name: &'static str, about: &'static str, (tone, word): (Tone, &'static str), now: String) -> AnyView {
    view! {
        <tr>
            <td class="main">{name} <span class="sub">{about}</span></td>
            <td>
                <Status tone=tone text=word />
            </td>
            <td class="r p2">{now}</td>
        </tr>
    }
    .into_any()
}

fn row(clock: &Clock, node: NodeView) -> AnyView {
    let (tone, word) = match node.state.as_str() {
        "serving" => (Tone::Ok, "Serving"),
        "silent" => (Tone::Warn, "Silent"),
        _ => (Tone::Bad, "Gone"),
    };
    let name = if node.name.is_empty() {
        "unnamed".to_owned()
    } else {
        node.name
    };
    let me = node
        .is_me
        .then(|| view! { " " <Badge tone=Tone::Line text="this one" /> });
    let seen = match node.seen_at {
        Some(at) => view! { <When at=at clock=clock.clone() /> }.into_any(),
        None => view! { <span class="faint">"not needed"</span> }.into_any(),
    };
    view! {
        <tr>
            <td class="main">{name} {me} <span class="sub mono">{node.id}</span></td>
            <td>
                <Status tone=tone text=word />
            </td>
            <td class="p2 muted">
                <When at=node.started_at clock=clock.clone() />
            </td>
            <td class="p3 muted">{seen}</td>
            <td class="r p2">{count(node.open_holds)}</td>
            <td class="r">
                <Amount of=node.leased />
            </td>
        </tr>
    }
    .into_any()
}
