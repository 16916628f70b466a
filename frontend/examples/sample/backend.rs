//! A backend with sample data and no server behind it: what the pages are drawn with in their tests, and by
//! `cargo run -p frontend --example sample --features ssr`.
//!
//! Invariant: nothing here is changed by a call. Pure.

#[path = "backend/accounts.rs"]
mod accounts;
#[path = "backend/alerts.rs"]
mod alerts;
#[path = "backend/aliases.rs"]
mod aliases;
#[path = "backend/audit.rs"]
mod audit;
#[path = "backend/billing.rs"]
mod billing;
#[path = "backend/cap_alerts.rs"]
mod cap_alerts;
#[path = "backend/codes.rs"]
mod codes;
#[path = "backend/factor.rs"]
mod factor;
#[path = "backend/health.rs"]
mod health;
#[path = "backend/invitations.rs"]
mod invitations;
#[path = "backend/keys.rs"]
mod keys;
#[path = "backend/mail.rs"]
mod mail;
#[path = "backend/models.rs"]
mod models;
#[path = "backend/payments.rs"]
mod payments;
#[path = "backend/profile.rs"]
mod profile;
#[path = "backend/revenue.rs"]
mod revenue;
#[path = "backend/sign_in.rs"]
mod sign_in;
#[path = "backend/statement.rs"]
mod statement;
#[path = "backend/teams.rs"]
mod teams;
#[path = "backend/usage.rs"]
mod usage;
#[path = "backend/users.rs"]
mod users;

use async_trait::async_trait;
use frontend::api::keys::Spend;
use frontend::api::session::{SessionView, Sessions, SetCookie, SignedIn, TeamChoice};
use frontend::api::{ApiError, Code, Named, Nano, Page, Time};

/// 20 Nov 2026, 14:02:07 in Berlin.
const NOW: i64 = 1_795_179_727_418;

const MINUTE: i64 = 60_000;

const DAY: i64 = 1_440 * MINUTE;

/// Who looks at the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Nobody is signed in.
    Visitor,
    /// A platform admin on the first day: nothing is there yet.
    FirstAdmin,
    /// A member of a team, without rights to manage it.
    Member,
    /// The owner of a team, platform admin too.
    Admin,
}

/// The backend of one request.
pub struct Sample {
    /// Who looks.
    pub who: Who,
}

impl Sample {
    fn has_data(&self) -> bool {
        self.who != Who::FirstAdmin
    }

    fn demand_admin(&self) -> Result<(), ApiError> {
        match self.who {
            Who::Visitor => Err(ApiError::new(Code::Unauthenticated)),
            Who::Member => Err(ApiError::new(Code::Forbidden)),
            Who::FirstAdmin | Who::Admin => Ok(()),
        }
    }

    fn some<T>(&self, rows: Vec<T>) -> Page<T> {
        let data = if self.has_data() { rows } else { Vec::new() };
        Page { data, next: None }
    }
}

/// Every act is refused: there is nothing to change.
fn refused<T>() -> Result<T, ApiError> {
    let error = ApiError::because(Code::Unavailable, "These are sample pages. Nothing was changed.");
    Err(ApiError {
        request_id: "req_01KANZ4Q".to_owned(),
        ..error
    })
}

fn cents(cents: i64) -> Nano {
    Nano(cents * 10_000_000)
}

fn spend(posted: i64, held: i64, cap: Option<i64>) -> Spend {
    Spend {
        posted: cents(posted),
        held: cents(held),
        cap: cap.map(cents),
        resets_at: Some(Time(NOW + DAY / 2)),
    }
}

fn named(id: &str, name: &str) -> Named {
    Named {
        id: id.to_owned(),
        name: name.to_owned(),
    }
}

fn choice(id: &str, name: &str) -> TeamChoice {
    TeamChoice {
        id: id.to_owned(),
        name: name.to_owned(),
        role: "owner".to_owned(),
    }
}

#[async_trait]
impl Sessions for Sample {
    async fn session(&self) -> Result<Option<SessionView>, ApiError> {
        let is_member = self.who == Who::Member;
        Ok((self.who != Who::Visitor).then(|| SessionView {
            user_id: "user_1".to_owned(),
            email: "mira@harbor-robotics.io".to_owned(),
            is_admin: !is_member,
            acting_for: None,
            teams: vec![
                choice("team_1", "Harbor Robotics"),
                choice("team_2", "Mira’s side projects"),
            ],
            may_make_teams: true,
            is_astray: false,
            team_id: "team_1".to_owned(),
            team_name: "Harbor Robotics".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            role: if is_member { "member" } else { "owner" }.to_owned(),
            has_accounts: self.has_data(),
            key_count: if self.has_data() { 5 } else { 0 },
            alerts: if self.who == Who::Admin { 3 } else { 0 },
            takes_payments: true,
            low_balance: None,
            now: Time(NOW),
        }))
    }

    async fn sign_up(&self, _: String, _: String) -> Result<Option<SetCookie>, ApiError> {
        refused()
    }

    async fn log_in(&self, _: String, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn log_out(&self) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn confirm(&self, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn change_password(&self, _: String, _: String) -> Result<SetCookie, ApiError> {
        refused()
    }

    async fn list_sessions(&self) -> Result<Vec<SignedIn>, ApiError> {
        let browser = |id: &str, user_agent: &str, is_current| SignedIn {
            id: id.to_owned(),
            created_at: Time(NOW - DAY),
            last_seen_at: Time(NOW - 2 * MINUTE),
            address: "203.0.113.24".to_owned(),
            user_agent: user_agent.to_owned(),
            is_current,
        };
        let long =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
        Ok(vec![
            browser("ses_1", long, true),
            browser("ses_2", "Firefox on Android", false),
        ])
    }

    async fn end_session(&self, _: String) -> Result<(), ApiError> {
        refused()
    }

    fn seal(&self, text: &str) -> Result<String, ApiError> {
        Ok(text.bytes().map(|byte| format!("{byte:02x}")).collect())
    }

    fn keep(&self, text: &str) -> Result<String, ApiError> {
        self.seal(text)
    }

    fn kept(&self, sealed: &str) -> Option<String> {
        self.open(sealed)
    }

    fn open(&self, sealed: &str) -> Option<String> {
        let bytes: Option<Vec<u8>> = (0..sealed.len() / 2)
            .map(|at| u8::from_str_radix(sealed.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        String::from_utf8(bytes?).ok()
    }

    async fn redeem_setup(&self, _: String) -> Result<(), ApiError> {
        refused()
    }
}
