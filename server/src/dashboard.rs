//! The dashboard's backend: what one principal may ask of the areas, and the view models they get.
//!
//! Invariant: every permission is checked here or in the area below, by the principal's own rights; another team's things
//! are not found, never forbidden; every change is in the audit log; a browser whose password was entered long ago changes no
//! secret of an account, no balance and no role. Reads and writes what the areas do.

mod accounts;
mod acting;
mod alerts;
mod aliases;
mod audit;
mod billing;
mod cap_alerts;
mod codes;
mod factor;
mod flash;
mod health;
mod invitations;
mod keys;
mod mail;
mod membership;
mod models;
mod own_data;
mod passkeys;
mod payments;
mod profile;
mod refusal;
mod revenue;
mod sessions;
mod sign_in;
mod sign_up;
mod statement;
mod teams;
mod usage;
mod users;
mod view;
mod webhooks;

use crate::{
    app::App,
    audit::{self as log, Actor, Event},
    auth::{Person, Session, Visitor},
    clock,
    teams::{self as areas, TeamScope},
};
pub use acting::ACTING_COOKIE;
use frontend::api::{ApiError, CURRENT_TEAM, Code};
use gateway_core::id::{self, Kind};
pub use membership::TEAM_COOKIE;
use refusal::Refusal;
use serde_json::Value;
pub use sessions::{PLAIN_COOKIE, SECURE_COOKIE};
pub use sign_in::{Led, Purpose};
use std::sync::Arc;

/// Who asks, as far as is known.
#[derive(Clone, Debug)]
pub enum Who {
    /// Nobody is signed in.
    Nobody,
    /// A browser is signed in.
    Browser(Session),
    /// A management token.
    Token(Person),
    /// It could not be found out, because the database does not answer.
    Unknown,
}

/// The circumstances of one request.
#[derive(Clone, Debug)]
pub struct Visit {
    /// From where, and when.
    pub visitor: Visitor,
    /// What browsers call the server: the public URL or, without one, the name of this machine that was typed.
    pub origin: String,
    /// Which team the browser shows, as its cookie says; see [`TEAM_COOKIE`].
    pub team: Option<String>,
    /// Which team the page showed whose form this is, as the form says.
    pub team_of_page: Option<String>,
    /// Whether it came from this machine to a listener of this machine, without a proxy: then the first user becomes admin.
    pub is_local: bool,
    /// The request's id, for logs and for people to quote.
    pub request_id: String,
}

/// One principal on one request: implements all of [`frontend::api::Backend`].
pub struct Principal {
    app: Arc<App>,
    who: Who,
    /// As whom a platform admin acts.
    acting: Option<Person>,
    /// Whether this is a form from a browser that was to act as somebody and may not any more.
    is_acting_over: bool,
    visit: Visit,
}

impl Principal {
    /// `who` asks, on `visit`.
    #[must_use]
    pub const fn new(app: Arc<App>, who: Who, visit: Visit) -> Self {
        Self {
            app,
            who,
            acting: None,
            is_acting_over: false,
            visit,
        }
    }

    /// Whether nobody is signed in, as far as is known.
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        matches!(self.who, Who::Nobody)
    }

    /// Whether somebody is signed in for sure.
    #[must_use]
    pub const fn is_signed_in(&self) -> bool {
        matches!(self.who, Who::Browser(_) | Who::Token(_))
    }

    /// The signed-in person, or as whom they act.
    fn person(&self) -> Result<&Person, Refusal> {
        match &self.who {
            // It was meant for somebody else’s team, not for their own.
            Who::Browser(_) if self.is_acting_over => {
                let refused =
                    "You act as nobody any more, so nothing was done. Look whose page this is, then do it again.";
                Err(ApiError::because(Code::Forbidden, refused).into())
            }
            Who::Browser(session) => Ok(self.acting.as_ref().unwrap_or(&session.person)),
            Who::Token(person) => Ok(person),
            Who::Nobody => Err(Code::Unauthenticated.into()),
            Who::Unknown => Err(Code::Unavailable.into()),
        }
    }

    /// Who is really there.
    fn real_person(&self) -> Result<&Person, Refusal> {
        match &self.who {
            Who::Browser(session) => Ok(&session.person),
            _ => self.person(),
        }
    }

    /// The browser's session, of who acts for themselves: what is done with it concerns them alone.
    fn browser(&self) -> Result<&Session, Refusal> {
        match &self.acting {
            Some(person) => {
                let refused = format!("You act as {}, and this is theirs alone. End that first.", person.email);
                Err(ApiError::because(Code::Forbidden, refused).into())
            }
            None => self.person().and_then(|_| self.any_browser()),
        }
    }

    /// The browser's session, whoever is acted as.
    fn any_browser(&self) -> Result<&Session, Refusal> {
        match &self.who {
            Who::Browser(session) => Ok(session),
            Who::Token(_) => Err(Code::Forbidden.into()),
            Who::Nobody => Err(Code::Unauthenticated.into()),
            Who::Unknown => Err(Code::Unavailable.into()),
        }
    }

    /// The signed-in person, who is platform admin.
    fn admin(&self) -> Result<&Person, Refusal> {
        let person = self.person()?;
        if person.is_admin {
            Ok(person)
        } else {
            Err(ApiError::because(Code::Forbidden, "Only platform admins may do this.").into())
        }
    }

    /// Whether the password was entered lately, or a token stands for it: then a secret, money or a role may be changed.
    const fn is_confirmed(&self) -> bool {
        match &self.who {
            Who::Browser(session) => session.is_confirmed(self.now_ms()),
            Who::Token(_) => true,
            Who::Nobody | Who::Unknown => false,
        }
    }

    /// Refuses unless [`Self::is_confirmed`].
    fn demand_confirmed(&self) -> Result<(), Refusal> {
        match &self.acting {
            _ if self.is_confirmed() => Ok(()),
            Some(person) => Err(no_password_for(person)),
            None => Err(Code::Unconfirmed.into()),
        }
    }

    /// The proof that the person may see `team`, an id or [`CURRENT_TEAM`].
    async fn scope(&self, team: &str) -> Result<TeamScope, Refusal> {
        let person = self.person()?;
        let team_id = match team {
            CURRENT_TEAM => self.team_meant().await?,
            _ => parse(Kind::Team, team)?,
        };
        Ok(areas::scope(&self.app.db, person, team_id).await?)
    }

    /// The team that is shown. A form of a page that showed another one is refused: the browser has switched since.
    async fn team_meant(&self) -> Result<i64, Refusal> {
        let (shown, teams) = self.teams_shown().await?;
        let shown = shown?.0;
        let of_page = self.visit.team_of_page.as_deref();
        let Some(other) = of_page.filter(|team| *team != view::team_id(shown.team_id)) else {
            return Ok(shown.team_id);
        };
        let other = teams.into_iter().find(|team| team.id == other);
        let other = other.map_or_else(|| "a team you are not in".to_owned(), |team| team.name);
        let refused = format!(
            "That page was of {other}, and this browser shows {} by now. Nothing was done. Switch back to the team you mean, then do it again.",
            shown.name
        );
        Err(ApiError::because(Code::Conflict, refused).into())
    }

    /// Puts a change into the audit log.
    async fn record(&self, change: Change<'_>) -> Result<(), Refusal> {
        let actor = self.real_person().ok().map(|person| person.user_id);
        self.record_as(actor, change).await
    }

    /// The same, done by the user `actor`, who may be signed in by it.
    async fn record_as(&self, actor: Option<i64>, change: Change<'_>) -> Result<(), Refusal> {
        let event = Event {
            actor: Actor {
                user_id: actor,
                acting_as: self.acting.as_ref().map(|person| person.user_id),
                address: self.visit.visitor.address.to_string(),
            },
            team_id: change.team_id,
            action: change.action,
            target: change.target.to_owned(),
            before: change.before,
            after: change.after,
        };
        Ok(log::record(&self.app.db, event, clock::now_ms()).await?)
    }

    /// Logs what failed on our side and adds the request's id.
    fn answer<T>(&self, result: Result<T, Refusal>) -> Result<T, ApiError> {
        result.map_err(|refusal| refusal.told(&self.visit.request_id))
    }

    const fn now_ms(&self) -> i64 {
        self.visit.visitor.now_ms
    }
}

/// What is said where the password is asked for of who acts as `person`: it would end that.
fn no_password_for(person: &Person) -> Refusal {
    let refused = format!(
        "This needs your password once more, and you act as {}. End that, enter your password, then act as them again.",
        person.email
    );
    ApiError::because(Code::Forbidden, refused).into()
}

/// One line of the audit log, without who did it.
#[derive(Default)]
struct Change<'a> {
    team_id: Option<i64>,
    action: &'static str,
    target: &'a str,
    before: Value,
    after: Value,
}

/// The id written in `text`; what is no id names nothing.
fn parse(kind: Kind, text: &str) -> Result<i64, Refusal> {
    id::parse(kind, text).ok_or_else(|| Code::NotFound.into())
}

/// The id written in `text`, in the field `field` of a body.
fn parse_field(kind: Kind, text: &str, field: &str) -> Result<i64, Refusal> {
    id::parse(kind, text).ok_or_else(|| {
        let example = id::render(kind, 0);
        ApiError::field(field, format!("“{text}” is not an id. Write one such as {example}.")).into()
    })
}
