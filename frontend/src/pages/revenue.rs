//! Revenue and markups, for platform admins: what was charged, what the providers take, and what is added between.
//!
//! Invariant: months are those of UTC, and the page says so. Reads [`crate::api::revenue`]; the forms are sent to
//! `/fn/set_markup` and `/fn/delete_markup`.

use leptos::prelude::*;
use leptos_router::hooks::use_query_map;

use super::frame::{Spot, Visit, signed_in};
use crate::api::revenue::{MarginLine, MarkupView, RevenueMonth, RevenueView, list_markups, revenue};
use crate::api::{ApiError, Nano};
use crate::ui::*;

/// `/admin/revenue`; with `?month=2026-11` another month than the current one.
#[component]
pub fn RevenuePage() -> impl IntoView {
    let month = use_query_map()
        .read_untracked()
        .get("month")
        .filter(|month| !month.is_empty());
    let spot = Spot::new(Section::Revenue, "Revenue", "/admin/revenue");
    signed_in(spot, |_| async move { Ok::<_, ApiError>(page(revenue(month).await?)) })
}

fn page(view: RevenueView) -> AnyView {
    let RevenueView {
        shown,
        models,
        accounts,
        months,
    } = view;
    let save = format!("/admin/revenue.csv?month={}", shown.month);
    let lead = "What teams were charged, and what the providers take for it at their prices. Months are those of UTC.";
    let body = if months.is_empty() {
        view! {
            <Empty icon=Glyph::Chart title="Nothing was charged yet" text="Once requests are charged, each month is listed here." />
        }
        .into_any()
    } else {
        view! {
            {stats(&shown)}
            {margins("By model", "Model", models)}
            {margins("By upstream account", "Account", accounts)}
            {by_month(months)}
        }
        .into_any()
    };
    view! {
        <PageHead title=format!("Revenue, {}", month_name(&shown.month)) lead=lead>
            <LinkButton href="/admin/revenue/markups" text="Markups" icon=Glyph::Tag />
            <LinkButton href=save text="Save as CSV" icon=Glyph::Download download=true />
        </PageHead>
        <form class="filters filters--form" method="get" action="/admin/revenue">
            <TextField name="month" label="Month" value=shown.month.clone() kind="month" />
            <Button text="Show month" />
        </form>
        {body}
    }
    .into_any()
}

fn amount(of: Nano) -> AnyView {
    view! { <Amount of=of /> }.into_any()
}

/// An amount with as many decimals as the others of its table.
fn aligned(of: Nano, decimals: usize) -> AnyView {
    view! { <Amount of=of decimals=decimals /> }.into_any()
}

fn stats(shown: &RevenueMonth) -> AnyView {
    let corrected = if shown.corrected == Nano::ZERO {
        "nothing corrected".to_owned()
    } else {
        format!("{} of it given back", usd(shown.corrected))
    };
    let RevenueMonth {
        charged,
        cost,
        margin,
        requests: number,
        ..
    } = *shown;
    view! {
        <Stats>
            <Stat label="Charged" value=amount(charged) note=corrected />
            <Stat label="Cost" value=amount(cost) note="what the providers take" />
            <Stat label="Margin" value=amount(margin) note=share(margin, charged) />
            <Stat label="Requests" value=count(number.unsigned_abs()).into_any() note="that were charged" />
        </Stats>
    }
    .into_any()
}

/// How much of `charged` a margin is, such as “12.5% of what was charged”.
fn share(margin: Nano, charged: Nano) -> String {
    let mille = i128::from(margin.0)
        .saturating_mul(1_000)
        .checked_div(i128::from(charged.0));
    match mille {
        Some(mille) => {
            let sign = if mille < 0 { "-" } else { "" };
            let mille = mille.unsigned_abs();
            format!("{sign}{}.{}% of what was charged", mille / 10, mille % 10)
        }
        None => "of nothing charged".to_owned(),
    }
}

fn margins(title: &'static str, of: &'static str, lines: Vec<MarginLine>) -> AnyView {
    if lines.is_empty() {
        return view! { <Empty icon=Glyph::Chart title=title text="Nothing was charged in this month." /> }.into_any();
    }
    let head = vec![
        th(of, ""),
        th("Requests", "r p2"),
        th("Charged", "r"),
        th("Cost", "r p2"),
        th("Margin", "r"),
    ];
    let all = lines.iter().flat_map(|line| [line.charged, line.cost, line.margin]);
    let decimals = decimals_of_column(all);
    let rows = lines
        .into_iter()
        .map(|line| {
            let name = if line.of.id.is_empty() {
                line.of.name.into_any()
            } else {
                let href = format!("/admin/accounts/{}", line.of.id);
                view! {
                    <a class="link" href=href>
                        {line.of.name}
                    </a>
                }
                .into_any()
            };
            view! {
                <tr>
                    <td class="main">{name}</td>
                    <td class="r p2">{count(line.requests.unsigned_abs())}</td>
                    <td class="r">{aligned(line.charged, decimals)}</td>
                    <td class="r p2">{aligned(line.cost, decimals)}</td>
                    <td class="r">{aligned(line.margin, decimals)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="stack stack--2">
            <h2>{title}</h2>
            <Table head=head tight=true>
                {rows}
            </Table>
        </section>
    }
    .into_any()
}

fn by_month(months: Vec<RevenueMonth>) -> AnyView {
    let head = vec![
        th("Month", ""),
        th("Requests", "r p3"),
        th("Charged", "r"),
        th("Given back", "r p2"),
        th("Cost", "r p2"),
        th("Margin", "r"),
    ];
    let all = months
        .iter()
        .flat_map(|month| [month.charged, month.corrected, month.cost, month.margin]);
    let decimals = decimals_of_column(all);
    let rows = months
        .into_iter()
        .map(|month| {
            let href = format!("/admin/revenue?month={}", month.month);
            view! {
                <tr>
                    <td class="main">
                        <a class="link" href=href>
                            {month_name(&month.month)}
                        </a>
                    </td>
                    <td class="r p3">{count(month.requests.unsigned_abs())}</td>
                    <td class="r">{aligned(month.charged, decimals)}</td>
                    <td class="r p2">{aligned(month.corrected, decimals)}</td>
                    <td class="r p2">{aligned(month.cost, decimals)}</td>
                    <td class="r">{aligned(month.margin, decimals)}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <section class="stack stack--2">
            <h2>"By month"</h2>
            <Table head=head tight=true>
                {rows}
            </Table>
        </section>
    }
    .into_any()
}

/// `/admin/revenue/markups`; with `?team=` and `?model=` the form is for these.
#[component]
pub fn MarkupsPage() -> impl IntoView {
    let query = use_query_map().read_untracked();
    let asked = |name: &str| query.get(name).unwrap_or_default();
    let (team, model) = (asked("team"), asked("model"));
    let spot = Spot::new(Section::Revenue, "Markups", "/admin/revenue/markups").via("/admin/revenue", "Revenue");
    signed_in(spot, |visit| async move {
        let markups = list_markups().await?;
        Ok::<_, ApiError>(markups_page(&visit, markups, (&team, &model)))
    })
}

fn markups_page(visit: &Visit, markups: Vec<MarkupView>, asked: (&str, &str)) -> AnyView {
    let list = if markups.is_empty() {
        view! {
            <Empty
                icon=Glyph::Tag
                title="No markups"
                text="Everybody is charged what the providers take. Set a markup above to charge more, or less."
            />
        }
        .into_any()
    } else {
        table(&visit.clock, markups)
    };
    view! {
        <PageHead
            title="Markups"
            lead="What is added to prices. The most particular one counts: a team’s for the model, the team’s for all models, all teams’ for the model, all teams’ for all models."
        />
        {form(visit, asked)}
        {list}
    }
    .into_any()
}

fn form(visit: &Visit, (team, model): (&str, &str)) -> AnyView {
    let flash = &visit.flash;
    let values = [("team", team), ("model", model), ("percent", "")].map(|(field, or)| flash.value(field, or));
    let errors = ["team", "model", "percent"].map(|field| flash.error_of(field));
    let ([team, model, percent], [team_error, model_error, percent_error]) = (values, errors);
    view! {
        <Card title="Set a markup">
            <PostForm class="stack" action="/fn/set_markup">
                <TextField
                    name="team"
                    label="Team"
                    value=team
                    mono=true
                    optional=true
                    placeholder="team_…"
                    hint="The id of a team, from Teams & users. Empty: every team."
                    nostrip:error=team_error
                />
                <TextField
                    name="model"
                    label="Model"
                    value=model
                    mono=true
                    optional=true
                    hint="The model’s own name. Empty: every model."
                    nostrip:error=model_error
                />
                <TextField
                    name="percent"
                    label="Markup"
                    value=percent
                    inputmode="decimal"
                    post="%"
                    required=true
                    hint="Such as 15 or 12.5; below zero takes off. It counts from the next request on."
                    nostrip:error=percent_error
                />
                <div class="row">
                    <Button text="Set markup" kind=Kind::Primary />
                </div>
            </PostForm>
        </Card>
    }
    .into_any()
}

fn table(clock: &Clock, markups: Vec<MarkupView>) -> AnyView {
    let head = vec![
        th("Team", ""),
        th("Model", ""),
        th("Markup", "r"),
        th("Set", "p2"),
        th("Actions", "act"),
    ];
    let rows = markups
        .into_iter()
        .map(|markup| {
            let team = match markup.team {
                Some(team) => view! { {team.name} <span class="sub mono">{team.id}</span> }.into_any(),
                None => "Every team".into_any(),
            };
            let model = match markup.model {
                Some(model) => view! { <span class="mono">{model}</span> }.into_any(),
                None => "Every model".into_any(),
            };
            view! {
                <tr>
                    <td class="main">{team}</td>
                    <td>{model}</td>
                    <td class="r">{format!("{}%", markup.percent)}</td>
                    <td class="p2 muted">
                        <When at=markup.changed_at clock=clock.clone() style=Style::Day />
                    </td>
                    <td class="act">
                        <Menu label=format!("Actions for the markup of {}%", markup.percent)>
                            <MenuPost
                                action="/fn/delete_markup"
                                fields=vec![("id", markup.id)]
                                icon=Glyph::Stop
                                text="Take away"
                            />
                        </Menu>
                    </td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <Table head=head tight=true>
            {rows}
        </Table>
    }
    .into_any()
}
