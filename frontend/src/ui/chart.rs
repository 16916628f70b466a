//! Charts: stacked bars, spark lines, horizontal bars. SVG with attributes only, drawn on the server.
//!
//! Invariant: whole numbers throughout. A plot is 10,000 units wide and 2,000 high and is stretched by the browser.
//! Pure.

use gateway_core::money::Nano;
use leptos::prelude::*;

use super::cap::percent;
use super::money::usd;

const WIDTH: u64 = 10_000;
const HEIGHT: u64 = 2_000;
const MOST_STEPS: u64 = 5;

/// One bar of a chart: a day, an hour.
pub struct Column {
    /// Under the axis: “12 Nov”.
    pub label: String,
    /// Per series, in the order of the legend.
    pub parts: Vec<Nano>,
    /// Still growing: drawn paler.
    pub running: bool,
}

impl Column {
    /// All series together.
    pub fn sum(&self) -> Nano {
        Nano(self.parts.iter().fold(0, |sum, part| part.0.max(0).saturating_add(sum)))
    }
}

/// The scale of an axis: steps of 1, 2 or 5 × 10ⁿ, as few as reach `top`, at most five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    step: u64,
    steps: u64,
}

impl Scale {
    fn of(top: u64) -> Self {
        let mut power = 1_u64;
        loop {
            for step in [1, 2, 5].map(|digit| power.saturating_mul(digit)) {
                if step.saturating_mul(MOST_STEPS) >= top {
                    return Self {
                        step,
                        steps: top.div_ceil(step).max(1),
                    };
                }
            }
            power = power.saturating_mul(10);
        }
    }

    const fn top(self) -> u64 {
        self.step.saturating_mul(self.steps)
    }
}

/// A mark of the axis, with as many decimals as the step has.
fn tick(value: u64, step: u64) -> String {
    if value == 0 {
        return "$0".to_owned();
    }
    let nano = |value: u64| Nano(i64::try_from(value).unwrap_or(i64::MAX));
    let decimals = match nano(step).render().trim_end_matches('0').split_once('.') {
        Some((_, "")) | None => 0,
        Some((_, decimals)) => decimals.len().max(2),
    };
    format!("${}", nano(value).render_fixed(decimals))
}

/// Units of height that `part` takes when `top` fills the plot.
fn height_of(part: u64, top: u64) -> u64 {
    let height = u128::from(part) * u128::from(HEIGHT) / u128::from(top.max(1));
    u64::try_from(height).unwrap_or(HEIGHT).min(HEIGHT)
}

/// Money over time, one colour per series.
#[component]
pub fn StackedBars(
    /// A sentence that gives the figures to who cannot see them.
    #[prop(into)]
    label: String,
    columns: Vec<Column>,
    /// The last series is “everything else” and is drawn grey.
    #[prop(optional)]
    others: bool,
    /// Lies over the plot: the tip that follows the pointer.
    #[prop(optional)]
    over: Option<AnyView>,
) -> impl IntoView {
    let highest = columns
        .iter()
        .map(|column| column.sum().0.unsigned_abs())
        .max()
        .unwrap_or(0);
    let scale = Scale::of(highest);
    let top = scale.top();
    let ticks = (0..=scale.steps)
        .rev()
        .map(|at| view! { <span>{tick(scale.step.saturating_mul(at), scale.step)}</span> })
        .collect_view();
    let labels = axis(columns.iter().map(|column| column.label.clone()).collect());
    let slot = WIDTH / u64::try_from(columns.len()).unwrap_or(1).max(1);
    let bars = (0_u64..)
        .zip(columns)
        .map(|(at, column)| bar(&column, at * slot, slot, top, others))
        .collect_view();
    view! {
        <div class="chart" data-h="216" role="img" aria-label=label>
            <div class="chart__y">{ticks}</div>
            <div class="chart__plot">
                <svg viewBox="0 0 10000 2000" preserveAspectRatio="none">{grid(scale.steps)} {bars}</svg>
                {over}
            </div>
            <div class="chart__x">{labels}</div>
        </div>
    }
    .into_any()
}

/// The lines behind the bars; the lowest is the base.
fn grid(steps: u64) -> AnyView {
    (0..=steps)
        .map(|at| {
            let y = (HEIGHT * at / steps).to_string();
            let class = if at == steps { "base" } else { "grid" };
            view! { <line class=class x1="0" x2="10000" y1=y.clone() y2=y vector-effect="non-scaling-stroke"></line> }
        })
        .collect_view()
        .into_any()
}

/// One column, with its sum as the browser's own tooltip.
fn bar(column: &Column, left: u64, slot: u64, top: u64, others: bool) -> AnyView {
    let mut y = HEIGHT;
    let last = column.parts.len();
    let parts = (1_usize..)
        .zip(&column.parts)
        .filter(|(_, part)| part.0 > 0)
        .map(|(at, part)| {
            let height = height_of(part.0.unsigned_abs(), top).max(8).min(y);
            y -= height;
            let class = format!("c{}", swatch(at, last, others));
            view! {
                <rect
                    class=class
                    x=(left + slot / 6).to_string()
                    y=y.to_string()
                    width=(slot * 2 / 3).max(1).to_string()
                    height=height.saturating_sub(8).max(4).to_string()
                    opacity=column.running.then_some("0.55")
                ></rect>
            }
        })
        .collect_view();
    let title = format!("{}: {}", column.label, usd(column.sum()));
    view! {
        <g>
            <title>{title}</title>
            <rect class="hit" x=left.to_string() y="0" width=slot.to_string() height="2000"></rect>
            {parts}
        </g>
    }
    .into_any()
}

/// The colour of series `at` of `last`, both from 1 on: 1 to 6, or 0 for everything else.
pub const fn swatch(at: usize, last: usize, others: bool) -> usize {
    if at > 6 || (others && at == last) { 0 } else { at }
}

/// At most five labels, evenly spaced.
fn axis(labels: Vec<String>) -> AnyView {
    let last = labels.len().saturating_sub(1);
    let shown = last.min(4);
    let picked: Vec<_> = if shown == 0 {
        labels.into_iter().take(1).collect()
    } else {
        (0..=shown)
            .filter_map(|at| labels.get(at * last / shown).cloned())
            .collect()
    };
    picked
        .into_iter()
        .map(|label| view! { <span>{label}</span> })
        .collect_view()
        .into_any()
}

/// The names of the series, in the order of their colours.
#[component]
pub fn Legend(
    names: Vec<String>,
    /// The last name is “everything else”.
    #[prop(optional)]
    others: bool,
) -> impl IntoView {
    let last = names.len();
    let items = (1_usize..)
        .zip(names)
        .map(|(at, name)| {
            view! {
                <span>
                    <i class=format!("sw sw--{}", swatch(at, last, others))></i>
                    {name}
                </span>
            }
        })
        .collect_view();
    view! { <div class="legend">{items}</div> }.into_any()
}

/// A small line without axes, for a row or under a figure. Decoration: the figures stand beside it.
#[component]
pub fn Spark(values: Vec<u64>) -> impl IntoView {
    let line = spark_path(&values);
    view! {
        <svg class="spark" viewBox="0 0 840 220" preserveAspectRatio="none" aria-hidden="true">
            <path class="area" d=format!("{line} L840 220 L0 220Z")></path>
            <path class="s1" d=line></path>
        </svg>
    }
    .into_any()
}

fn spark_path(values: &[u64]) -> String {
    let top = values.iter().copied().max().unwrap_or(0).max(1);
    let last = values.len().saturating_sub(1).max(1);
    if values.is_empty() {
        return "M0 200 L840 200".to_owned();
    }
    let mut path = String::new();
    for (at, value) in values.iter().enumerate() {
        let x = at * 840 / last;
        let y = 200 - u128::from(*value) * 180 / u128::from(top);
        path.push_str(if at == 0 { "M" } else { " L" });
        path.push_str(&format!("{x} {y}"));
    }
    if values.len() == 1 {
        path.push_str(" L840 20");
    }
    path
}

/// One line of a list of shares.
pub struct Bar {
    /// What it is: a key, a member, a model.
    pub name: String,
    /// What was charged.
    pub value: Nano,
}

/// Shares of a sum, the largest first.
#[component]
pub fn Bars(of: Vec<Bar>) -> impl IntoView {
    let total: i128 = of.iter().map(|bar| i128::from(bar.value.0.max(0))).sum();
    let largest = of.iter().map(|bar| i128::from(bar.value.0)).max().unwrap_or(0).max(1);
    let rows = of
        .into_iter()
        .map(|bar| {
            let value = i128::from(bar.value.0.max(0));
            let share = format!(" {}%", value * 100 / total.max(1));
            let width = percent(u32::try_from(value * 1000 / largest).unwrap_or(1000));
            view! {
                <li>
                    <span class="trunc">{bar.name}</span>
                    <span class="num">{usd(bar.value)} <span class="faint">{share}</span></span>
                    <svg class="bar" aria-hidden="true">
                        <rect class="bar__bg" width="100%" height="100%" rx="3"></rect>
                        <rect class="bar__v" width=width height="100%" rx="3"></rect>
                    </svg>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="hbars">{rows}</ul> }.into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_axis_ends_at_a_round_number_above_the_highest_bar() {
        let scale = |top| {
            let Scale { step, steps } = Scale::of(top);
            (step, steps)
        };
        assert_eq!(scale(0), (1, 1));
        assert_eq!(scale(21_000_000_000), (5_000_000_000, 5));
        assert_eq!(scale(29_000_000_000), (10_000_000_000, 3));
        assert_eq!(scale(4_000), (1_000, 4));
        assert!(Scale::of(u64::MAX).top() >= u64::MAX / 2);
        assert_eq!(tick(45_000_000_000, 15_000_000_000), "$45");
        assert_eq!(tick(100_000_000_000, 20_000_000_000), "$100");
        assert_eq!(tick(10_000, 5_000), "$0.000010");
        assert_eq!(tick(500_000_000, 500_000_000), "$0.50");
    }

    #[test]
    fn a_spark_of_nothing_is_flat_and_of_one_value_is_a_line() {
        assert_eq!(spark_path(&[]), "M0 200 L840 200");
        assert_eq!(spark_path(&[3]), "M0 20 L840 20");
        assert_eq!(spark_path(&[0, 10]), "M0 200 L840 20");
        assert_eq!(spark_path(&[u64::MAX, 0]), "M0 20 L840 200");
    }

    #[test]
    fn the_last_series_is_grey_when_it_is_everything_else() {
        assert_eq!(
            [
                swatch(1, 3, true),
                swatch(3, 3, true),
                swatch(3, 3, false),
                swatch(9, 9, false)
            ],
            [1, 0, 3, 0]
        );
    }
}
