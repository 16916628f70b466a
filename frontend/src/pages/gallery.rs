//! Every component in every state, at `/gallery`. What is not here does not exist yet: add it here first.
//! Pure.

use gateway_core::money::Nano;
use leptos::prelude::*;
use leptos_meta::Title;

use crate::api::Time;
use crate::ui::*;

/// The gallery.
#[component]
pub fn Gallery() -> impl IntoView {
    view! {
        <Title text="Component gallery · OurHub" />
        <Site>
            <div class="stack stack--8 page__pad">
                <div>
                    <h1 class="u-t32">"Component gallery"</h1>
                    <p class="muted">
                        "Every part of the dashboard in every state. If it is not here, it does not exist yet: add it here first."
                    </p>
                </div>
                {swatches("Surfaces and lines", SURFACES)}
                {swatches("Accent and meaning", MEANINGS)}
                {swatches("Chart palette", CHARTS)}
                {type_scale()}
                {icons()}
                {buttons()}
                {fields()}
                {states()}
                {caps()}
                {amounts()}
                {times()}
                {stats()}
                {table()}
                {notices()}
                {dialog()}
                {trails()}
                {code()}
                {charts()}
                {empties()}
            </div>
        </Site>
    }
    .into_any()
}

const SURFACES: &[&str] = &[
    "bg-sunken",
    "bg-subtle",
    "bg",
    "bg-raised",
    "bg-hover",
    "bg-press",
    "line-faint",
    "line",
    "line-strong",
    "line-control",
];
const MEANINGS: &[&str] = &[
    "accent",
    "accent-hover",
    "accent-soft",
    "accent-line",
    "ok-solid",
    "ok-soft",
    "warn-solid",
    "warn-soft",
    "bad-solid",
    "bad-soft",
];
const CHARTS: &[&str] = &[
    "chart-1",
    "chart-2",
    "chart-3",
    "chart-4",
    "chart-5",
    "chart-6",
    "chart-rest",
];

const fn usd_of(dollars: i64, nano: i64) -> Nano {
    Nano(dollars * 1_000_000_000 + nano)
}

/// 20 Nov 2026, 14:02:07 in Berlin.
fn clock() -> Clock {
    Clock::new(Time(1_795_179_727_418), "Europe/Berlin")
}

fn section(title: &'static str, hint: &'static str, body: AnyView) -> AnyView {
    view! {
        <section class="gal">
            <h2>{title} " " <span class="hint u-reg">{hint}</span></h2>
            {body}
        </section>
    }
    .into_any()
}

fn swatches(title: &'static str, names: &'static [&'static str]) -> AnyView {
    let items = names
        .iter()
        .map(|name| {
            view! {
                <div>
                    <i class=format!("sw--{name}")></i>
                    <code>{*name}</code>
                </div>
            }
        })
        .collect_view();
    section(title, "", view! { <div class="swatches">{items}</div> }.into_any())
}

fn type_scale() -> AnyView {
    let body = view! {
        <div class="stack stack--2">
            <p class="u-t32">"32 / 600: one per public page"</p>
            <p class="num u-t24">"$412.37: 24 / 600, big numbers"</p>
            <p class="u-t20">"20 / 600: page title"</p>
            <p class="u-semi">"14 / 600: section and card title"</p>
            <p>"14 / 400: body text, forms and dialogs"</p>
            <p class="t13">"13 / 400 and 500: tables, navigation, buttons"</p>
            <p class="t12 muted">"12 / 400: hints, meta, table heads"</p>
            <p class="mono t13">"13 mono: model names, keys, ids, code"</p>
        </div>
    };
    section("Type", "", body.into_any())
}

fn icons() -> AnyView {
    let items = Glyph::ALL
        .iter()
        .map(|glyph| {
            view! {
                <div>
                    <Icon of=*glyph />
                    {format!("{glyph:?}").to_lowercase()}
                </div>
            }
        })
        .collect_view();
    section(
        "Icons",
        "16 px grid, 1.5 px stroke, round caps; 20 px in empty states only",
        view! { <div class="icons">{items}</div> }.into_any(),
    )
}

fn buttons() -> AnyView {
    let body = view! {
        <div class="demo">
            <Button text="Create key" kind=Kind::Primary icon=Glyph::Plus />
            <LinkButton href="#" text="Export CSV" icon=Glyph::Download />
            <LinkButton href="#" text="Cancel" kind=Kind::Ghost />
            <Button text="Revoke key" kind=Kind::Danger icon=Glyph::Trash />
            <Button text="Saving…" kind=Kind::Primary busy=true />
            <Button text="Newer" disabled=true />
            <Button text="Actions" kind=Kind::Ghost size=Size::Small icon=Glyph::Dots icon_only=true />
            <Button text="Small" size=Size::Small />
            <Button text="Large" size=Size::Large />
        </div>
    };
    section("Buttons", "one primary per view", body.into_any())
}

fn fields() -> AnyView {
    let members = || vec![Choice::new("1", "Priya Raman"), Choice::new("2", "Jonas Lind")];
    let body = view! {
        <div class="cols cols--3">
            <TextField name="g1" label="Name" value="billing-exports" hint="For you to recognise it." />
            <TextField
                name="g2"
                label="Cap per day"
                value="15.00"
                optional=true
                inputmode="decimal"
                pre="$"
                post="USD"
            />
            <TextField
                name="g3"
                label="Requests per minute"
                value="6O"
                inputmode="numeric"
                error="“6O” is not a number. Write digits only, for example 60."
            />
            <SelectField name="g4" label="Member" choices=members() selected="1" />
            <TextArea name="g5" label="Models" value="gpt-*\nclaude-*" rows=2 hint="One pattern a line." />
            <CheckField name="g6" label="Cut answers to what the caps afford" checked=true hint="Else such calls are refused." />
        </div>
        <More title="Advanced" hint="tokens per minute, concurrency">
            <Fieldset legend="Limits" hint="Good as they are.">
                <TextField name="g7" label="Tokens per minute" placeholder="No limit" inputmode="numeric" />
            </Fieldset>
        </More>
        <div class="demo">
            <SearchField name="g8" label="Search keys" placeholder="Name or last 4" />
            <Segment
                label="Period"
                links=vec![
                    ("#1".into(), "24 h".into(), false),
                    ("#7".into(), "7 days".into(), false),
                    ("#30".into(), "30 days".into(), true),
                ]
            />
        </div>
    };
    section("Fields", "the error stands next to its field", body.into_any())
}

fn states() -> AnyView {
    let body = view! {
        <div class="demo">
            <Badge text="neutral" />
            <Badge tone=Tone::Accent text="new" />
            <Badge tone=Tone::Ok text="200" />
            <Badge tone=Tone::Warn text="shown once" />
            <Badge tone=Tone::Bad text="429 rate_limit_error" />
            <Badge tone=Tone::Line text="claude-haiku-5" />
            <Status tone=Tone::Ok text="Ready" />
            <Cooling left=63 text="Cooling down, 0:24" />
            <Status tone=Tone::Accent text="Probing" />
            <Status tone=Tone::Bad text="Parked, tried again in 4 min" />
            <Status text="Disabled" />
            <Status live=true text="Waiting" />
            <Avatar name="Mira Okafor" />
            <Mark name="Harbor Robotics" />
            <Pips attempts=3 answered=true />
            <Pips attempts=1 answered=true />
            <Pips attempts=3 answered=false />
        </div>
    };
    section(
        "Badges and status",
        "colour never speaks alone: a word stands beside it",
        body.into_any(),
    )
}

fn caps() -> AnyView {
    let ten = Some(usd_of(10, 0));
    let body = view! {
        <div class="cols cols--4">
            <CapCell label="under" spent=usd_of(1, 940_000_000) cap=ten />
            <CapCell label="near" spent=usd_of(9, 220_000_000) held=usd_of(0, 500_000_000) cap=ten />
            <CapCell label="full" spent=usd_of(10, 0) cap=ten />
            <CapCell label="none" spent=usd_of(12, 110_000_000) cap=None />
        </div>
    };
    section(
        "Cap bar",
        "filled is spent, striped is held, the tick is the 80% alert",
        body.into_any(),
    )
}

fn amounts() -> AnyView {
    let charge = usd_of(0, 70_871_750);
    let body = view! {
        <div class="demo num">
            <span>
                <Amount of=usd_of(21, 840_000_000) />
                " in sums"
            </span>
            <span>
                <Amount of=charge decimals=6 />
                " per request"
            </span>
            <span>
                <Amount of=charge decimals=9 />
                " in receipts"
            </span>
            <Amount of=usd_of(100, 0) decimals=6 signed=true />
            <Amount of=usd_of(-21, -844_127_000) decimals=6 signed=true />
            <span>{count(48_216)} " or " {short_count(38_412_000)}</span>
            <span class="faint">"no cap"</span>
        </div>
    };
    section(
        "Money and counts",
        "cents carry the weight, what is below a cent steps back",
        body.into_any(),
    )
}

fn times() -> AnyView {
    let at = Time(clock().now().0 - 120_000);
    let body = view! {
        <div class="demo num">
            <When at=at clock=clock() />
            <When at=at clock=clock() style=Style::TimeOfDay />
            <When at=at clock=clock() style=Style::Day />
            <span>{duration(9_594)}</span>
            <span>{countdown(23_001)}</span>
        </div>
    };
    section("Times", "exact on hover", body.into_any())
}

fn stats() -> AnyView {
    let spent = usd_of(21, 840_000_000);
    let cap = usd_of(60, 0);
    let bar = view! { <CapBar label="Team cap today" spent=spent held=usd_of(1, 260_000_000) cap=cap /> };
    let spark = view! { <Spark values=vec![3, 5, 4, 7, 6, 9, 8, 11] /> };
    let body = view! {
        <Stats>
            <Stat
                label="Spent today"
                value=view! { <Amount of=spent /> }.into_any()
                of="of $60"
                figure=bar.into_any()
                note="$1.26 held"
            />
            <Stat label="Requests" value=count(48_216).into_any() figure=spark.into_any() note="14 days" />
            <Stat
                label="Loading"
                value=view! { <Skeleton size="sk--lg" /> }.into_any()
                figure=view! { <Skeleton size="sk--md" /> }.into_any()
            />
            <Stat
                label="Charged"
                value=view! { <Amount of=usd_of(0, 87_175_000) decimals=6 /> }.into_any()
                note="one request"
            />
        </Stats>
    };
    section("Stats", "", body.into_any())
}

fn table() -> AnyView {
    let row = |name: &'static str, tone, state: &'static str| {
        view! {
            <tr>
                <td class="main">{name} <span class="sub mono">"sk-oh-…vT9x"</span></td>
                <td class="p2">
                    <Status tone=tone text=state />
                </td>
                <td class="r p2">"18,204"</td>
                <td class="r">
                    <Amount of=usd_of(161, 181_204_000) decimals=6 />
                </td>
                <td class="act">
                    <Menu label=format!("Actions for {name}")>
                        <MenuItem href="#" icon=Glyph::Edit text="Edit limits" />
                        <MenuItem href="#" icon=Glyph::Refresh text="Rotate with overlap" />
                        <hr />
                        <MenuItem href="#" icon=Glyph::Trash text="Revoke key…" danger=true />
                    </Menu>
                </td>
            </tr>
        }
    };
    let head = vec![
        th("Key", ""),
        th("Status", "p2"),
        th("Requests", "r p2"),
        th("Charged", "r"),
        th("Actions", "act"),
    ];
    let pager = view! { <Pager note="1–2 of 7" older="#older" /> };
    let body = view! {
        <Table head=head pager=pager.into_any()>
            {row("ci-agents", Tone::Ok, "Active")}
            {row("jonas-laptop", Tone::Bad, "Capped until 00:00")}
        </Table>
    };
    section("Table, row menu, pagination", "", body.into_any())
}

fn notices() -> AnyView {
    let body = view! {
        <div class="stack stack--2">
            <Notice tone=Tone::Accent title="gpt-5.7 is here." text="Your keys with the pattern gpt-5.* may call it now." />
            <Notice tone=Tone::Ok title="Key hackweek disabled." />
            <Notice tone=Tone::Warn title="Balance under $25." text="At today’s pace it lasts until tomorrow morning.">
                <LinkButton href="#" text="Raise cap" size=Size::Small />
            </Notice>
            <Notice
                tone=Tone::Bad
                title="DeepSeek main has no money left."
                text="It takes no traffic until you top it up there and press Test."
                request="req_01KANZ4Q"
            />
        </div>
    };
    section("Notices", "at most one on a page", body.into_any())
}

fn dialog() -> AnyView {
    let body = view! {
        <Dialog
            title="Revoke ci-agents?"
            text="Calls with this key fail within a second. This cannot be undone; to change the secret without a gap, rotate it."
        >
            <LinkButton href="#" text="Keep key" />
            <Button text="Revoke key" kind=Kind::Danger />
        </Dialog>
    };
    section("Dialog", "the safe button comes first", body.into_any())
}

fn trails() -> AnyView {
    let step = |title: &str, badge: &str, tone, text: &str, side: &str| Step {
        title: title.to_owned(),
        badge: Some(badge.to_owned()),
        tone,
        text: Some(text.to_owned()),
        side: Some(side.to_owned()),
    };
    let steps = vec![
        step(
            "OpenAI, account 1",
            "429",
            Tone::Warn,
            "Rests for 7 s, as it asked.",
            "0.21 s",
        ),
        step(
            "OpenAI, account 2",
            "timeout",
            Tone::Bad,
            "No content within 20 s.",
            "20.00 s",
        ),
        step("Azure, account 1", "200", Tone::Ok, "Answered.", "3.12 s"),
    ];
    let lane = |name: &str, kind, start_ms, took_ms| Lane {
        name: name.to_owned(),
        kind,
        start_ms,
        took_ms,
    };
    let lanes = vec![
        lane("Queue", LaneKind::Waited, 0, 2),
        lane("Account 1", LaneKind::Failed, 2, 180),
        lane("First token", LaneKind::Pending, 182, 788),
        lane("Stream", LaneKind::Streamed, 970, 8_620),
    ];
    let facts = vec![
        Fact::new("Key", "ci-agents"),
        Fact::new("Dialect", "chat"),
        Fact::new("Ended", "stop"),
    ];
    let sums = vec![Fact::new("Held", "$0.39"), Fact::new("Posted", "$0.07")];
    let body = view! {
        <div class="cols">
            <div class="stack">
                <Trail steps=steps />
                <Waterfall lanes=lanes />
            </div>
            <div class="stack">
                <Progress steps=vec!["Create a key", "Change one line", "See your first call"] done=1 />
                <Facts of=facts />
                <Facts of=sums wide=true />
            </div>
        </div>
    };
    section("Attempt trail, waterfall, progress, facts", "", body.into_any())
}

fn code() -> AnyView {
    let snippets = vec![
        Snippet {
            client: "curl",
            code: "curl http://localhost:3000/v1/models \\\n  -H \"Authorization: Bearer sk-oh-7Qm2\"".into(),
            copy: None,
        },
        Snippet {
            client: "Python",
            code: "client = OpenAI(\n    base_url=\"http://localhost:3000/v1\",\n)".into(),
            copy: None,
        },
    ];
    let body = view! {
        <Secret value="sk-oh-7Qm2fKx1BvWc8RtYpLd4NhZs0JgAe6UiOv3TqMb5EkvT9x" />
        <Snippets name="gallery" of=snippets mark=vec!["localhost:3000".into()] />
        <CodeBlock title="app.py" code="answer = client.chat.completions.create(…)".into() />
    };
    section("Secret and code", "", body.into_any())
}

fn charts() -> AnyView {
    let column = |day: i64| Column {
        label: format!("{day} Nov"),
        parts: vec![
            usd_of(8 + day % 5, 0),
            usd_of(4 + day % 3, 0),
            usd_of(day % 2, 500_000_000),
        ],
        running: day == 20,
    };
    let shares = [("ci-agents", 161), ("support-bot", 106), ("claude-code-mira", 68)];
    let bars = shares.map(|(name, dollars)| Bar {
        name: name.to_owned(),
        value: usd_of(dollars, 0),
    });
    let names = || {
        vec![
            "claude-opus-5.5".to_owned(),
            "gpt-5.6".to_owned(),
            "8 others".to_owned(),
        ]
    };
    let body = view! {
        <div class="split split--even">
            <Card title="Spend by model" hint="last 20 days">
                <StackedBars
                    label="Spend per day by model, 1 to 20 November. Today: $13.00."
                    columns=(1..=20).map(column).collect()
                    others=true
                />
                <Legend names=names() others=true />
            </Card>
            <Card title="By key">
                <Bars of=bars.into() />
            </Card>
        </div>
    };
    section("Cards and charts", "", body.into_any())
}

fn empties() -> AnyView {
    let body = view! {
        <div class="cols">
            <Empty
                icon=Glyph::Key
                title="No keys yet"
                text="A key is what your app sends instead of a provider’s. Make one, then change one line."
            >
                <LinkButton href="#" text="Create key" kind=Kind::Primary icon=Glyph::Plus />
            </Empty>
            <Empty
                icon=Glyph::Receipt
                title="Nothing matches these filters"
                text="There are 1,942 requests in this time, none of them with this outcome."
            >
                <LinkButton href="#" text="Clear filters" />
            </Empty>
        </div>
    };
    section("Empty states", "", body.into_any())
}

#[cfg(test)]
mod tests {
    use leptos::prelude::*;

    use super::Gallery;

    #[test]
    fn the_gallery_draws_every_component_without_a_style_attribute() {
        let owner = Owner::new();
        let html = owner.with(|| {
            leptos_meta::provide_meta_context();
            view! { <Gallery /> }.to_html()
        });
        assert!(html.contains("role=\"meter\""), "cap bars are meters");
        assert!(
            html.contains("aria-describedby=\"g3-error\""),
            "an error is tied to its field"
        );
        let html = html.replace("<!>", "");
        assert!(html.contains("$0.07<i>0871750</i>"), "digits below a cent step back");
        assert!(
            !html.contains(" style="),
            "the content security policy forbids style attributes"
        );
        assert!(!html.contains("onclick"), "no inline handlers");
    }
}
