//! Cap bars: filled is spent, striped is held by running requests, the tick is the alert at 80%.
//! Pure.

use gateway_core::money::Nano;
use leptos::prelude::*;

use super::money::usd;

/// Tenths of a percent of `whole` that `part` is, at most 1000.
fn per_mille(part: Nano, whole: Nano) -> u32 {
    if whole.0 <= 0 {
        return 1000;
    }
    let mille = i128::from(part.0.max(0)) * 1000 / i128::from(whole.0);
    u32::try_from(mille.min(1000)).unwrap_or(1000)
}

/// `364` as `36.4%`.
pub(crate) fn percent(per_mille: u32) -> String {
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

/// The bar of one cap, a meter.
#[component]
pub fn CapBar(
    /// What the meter is of: “ci-agents, today”.
    #[prop(into)]
    label: String,
    spent: Nano,
    #[prop(default = Nano::ZERO)] held: Nano,
    cap: Nano,
    /// 4 px instead of 6, for tables.
    #[prop(optional)]
    small: bool,
    /// A share that is no cap: always blue, without the tick.
    #[prop(optional)]
    plain: bool,
) -> impl IntoView {
    let filled = per_mille(spent, cap);
    let striped = per_mille(Nano(spent.0.saturating_add(held.0)), cap);
    let tone = match filled {
        _ if plain => "",
        1000.. => " cap--bad",
        800.. => " cap--warn",
        _ => "",
    };
    let size = if small { " cap--sm" } else { "" };
    view! {
        <svg
            class=format!("cap{tone}{size}")
            role="meter"
            aria-label=label
            aria-valuemin="0"
            aria-valuemax="100"
            aria-valuenow=(filled / 10).to_string()
        >
            <rect class="cap__bg" width="100%" height="100%" rx="3"></rect>
            <rect class="cap__v" width=percent(filled) height="100%" rx="3"></rect>
            {(striped > filled)
                .then(|| {
                    view! { <line class="cap__h" x1=percent(filled) x2=percent(striped) y1="50%" y2="50%"></line> }
                })}
            {(!plain)
                .then(|| {
                    view! {
                        <line class="cap__gap" x1="80%" x2="80%" y1="0" y2="100%"></line>
                        <line class="cap__t" x1="80%" x2="80%" y1="-2" y2="140%"></line>
                    }
                })}
        </svg>
    }
    .into_any()
}

/// What was spent, of which cap, and its bar: a cell of a table.
#[component]
pub fn CapCell(
    /// What the meter is of: “ci-agents, today”.
    #[prop(into)]
    label: String,
    spent: Nano,
    #[prop(default = Nano::ZERO)] held: Nano,
    /// No cap: the words “no cap” and no bar.
    cap: Option<Nano>,
) -> impl IntoView {
    view! {
        <div class="capcell">
            <div class="row">
                <span class="num">{usd(spent)}</span>
                <span class="num faint">{cap.map_or_else(|| "no cap".to_owned(), |cap| format!("of {}", usd(cap)))}</span>
            </div>
            {cap.map(|cap| view! { <CapBar label=label spent=spent held=held cap=cap small=true /> })}
        </div>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_cut_to_the_bar_and_a_cap_of_zero_is_full() {
        assert_eq!(percent(per_mille(Nano(364), Nano(1000))), "36.4%");
        assert_eq!(percent(per_mille(Nano(5), Nano(3))), "100.0%");
        assert_eq!(percent(per_mille(Nano::ZERO, Nano::ZERO)), "100.0%");
        assert_eq!(percent(per_mille(Nano(-5), Nano(10))), "0.0%");
    }
}
