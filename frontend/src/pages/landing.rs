//! The landing page: what OurHub is, with a receipt as its picture, and the models that can be called.
//!
//! Reads [`crate::api::models::list_models`].

use leptos::prelude::*;

use super::frame::public;
use super::models::catalogue_table;
use super::snippets::public_url;
use crate::api::models::{ModelView, list_models};
use crate::api::{ApiError, Nano};
use crate::ui::*;

const SHOWN: usize = 8;

/// `/`
#[component]
pub fn Landing() -> impl IntoView {
    public("One endpoint for every LLM account", |session| async move {
        let models = list_models().await.unwrap_or_default();
        let served: Vec<_> = models
            .into_iter()
            .filter(|model| model.is_served && model.prices.is_some() && model.mode == "chat")
            .collect();
        Ok::<_, ApiError>(page(served, session.is_some()))
    })
}

fn page(served: Vec<ModelView>, is_signed_in: bool) -> AnyView {
    let models = (!served.is_empty()).then(|| live_list(served));
    view! {
        {hero(is_signed_in)}
        {one_line()}
        {no_429()}
        {models}
    }
    .into_any()
}

fn hero(is_signed_in: bool) -> AnyView {
    let (href, act) = match is_signed_in {
        true => ("/overview", "Open the dashboard"),
        false => ("/signup", "Create your account"),
    };
    view! {
        <section class="hero">
            <div>
                <h1>"One endpoint in front of every LLM account you own."</h1>
                <p class="lead">
                    "Point any OpenAI, Anthropic or Google client at OurHub and ask for any model. When one account is rate limited, another answers. Keys have caps that hold, and every request comes with a receipt."
                </p>
                <div class="row row--wrap cta">
                    <LinkButton href=href text=act kind=Kind::Primary size=Size::Large />
                    <LinkButton href="/docs" text="Read the quick start" size=Size::Large />
                </div>
                <p class="small">"Runs on your own machine, too: one binary, SQLite inside, nothing else to install."</p>
            </div>
            {slip()}
        </section>
    }
    .into_any()
}

/// A receipt, as an example.
fn slip() -> AnyView {
    let step = |title: &str, tone, text: &str, side: &str| Step {
        title: title.to_owned(),
        badge: None,
        tone,
        text: Some(text.to_owned()),
        side: Some(side.to_owned()),
    };
    let steps = vec![
        step(
            "OpenAI, account 1",
            Tone::Warn,
            "Rate limited. Rests for 38 s, as it asked.",
            "429 · 0.18 s",
        ),
        step(
            "OpenAI, account 2",
            Tone::Ok,
            "Took over. Your client saw one clean answer.",
            "200 · 9.41 s",
        ),
    ];
    let line = |name: &'static str, price: &'static str, amount: i64| {
        view! {
            <tr>
                <td>{name} " " <span class="num">{price}</span></td>
                <td>
                    <Amount of=Nano(amount) decimals=6 />
                </td>
            </tr>
        }
    };
    view! {
        <div class="slip" role="group" aria-label="An example of a receipt">
            <div class="row row--between">
                <strong class="mono t13">"gpt-6-luna"</strong>
                <Badge tone=Tone::Ok text="200 · streamed" />
            </div>
            <div>
                <Trail steps=steps />
            </div>
            <div>
                <table>
                    <tbody>
                        {line("Input", "1,843 × $0.10 / M", 184_300)} {line("Cache read", "24,576 × $0.01 / M", 245_760)}
                        {line("Output", "1,207 × $0.50 / M", 603_500)}
                    </tbody>
                </table>
            </div>
            <div class="total">
                <span>"Charged"</span>
                <Amount of=Nano(1_033_560) decimals=6 />
            </div>
        </div>
    }
    .into_any()
}

fn one_line() -> AnyView {
    let url = format!("{}/v1", public_url());
    let code = format!(
        "client = OpenAI(\n    base_url=\"{url}\",\n    api_key=\"sk-oh-…\",\n)\nclient.chat.completions.create(model=\"…\", messages=[…])"
    );
    view! {
        <section class="band">
            <div class="pair">
                <div>
                    <h2>"Change one line"</h2>
                    <p>"Your SDK stays, and so does the rest of your code: streams, tools and structured output included. Claude Code, Codex, Gemini CLI and opencode work with any model, too."</p>
                </div>
                <CodeBlock title="app.py" code=code mark=vec![url, "sk-oh-".to_owned()] />
            </div>
        </section>
    }
    .into_any()
}

fn no_429() -> AnyView {
    let cap = |name: &'static str, spent: i64, held: i64, cap: i64| {
        let dollars = |cents: i64| Nano(cents * 10_000_000);
        view! {
            <div>
                <p class="strong t13">{name}</p>
                <CapCell
                    label=format!("{name}, today")
                    spent=dollars(spent)
                    held=dollars(held)
                    cap=Some(dollars(cap))
                />
            </div>
        }
    };
    view! {
        <section class="band">
            <div class="pair pair--flip">
                <div>
                    <h2>"No 429 reaches your app"</h2>
                    <p>
                        "An account that is busy rests for exactly as long as it asked. The next one takes the request before your client notices."
                    </p>
                    <ul class="ticks">
                        {["Steers away before a limit is hit", "A conversation stays where its cache is", "When all are busy, requests wait for the first that frees up"]
                            .map(|text| view! { <li><Icon of=Glyph::Check /> {text}</li> })
                            .collect_view()}
                    </ul>
                </div>
                <div class="card">
                    <div class="card__body">
                        <Waterfall lanes=example_lanes() />
                    </div>
                </div>
            </div>
            <div class="pair">
                <div>
                    <h2>"Caps that hold, to the cent"</h2>
                    <p>
                        "Money is set aside before a call and settled after it. A key at its cap says so, and says when it opens again."
                    </p>
                </div>
                <div class="card">
                    <div class="card__body stack">
                        {cap("ci-agents", 4_620, 180, 5_000)} {cap("support-bot", 1_284, 40, 4_000)} {cap("jonas-laptop", 2_000, 0, 2_000)}
                    </div>
                </div>
            </div>
        </section>
    }
    .into_any()
}

fn example_lanes() -> Vec<Lane> {
    let lane = |name: &str, kind, start_ms, took_ms| Lane {
        name: name.to_owned(),
        kind,
        start_ms,
        took_ms,
    };
    vec![
        lane("Account 1: 429", LaneKind::Failed, 0, 180),
        lane("Account 2: 429", LaneKind::Failed, 185, 140),
        lane("First token", LaneKind::Pending, 330, 620),
        lane("Stream", LaneKind::Streamed, 950, 3_250),
    ]
}

fn live_list(served: Vec<ModelView>) -> AnyView {
    let more = served.len().saturating_sub(SHOWN);
    let shown = served.into_iter().take(SHOWN).collect();
    let rest = (more > 0).then(|| {
        view! {
            <p class="t13 u-mt4">
                <a class="link" href="/models">
                    {format!("{more} more models")}
                </a>
            </p>
        }
    });
    view! {
        <section class="band">
            <div class="band__head">
                <h2>"Models you can call right now"</h2>
                <p>"Price per million tokens, what you pay."</p>
            </div>
            {catalogue_table(shown)}
            {rest}
        </section>
    }
    .into_any()
}
