//! Links that are mailed: a new password, a new address, the end of a sign-up.

use crate::{
    harness::{PASSWORD, Place, places, visitor},
    mail::process,
};
use entity::proof;
use futures_util::future::join_all;
use sea_orm::EntityTrait as _;
use server::{
    auth::{AuthError, NewUser, Session, SignedIn},
    clock,
    mail::Mail,
};

const NEW: &str = "a-quite-new-otter";
const HOUR_MS: i64 = 3_600_000;

async fn log_in(place: &Place, email: &str, password: &str) -> Result<SignedIn, AuthError> {
    let visitor = visitor("203.0.113.7", clock::now_ms());
    place.auth.log_in(email, password, &visitor).await
}

/// To whom the newest mail is, and what it says.
async fn newest(mail: &Mail) -> (String, String) {
    let row = mail.list(None, 1).await.unwrap().remove(0);
    let written = mail.open(row.id).await.unwrap().1.unwrap();
    (row.recipient, written.text)
}

/// The token of the link in `text`.
fn token(text: &str) -> String {
    let token = text.split("token=").nth(1).unwrap_or_else(|| panic!("no link: {text}"));
    token.chars().take_while(char::is_ascii_alphanumeric).collect()
}

async fn reset_link(place: &Place, mail: &Mail, email: &str, now_ms: i64) -> String {
    place.auth.send_reset(mail, email, now_ms).await.unwrap().unwrap();
    let (to, text) = newest(mail).await;
    assert_eq!(to, email);
    token(&text)
}

async fn opens(place: &Place, session: &SignedIn) -> Option<Session> {
    place
        .auth
        .verify_session(&session.cookie, clock::now_ms())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_changed_once_by_the_newest_link_and_ends_every_session() {
    for place in places().await {
        let mail = process(&place, None);
        let mara = place.user("mara@example.com").await.person;
        let session = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let now_ms = clock::now_ms();
        let by_program = place.auth.create_token(&mara, now_ms).await.unwrap();
        let older = reset_link(&place, &mail, "mara@example.com", now_ms).await;
        let link = reset_link(&place, &mail, "mara@example.com", now_ms).await;
        for row in proof::Entity::find().all(&place.db).await.unwrap() {
            assert_ne!(row.token_hash, link.as_bytes(), "what is kept opens nothing");
        }
        let reset = async |link: &str, at_ms| place.auth.reset_password(&mail, link, NEW, at_ms).await;
        for (wrong, at_ms) in [
            (older.as_str(), now_ms),
            ("", now_ms),
            (link.as_str(), now_ms + HOUR_MS),
        ] {
            assert!(
                matches!(reset(wrong, at_ms).await, Err(AuthError::LinkRefused)),
                "{wrong}"
            );
        }
        let weak = place.auth.reset_password(&mail, &link, "password1", now_ms).await;
        assert!(
            matches!(weak, Err(AuthError::Invalid(_))),
            "the link still works after a weak password"
        );
        assert!(opens(&place, &session).await.is_some());
        reset(&link, now_ms).await.unwrap();
        assert!(opens(&place, &session).await.is_none(), "the session ended");
        let token = place.auth.verify_token(&by_program.shown, now_ms + 2_000).await;
        assert_eq!(token.unwrap(), None, "the token was revoked");
        assert!(
            matches!(reset(&link, now_ms).await, Err(AuthError::LinkRefused)),
            "used"
        );
        assert!(log_in(&place, "mara@example.com", PASSWORD).await.is_err());
        log_in(&place, "mara@example.com", NEW).await.unwrap();
        let (to, notice) = newest(&mail).await;
        assert!(
            to == "mara@example.com" && notice.contains("Your password was changed"),
            "{notice}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_one_link_at_once_one_gets_in() {
    for place in places().await {
        let mail = process(&place, None);
        place.user("mara@example.com").await;
        let link = reset_link(&place, &mail, "mara@example.com", clock::now_ms()).await;
        let processes: Vec<_> = (0..8).map(|_| place.elsewhere().0).collect();
        let tries = processes
            .iter()
            .map(|auth| auth.reset_password(&mail, &link, NEW, clock::now_ms()));
        let won = join_all(tries).await.into_iter().filter(Result::is_ok).count();
        assert_eq!(won, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_or_disabled_address_gets_no_mail_and_is_throttled_like_a_known_one() {
    for place in places().await {
        let mail = process(&place, None);
        let admin = place.admin("root@example.com").await.person;
        let gone = place.user("gone@example.com").await.person;
        place
            .auth
            .disable_user(&admin, gone.user_id, clock::now_ms())
            .await
            .unwrap();
        for email in ["nobody@example.com", "gone@example.com"] {
            assert_eq!(
                place.auth.send_reset(&mail, email, clock::now_ms()).await.unwrap(),
                None
            );
        }
        assert_eq!(mail.list(None, 10).await.unwrap(), []);
        for (at, email) in ["nobody@example.com", "root@example.com"].into_iter().enumerate() {
            for count in 0..6 {
                let visitor = visitor(&format!("203.0.{at}.{count}"), clock::now_ms());
                let asked = place.auth.ask_reset(email, &visitor);
                assert_eq!(asked.is_ok(), count < 5, "{email} {count}");
            }
        }
        assert!(matches!(
            place.auth.ask_reset("nobody", &visitor("203.0.113.9", clock::now_ms())),
            Err(AuthError::Invalid(_))
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_address_counts_once_its_link_is_opened_by_whose_it_is_and_the_old_one_is_told() {
    for place in places().await {
        let mail = process(&place, None);
        place.user("mara@example.com").await;
        place.user("eve@example.com").await;
        let mara = log_in(&place, "mara@example.com", PASSWORD).await.unwrap().session;
        let eve = log_in(&place, "eve@example.com", PASSWORD).await.unwrap().session;
        let now_ms = clock::now_ms();
        let from = visitor("203.0.113.7", now_ms);
        place
            .auth
            .ask_email(&mail, &mara, "Lind@example.com", &from)
            .await
            .unwrap();
        let (to, text) = newest(&mail).await;
        assert_eq!(to, "lind@example.com");
        let link = token(&text);
        let foreign = place.auth.confirm_email(&mail, &eve, &link, now_ms).await;
        assert!(matches!(foreign, Err(AuthError::LinkRefused)));
        let other_use = place.auth.reset_password(&mail, &link, NEW, now_ms).await;
        assert!(matches!(other_use, Err(AuthError::LinkRefused)));
        log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let reset = reset_link(&place, &mail, "mara@example.com", now_ms).await;
        place.auth.confirm_email(&mail, &mara, &link, now_ms).await.unwrap();
        let (to, notice) = newest(&mail).await;
        assert!(
            to == "mara@example.com" && notice.contains("lind@example.com"),
            "{notice}"
        );
        log_in(&place, "lind@example.com", PASSWORD).await.unwrap();
        assert!(log_in(&place, "mara@example.com", PASSWORD).await.is_err());
        let old = place.auth.reset_password(&mail, &reset, NEW, now_ms).await;
        assert!(
            matches!(old, Err(AuthError::LinkRefused)),
            "links to the old address work no more"
        );
        let used = place.auth.confirm_email(&mail, &mara, &link, now_ms).await;
        assert!(matches!(used, Err(AuthError::LinkRefused)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_another_user_is_refused_by_a_mail_to_them_alone() {
    for place in places().await {
        let mail = process(&place, None);
        place.user("mara@example.com").await;
        place.user("eve@example.com").await;
        let eve = log_in(&place, "eve@example.com", PASSWORD).await.unwrap().session;
        let from = visitor("203.0.113.7", clock::now_ms());
        place
            .auth
            .ask_email(&mail, &eve, "mara@example.com", &from)
            .await
            .unwrap();
        let (to, text) = newest(&mail).await;
        assert!(to == "mara@example.com" && !text.contains("token="), "{text}");

        place
            .auth
            .ask_email(&mail, &eve, "new@example.com", &from)
            .await
            .unwrap();
        let link = token(&newest(&mail).await.1);
        place.user("new@example.com").await;
        let taken = place.auth.confirm_email(&mail, &eve, &link, clock::now_ms()).await;
        assert!(matches!(taken, Err(AuthError::EmailTaken)), "somebody was faster");
        log_in(&place, "eve@example.com", PASSWORD).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_addresses_are_proven_a_known_one_gets_the_answer_and_the_work_of_an_unknown_one() {
    for place in places().await {
        let mail = process(&place, None);
        place.user("mara@example.com").await;
        let from = visitor("203.0.113.7", clock::now_ms());
        for email in ["mara@example.com", "new@example.com"] {
            let before = place.auth.password_hashes();
            let new = NewUser { email, password: NEW };
            place.auth.begin_sign_up(&mail, new, &from).await.unwrap();
            assert_eq!(place.auth.password_hashes() - before, 1, "{email}");
            assert_eq!(newest(&mail).await.0, email);
        }
        assert!(
            log_in(&place, "new@example.com", NEW).await.is_err(),
            "nobody before the link"
        );
        let link = token(&newest(&mail).await.1);
        let led = place.auth.finish_sign_up(&link, "not-my-password", &from).await;
        assert!(
            matches!(led, Err(AuthError::WrongCredentials)),
            "a link alone lets nobody in"
        );
        let (opened, _) = place.auth.finish_sign_up(&link, NEW, &from).await.unwrap();
        assert!(opens(&place, &opened).await.is_some());
        let again = place.auth.finish_sign_up(&link, NEW, &from).await;
        assert!(matches!(again, Err(AuthError::LinkRefused)));
        assert!(
            log_in(&place, "mara@example.com", PASSWORD).await.is_ok(),
            "a known user is as before"
        );
    }
}
