//! The subcommands about people: what they do, and the line they print.
//!
//! Invariant: they work beside a running server, through the database alone; each leaves an audit record.
//! Reads and writes what `auth` and `audit` do.

use crate::audit::{self, Actor, Event};
use crate::auth::{Auth, AuthError, NewUser, Person, UserMade};
use crate::clock;
use gateway_core::id::{Kind, render};
use sea_orm::{ConnectionTrait, DbErr};
use serde_json::{Value, json};

/// `user create`: makes a user and their team.
///
/// # Errors
/// As [`Auth::create_user`].
pub async fn create_user(
    db: &impl ConnectionTrait,
    auth: &Auth,
    new: NewUser<'_>,
    is_admin: bool,
) -> Result<String, AuthError> {
    let UserMade { person, team_id } = auth.create_user(new, is_admin, clock::now_ms()).await?;
    let after = json!({"email": person.email, "is_admin": person.is_admin});
    record(db, "user.create", &person, after).await?;
    let user = render(Kind::User, person.user_id);
    let team = render(Kind::Team, team_id);
    Ok(format!("Created user {} ({user}) with team {team}.", person.email))
}

/// `user set-password`: sets a password and ends the user's sessions.
///
/// # Errors
/// As [`Auth::set_password`].
pub async fn set_password(
    db: &impl ConnectionTrait,
    auth: &Auth,
    email: &str,
    password: &str,
) -> Result<String, AuthError> {
    let person = auth.set_password(email, password, clock::now_ms()).await?;
    record(db, "user.set_password", &person, Value::Null).await?;
    Ok(format!("Set the password of {} and ended all sessions.", person.email))
}

/// `token create`: the text of a new management token.
///
/// # Errors
/// [`AuthError::NotFound`] when nobody has `email`; else as [`Auth::create_token`].
pub async fn create_token(db: &impl ConnectionTrait, auth: &Auth, email: &str) -> Result<String, AuthError> {
    let person = auth.find_person(email).await?;
    let made = auth.create_token(&person, clock::now_ms()).await?;
    record(
        db,
        "token.create",
        &person,
        json!({"token": render(Kind::Token, made.token_id)}),
    )
    .await?;
    Ok(made.shown)
}

async fn record(db: &impl ConnectionTrait, action: &'static str, person: &Person, after: Value) -> Result<(), DbErr> {
    let event = Event {
        actor: Actor {
            acting_as: None,
            user_id: None,
            address: "command line".to_owned(),
        },
        team_id: None,
        action,
        target: render(Kind::User, person.user_id),
        before: Value::Null,
        after,
    };
    audit::record(db, event, clock::now_ms()).await
}
