//! What a team used: overview, roll-ups, requests and receipts.
//!
//! Invariant: accounts' labels are for platform admins on their own pages; a team sees providers and numbers.
//! Reads what `metering`, `ledger` and `accounts` do.

mod groups;
mod overview;
mod receipt;
mod rows;

use super::{Principal, Refusal, view};
use crate::{
    metering::{self, Filter, Whose},
    teams::{self, Right, TeamScope},
};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Moment, Named, Page, PageQuery,
    usage::{GroupBy, Overview, Receipt, RequestFilter, RequestRow, UsageGroup, UsageReads},
};
use gateway_core::{
    id::{self, Kind},
    ledger::Outcome,
};

#[async_trait]
impl UsageReads for Principal {
    async fn overview(&self, team: &str) -> Result<Overview, ApiError> {
        self.answer(self.read_overview(team).await)
    }

    async fn usage(
        &self,
        team: &str,
        from: Option<Moment>,
        to: Option<Moment>,
        by: GroupBy,
    ) -> Result<Vec<UsageGroup>, ApiError> {
        self.answer(self.read_usage(team, (from, to), by).await)
    }

    async fn requests(&self, team: &str, filter: RequestFilter, page: PageQuery) -> Result<Page<RequestRow>, ApiError> {
        self.answer(self.read_requests(team, filter, &page).await)
    }

    async fn people(&self, team: &str) -> Result<Vec<Named>, ApiError> {
        self.answer(self.read_people(team).await)
    }

    async fn receipt(&self, team: &str, id: &str) -> Result<Receipt, ApiError> {
        self.answer(self.read_receipt(team, id).await)
    }

    async fn all_requests(&self, filter: RequestFilter, page: PageQuery) -> Result<Page<RequestRow>, ApiError> {
        self.answer(self.read_all_requests(filter, &page).await)
    }

    async fn any_receipt(&self, id: &str) -> Result<Receipt, ApiError> {
        self.answer(self.read_any_receipt(id).await)
    }
}

impl Principal {
    async fn reader(&self, team: &str) -> Result<TeamScope, Refusal> {
        let scope = self.scope(team).await?;
        scope.demand(Right::Read)?;
        Ok(scope)
    }

    async fn read_requests(
        &self,
        team: &str,
        filter: RequestFilter,
        query: &PageQuery,
    ) -> Result<Page<RequestRow>, Refusal> {
        let scope = self.reader(team).await?;
        let zone = teams::get(&self.app.db, &scope).await?.time_zone;
        let requests = self
            .list(Whose::Team(&scope), read_filter(filter, &zone)?, query)
            .await?;
        let names = self.names_of(&scope).await?;
        let page = view::page(query, requests, |request| id::render(Kind::Request, request.first().id));
        Ok(Page {
            data: page.data.iter().map(|request| rows::row(request, &names)).collect(),
            next: page.next,
        })
    }

    async fn read_people(&self, team: &str) -> Result<Vec<Named>, Refusal> {
        let scope = self.reader(team).await?;
        let members = teams::list_members(&self.app.db, &scope).await?;
        let mut people: Vec<_> = members
            .into_iter()
            .map(|member| Named {
                id: view::user_id(member.user_id),
                name: member.email,
            })
            .collect();
        people.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(people)
    }

    async fn read_all_requests(&self, filter: RequestFilter, query: &PageQuery) -> Result<Page<RequestRow>, Refusal> {
        self.admin()?;
        let filter = read_filter(filter, "UTC")?;
        let requests = self.list(Whose::Everybody, filter, query).await?;
        let page = view::page(query, requests, |request| id::render(Kind::Request, request.first().id));
        let mut names = rows::NamesByTeam::default();
        let mut data = Vec::with_capacity(page.data.len());
        for request in &page.data {
            data.push(self.row_of_any(request, &mut names).await?);
        }
        Ok(Page { data, next: page.next })
    }

    async fn list(
        &self,
        whose: Whose<'_>,
        filter: Filter,
        query: &PageQuery,
    ) -> Result<Vec<metering::Request>, Refusal> {
        let catalog = &self.app.catalog;
        let resolved = filter
            .model
            .as_ref()
            .and_then(|model| catalog.resolve(whose.team_id().unwrap_or_default(), model));
        let filter = Filter {
            is_plain_model: resolved.is_some_and(|resolved| resolved.alias.is_none()),
            ..filter
        };
        let after = view::after(query, Kind::Request)?;
        let requests = metering::list(&self.app.db, whose, &filter, (after, view::limit(query)), self.now_ms());
        Ok(requests.await?)
    }
}

/// `filter`, whose days are those of `zone`.
fn read_filter(filter: RequestFilter, zone: &str) -> Result<Filter, Refusal> {
    let parse = |kind, text: Option<String>, field| {
        text.as_deref()
            .map(|text| super::parse_field(kind, text, field))
            .transpose()
    };
    let outcome = filter.outcome.as_deref().map(|name| {
        rows::outcome_of(name).ok_or_else(|| {
            Refusal::from(ApiError::field(
                "outcome",
                format!("“{name}” is not an outcome. Write, for example, ok."),
            ))
        })
    });
    Ok(Filter {
        from_ms: filter.from.map(|moment| moment.start(zone).0),
        to_ms: filter.to.map(|moment| moment.end(zone).0),
        key_id: parse(Kind::Key, filter.key, "key")?,
        member_id: parse(Kind::User, filter.member, "member")?,
        model: filter.model,
        outcome: outcome.transpose()?,
        ..Filter::default()
    })
}

/// The request `id` names.
fn request_id(id: &str) -> Result<i64, Refusal> {
    id::parse(Kind::Request, id).ok_or_else(|| Code::NotFound.into())
}

/// Every outcome, with the name it is shown by.
const OUTCOMES: [(Outcome, &str); 8] = [
    (Outcome::Unknown, "running"),
    (Outcome::Ok, "ok"),
    (Outcome::ClientError, "client_error"),
    (Outcome::UpstreamFailed, "upstream_failed"),
    (Outcome::HungUp, "hung_up"),
    (Outcome::Cut, "cut"),
    (Outcome::Refused, "refused"),
    (Outcome::Recovered, "recovered"),
];
