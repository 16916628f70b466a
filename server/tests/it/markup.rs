//! What is charged is the price with its markup: held, counted against caps, shown to the team, and apart from what it cost.

use crate::harness::{HELLO, Setup, everywhere, hello};
use crate::upstream::{Reply, completion_of};
use gateway_core::money::Nano;
use gateway_core::pricing::Markup;
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, Set};
use serde_json::json;
use server::ledger::verify;
use server::metering::{self, Margin};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_particular_markup_is_charged_and_counts_in_caps_and_what_it_cost_is_kept_apart() {
    for hub in everywhere(Setup::default()).await {
        let account = hub.account("one").await;
        let key = hub
            .key_with(|settings| settings.caps.total = Some(Nano(1_000_000_000)))
            .await;
        let set = async |team: bool, model: Option<&str>, percent: &str| {
            let whose = (team.then_some(hub.team.team_id()), model);
            let markup = Markup::parse(percent).unwrap();
            hub.app.catalog.set_markup(whose, markup).await.unwrap().1
        };
        let mut charged = Vec::new();
        set(false, None, "100").await;
        for (team, model, percent, expected) in [
            (false, Some("small"), "50", HELLO.0 * 3 / 2),
            (true, None, "12.5", HELLO.0 * 9 / 8),
            (true, Some("small"), "-100", 0),
            (true, Some("small"), "0.01", HELLO.0 + 2),
        ] {
            set(team, model, percent).await;
            let answer = key.chat(&hello()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let held = hub.holds().await;
            let last = held.last().unwrap();
            assert_eq!(last.posted, expected, "{percent} of {last:?}");
            assert_eq!(last.markup, Markup::parse(percent).unwrap().basis_points());
            assert!(last.held >= last.posted && last.overrun == 0);
            charged.push(expected);
        }
        let sum: i64 = charged.iter().sum();
        let left = key.get("/v1/key").await.json();
        let caps = left["caps"].as_array().unwrap();
        let spent = caps.iter().find(|cap| !cap["cap"].is_null()).unwrap()["spent"].as_str();
        assert_eq!(spent.map(|text| Nano::parse(text).unwrap()), Some(Nano(sum)), "{left}");
        let listed = key.get("/v1/models/small").await.json();
        assert_eq!(listed["prices_usd_per_million_tokens"]["input"], json!("1.0001"));

        let parts = metering::margins(&hub.app.db, (0, i64::MAX)).await.unwrap();
        assert_eq!(parts.len(), 1);
        let margin = Margin {
            requests: 4,
            charged: Nano(sum),
            cost: Nano(HELLO.0 * 4),
        };
        assert_eq!(
            (parts[0].account_id, parts[0].model.as_str(), parts[0].margin),
            (account, "small", margin)
        );

        // A markup that is changed afterwards would make it another charge: it is in what the chain proves.
        let hold = hub.holds().await.pop().unwrap();
        let mut changed = hold.clone().into_active_model();
        changed.markup = Set(0);
        changed.update(&hub.app.db).await.unwrap();
        assert!(verify(&hub.app.db).await.unwrap().difference_count >= 2);
        let mut back = hold.clone().into_active_model();
        back.markup = Set(hold.markup);
        entity::hold::Entity::update(back).exec(&hub.app.db).await.unwrap();
        drop(key);
        hub.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_away_costs_as_well_where_nothing_is_reported_and_a_request_is_counted_once() {
    for hub in everywhere(Setup::default()).await {
        hub.account_with("first", |new| new.standing.priority = 1).await;
        hub.account_with("second", |new| new.standing.priority = 2).await;
        let key = hub.key().await;
        let markup = Markup::parse("-100").unwrap();
        hub.app.catalog.set_markup((None, None), markup).await.unwrap();
        // The first may have billed it, and nobody knows what for; neither does the second say.
        hub.upstream.answer("first", Reply::hang_up());
        let silent = Reply::json(200, &completion_of("some words", None));
        hub.upstream.answer("second", silent);
        assert_eq!(key.chat(&hello()).await.status, 200);
        assert_eq!(hub.holds().await.len(), 2);
        let parts = metering::margins(&hub.app.db, (0, i64::MAX)).await.unwrap();
        assert_eq!(parts.len(), 2, "{parts:?}");
        assert!(
            parts
                .iter()
                .all(|part| part.margin.charged == Nano::ZERO && part.margin.cost > Nano::ZERO),
            "{parts:?}"
        );
        assert_eq!(parts.iter().map(|part| part.margin.requests).sum::<i64>(), 1);

        // A hold that cost nothing goes before the one that does.
        hub.upstream.answer("first", Reply::error(429, "rate_limit_exceeded"));
        hub.upstream.answer("second", Reply::chat("hello", 10, 5));
        assert_eq!(key.chat(&hello()).await.status, 200);
        hub.quiet().await;
        let parts = metering::margins(&hub.app.db, (0, i64::MAX)).await.unwrap();
        assert_eq!(parts.iter().map(|part| part.margin.requests).sum::<i64>(), 2);
        drop(key);
        hub.close().await;
    }
}
