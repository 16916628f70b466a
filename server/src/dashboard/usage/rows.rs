//! Requests as lines of a list, with the names of keys and people.
//!
//! Invariant: a key or person that is gone keeps its id. Reads names of keys and members.

use super::{OUTCOMES, Principal, Refusal};
use crate::{
    dashboard::view,
    metering::Request,
    teams::{self, TeamScope},
};
use frontend::api::{Named, Time, usage::RequestRow};
use gateway_core::{
    id::{self, Kind},
    ledger::Outcome,
};
use std::collections::{HashMap, hash_map::Entry};

/// The names of a team's keys and members.
pub(super) struct Names {
    /// The team.
    pub team: Named,
    /// By key.
    pub keys: HashMap<i64, String>,
    /// E-mail addresses by user.
    pub members: HashMap<i64, String>,
}

/// Names already looked up, for lists over all teams.
pub(super) type NamesByTeam = HashMap<i64, Names>;

impl Names {
    pub fn key(&self, key_id: i64) -> Named {
        let id = id::render(Kind::Key, key_id);
        Named {
            name: self.keys.get(&key_id).unwrap_or(&id).clone(),
            id,
        }
    }

    pub fn member(&self, user_id: i64) -> Named {
        let id = view::user_id(user_id);
        Named {
            name: self.members.get(&user_id).unwrap_or(&id).clone(),
            id,
        }
    }
}

impl Principal {
    pub(super) async fn names_of(&self, scope: &TeamScope) -> Result<Names, Refusal> {
        let team = teams::get(&self.app.db, scope).await?;
        let members = teams::list_members(&self.app.db, scope).await?;
        Ok(Names {
            team: Named {
                id: view::team_id(team.team_id),
                name: team.name,
            },
            keys: self.app.keys.names(scope).await?,
            members: members
                .into_iter()
                .map(|member| (member.user_id, member.email))
                .collect(),
        })
    }

    /// The row of a request of any team, with the team's name; for platform admins.
    pub(super) async fn row_of_any(&self, request: &Request, known: &mut NamesByTeam) -> Result<RequestRow, Refusal> {
        let team_id = request.first().team_id;
        let names = match known.entry(team_id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let scope = teams::scope(&self.app.db, self.admin()?, team_id).await?;
                unknown.insert(self.names_of(&scope).await?)
            }
        };
        Ok(RequestRow {
            team: Some(names.team.clone()),
            ..row(request, names)
        })
    }
}

/// The line of `request`.
pub(super) fn row(request: &Request, names: &Names) -> RequestRow {
    let first = request.first();
    RequestRow {
        id: id::render(Kind::Request, first.id),
        team: None,
        started_at: Time(first.started_at),
        model: request.asked_for().to_owned(),
        answered_by: request.answered_by().map(str::to_owned),
        key: names.key(first.key_id),
        member: first.member_id.map(|user_id| names.member(user_id)),
        operation: first.operation.clone(),
        is_stream: first.is_stream,
        outcome: name_of(request.outcome()).to_owned(),
        status: request.status(),
        attempts: u32::try_from(request.attempts().len()).unwrap_or(u32::MAX),
        usage: request.usage(),
        held: request.held(),
        charged: request.charged(),
        own_counted: request.own_counted(),
        is_estimate: request.is_estimate(),
        ttft_ms: request.last().ttft_ms,
        total_ms: request.last().total_ms,
    }
}

/// The outcome shown as `name`.
pub(super) fn outcome_of(name: &str) -> Option<Outcome> {
    OUTCOMES
        .into_iter()
        .find(|(_, shown)| *shown == name)
        .map(|(outcome, _)| outcome)
}

fn name_of(outcome: Outcome) -> &'static str {
    OUTCOMES
        .into_iter()
        .find(|(known, _)| *known == outcome)
        .map_or("running", |(_, name)| name)
}
