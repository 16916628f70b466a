//! The first call of a new key: a row that waits for it, and turns into its receipt.
//!
//! Reads [`crate::api::usage::latest_of_key`] every two seconds, for a quarter of an hour.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api::Nano;
use crate::api::usage::{RequestRow, latest_of_key};
use crate::ui::{Amount, Glyph, Icon, LinkButton, Size, counted, duration};

const EVERY: Duration = Duration::from_secs(2);
const MOST_TRIES: u32 = 450;

/// The row of a key that was not used yet.
#[island]
pub fn FirstCall(
    /// The key's id.
    key: String,
) -> impl IntoView {
    let found = RwSignal::new(None::<RequestRow>);
    Effect::new(move |_| ask_again(key.clone(), found, MOST_TRIES));
    move || found.with(|found| found.as_ref().map_or_else(|| waiting(None), first_call))
}

fn ask_again(key: String, found: RwSignal<Option<RequestRow>>, tries: u32) {
    if tries == 0 {
        return;
    }
    let ask = async move {
        match latest_of_key(key.clone()).await {
            Ok(Some(row)) if row.outcome != "running" => found.set(Some(row)),
            Ok(_) | Err(_) => ask_again(key, found, tries - 1),
        }
    };
    set_timeout(move || spawn_local(ask), EVERY);
}

/// The wait, with a link to look again where there is no script.
pub fn waiting(refresh: Option<String>) -> AnyView {
    let refresh = refresh.map(|href| {
        view! { <LinkButton href=href text="Refresh" size=Size::Small icon=Glyph::Refresh /> }
    });
    view! {
        <section class="card" aria-live="polite">
            <div class="liverow">
                <i class="dot dot--live"></i>
                <div>
                    <span class="strong t13">"Waiting for your first call…"</span>
                    <p class="t12 faint">"It turns up here with its receipt. You can leave; it will be in Usage."</p>
                </div>
                {refresh}
            </div>
        </section>
    }
    .into_any()
}

/// The call, in one row.
pub fn first_call(row: &RequestRow) -> AnyView {
    let took = row
        .total_ms
        .map(|ms| format!("answered in {}", duration(ms)))
        .unwrap_or_default();
    let is_own = row.charged == Nano::ZERO && row.own_counted > Nano::ZERO;
    let what = if is_own { "counted" } else { "charged" };
    let tokens = format!("{}, {what} ", counted(row.usage.total(), "token", "tokens"));
    view! {
        <section class="card" aria-live="polite">
            <div class="liverow">
                <span class="trail__n trail__n--ok">
                    <Icon of=Glyph::Check />
                </span>
                <div>
                    <span class="strong t13">{row.model.clone()}</span>
                    " "
                    <span class="t12 faint">{took}</span>
                    <p class="t12 faint num">{tokens} <Amount of=row.counted() decimals=6 /></p>
                </div>
                <LinkButton href=format!("/usage/{}", row.id) text="Open receipt" size=Size::Small />
            </div>
        </section>
    }
    .into_any()
}
