//! Aliases of all teams and of one: the same calls, with the team or without.
//!
//! Invariant: permissions are the backend's; a handler only passes on. Reads and writes what the backend does.

use super::answer::{Answer, Body, Caller, Find, created, gone, json};
use super::query::List;
use actix_web::web::Path;
use frontend::api::aliases::{AliasPatch, Aliases, NewAlias};

pub async fn list(caller: Caller, query: Find<List>) -> Answer {
    json(caller.list_aliases(None, query.0.into()).await?)
}

pub async fn create(caller: Caller, body: Body<NewAlias>) -> Answer {
    created(caller.create_alias(None, body.0).await?)
}

pub async fn one(caller: Caller, name: Path<String>) -> Answer {
    json(caller.alias(None, &name).await?)
}

pub async fn update(caller: Caller, name: Path<String>, body: Body<AliasPatch>) -> Answer {
    json(caller.update_alias(None, &name, body.0).await?)
}

pub async fn delete(caller: Caller, name: Path<String>) -> Answer {
    caller.delete_alias(None, &name).await?;
    gone()
}

pub async fn list_of_team(caller: Caller, team: Path<String>, query: Find<List>) -> Answer {
    json(caller.list_aliases(Some(&team), query.0.into()).await?)
}

pub async fn create_of_team(caller: Caller, team: Path<String>, body: Body<NewAlias>) -> Answer {
    created(caller.create_alias(Some(&team), body.0).await?)
}

pub async fn one_of_team(caller: Caller, path: Path<(String, String)>) -> Answer {
    json(caller.alias(Some(&path.0), &path.1).await?)
}

pub async fn update_of_team(caller: Caller, path: Path<(String, String)>, body: Body<AliasPatch>) -> Answer {
    json(caller.update_alias(Some(&path.0), &path.1, body.0).await?)
}

pub async fn delete_of_team(caller: Caller, path: Path<(String, String)>) -> Answer {
    caller.delete_alias(Some(&path.0), &path.1).await?;
    gone()
}
