//! Deleting a user, with the teams they are in.

use crate::harness::{PASSWORD, Place, places, visitor};
use futures_util::future::join_all;
use sea_orm::{ActiveModelTrait as _, EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _};
use server::{
    auth::{AuthError, Person},
    clock,
    teams::{self, Role, TeamError},
};

/// Deletes `person` as the dashboard does.
async fn delete(place: &Place, person: &Person) -> Result<Vec<i64>, String> {
    let closed = teams::delete_oneself(&place.db, person, clock::now_ms()).await;
    place.auth.forget_user(person.user_id);
    closed.map_err(|error| error.to_string())
}

/// Gives the team an upstream account of its own.
async fn own_account(place: &Place, team_id: i64) {
    let row = entity::account::Model {
        id: clock::new_id(),
        team_id: Some(team_id),
        label: "own".to_owned(),
        provider: "custom".to_owned(),
        dialect: "chat".to_owned(),
        base_url: "https://api.example.com/v1".to_owned(),
        auth_scheme: "bearer".to_owned(),
        secret: vec![1],
        last_four: "1234".to_owned(),
        priority: 0,
        weight: 100,
        region: None,
        proxy_url: None,
        proxy_secret: None,
        every_model: true,
        rpm: None,
        tpm: None,
        max_in_flight: None,
        created_at: 0,
        disabled_at: None,
        parked_reason: None,
        last_error: None,
        last_error_at: None,
    };
    row.into_active_model().insert(&place.db).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_user_opens_nothing_and_their_own_team_is_suspended() {
    for place in places().await {
        place.admin("root@example.com").await;
        let made = place.user("mara@example.com").await;
        let person = made.person;
        let from = visitor("203.0.113.7", clock::now_ms());
        let session = place.auth.log_in(&person.email, PASSWORD, &from).await.unwrap();
        let token = place.auth.create_token(&person, clock::now_ms()).await.unwrap();
        own_account(&place, made.team_id).await;
        assert_eq!(delete(&place, &person).await, Ok(vec![made.team_id]));
        let kept = entity::account::Entity::find().count(&place.db).await.unwrap();
        assert_eq!(kept, 0, "the secret of its own account is gone with it");
        let now_ms = clock::now_ms();
        assert!(
            place
                .auth
                .verify_session(&session.cookie, now_ms)
                .await
                .unwrap()
                .is_none()
        );
        assert!(place.auth.verify_token(&token.shown, now_ms).await.unwrap().is_none());
        let refused = place.auth.log_in("mara@example.com", PASSWORD, &from).await;
        assert!(matches!(refused, Err(AuthError::WrongCredentials)));
        let team = entity::team::Entity::find_by_id(made.team_id)
            .one(&place.db)
            .await
            .unwrap()
            .unwrap();
        assert!(team.suspended_at.is_some());
        assert!(
            place.user("mara@example.com").await.person.user_id != person.user_id,
            "the address is free"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_owner_of_others_and_the_only_admin_stay_and_nothing_is_half_done() {
    for place in places().await {
        let root = place.admin("root@example.com").await.person;
        let (mara, scope) = place.owner("mara@example.com").await;
        let (jo, _) = place.join("jo@example.com", scope.team_id(), Role::Member).await;
        assert_eq!(delete(&place, &mara).await, Err(TeamError::LastOwner.to_string()));
        let before = entity::member::Entity::find().count(&place.db).await.unwrap();
        assert_eq!(delete(&place, &root).await, Err(TeamError::LastAdmin.to_string()));
        assert_eq!(entity::member::Entity::find().count(&place.db).await.unwrap(), before);
        let closed = delete(&place, &jo).await.unwrap();
        assert!(
            !closed.contains(&scope.team_id()),
            "a team that goes on is not suspended"
        );
        delete(&place, &mara).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_admins_who_delete_themselves_at_once_one_stays() {
    for place in places().await {
        let admins = [
            place.admin("one@example.com").await.person,
            place.admin("two@example.com").await.person,
        ];
        let outcomes = join_all(admins.iter().map(|admin| delete(&place, admin))).await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            1,
            "{outcomes:?}"
        );
    }
}
