//! Prepaid switched on, off and on again: what was spent while it was off is evened out once, and stops nobody.

use crate::harness::Place;
use entity::{entry, setting};
use gateway_core::ledger::{Caps, Outcome, Payer};
use gateway_core::money::Nano;
use gateway_core::pricing::Markup;
use sea_orm::{EntityTrait as _, QueryOrder as _, Set};
use server::app::App;
use server::auth::NewUser;
use server::clock;
use server::ledger::{Ask, Closing, Grant, Opening, verify};
use std::sync::Arc;

/// Every database there is to test on.
async fn places() -> Vec<Place> {
    let mut places = vec![Place::sqlite()];
    places.extend(Place::postgres().await);
    places
}

async fn team(app: &App, email: &str) -> i64 {
    let new = NewUser {
        email,
        password: "sunlit-otter",
    };
    app.auth.create_user(new, false, clock::now_ms()).await.unwrap().team_id
}

/// Whether a request of the team that costs `nano` is let through; it is charged then.
async fn spend(app: &App, team_id: i64, nano: i64) -> bool {
    let payer = Payer {
        team_id,
        team_zone: "UTC".to_owned(),
        team: Caps::default(),
        member: None,
        key_id: team_id,
        key: Caps::default(),
    };
    let ask = Ask {
        payer,
        amount: Nano(nano),
        wait_ms: 0,
        now_ms: app.ledger.now_ms(),
        record: Opening {
            request_id: None,
            model: "small".into(),
            asked: None,
            operation: "chat",
            is_stream: false,
            is_own: false,
            price_id: 1,
            markup: Markup::NONE,
        },
    };
    let Ok(hold) = app.ledger.admit(ask).await else {
        return false;
    };
    hold.post(Closing {
        charge: Nano(nano),
        estimated: true,
        outcome: Outcome::Ok,
        status: 200,
        attempts: "[]".to_owned(),
        finished_at_ms: clock::now_ms(),
        ..Closing::default()
    });
    true
}

async fn enter(app: &App, team_id: i64, kind: &str, nano: i64) {
    let grant = Grant {
        team_id,
        kind: kind.to_owned(),
        amount: Nano(nano),
        reason: "test".to_owned(),
        actor_id: None,
    };
    app.ledger.grant(grant).await.unwrap();
}

async fn left(app: &App, team_id: i64) -> i64 {
    app.ledger.balance(team_id).await.unwrap().left().0
}

/// The amounts that were evened out.
async fn evened(app: &App) -> Vec<i64> {
    let entries = entry::Entity::find().order_by_asc(entry::Column::Amount);
    let entries = entries.all(&app.db).await.unwrap().into_iter();
    let opening = entries.filter(|entry| entry.kind == "adjustment" && entry.reason.contains("Prepaid"));
    opening.map(|entry| entry.amount).collect()
}

async fn start(place: &Place, words: &[&str]) -> Arc<App> {
    App::start(&place.config(words)).await.unwrap()
}

async fn end(app: Arc<App>) {
    while app.ledger.status().queued > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(verify(&app.db).await.unwrap().differences, Vec::<String>::new());
    app.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spent_before_prepaid_was_switched_on_is_evened_out_once() {
    for place in places().await {
        let app = start(&place, &[]).await;
        let (debtor, rich, refunded) = (
            team(&app, "a@example.com").await,
            team(&app, "b@example.com").await,
            team(&app, "c@example.com").await,
        );
        enter(&app, debtor, "grant", 40).await;
        enter(&app, rich, "top_up", 500).await;
        enter(&app, refunded, "top_up", 100).await;
        enter(&app, refunded, "refund", -100).await;
        assert!(spend(&app, debtor, 140).await && spend(&app, rich, 100).await && spend(&app, refunded, 130).await);
        end(app).await;

        // Several processes begin at once, where there can be several.
        let app = start(&place, &["--prepaid"]).await;
        if place.database_url.is_some() {
            setting::Entity::delete_by_id("prepaid_since")
                .exec(&app.db)
                .await
                .unwrap();
            enter(&app, debtor, "grant", -7).await;
            let words = ["--prepaid"];
            let (one, two, three) = tokio::join!(start(&place, &words), start(&place, &words), start(&place, &words));
            assert_eq!(evened(&one).await, [7, 30, 100]);
            for other in [one, two, three] {
                end(other).await;
            }
        } else {
            assert_eq!(evened(&app).await, [30, 100]);
        }
        assert_eq!((left(&app, debtor).await, left(&app, rich).await), (0, 400));
        assert_eq!(left(&app, refunded).await, -100, "what was given back is still owed");
        assert!(!spend(&app, debtor, 1).await && !spend(&app, refunded, 1).await && spend(&app, rich, 400).await);
        enter(&app, debtor, "top_up", 10).await;
        assert!(spend(&app, debtor, 10).await, "paid in is free to be spent");
        let before = evened(&app).await;
        end(app).await;

        // A process that died before it wrote down that it was done begins anew.
        let app = start(&place, &["--prepaid"]).await;
        setting::Entity::delete_by_id("prepaid_since")
            .exec(&app.db)
            .await
            .unwrap();
        end(app).await;
        let app = start(&place, &["--prepaid"]).await;
        assert_eq!(evened(&app).await, before);
        end(app).await;

        // Off, and on again.
        let app = start(&place, &[]).await;
        assert!(spend(&app, debtor, 55).await);
        assert_eq!(left(&app, debtor).await, -55);
        end(app).await;
        let app = start(&place, &["--prepaid"]).await;
        assert_eq!((left(&app, debtor).await, left(&app, refunded).await), (0, -100));
        assert_eq!(evened(&app).await.len(), before.len() + 1);
        end(app).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_was_paid_back_is_no_debt_and_one_that_was_not_stays_so_however_often_prepaid_is_switched() {
    for place in places().await {
        let app = start(&place, &["--prepaid"]).await;
        let (repaid, late, owing) = (
            team(&app, "a@example.com").await,
            team(&app, "b@example.com").await,
            team(&app, "c@example.com").await,
        );
        for team_id in [repaid, late, owing] {
            enter(&app, team_id, "top_up", 100).await;
            assert!(spend(&app, team_id, 100).await);
            enter(&app, team_id, "refund", -100).await;
        }
        enter(&app, repaid, "top_up", 100).await;
        end(app).await;
        for _ in 0..2 {
            let app = start(&place, &[]).await;
            assert!(spend(&app, repaid, 55).await && spend(&app, owing, 30).await);
            if left(&app, late).await < 0 {
                enter(&app, late, "top_up", 100).await;
            }
            assert!(spend(&app, late, 20).await);
            end(app).await;
            let app = start(&place, &["--prepaid"]).await;
            assert_eq!((left(&app, repaid).await, left(&app, late).await), (0, 0));
            assert_eq!(left(&app, owing).await, -100);
            // A process that died before it wrote down that it was done begins anew.
            setting::Entity::delete_by_id("prepaid_since")
                .exec(&app.db)
                .await
                .unwrap();
            end(app).await;
            let app = start(&place, &["--prepaid"]).await;
            assert_eq!(left(&app, owing).await, -100);
            end(app).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_upgrade_of_prepaid_nothing_is_evened_out() {
    for place in places().await {
        let app = start(&place, &[]).await;
        let debtor = team(&app, "a@example.com").await;
        assert!(spend(&app, debtor, 10).await);
        let before = |text: &str| setting::ActiveModel {
            name: Set("prepaid_since".to_owned()),
            value: Set(text.to_owned()),
        };
        setting::Entity::insert(before("0")).exec(&app.db).await.unwrap();
        end(app).await;
        let app = start(&place, &["--prepaid"]).await;
        assert_eq!(left(&app, debtor).await, -10);
        let since = setting::Entity::find_by_id("prepaid_since").one(&app.db).await.unwrap();
        assert_ne!(since.unwrap().value, "0");
        setting::Entity::update(before("0")).exec(&app.db).await.unwrap();
        end(app).await;
        // Where it was off all the time, what was spent is no debt.
        let app = start(&place, &[]).await;
        assert!(
            setting::Entity::find()
                .all(&app.db)
                .await
                .unwrap()
                .iter()
                .all(|row| !row.name.starts_with("prepaid"))
        );
        end(app).await;
        let app = start(&place, &["--prepaid"]).await;
        assert_eq!(left(&app, debtor).await, 0);
        end(app).await;
    }
}
