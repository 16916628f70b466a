//! The second factor: codes of an app, each once, and recovery codes.

use crate::{
    app::code,
    harness::{PASSWORD, Place, places, visitor},
    mail::process,
};
use futures_util::future::join_all;
use sea_orm::EntityTrait as _;
use server::{
    auth::{AuthError, Factor, Person, SignedIn},
    clock,
};

const STEP_MS: i64 = 30_000;

/// Logs in from an address of its own each time, so that only the account's throttle counts.
async fn log_in(place: &Place, typed: &str, now_ms: i64) -> Result<SignedIn, AuthError> {
    let from = visitor("203.0.113.7", now_ms);
    place.auth.log_in_with("mara@example.com", PASSWORD, typed, &from).await
}

/// Mara, her app's secret and her recovery codes; her app showed a code at `now_ms`.
async fn with_app(place: &Place, now_ms: i64) -> (Person, String, Vec<String>) {
    let mail = process(place, None);
    let person = place.user("mara@example.com").await.person;
    place.auth.begin_factor(&person, now_ms).await.unwrap();
    let secret = place
        .auth
        .enrolment(&person, "OurHub")
        .await
        .unwrap()
        .secret
        .expose()
        .to_owned();
    let typed = code(&secret, now_ms);
    let codes = place.auth.confirm_factor(&mail, &person, &typed, now_ms).await.unwrap();
    (person, secret, codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_asked_for_after_its_first_right_code_and_its_secret_is_sealed_and_shown_no_more() {
    for place in places().await {
        let mail = process(&place, None);
        let now_ms = clock::now_ms();
        let person = place.user("mara@example.com").await.person;
        place.auth.begin_factor(&person, now_ms).await.unwrap();
        let with = place.auth.enrolment(&person, "OurHub hub.x").await.unwrap();
        let secret = with.secret.expose().to_owned();
        assert!(
            with.uri.expose().contains(&format!("secret={secret}")),
            "{}",
            with.uri.expose()
        );
        log_in(&place, "", now_ms).await.unwrap();
        let wrong = place
            .auth
            .confirm_factor(&mail, &person, "000000", now_ms - 3_600_000)
            .await;
        assert!(matches!(wrong, Err(AuthError::Invalid(_))));
        assert_eq!(place.auth.factor(&person).await.unwrap(), Factor::Begun);

        let typed = format!(" {} ", code(&secret, now_ms));
        let codes = place.auth.confirm_factor(&mail, &person, &typed, now_ms).await.unwrap();
        assert_eq!(codes.len(), 10);
        let row = entity::second_factor::Entity::find()
            .one(&place.db)
            .await
            .unwrap()
            .unwrap();
        assert!(!String::from_utf8_lossy(&row.secret).contains(&secret));
        assert!(matches!(
            place.auth.enrolment(&person, "x").await,
            Err(AuthError::NotFound)
        ));
        assert!(matches!(
            place.auth.begin_factor(&person, now_ms).await,
            Err(AuthError::FactorIsOn)
        ));
        assert!(matches!(
            log_in(&place, "", now_ms).await,
            Err(AuthError::WrongCredentials)
        ));
        let replayed = log_in(&place, &code(&secret, now_ms), now_ms).await;
        assert!(replayed.is_err(), "the code that turned it on is used");
        let next_ms = now_ms + STEP_MS;
        log_in(&place, &code(&secret, next_ms), next_ms).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_works_once_whichever_processes_it_is_shown_to_at_once() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let (_, secret, codes) = with_app(&place, now_ms).await;
        let next_ms = now_ms + STEP_MS;
        for typed in [code(&secret, next_ms), codes[0].clone()] {
            let processes: Vec<_> = (0..8).map(|_| place.elsewhere().0).collect();
            let from = visitor("203.0.113.7", next_ms);
            let tries = processes
                .iter()
                .map(|auth| auth.log_in_with("mara@example.com", PASSWORD, &typed, &from));
            let won = join_all(tries).await.into_iter().filter(Result::is_ok).count();
            assert_eq!(won, 1, "{typed}");
        }
        let older = log_in(&place, &code(&secret, now_ms), next_ms).await;
        assert!(older.is_err(), "a code before the one that was used");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_stand_in_once_each_and_new_ones_replace_them() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let (person, _, codes) = with_app(&place, now_ms).await;
        let rows = entity::recovery_code::Entity::find().all(&place.db).await.unwrap();
        assert!(rows.iter().all(|row| row.code_hash.len() == 32));
        log_in(&place, &codes[3].to_uppercase().replace('-', " "), now_ms)
            .await
            .unwrap();
        assert!(log_in(&place, &codes[3], now_ms).await.is_err(), "used");
        let left = |factor| matches!(factor, Factor::On { codes_left, .. } if codes_left == 9);
        assert!(left(place.auth.factor(&person).await.unwrap()));
        let renewed = place.auth.renew_codes(&person).await.unwrap();
        assert!(log_in(&place, &codes[4], now_ms).await.is_err(), "replaced");
        log_in(&place, &renewed[4], now_ms).await.unwrap();
        let other = place.user("eve@example.com").await.person;
        let from = visitor("203.0.113.7", now_ms);
        place.auth.begin_factor(&other, now_ms).await.unwrap();
        place
            .auth
            .log_in_with("eve@example.com", PASSWORD, &renewed[5], &from)
            .await
            .unwrap();
        log_in(&place, &renewed[5], now_ms).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_tells_no_more_than_a_wrong_password_and_counts_as_one() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let (_, secret, _) = with_app(&place, now_ms).await;
        let next_ms = now_ms + STEP_MS;
        let from = visitor("203.0.113.7", next_ms);
        let good = code(&secret, next_ms);
        for (password, typed) in [("wrong-otter", good.as_str()), (PASSWORD, "000000"), (PASSWORD, "")] {
            let before = place.auth.password_hashes();
            let answer = place.auth.log_in_with("mara@example.com", password, typed, &from).await;
            assert!(matches!(answer, Err(AuthError::WrongCredentials)), "{typed}");
            assert_eq!(place.auth.password_hashes() - before, 1, "{typed}");
        }
        for _ in 3..10 {
            assert!(log_in(&place, "000000", next_ms).await.is_err());
        }
        let throttled = log_in(&place, &good, next_ms).await;
        assert!(matches!(throttled, Err(AuthError::Throttled { .. })), "guesses run out");
        let later_ms = next_ms + 15 * 60_000;
        log_in(&place, &code(&secret, later_ms), later_ms).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_confirms_a_session_in_place_of_the_password_and_makes_a_new_one() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let (_, secret, codes) = with_app(&place, now_ms).await;
        let session = log_in(&place, &codes[0], now_ms).await.unwrap();
        let from = visitor("203.0.113.7", now_ms + STEP_MS);
        let typed = code(&secret, from.now_ms);
        let stepped = place.auth.step_up(&session.session, "", &typed, &from).await.unwrap();
        assert_ne!(stepped.session.session_id, session.session.session_id);
        let replayed = place.auth.step_up(&stepped.session, "", &typed, &from).await;
        assert!(matches!(replayed, Err(AuthError::WrongCredentials)));
        let gone = place.auth.verify_session(&session.cookie, from.now_ms).await.unwrap();
        assert!(gone.is_none(), "the session before ended");
        place.auth.step_up(&stepped.session, PASSWORD, "", &from).await.unwrap();

        let plain = place.user("eve@example.com").await.person;
        let eve = place.auth.log_in(&plain.email, PASSWORD, &from).await.unwrap().session;
        let none = place.auth.step_up(&eve, "", "000000", &from).await;
        assert!(
            matches!(none, Err(AuthError::WrongCredentials)),
            "who has no app has no code"
        );
    }
}
