//! Teams, members and who may do what in them.

use crate::harness::{PASSWORD, places};
use server::auth::NewUser;
use server::clock;
use server::teams::{self, MemberPatch, Right, Role, TeamError, TeamPatch};

#[tokio::test]
async fn a_foreign_team_is_not_found_and_never_forbidden() {
    for place in places().await {
        let (mara, maras) = place.owner("mara@example.com").await;
        let (jonas, jonas_scope) = place.owner("jonas@example.com").await;
        let foreign = teams::scope(&place.db, &jonas, maras.team_id()).await;
        assert!(matches!(foreign, Err(TeamError::NotFound)));
        let missing = teams::scope(&place.db, &jonas, 12_345).await;
        assert!(matches!(missing, Err(TeamError::NotFound)));
        let member = teams::update_member(&place.db, &jonas_scope, mara.user_id, MemberPatch::default()).await;
        assert!(matches!(member, Err(TeamError::NotFound)));
        let removed = teams::remove_member(&place.db, &jonas_scope, mara.user_id).await;
        assert!(matches!(removed, Err(TeamError::NotFound)));
    }
}

#[tokio::test]
async fn a_platform_admin_gets_into_every_team_and_others_see_only_their_own() {
    for place in places().await {
        let (mara, scope) = place.owner("mara@example.com").await;
        let admin = place.admin("root@example.com").await.person;
        let by_admin = teams::scope(&place.db, &admin, scope.team_id()).await.unwrap();
        assert!(by_admin.may(Right::ManageOwners));
        assert!(matches!(
            teams::scope(&place.db, &admin, 12_345).await,
            Err(TeamError::NotFound)
        ));
        assert_eq!(
            teams::list_all(&place.db, &admin, None, None, 10).await.unwrap().len(),
            2
        );
        assert_eq!(teams::list_mine(&place.db, &mara).await.unwrap().len(), 1);
        assert!(matches!(
            teams::list_all(&place.db, &mara, None, None, 10).await,
            Err(TeamError::Forbidden)
        ));
    }
}

#[tokio::test]
async fn settings_are_checked_changed_cleared_and_kept() {
    for place in places().await {
        let (_, scope) = place.owner("mara@example.com").await;
        let patch = TeamPatch {
            name: Some("  Lind & Co ".into()),
            time_zone: Some("Europe/Berlin".into()),
            cap_day: Some(Some(5_000_000_000)),
            rpm: Some(Some(60)),
            ..TeamPatch::default()
        };
        let (before, after) = teams::update(&place.db, &scope, patch).await.unwrap();
        assert_eq!((before.name.as_str(), before.cap_day), ("mara", None));
        assert_eq!(
            (after.name.as_str(), after.time_zone.as_str()),
            ("Lind & Co", "Europe/Berlin")
        );
        let patch = TeamPatch {
            cap_day: Some(None),
            ..TeamPatch::default()
        };
        teams::update(&place.db, &scope, patch).await.unwrap();
        let bad = TeamPatch {
            name: Some("x".into()),
            cap_month: Some(Some(-1)),
            ..TeamPatch::default()
        };
        assert!(matches!(
            teams::update(&place.db, &scope, bad).await,
            Err(TeamError::Invalid(_))
        ));
        let now = teams::get(&place.db, &scope).await.unwrap();
        assert_eq!((now.name.as_str(), now.cap_day, now.rpm), ("Lind & Co", None, Some(60)));
    }
}

#[tokio::test]
async fn members_and_viewers_change_neither_team_nor_members() {
    for place in places().await {
        let (mara, scope) = place.owner("mara@example.com").await;
        for (email, role) in [("jonas@example.com", Role::Member), ("vera@example.com", Role::Viewer)] {
            let (person, theirs) = place.join(email, scope.team_id(), role).await;
            let patch = TeamPatch {
                name: Some("Mine".into()),
                ..TeamPatch::default()
            };
            assert!(matches!(
                teams::update(&place.db, &theirs, patch).await,
                Err(TeamError::Forbidden)
            ));
            let promote = MemberPatch {
                role: Some("owner".into()),
                ..MemberPatch::default()
            };
            let promoted = teams::update_member(&place.db, &theirs, person.user_id, promote).await;
            assert!(matches!(promoted, Err(TeamError::Forbidden)));
            let removed = teams::remove_member(&place.db, &theirs, mara.user_id).await;
            assert!(matches!(removed, Err(TeamError::Forbidden)));
        }
        assert_eq!(teams::list_members(&place.db, &scope).await.unwrap().len(), 3);
    }
}

#[tokio::test]
async fn an_admin_manages_members_but_makes_and_unmakes_no_owner() {
    for place in places().await {
        let (mara, scope) = place.owner("mara@example.com").await;
        let (anna, annas) = place.join("anna@example.com", scope.team_id(), Role::Admin).await;
        let (jonas, _) = place.join("jonas@example.com", scope.team_id(), Role::Member).await;
        let caps = MemberPatch {
            role: Some("viewer".into()),
            cap_day: Some(Some(7)),
            cap_month: None,
            ..MemberPatch::default()
        };
        let (before, after) = teams::update_member(&place.db, &annas, jonas.user_id, caps)
            .await
            .unwrap();
        assert_eq!(
            (before.role, after.role, after.cap_day),
            (Role::Member, Role::Viewer, Some(7))
        );
        let owner = |name: &str| MemberPatch {
            role: Some(name.into()),
            ..MemberPatch::default()
        };
        let promoted = teams::update_member(&place.db, &annas, anna.user_id, owner("owner")).await;
        assert!(matches!(promoted, Err(TeamError::Forbidden)));
        let demoted = teams::update_member(&place.db, &annas, mara.user_id, owner("viewer")).await;
        assert!(matches!(demoted, Err(TeamError::Forbidden)));
        assert!(matches!(
            teams::remove_member(&place.db, &annas, mara.user_id).await,
            Err(TeamError::Forbidden)
        ));
        let unknown = teams::update_member(&place.db, &annas, jonas.user_id, owner("root")).await;
        assert!(matches!(unknown, Err(TeamError::Invalid(_))));
        teams::remove_member(&place.db, &annas, jonas.user_id).await.unwrap();
        assert!(matches!(
            teams::scope(&place.db, &jonas, scope.team_id()).await,
            Err(TeamError::NotFound)
        ));
    }
}

#[tokio::test]
async fn two_owners_who_demote_each_other_at_once_leave_one() {
    for place in places().await {
        let (mara, maras) = place.owner("mara@example.com").await;
        let (jonas, jonas_scope) = place.join("jonas@example.com", maras.team_id(), Role::Owner).await;
        let demote = || MemberPatch {
            role: Some("member".into()),
            ..MemberPatch::default()
        };
        let both = tokio::join!(
            teams::update_member(&place.db, &maras, jonas.user_id, demote()),
            teams::update_member(&place.db, &jonas_scope, mara.user_id, demote())
        );
        assert!(both.0.is_ok() != both.1.is_ok(), "{both:?}");
        let refused = both.0.err().or(both.1.err()).unwrap();
        assert!(matches!(refused, TeamError::LastOwner), "{refused:?}");
        let members = teams::list_members(&place.db, &maras).await.unwrap();
        assert_eq!(members.iter().filter(|member| member.role == Role::Owner).count(), 1);
    }
}

#[tokio::test]
async fn only_a_platform_admin_suspends_a_team() {
    for place in places().await {
        let (mara, scope) = place.owner("mara@example.com").await;
        let now = clock::now_ms();
        let by_owner = teams::suspend(&place.db, &mara, scope.team_id(), now).await;
        assert!(matches!(by_owner, Err(TeamError::Forbidden)));
        let new = NewUser {
            email: "root@example.com",
            password: PASSWORD,
        };
        let admin = place.auth.create_user(new, true, now).await.unwrap().person;
        teams::suspend(&place.db, &admin, scope.team_id(), now).await.unwrap();
        assert_eq!(teams::get(&place.db, &scope).await.unwrap().suspended_at_ms, Some(now));
        teams::resume(&place.db, &admin, scope.team_id()).await.unwrap();
        assert_eq!(teams::get(&place.db, &scope).await.unwrap().suspended_at_ms, None);
        assert!(matches!(
            teams::suspend(&place.db, &admin, 12_345, now).await,
            Err(TeamError::NotFound)
        ));
    }
}
