//! Keys: what is stored, what opens, who may change them.

use crate::harness::{DAY_MS, SECOND_MS, places};
use gateway_core::ledger::Caps;
use gateway_core::money::Nano;
use sea_orm::{ConnectionTrait, EntityTrait};
use server::clock;
use server::keys::{KeyError, KeyPatch, KeyRefusal, KeySettings, KeyState, OVERLAP_DEFAULT_S, OVERLAP_MAX_S, Rates};
use server::teams::{self, MemberPatch, Role, TeamPatch};

#[tokio::test]
async fn a_new_key_opens_with_everything_a_request_needs_to_know() {
    for place in places().await {
        let (mara, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let patch = TeamPatch {
            time_zone: Some("Europe/Berlin".into()),
            cap_month: Some(Some(900)),
            rpm: Some(Some(600)),
            ..TeamPatch::default()
        };
        teams::update(&place.db, &scope, patch).await.unwrap();
        let caps = MemberPatch {
            cap_day: Some(Some(50)),
            ..MemberPatch::default()
        };
        teams::update_member(&place.db, &scope, mara.user_id, caps)
            .await
            .unwrap();
        let settings = KeySettings {
            member_id: Some(mara.user_id),
            models: vec!["gpt-5*".into()],
            caps: Caps {
                day: Some(Nano(5)),
                month: None,
                total: Some(Nano(70)),
            },
            rates: Rates {
                rpm: Some(60),
                tpm: None,
                max_in_flight: Some(4),
            },
            clamp: false,
            hosted_tools: true,
            expires_at_ms: Some(now + DAY_MS),
            allowed_ips: vec!["10.0.0.0/8".into()],
            ..KeySettings::named("ci agents")
        };
        let made = place.keys.create(&scope, settings.clone(), now).await.unwrap();
        assert_eq!(made.row.settings, settings);
        assert_eq!(made.row.state(now), KeyState::Live);
        let caller = place.keys.verify(&made.shown, now).await.unwrap();
        assert_eq!((caller.key_id(), caller.team_id()), (made.row.key_id, scope.team_id()));
        assert_eq!(caller.member_id(), Some(mara.user_id));
        assert_eq!(
            (caller.key_name.as_str(), caller.team_name.as_str()),
            ("ci agents", "mara")
        );
        assert_eq!(caller.payer.team_zone, "Europe/Berlin");
        assert_eq!(caller.payer.key, settings.caps);
        assert_eq!(caller.payer.team.month, Some(Nano(900)));
        assert_eq!(caller.payer.member.unwrap().caps.day, Some(Nano(50)));
        assert_eq!((caller.key_rates, caller.team_rates.rpm), (settings.rates, Some(600)));
        assert!(!caller.clamp && caller.hosted_tools);
        assert!(caller.allows_model("gpt-5-mini") && !caller.allows_model("gpt-4"));
        assert!(caller.allows_address("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!caller.allows_address("203.0.113.7".parse().unwrap()));
    }
}

#[tokio::test]
async fn the_secret_is_stored_as_a_hash_and_never_shown_again() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        let row = entity::key_secret::Entity::find()
            .one(&place.db)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(row.secret_hash.len(), 32);
        assert!(made.shown.ends_with(&row.last_four));
        let secret = &made.shown[14..46];
        let listed = place.keys.list(&scope, None, 10).await.unwrap();
        assert!(!format!("{listed:?} {row:?}").contains(secret));
        assert_ne!(row.secret_hash, secret.as_bytes());
        assert_eq!(listed[0].secrets[0].last_four, row.last_four);
    }
}

#[tokio::test]
async fn a_typo_is_refused_without_a_query_and_a_wrong_secret_tells_nothing() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        let other = place.key(&scope, "other", now).await;
        place.keys.revoke(&scope, made.row.key_id, now).await.unwrap();
        // The right public id with the secret of another key: well-formed only with its own checksum, so a typo.
        let mixed = format!("{}{}", &made.shown[..14], &other.shown[14..]);
        assert_eq!(place.keys.verify(&mixed, now).await.err(), Some(KeyRefusal::Malformed));
        assert_eq!(
            place.keys.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::Revoked)
        );

        let elsewhere = server::keys::Keys::new(place.db.clone(), &[1; 32]);
        assert_eq!(
            elsewhere.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::Unknown)
        );
        assert_eq!(
            elsewhere.verify(&other.shown, now).await.err(),
            Some(KeyRefusal::Unknown)
        );

        place.db.execute_unprepared("DROP TABLE key_secret").await.unwrap();
        let other_end = if made.shown.ends_with('x') { "y" } else { "x" };
        let typo = format!("{}{other_end}", &made.shown[..made.shown.len() - 1]);
        for text in [typo.as_str(), "", "sk-oh-", "sk-proj-abc", "mt-oh-abc"] {
            assert_eq!(
                place.keys.verify(text, now).await.err(),
                Some(KeyRefusal::Malformed),
                "{text}"
            );
        }
        let later = now + SECOND_MS;
        assert_eq!(
            place.keys.verify(&other.shown, later).await.err(),
            Some(KeyRefusal::Unavailable)
        );
    }
}

#[tokio::test]
async fn a_key_is_looked_up_once_a_second_and_so_is_one_that_does_not_exist() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        let (_, foreign) = place.elsewhere();
        let unknown = server::auth::credential::Fresh::random(server::keys::KEY_PREFIX)
            .unwrap()
            .shown;
        assert!(foreign.verify(&made.shown, now).await.is_ok());
        assert_eq!(foreign.verify(&unknown, now).await.err(), Some(KeyRefusal::Unknown));
        place.db.execute_unprepared("DROP TABLE key_secret").await.unwrap();
        assert!(foreign.verify(&made.shown, now + SECOND_MS - 1).await.is_ok());
        assert_eq!(
            foreign.verify(&unknown, now + SECOND_MS - 1).await.err(),
            Some(KeyRefusal::Unknown)
        );
        assert_eq!(
            foreign.verify(&made.shown, now + SECOND_MS).await.err(),
            Some(KeyRefusal::Unavailable)
        );
        assert_eq!(
            foreign.verify(&unknown, now + SECOND_MS).await.err(),
            Some(KeyRefusal::Unavailable)
        );
    }
}

#[tokio::test]
async fn revocation_works_at_once_here_within_a_second_elsewhere_and_for_good() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        let (_, elsewhere) = place.elsewhere();
        assert!(place.keys.verify(&made.shown, now).await.is_ok());
        assert!(elsewhere.verify(&made.shown, now).await.is_ok());
        place.keys.revoke(&scope, made.row.key_id, now).await.unwrap();
        assert_eq!(
            place.keys.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::Revoked)
        );
        assert_eq!(
            elsewhere.verify(&made.shown, now + SECOND_MS).await.err(),
            Some(KeyRefusal::Revoked)
        );

        assert!(matches!(
            place.keys.enable(&scope, made.row.key_id).await,
            Err(KeyError::Revoked)
        ));
        assert!(matches!(
            place.keys.revoke(&scope, made.row.key_id, now).await,
            Err(KeyError::Revoked)
        ));
        assert!(matches!(
            place.keys.rotate(&scope, made.row.key_id, 0, now).await,
            Err(KeyError::Revoked)
        ));
        let patch = KeyPatch {
            name: Some("again".into()),
            ..KeyPatch::default()
        };
        assert!(matches!(
            place.keys.update(&scope, made.row.key_id, patch, now).await,
            Err(KeyError::Revoked)
        ));
        assert!(place.keys.list(&scope, None, 10).await.unwrap().is_empty());
        assert_eq!(
            place.keys.get(&scope, made.row.key_id).await.unwrap().state(now),
            KeyState::Revoked
        );
        assert_eq!(place.keys.names(&scope).await.unwrap()[&made.row.key_id], "laptop");
    }
}

#[tokio::test]
async fn a_key_is_switched_off_and_on() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        assert!(place.keys.verify(&made.shown, now).await.is_ok());
        place.keys.disable(&scope, made.row.key_id, now).await.unwrap();
        place.keys.disable(&scope, made.row.key_id, now + 5).await.unwrap();
        assert_eq!(
            place.keys.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::Disabled)
        );
        assert_eq!(
            place.keys.get(&scope, made.row.key_id).await.unwrap().disabled_at_ms,
            Some(now)
        );
        place.keys.enable(&scope, made.row.key_id).await.unwrap();
        assert!(place.keys.verify(&made.shown, now).await.is_ok());
    }
}

#[tokio::test]
async fn a_key_ends_at_its_moment_and_a_patch_moves_it() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let settings = KeySettings {
            expires_at_ms: Some(now + 500),
            ..KeySettings::named("short")
        };
        let made = place.keys.create(&scope, settings, now).await.unwrap();
        assert!(place.keys.verify(&made.shown, now + 499).await.is_ok());
        assert_eq!(
            place.keys.verify(&made.shown, now + 500).await.err(),
            Some(KeyRefusal::Expired)
        );
        let past = KeyPatch {
            expires_at_ms: Some(Some(now)),
            ..KeyPatch::default()
        };
        assert!(matches!(
            place.keys.update(&scope, made.row.key_id, past, now + 1).await,
            Err(KeyError::Invalid(_))
        ));
        let cleared = KeyPatch {
            expires_at_ms: Some(None),
            ..KeyPatch::default()
        };
        let (before, after) = place.keys.update(&scope, made.row.key_id, cleared, now).await.unwrap();
        assert_eq!(
            (before.settings.expires_at_ms, after.settings.expires_at_ms),
            (Some(now + 500), None)
        );
        assert!(place.keys.verify(&made.shown, now + DAY_MS).await.is_ok());
    }
}

#[tokio::test]
async fn rotation_lets_both_secrets_open_the_same_key_for_the_overlap() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let settings = KeySettings {
            caps: Caps {
                total: Some(Nano(70)),
                ..Caps::default()
            },
            ..KeySettings::named("laptop")
        };
        let old = place.keys.create(&scope, settings, now).await.unwrap();
        let new = place
            .keys
            .rotate(&scope, old.row.key_id, OVERLAP_DEFAULT_S, now)
            .await
            .unwrap();
        assert_ne!(old.shown, new.shown);
        assert_eq!(new.row.secrets.len(), 2);
        for text in [&old.shown, &new.shown] {
            let caller = place.keys.verify(text, now + DAY_MS - 1).await.unwrap();
            assert_eq!(
                (caller.key_id(), caller.payer.key.total),
                (old.row.key_id, Some(Nano(70)))
            );
        }
        assert_eq!(
            place.keys.verify(&old.shown, now + DAY_MS).await.err(),
            Some(KeyRefusal::Expired)
        );
        assert!(place.keys.verify(&new.shown, now + DAY_MS).await.is_ok());
    }
}

#[tokio::test]
async fn a_second_rotation_ends_the_oldest_secret_and_no_overlap_ends_the_last_at_once() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let first = place.key(&scope, "laptop", now).await;
        let id = first.row.key_id;
        let second = place.keys.rotate(&scope, id, 3_600, now).await.unwrap();
        assert!(place.keys.verify(&first.shown, now).await.is_ok());
        let third = place.keys.rotate(&scope, id, 3_600, now + 1).await.unwrap();
        assert_eq!(
            place.keys.verify(&first.shown, now + 1).await.err(),
            Some(KeyRefusal::Expired)
        );
        assert!(place.keys.verify(&second.shown, now + 1).await.is_ok());
        let fourth = place.keys.rotate(&scope, id, 0, now + 2).await.unwrap();
        for ended in [&second.shown, &third.shown] {
            assert_eq!(place.keys.verify(ended, now + 2).await.err(), Some(KeyRefusal::Expired));
        }
        assert!(place.keys.verify(&fourth.shown, now + 2).await.is_ok());
        for overlap_s in [-1, OVERLAP_MAX_S + 1] {
            let refused = place.keys.rotate(&scope, id, overlap_s, now + 3).await;
            assert!(matches!(refused, Err(KeyError::Invalid(_))));
        }
    }
}

#[tokio::test]
async fn a_keys_rights_end_with_its_owners_and_its_teams() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let admin = place.admin("root@example.com").await.person;
        let (jonas, jonas_scope) = place.join("jonas@example.com", scope.team_id(), Role::Member).await;
        let now = clock::now_ms();
        let made = place.key(&jonas_scope, "jonas-laptop", now).await;
        let teams_own = place.key(&scope, "server", now).await;
        assert_eq!(made.row.settings.member_id, Some(jonas.user_id));
        assert!(place.keys.verify(&made.shown, now).await.is_ok());

        let role = |name: &str| MemberPatch {
            role: Some(name.into()),
            ..MemberPatch::default()
        };
        teams::update_member(&place.db, &scope, jonas.user_id, role("viewer"))
            .await
            .unwrap();
        place.keys.forget_team(scope.team_id());
        assert_eq!(
            place.keys.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::MemberGone)
        );
        teams::update_member(&place.db, &scope, jonas.user_id, role("member"))
            .await
            .unwrap();
        let mut now = now + SECOND_MS;
        assert!(place.keys.verify(&made.shown, now).await.is_ok());

        place.auth.disable_user(&admin, jonas.user_id, now).await.unwrap();
        now += SECOND_MS;
        assert_eq!(
            place.keys.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::MemberGone)
        );
        place.auth.enable_user(&admin, jonas.user_id).await.unwrap();
        now += SECOND_MS;
        assert!(place.keys.verify(&made.shown, now).await.is_ok());

        teams::suspend(&place.db, &admin, scope.team_id(), now).await.unwrap();
        now += SECOND_MS;
        for text in [&made.shown, &teams_own.shown] {
            assert_eq!(
                place.keys.verify(text, now).await.err(),
                Some(KeyRefusal::TeamSuspended)
            );
        }
        teams::resume(&place.db, &admin, scope.team_id()).await.unwrap();
        teams::remove_member(&place.db, &scope, jonas.user_id).await.unwrap();
        now += SECOND_MS;
        assert_eq!(
            place.keys.verify(&made.shown, now).await.err(),
            Some(KeyRefusal::MemberGone)
        );
        assert!(place.keys.verify(&teams_own.shown, now).await.is_ok());
    }
}

#[tokio::test]
async fn a_lowered_cap_counts_from_the_next_request_here() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        assert_eq!(place.keys.verify(&made.shown, now).await.unwrap().payer.key.day, None);
        let patch = KeyPatch {
            cap_day: Some(Some(Nano(3))),
            rpm: Some(Some(1)),
            ..KeyPatch::default()
        };
        place.keys.update(&scope, made.row.key_id, patch, now).await.unwrap();
        let caller = place.keys.verify(&made.shown, now).await.unwrap();
        assert_eq!((caller.payer.key.day, caller.key_rates.rpm), (Some(Nano(3)), Some(1)));
    }
}

#[tokio::test]
async fn another_teams_key_is_not_found_whatever_is_done_to_it() {
    for place in places().await {
        let (_, maras) = place.owner("mara@example.com").await;
        let (_, foreign) = place.owner("jonas@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&maras, "laptop", now).await;
        let id = made.row.key_id;
        let not_found = |result: Result<(), KeyError>| assert!(matches!(result, Err(KeyError::NotFound)));
        not_found(place.keys.get(&foreign, id).await.map(|_| ()));
        not_found(
            place
                .keys
                .update(&foreign, id, KeyPatch::default(), now)
                .await
                .map(|_| ()),
        );
        not_found(place.keys.rotate(&foreign, id, 0, now).await.map(|_| ()));
        not_found(place.keys.disable(&foreign, id, now).await);
        not_found(place.keys.enable(&foreign, id).await);
        not_found(place.keys.revoke(&foreign, id, now).await);
        assert!(place.keys.list(&foreign, None, 10).await.unwrap().is_empty());
        assert!(place.keys.names(&foreign).await.unwrap().is_empty());
        assert!(place.keys.verify(&made.shown, now).await.is_ok());
    }
}

#[tokio::test]
async fn a_member_manages_own_keys_and_loosens_none_that_was_made_for_them() {
    for place in places().await {
        let (mara, scope) = place.owner("mara@example.com").await;
        let (jonas, jonas_scope) = place.join("jonas@example.com", scope.team_id(), Role::Member).await;
        let now = clock::now_ms();
        let own = place.key(&jonas_scope, "own", now).await.row.key_id;
        let raise = || KeyPatch {
            cap_day: Some(Some(Nano(9))),
            ..KeyPatch::default()
        };
        let rename = || KeyPatch {
            name: Some("renamed".into()),
            ..KeyPatch::default()
        };
        place.keys.update(&jonas_scope, own, raise(), now).await.unwrap();
        place.keys.disable(&jonas_scope, own, now).await.unwrap();
        place.keys.enable(&jonas_scope, own).await.unwrap();

        let given = KeySettings {
            member_id: Some(jonas.user_id),
            ..KeySettings::named("given")
        };
        let given = place.keys.create(&scope, given, now).await.unwrap().row.key_id;
        place.keys.update(&jonas_scope, given, rename(), now).await.unwrap();
        let raised = place.keys.update(&jonas_scope, given, raise(), now).await;
        assert!(matches!(raised, Err(KeyError::Forbidden)));
        place.keys.disable(&jonas_scope, given, now).await.unwrap();
        assert!(matches!(
            place.keys.enable(&jonas_scope, given).await,
            Err(KeyError::Forbidden)
        ));

        let teams_own = place.key(&scope, "server", now).await.row.key_id;
        assert!(matches!(
            place.keys.update(&jonas_scope, teams_own, rename(), now).await,
            Err(KeyError::Forbidden)
        ));
        assert!(matches!(
            place.keys.rotate(&jonas_scope, teams_own, 0, now).await,
            Err(KeyError::Forbidden)
        ));
        assert!(matches!(
            place.keys.revoke(&jonas_scope, teams_own, now).await,
            Err(KeyError::Forbidden)
        ));
        let for_mara = KeySettings {
            member_id: Some(mara.user_id),
            ..KeySettings::named("theirs")
        };
        assert!(matches!(
            place.keys.create(&jonas_scope, for_mara, now).await,
            Err(KeyError::Forbidden)
        ));
        let to_team = KeyPatch {
            member_id: Some(None),
            ..KeyPatch::default()
        };
        assert!(matches!(
            place.keys.update(&jonas_scope, own, to_team, now).await,
            Err(KeyError::Forbidden)
        ));
    }
}

#[tokio::test]
async fn a_viewer_reads_and_has_no_keys() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let (vera, veras) = place.join("vera@example.com", scope.team_id(), Role::Viewer).await;
        let now = clock::now_ms();
        let made = place.key(&scope, "server", now).await;
        assert_eq!(place.keys.list(&veras, None, 10).await.unwrap().len(), 1);
        assert!(matches!(
            place.keys.revoke(&veras, made.row.key_id, now).await,
            Err(KeyError::Forbidden)
        ));
        let own = place.keys.create(&veras, KeySettings::named("mine"), now).await;
        assert!(matches!(own, Err(KeyError::Forbidden)));
        for stranger in [vera.user_id, 12_345] {
            let settings = KeySettings {
                member_id: Some(stranger),
                ..KeySettings::named("theirs")
            };
            assert!(matches!(
                place.keys.create(&scope, settings, now).await,
                Err(KeyError::Invalid(_))
            ));
        }
    }
}

#[tokio::test]
async fn keys_are_listed_in_pages_newest_first() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        for name in ["a", "b", "c"] {
            place.key(&scope, name, now).await;
        }
        let first = place.keys.list(&scope, None, 2).await.unwrap();
        let names: Vec<_> = first.iter().map(|row| row.settings.name.as_str()).collect();
        assert_eq!(names, ["c", "b"]);
        let rest = place.keys.list(&scope, Some(first[1].key_id), 2).await.unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(rest[0].settings.name, "a");
    }
}

#[tokio::test]
async fn when_a_key_was_used_is_written_later_and_once_a_minute() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let made = place.key(&scope, "laptop", now).await;
        let id = made.row.key_id;
        let last_used = async || place.keys.get(&scope, id).await.unwrap().last_used_at_ms;
        place.keys.verify(&made.shown, now).await.unwrap();
        assert_eq!(last_used().await, None);
        place.keys.flush_used(now).await.unwrap();
        assert_eq!(last_used().await, Some(now));
        place.keys.verify(&made.shown, now + 2 * SECOND_MS).await.unwrap();
        place.keys.flush_used(now + 2 * SECOND_MS).await.unwrap();
        assert_eq!(last_used().await, Some(now));
        place.keys.verify(&made.shown, now + 60 * SECOND_MS).await.unwrap();
        place.keys.flush_used(now + 60 * SECOND_MS).await.unwrap();
        assert_eq!(last_used().await, Some(now + 60 * SECOND_MS));
    }
}
