//! What is changed in one process on a Postgres is known in the others at once; and within a second where none hears another.

use crate::harness::{MASTER, PASSWORD, Place, SECOND_MS, places, visitor};
use gateway_core::pricing::PriceSheet;
use server::auth::{Auth, Config, TOPIC};
use server::catalog::{Catalog, NewModel, Prices};
use server::keys::{KeyRefusal, Keys};
use server::signals::Signals;
use server::teams::{self, TeamPatch};
use server::{clock, stamp};
use std::time::Duration;

/// How long a test waits for what comes within seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// So long that nobody looks by himself.
const NEVER: Duration = Duration::from_secs(3_600);

/// The Postgres, where there is one.
async fn shared() -> Option<Place> {
    places().await.into_iter().nth(1)
}

/// Another process on the database, which hears what is told.
async fn listening(place: &Place) -> (Auth, Keys, Signals) {
    let signals = Signals::start(&place.db).await.unwrap();
    let auth = Auth::new(place.db.clone(), &MASTER, Config::default());
    let keys = Keys::new(place.db.clone(), &MASTER);
    tokio::spawn(auth.clone().watch(signals.on(TOPIC)));
    tokio::spawn(keys.clone().watch(signals.on(TOPIC)));
    (auth, keys, signals)
}

/// Waits for what is not looked up again by itself: time stands still.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("what was changed elsewhere is not heard of");
}

#[tokio::test]
async fn a_key_revoked_or_a_team_suspended_elsewhere_is_refused_without_waiting_for_the_clock() {
    let Some(place) = shared().await else { return };
    let (_, keys, _signals) = listening(&place).await;
    let (_, scope) = place.owner("mara@example.com").await;
    let admin = place.admin("root@example.com").await.person;
    let now = clock::now_ms();
    let (lost, kept) = (
        place.key(&scope, "lost", now).await,
        place.key(&scope, "kept", now).await,
    );
    for key in [&lost, &kept] {
        assert!(keys.verify(&key.shown, now).await.is_ok());
    }
    place.keys.revoke(&scope, lost.row.key_id, now).await.unwrap();
    until(async || keys.verify(&lost.shown, now).await == Err(KeyRefusal::Revoked)).await;
    let patch = TeamPatch {
        rpm: Some(Some(7)),
        ..TeamPatch::default()
    };
    teams::update(&place.db, &scope, patch).await.unwrap();
    until(async || keys.verify(&kept.shown, now).await.unwrap().team_rates.rpm == Some(7)).await;
    teams::suspend(&place.db, &admin, scope.team_id(), now).await.unwrap();
    until(async || keys.verify(&kept.shown, now).await == Err(KeyRefusal::TeamSuspended)).await;
}

#[tokio::test]
async fn a_session_ended_or_a_user_disabled_elsewhere_opens_nothing_without_waiting_for_the_clock() {
    let Some(place) = shared().await else { return };
    let (auth, _, _signals) = listening(&place).await;
    let user = place.user("mara@example.com").await.person;
    let admin = place.admin("root@example.com").await.person;
    let visitor = visitor("203.0.113.7", clock::now_ms());
    let now = visitor.now_ms;
    let mut cookies = Vec::new();
    for _ in 0..2 {
        let signed_in = place.auth.log_in(&user.email, PASSWORD, &visitor).await.unwrap();
        assert!(auth.verify_session(&signed_in.cookie, now).await.unwrap().is_some());
        cookies.push(signed_in);
    }
    let token = place.auth.create_token(&user, now).await.unwrap();
    assert!(auth.verify_token(&token.shown, now).await.unwrap().is_some());
    place.auth.log_out(&cookies[0].session, now).await.unwrap();
    until(async || auth.verify_session(&cookies[0].cookie, now).await.unwrap().is_none()).await;
    place.auth.disable_user(&admin, user.user_id, now).await.unwrap();
    until(async || auth.verify_session(&cookies[1].cookie, now).await.unwrap().is_none()).await;
    until(async || auth.verify_token(&token.shown, now).await.unwrap().is_none()).await;
}

#[tokio::test]
async fn a_price_set_elsewhere_is_read_when_it_is_told_of() {
    let Some(place) = shared().await else { return };
    let signals = Signals::start(&place.db).await.unwrap();
    let (here, there) = (
        Catalog::start(place.db.clone()).await.unwrap(),
        Catalog::start(place.db.clone()).await.unwrap(),
    );
    tokio::spawn(there.clone().watch(signals.clone(), NEVER));
    let new = NewModel {
        id: "ours".to_owned(),
        prices: Prices {
            input: "1".to_owned(),
            output: "2".to_owned(),
            ..Prices::default()
        },
        ..NewModel::default()
    };
    let admin = place.admin("root@example.com").await.person;
    here.add_model(&new, admin.user_id).await.unwrap();
    let sheet = PriceSheet::from_per_million("1", "2", None, None).unwrap();
    let is_known = async || {
        let price = there.price_at("ours", clock::now_ms());
        price.is_some_and(|(_, found)| *found == sheet)
    };
    until(is_known).await;
}

#[tokio::test]
async fn where_nothing_is_told_a_second_suffices() {
    for place in places().await {
        let (_, deaf) = place.elsewhere();
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let key = place.key(&scope, "lost", now).await;
        assert!(deaf.verify(&key.shown, now).await.is_ok());
        place.keys.revoke(&scope, key.row.key_id, now).await.unwrap();
        assert_eq!(deaf.verify(&key.shown, now + SECOND_MS).await, Err(KeyRefusal::Revoked));
        let (here, there) = (
            Catalog::start(place.db.clone()).await.unwrap(),
            Catalog::start(place.db.clone()).await.unwrap(),
        );
        tokio::spawn(there.clone().watch(Signals::default(), stamp::LOOK_EVERY));
        let admin = place.admin("root@example.com").await.person;
        let new = NewModel {
            id: "ours".to_owned(),
            prices: Prices {
                input: "1".to_owned(),
                output: "2".to_owned(),
                ..Prices::default()
            },
            ..NewModel::default()
        };
        here.add_model(&new, admin.user_id).await.unwrap();
        until(async || there.model("ours").is_some()).await;
    }
}
