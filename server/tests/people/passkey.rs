//! Passkeys: made, shown once each, for one site, one user and one purpose.

use crate::{
    authenticator::{Authenticator, PRESENT, text},
    harness::{PASSWORD, Place, places, visitor},
    mail::process,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use server::{
    auth::{AuthError, Person, Rp, Session, SignedIn},
    clock,
};

fn site() -> Rp {
    Rp::of("http://localhost:3000").unwrap()
}

async fn add(place: &Place, person: &Person, by: &mut Authenticator, now_ms: i64) -> Result<i64, AuthError> {
    let options = place.auth.passkey_creation(&site(), person, now_ms).await.unwrap();
    let made = by.create(&options);
    keep(place, person, &made, now_ms).await
}

async fn keep(place: &Place, person: &Person, made: &Value, now_ms: i64) -> Result<i64, AuthError> {
    let mail = process(place, None);
    let made = serde_json::from_value(made.clone()).unwrap();
    place
        .auth
        .add_passkey(
            &mail,
            (&site(), &session(place, person).await),
            (" Laptop ", &made),
            now_ms,
        )
        .await
}

/// A session of `person`, whichever of the passwords here they have.
async fn session(place: &Place, person: &Person) -> Session {
    let from = visitor("203.0.113.9", clock::now_ms());
    let opened = match place.auth.log_in(&person.email, PASSWORD, &from).await {
        Ok(opened) => opened,
        Err(_) => place.auth.log_in(&person.email, "sunlit-heron", &from).await.unwrap(),
    };
    opened.session
}

async fn options(place: &Place, now_ms: i64) -> Value {
    place.auth.passkey_request(&site(), None, now_ms).await.unwrap()
}

async fn show(place: &Place, shown: &Value, now_ms: i64) -> Result<SignedIn, AuthError> {
    let shown = serde_json::from_value(shown.clone()).unwrap();
    let from = visitor("203.0.113.7", now_ms);
    place.auth.log_in_by_passkey(&site(), &shown, &from).await
}

fn is_refused<T>(outcome: Result<T, AuthError>) -> bool {
    matches!(outcome, Err(AuthError::PasskeyRefused))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_its_owner_in_without_a_code_and_says_that_it_is_them() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let person = place.user("mara@example.com").await.person;
        let mut key = Authenticator::new("first");
        let id = add(&place, &person, &mut key, now_ms).await.unwrap();
        let again = place.auth.passkey_creation(&site(), &person, now_ms).await.unwrap();
        assert_eq!(again["excludeCredentials"][0]["id"], text("first"));
        let listed = place.auth.list_passkeys(&person).await.unwrap();
        assert_eq!(
            (listed.len(), listed[0].name.as_str(), listed[0].last_used_at_ms),
            (1, "Laptop", None)
        );

        let opened = show(&place, &key.get(&options(&place, now_ms).await), now_ms)
            .await
            .unwrap();
        assert_eq!(opened.session.person, person);
        let asked = place
            .auth
            .passkey_request(&site(), Some(&person), now_ms)
            .await
            .unwrap();
        assert_eq!(asked["allowCredentials"][0]["id"], text("first"));
        let shown = serde_json::from_value(key.get(&asked)).unwrap();
        let from = visitor("203.0.113.7", now_ms + 1);
        let renewed = place
            .auth
            .step_up_by_passkey(&site(), &opened.session, &shown, &from)
            .await;
        assert_ne!(renewed.unwrap().session.session_id, opened.session.session_id);
        assert!(
            place
                .auth
                .verify_session(&opened.cookie, now_ms)
                .await
                .unwrap()
                .is_none()
        );

        let mail = process(&place, None);
        let other = place.user("eve@example.com").await.person;
        let foreign = place.auth.remove_passkey(&mail, &other, id, now_ms).await;
        assert!(matches!(foreign, Err(AuthError::NotFound)));
        place.auth.remove_passkey(&mail, &person, id, now_ms).await.unwrap();
        assert!(is_refused(
            show(&place, &key.get(&options(&place, now_ms).await), now_ms).await
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_for_another_site_user_purpose_or_time_is_refused() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let mara = place.user("mara@example.com").await.person;
        let eve = place.user("eve@example.com").await.person;
        for make in [
            (|key| key.site = "evil.example".to_owned()) as fn(&mut Authenticator),
            |key| key.origin = "http://localhost:4000".to_owned(),
            |key| key.origin = "https://localhost:3000".to_owned(),
            |key| key.flags = PRESENT,
            |key| key.flags = 0,
            |key| key.kind = Some("payment.get"),
            |key| key.is_framed = true,
        ] {
            let mut key = Authenticator::new("wrong");
            make(&mut key);
            assert!(is_refused(add(&place, &mara, &mut key, now_ms).await));
            let mut key = Authenticator::new(&format!(
                "right {}",
                place.auth.list_passkeys(&mara).await.unwrap().len()
            ));
            add(&place, &mara, &mut key, now_ms).await.unwrap();
            make(&mut key);
            assert!(is_refused(
                show(&place, &key.get(&options(&place, now_ms).await), now_ms).await
            ));
        }
        let mut key = Authenticator::new("mara's");
        let asked = place.auth.passkey_creation(&site(), &eve, now_ms).await.unwrap();
        assert!(
            is_refused(keep(&place, &mara, &key.create(&asked), now_ms).await),
            "asked of another"
        );
        let asked = options(&place, now_ms).await;
        let creation = json!({"challenge": asked["challenge"], "user": {"id": ""}});
        assert!(
            is_refused(keep(&place, &mara, &key.create(&creation), now_ms).await),
            "for another purpose"
        );
        add(&place, &mara, &mut key, now_ms).await.unwrap();
        let of_mara = key.user.clone();
        assert!(
            is_refused(add(&place, &eve, &mut key, now_ms).await),
            "a passkey is one user's"
        );
        key.user = of_mara;

        let answer = key.get(&options(&place, now_ms).await);
        assert!(
            is_refused(show(&place, &answer, now_ms + 15 * 60_000).await),
            "too late"
        );
        assert!(is_refused(show(&place, &answer, now_ms - 1).await), "from the future");
        let forged = json!({"challenge": text([0; 56])});
        assert!(is_refused(show(&place, &key.get(&forged), now_ms).await));
        for (part, value) in [
            ("signature", text("forged")),
            ("user", text("other")),
            ("id", text("no such")),
        ] {
            let mut answer = key.get(&options(&place, now_ms).await);
            answer[part] = json!(value);
            assert!(is_refused(show(&place, &answer, now_ms).await), "{part}");
        }
        let from = visitor("203.0.113.7", now_ms);
        let session = place
            .auth
            .log_in("eve@example.com", PASSWORD, &from)
            .await
            .unwrap()
            .session;
        let by_mara = place
            .auth
            .log_in("mara@example.com", PASSWORD, &from)
            .await
            .unwrap()
            .session;
        let asked = place.auth.passkey_creation(&site(), &mara, now_ms).await.unwrap();
        let shown = serde_json::from_value(key.get(&asked)).unwrap();
        let made_for_another = place.auth.step_up_by_passkey(&site(), &by_mara, &shown, &from).await;
        assert!(
            is_refused(made_for_another),
            "a challenge for a new passkey confirms nobody"
        );
        let asked = place.auth.passkey_request(&site(), Some(&eve), now_ms).await.unwrap();
        let shown = serde_json::from_value(key.get(&asked)).unwrap();
        let foreign = place.auth.step_up_by_passkey(&site(), &session, &shown, &from).await;
        assert!(is_refused(foreign), "another user's passkey confirms nobody");
        show(&place, &answer, now_ms).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_whichever_processes_it_is_shown_to_and_a_copy_is_noticed() {
    for place in places().await {
        let now_ms = clock::now_ms();
        let person = place.user("mara@example.com").await.person;
        let mut key = Authenticator::new("first");
        add(&place, &person, &mut key, now_ms).await.unwrap();
        let answer = key.get(&options(&place, now_ms).await);
        let processes: Vec<_> = (0..8).map(|_| place.elsewhere().0).collect();
        let (rp, from) = (site(), visitor("203.0.113.7", now_ms));
        let shown = serde_json::from_value(answer).unwrap();
        let tries = processes.iter().map(|auth| auth.log_in_by_passkey(&rp, &shown, &from));
        let won = join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(won, 1);
        place.auth.prune_challenges(now_ms + 1).await.unwrap();
        assert!(
            is_refused(place.auth.log_in_by_passkey(&rp, &shown, &from).await),
            "still remembered"
        );

        key.count = 7;
        show(&place, &key.get(&options(&place, now_ms).await), now_ms)
            .await
            .unwrap();
        for count in [7, 3, 0] {
            key.count = count;
            assert!(
                is_refused(show(&place, &key.get(&options(&place, now_ms).await), now_ms).await),
                "{count}"
            );
        }
        key.count = 8;
        show(&place, &key.get(&options(&place, now_ms).await), now_ms)
            .await
            .unwrap();
        let admin = place.admin("root@example.com").await.person;
        place.auth.disable_user(&admin, person.user_id, now_ms).await.unwrap();
        key.count = 9;
        let kept_out = show(&place, &key.get(&options(&place, now_ms).await), now_ms).await;
        assert!(matches!(kept_out, Err(AuthError::Suspended)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_made_once_by_an_answer_and_in_a_session_that_still_holds() {
    for place in places().await {
        let (mail, now_ms) = (process(&place, None), clock::now_ms());
        let person = place.user("mara@example.com").await.person;
        let mut key = Authenticator::new("first");
        let options = place.auth.passkey_creation(&site(), &person, now_ms).await.unwrap();
        let made = key.create(&options);
        let id = keep(&place, &person, &made, now_ms).await.unwrap();
        place.auth.remove_passkey(&mail, &person, id, now_ms).await.unwrap();
        assert!(is_refused(keep(&place, &person, &made, now_ms).await), "spent");

        let ended = session(&place, &person).await;
        place.auth.log_out(&ended, now_ms).await.unwrap();
        let options = place.auth.passkey_creation(&site(), &person, now_ms).await.unwrap();
        let made = serde_json::from_value(key.create(&options)).unwrap();
        let theirs = (&site(), &ended);
        let late = place.auth.add_passkey(&mail, theirs, ("Late", &made), now_ms).await;
        assert!(matches!(late, Err(AuthError::LinkRefused)));
        assert!(place.auth.list_passkeys(&person).await.unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_proves_an_address_that_nobody_had_proven_ends_the_ways_in_of_who_took_it() {
    for place in places().await {
        let (mail, now_ms) = (process(&place, None), clock::now_ms());
        let person = place.user("mara@example.com").await.person;
        let mut key = Authenticator::new("squatter");
        for is_left in [false, true] {
            add(&place, &person, &mut key, now_ms).await.unwrap();
            place.auth.send_reset(&mail, "mara@example.com", now_ms).await.unwrap();
            let newest = mail.list(None, 1).await.unwrap();
            let text = mail.open(newest[0].id).await.unwrap().1.unwrap().text;
            let token = text.split("token=").nth(1).unwrap().split_whitespace().next().unwrap();
            place
                .auth
                .reset_password(&mail, token, "sunlit-heron", now_ms)
                .await
                .unwrap();
            let shown = show(&place, &key.get(&options(&place, now_ms).await), now_ms).await;
            assert_eq!(shown.is_ok(), is_left);
        }
    }
}
