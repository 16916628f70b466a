//! Signing up and in, sessions, tokens, the first admin.

use crate::{
    harness::{DAY_MS, PASSWORD, Place, SECOND_MS, places, visitor},
    mail::process,
};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, PaginatorTrait, QueryFilter, Statement,
    TransactionTrait,
};
use server::auth::{
    ABSOLUTE_MS, AuthError, CONFIRMED_MS, IDLE_MS, Linked, NewUser, Person, ProviderKind, SignedIn, UserMade, Vouched,
};
use server::fields::Reason;
use server::{cli, clock, teams};

async fn sign_up(place: &Place, email: &str, is_first: bool) -> Result<(SignedIn, UserMade), AuthError> {
    let new = NewUser {
        email,
        password: PASSWORD,
    };
    place
        .auth
        .sign_up(new, &visitor("203.0.113.7", clock::now_ms()), is_first)
        .await
}

async fn log_in(place: &Place, email: &str, password: &str) -> Result<SignedIn, AuthError> {
    place
        .auth
        .log_in(email, password, &visitor("203.0.113.7", clock::now_ms()))
        .await
}

async fn opens(place: &Place, cookie: &str, now_ms: i64) -> Option<Person> {
    place
        .auth
        .verify_session(cookie, now_ms)
        .await
        .unwrap()
        .map(|session| session.person)
}

#[tokio::test]
async fn signing_up_makes_a_user_a_team_and_a_session_at_once() {
    for place in places().await {
        let (signed_in, made) = sign_up(&place, " Mara.Lind@Example.com", false).await.unwrap();
        assert_eq!(
            opens(&place, &signed_in.cookie, clock::now_ms()).await,
            Some(made.person.clone())
        );
        assert_eq!(made.person.email, "mara.lind@example.com");
        let mine = teams::list_mine(&place.db, &made.person).await.unwrap();
        assert_eq!(mine.len(), 1);
        assert_eq!((mine[0].0.team_id, mine[0].1), (made.team_id, teams::Role::Owner));
        assert_eq!(mine[0].0.name, "mara.lind");
    }
}

#[tokio::test]
async fn a_refused_sign_up_leaves_nothing_behind() {
    for place in places().await {
        sign_up(&place, "mara@example.com", false).await.unwrap();
        let again = sign_up(&place, "MARA@example.com", false).await;
        assert!(matches!(again, Err(AuthError::EmailTaken)));
        assert_eq!(entity::team::Entity::find().count(&place.db).await.unwrap(), 1);

        let new = NewUser {
            email: "nobody",
            password: "password1",
        };
        let Err(AuthError::Invalid(errors)) = place
            .auth
            .sign_up(new, &visitor("203.0.113.7", clock::now_ms()), false)
            .await
        else {
            panic!("accepted")
        };
        let fields: Vec<_> = errors.0.iter().map(|error| error.field).collect();
        assert_eq!(fields, ["email", "password"]);
        assert_eq!(errors.0[1].reason, Reason::CommonPassword);
    }
}

#[tokio::test]
async fn an_unknown_user_gets_the_answer_and_the_work_of_a_wrong_password() {
    for place in places().await {
        let known = place.user("mara@example.com").await.person;
        let admin = place.admin("root@example.com").await.person;
        let gone = place.user("gone@example.com").await.person;
        place
            .auth
            .disable_user(&admin, gone.user_id, clock::now_ms())
            .await
            .unwrap();
        let without = place.user("by-passkey@example.com").await.person;
        let emptied = format!("UPDATE \"user\" SET password_hash = '' WHERE id = {}", without.user_id);
        place.db.execute_unprepared(&emptied).await.unwrap();
        let tries = [
            (known.email.as_str(), "wrong-otter"),
            ("unknown@example.com", PASSWORD),
            ("not an address", PASSWORD),
            (gone.email.as_str(), PASSWORD),
            (without.email.as_str(), PASSWORD),
            (without.email.as_str(), ""),
        ];
        for (email, password) in tries {
            let before = place.auth.password_hashes();
            let answer = log_in(&place, email, password).await;
            assert!(matches!(answer, Err(AuthError::WrongCredentials)), "{email}");
            assert_eq!(place.auth.password_hashes() - before, 1, "{email}");
        }
        assert!(log_in(&place, " MARA@example.com ", PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn guessing_is_throttled_before_any_work_and_alike_for_unknown_accounts() {
    for place in places().await {
        place.user("mara@example.com").await;
        for email in ["mara@example.com", "unknown@example.com"] {
            for _ in 0..10 {
                assert!(matches!(
                    log_in(&place, email, "wrong-otter").await,
                    Err(AuthError::WrongCredentials)
                ));
            }
            let before = place.auth.password_hashes();
            let Err(AuthError::Throttled { retry_after_s }) = log_in(&place, email, PASSWORD).await else {
                panic!("{email} is not throttled")
            };
            assert!((1..=900).contains(&retry_after_s));
            assert_eq!(place.auth.password_hashes(), before);
        }
        place.user("jonas@example.com").await;
        assert!(log_in(&place, "jonas@example.com", PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_longer_than_any_address_or_password_is_wrong_without_work_and_counts_for_nobody() {
    for place in places().await {
        place.user("mara@example.com").await;
        let (address, password) = (format!("{}@example.com", "m".repeat(2_000)), "p".repeat(100_000));
        let before = place.auth.password_hashes();
        for _ in 0..12 {
            for (email, password) in [("mara@example.com", password.as_str()), (&address, PASSWORD)] {
                let answer = log_in(&place, email, password).await;
                assert!(matches!(answer, Err(AuthError::WrongCredentials)), "{answer:?}");
            }
        }
        assert_eq!(place.auth.password_hashes(), before);
        assert!(log_in(&place, "mara@example.com", PASSWORD).await.is_ok());
    }
}

#[tokio::test]
async fn who_knows_the_password_is_not_throttled_by_logging_in_often() {
    for place in places().await {
        place.user("mara@example.com").await;
        for _ in 0..12 {
            assert!(log_in(&place, "mara@example.com", PASSWORD).await.is_ok());
        }
    }
}

#[tokio::test]
async fn many_guesses_at_once_are_no_more_than_the_limit() {
    for place in places().await {
        place.user("mara@example.com").await;
        let guesses = (0..40).map(|_| log_in(&place, "mara@example.com", "wrong-otter"));
        let answers = futures_util::future::join_all(guesses).await;
        let tried = answers
            .iter()
            .filter(|answer| matches!(answer, Err(AuthError::WrongCredentials)))
            .count();
        assert_eq!(tried, 10);
    }
}

#[tokio::test]
async fn logging_out_ends_this_session_at_once_and_elsewhere_within_a_second() {
    for place in places().await {
        place.user("mara@example.com").await;
        let now = clock::now_ms();
        let (one, two) = (
            log_in(&place, "mara@example.com", PASSWORD).await,
            log_in(&place, "mara@example.com", PASSWORD).await,
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.session.session_id, two.session.session_id);
        let (elsewhere, _) = place.elsewhere();
        assert!(elsewhere.verify_session(&one.cookie, now).await.unwrap().is_some());
        assert!(opens(&place, &one.cookie, now).await.is_some());
        place.auth.log_out(&one.session, now).await.unwrap();
        assert_eq!(opens(&place, &one.cookie, now).await, None);
        assert!(opens(&place, &two.cookie, now).await.is_some());
        assert!(
            elsewhere
                .verify_session(&one.cookie, now + SECOND_MS)
                .await
                .unwrap()
                .is_none()
        );
    }
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_and_at_the_latest_after_its_lifetime() {
    for place in places().await {
        place.user("mara@example.com").await;
        let idle = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let start = idle.session.created_at_ms;
        assert_eq!(opens(&place, &idle.cookie, start + IDLE_MS).await, None);

        let used = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let start = used.session.created_at_ms;
        for day in [10, 20, 29] {
            assert!(
                opens(&place, &used.cookie, start + day * DAY_MS).await.is_some(),
                "day {day}"
            );
        }
        assert_eq!(opens(&place, &used.cookie, start + ABSOLUTE_MS).await, None);
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_the_old_password() {
    for place in places().await {
        place.user("mara@example.com").await;
        let now = clock::now_ms();
        let mail = crate::mail::process(&place, None);
        let other = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let mine = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let from = visitor("203.0.113.7", now);
        let wrong = place
            .auth
            .change_password(&mail, &mine.session, ("wrong-otter", "moonlit-otter"), &from)
            .await;
        assert!(matches!(wrong, Err(AuthError::WrongCredentials)));
        let common = place
            .auth
            .change_password(&mail, &mine.session, (PASSWORD, "Password123"), &from)
            .await;
        assert!(matches!(common, Err(AuthError::Invalid(_))));
        assert!(opens(&place, &other.cookie, now).await.is_some());

        let changed = place
            .auth
            .change_password(&mail, &mine.session, (PASSWORD, "moonlit-otter"), &from)
            .await
            .unwrap();
        assert_eq!(opens(&place, &other.cookie, now).await, None);
        assert_eq!(opens(&place, &mine.cookie, now).await, None);
        assert!(opens(&place, &changed.cookie, now).await.is_some());
        assert!(log_in(&place, "mara@example.com", PASSWORD).await.is_err());
        assert!(log_in(&place, "mara@example.com", "moonlit-otter").await.is_ok());
    }
}

#[tokio::test]
async fn nobody_sees_or_ends_anothers_session_or_token() {
    for place in places().await {
        let mara = place.user("mara@example.com").await.person;
        let jonas = place.user("jonas@example.com").await.person;
        let now = clock::now_ms();
        let session = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let token = place.auth.create_token(&mara, now).await.unwrap();
        assert!(place.auth.list_sessions(&jonas, now).await.unwrap().is_empty());
        assert!(place.auth.list_tokens(&jonas).await.unwrap().is_empty());
        let ended = place.auth.revoke_session(&jonas, session.session.session_id, now).await;
        assert!(matches!(ended, Err(AuthError::NotFound)));
        let revoked = place.auth.revoke_token(&jonas, token.token_id, now).await;
        assert!(matches!(revoked, Err(AuthError::NotFound)));
        assert_eq!(opens(&place, &session.cookie, now).await, Some(mara.clone()));
        assert_eq!(
            place.auth.list_sessions(&mara, now).await.unwrap()[0].address,
            "203.0.113.7"
        );
        assert_eq!(place.auth.verify_token(&token.shown, now).await.unwrap(), Some(mara));
    }
}

#[tokio::test]
async fn a_disabled_user_is_out_everywhere() {
    for place in places().await {
        let admin = place.admin("root@example.com").await.person;
        let mara = place.user("mara@example.com").await.person;
        let now = clock::now_ms();
        let session = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let token = place.auth.create_token(&mara, now).await.unwrap();
        assert!(opens(&place, &session.cookie, now).await.is_some());
        assert!(place.auth.verify_token(&token.shown, now).await.unwrap().is_some());
        place.auth.disable_user(&admin, mara.user_id, now).await.unwrap();
        assert_eq!(opens(&place, &session.cookie, now).await, None);
        assert_eq!(place.auth.verify_token(&token.shown, now).await.unwrap(), None);
        let again = log_in(&place, "mara@example.com", PASSWORD).await;
        assert!(matches!(again, Err(AuthError::WrongCredentials)));
        place.auth.enable_user(&admin, mara.user_id).await.unwrap();
        assert!(place.auth.verify_token(&token.shown, now).await.unwrap().is_some());

        let by_mara = place.auth.disable_user(&mara, admin.user_id, now).await;
        assert!(matches!(by_mara, Err(AuthError::Forbidden)));
        let itself = place.auth.disable_user(&admin, admin.user_id, now).await;
        assert!(matches!(itself, Err(AuthError::Forbidden)));
    }
}

#[tokio::test]
async fn a_token_is_stored_as_a_hash_and_revoked_at_once() {
    for place in places().await {
        let mara = place.user("mara@example.com").await.person;
        let now = clock::now_ms();
        let token = place.auth.create_token(&mara, now).await.unwrap();
        let secret = &token.shown["mt-oh-".len() + 8..];
        let row = entity::management_token::Entity::find()
            .one(&place.db)
            .await
            .unwrap()
            .unwrap();
        assert!(
            !row.secret_hash
                .windows(8)
                .any(|part| secret.as_bytes().windows(8).any(|other| part == other))
        );
        assert!(token.shown.ends_with(&row.last_four));

        assert_eq!(
            place.auth.verify_token(&token.shown, now).await.unwrap(),
            Some(mara.clone())
        );
        let other = place.auth.create_token(&mara, now).await.unwrap();
        let mixed = format!("{}{}", &token.shown[..14], &other.shown[14..]);
        assert_eq!(place.auth.verify_token(&mixed, now).await.unwrap(), None);
        place.auth.revoke_token(&mara, token.token_id, now).await.unwrap();
        assert_eq!(place.auth.verify_token(&token.shown, now).await.unwrap(), None);
        assert_eq!(place.auth.verify_token(&other.shown, now).await.unwrap(), Some(mara));
    }
}

#[tokio::test]
async fn only_the_first_user_and_only_where_the_caller_allows_it_becomes_admin() {
    for place in places().await {
        let (_, made) = sign_up(&place, "remote@example.com", false).await.unwrap();
        assert!(!made.person.is_admin);
        let (_, made) = sign_up(&place, "local@example.com", true).await.unwrap();
        assert!(!made.person.is_admin, "somebody was there before");
    }
    for place in places().await {
        let (signed_in, made) = sign_up(&place, "local@example.com", true).await.unwrap();
        assert!(made.person.is_admin && signed_in.session.person.is_admin);
        assert!(
            opens(&place, &signed_in.cookie, clock::now_ms())
                .await
                .unwrap()
                .is_admin
        );
        let (_, second) = sign_up(&place, "second@example.com", true).await.unwrap();
        assert!(!second.person.is_admin);
    }
}

#[tokio::test]
async fn of_two_first_users_at_once_one_is_admin() {
    for place in places().await {
        let (one, two) = ("one@example.com", "two@example.com");
        let both = match place.db.get_database_backend() {
            DbBackend::Postgres => {
                // Neither can finish while the team table is locked, so neither sees the other's user.
                let lock = place.db.begin().await.unwrap();
                lock.execute_unprepared("LOCK TABLE team IN EXCLUSIVE MODE")
                    .await
                    .unwrap();
                let release = async {
                    while waiting(&place).await < 2 {
                        tokio::task::yield_now().await;
                    }
                    lock.commit().await.unwrap();
                };
                let (first, second, ()) = tokio::join!(sign_up(&place, one, true), sign_up(&place, two, true), release);
                (first, second)
            }
            _ => tokio::join!(sign_up(&place, one, true), sign_up(&place, two, true)),
        };
        let (first, second) = (both.0.unwrap().1.person, both.1.unwrap().1.person);
        assert!(first.is_admin != second.is_admin);
        let admins = entity::user::Entity::find().filter(entity::user::Column::IsAdmin.eq(true));
        assert_eq!(admins.count(&place.db).await.unwrap(), 1);
    }
}

/// How many transactions of this Postgres database wait for another.
async fn waiting(place: &Place) -> i64 {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let statement = Statement::from_string(DbBackend::Postgres, query);
    place
        .db
        .query_one_raw(statement)
        .await
        .unwrap()
        .unwrap()
        .try_get_by_index(0)
        .unwrap()
}

#[tokio::test]
async fn the_setup_link_makes_one_admin_once() {
    for place in places().await {
        let (signed_in, mara) = sign_up(&place, "mara@example.com", false).await.unwrap();
        let (_, jonas) = sign_up(&place, "jonas@example.com", false).await.unwrap();
        let now = clock::now_ms();
        assert!(!opens(&place, &signed_in.cookie, now).await.unwrap().is_admin);
        let old = place.auth.setup_token().await.unwrap().unwrap();
        let token = place.auth.setup_token().await.unwrap().unwrap();
        for wrong in ["", "wrong", &old] {
            let refused = place.auth.redeem_setup(wrong, &mara.person).await;
            assert!(matches!(refused, Err(AuthError::SetupRefused)), "{wrong}");
        }
        let row = entity::setting::Entity::find_by_id("setup_token")
            .one(&place.db)
            .await
            .unwrap()
            .unwrap();
        assert_ne!(row.value, token);

        let both = tokio::join!(
            place.auth.redeem_setup(&token, &mara.person),
            place.auth.redeem_setup(&token, &jonas.person)
        );
        assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
        assert!(both.1.is_ok() || opens(&place, &signed_in.cookie, now).await.unwrap().is_admin);
        let again = place.auth.redeem_setup(&token, &jonas.person).await;
        assert!(matches!(again, Err(AuthError::SetupRefused)));
        assert_eq!(place.auth.setup_token().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_setup_link_is_worthless_once_there_is_an_admin() {
    for place in places().await {
        let token = place.auth.setup_token().await.unwrap().unwrap();
        place.admin("root@example.com").await;
        let mara = place.user("mara@example.com").await.person;
        let refused = place.auth.redeem_setup(&token, &mara).await;
        assert!(matches!(refused, Err(AuthError::SetupRefused)));
    }
}

#[tokio::test]
async fn the_command_line_makes_users_passwords_and_tokens_and_leaves_a_record() {
    for place in places().await {
        let new = NewUser {
            email: "root@example.com",
            password: PASSWORD,
        };
        let line = cli::create_user(&place.db, &place.auth, new, true).await.unwrap();
        assert!(
            line.contains("root@example.com") && line.contains("usr_") && line.contains("team_"),
            "{line}"
        );
        let session = log_in(&place, "root@example.com", PASSWORD).await.unwrap();
        assert!(session.session.person.is_admin);

        let token = cli::create_token(&place.db, &place.auth, "Root@example.com")
            .await
            .unwrap();
        let (elsewhere, _) = place.elsewhere();
        let person = elsewhere.verify_token(&token, clock::now_ms()).await.unwrap().unwrap();
        assert_eq!(person.email, "root@example.com");
        let unknown = cli::create_token(&place.db, &place.auth, "nobody@example.com").await;
        assert!(matches!(unknown, Err(AuthError::NotFound)));

        cli::set_password(&place.db, &place.auth, "root@example.com", "moonlit-otter")
            .await
            .unwrap();
        assert_eq!(opens(&place, &session.cookie, clock::now_ms()).await, None);
        assert!(log_in(&place, "root@example.com", "moonlit-otter").await.is_ok());

        let log = server::audit::list(&place.db, None, None, 10).await.unwrap();
        let actions: Vec<_> = log.iter().map(|row| row.action.as_str()).collect();
        assert_eq!(actions, ["user.set_password", "token.create", "user.create"]);
        let text = format!("{log:?}");
        assert!(
            !text.contains("otter") && !text.contains(&token),
            "a secret is in the log"
        );
    }
}

#[tokio::test]
async fn a_database_that_fails_is_told_from_a_wrong_password() {
    for place in places().await {
        place.user("mara@example.com").await;
        place.db.close_by_ref().await.unwrap();
        let answer = log_in(&place, "mara@example.com", PASSWORD).await;
        assert!(
            matches!(
                answer,
                Err(AuthError::Database(
                    DbErr::ConnectionAcquire(_) | DbErr::Conn(_) | DbErr::Query(_)
                ))
            ),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn stepping_up_replaces_the_session_and_needs_the_password() {
    for place in places().await {
        place.user("mara@example.com").await;
        let old = log_in(&place, "mara@example.com", PASSWORD).await.unwrap();
        let later = old.session.created_at_ms + CONFIRMED_MS;
        assert!(old.session.is_confirmed(later - 1) && !old.session.is_confirmed(later));
        let from = visitor("203.0.113.7", later);
        let wrong = place.auth.step_up(&old.session, "wrong-otter", "", &from).await;
        assert!(matches!(wrong, Err(AuthError::WrongCredentials)));
        assert!(opens(&place, &old.cookie, later).await.is_some());
        let new = place.auth.step_up(&old.session, PASSWORD, "", &from).await.unwrap();
        assert!(new.session.is_confirmed(later));
        assert_eq!(opens(&place, &old.cookie, later).await, None);
        assert!(opens(&place, &new.cookie, later).await.is_some());
    }
}

#[tokio::test]
async fn ended_sessions_are_deleted_and_others_kept() {
    for place in places().await {
        place.user("mara@example.com").await;
        let session = log_in(&place, "mara@example.com", PASSWORD).await.unwrap().session;
        assert_eq!(place.auth.prune_sessions(session.expires_at_ms - 1).await.unwrap(), 0);
        assert_eq!(place.auth.prune_sessions(session.expires_at_ms).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_proven_address_links_nobody_by_a_service_that_does_not_run_its_mailbox() {
    for place in places().await {
        let mail = process(&place, None);
        place.user("mara@example.com").await;
        let proven = "UPDATE \"user\" SET email_verified_at = 1";
        place.db.execute_unprepared(proven).await.unwrap();
        let vouched = |is_authority| Vouched {
            provider: ProviderKind::Google,
            issuer: "https://accounts.google.com".to_owned(),
            subject: "1".to_owned(),
            email: "mara@example.com".to_owned(),
            is_verified: true,
            is_authority,
            is_anew: false,
        };
        let now_ms = clock::now_ms();
        let old = place.auth.find_vouched(&mail, &vouched(false), now_ms).await;
        assert!(matches!(old, Err(AuthError::LinkFirst(_))));
        assert_eq!(entity::identity::Entity::find().count(&place.db).await.unwrap(), 0);
        let found = place.auth.find_vouched(&mail, &vouched(true), now_ms).await.unwrap();
        assert!(matches!(found.unwrap().linked, Linked::Now(_)));
    }
}
