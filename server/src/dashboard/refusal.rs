//! From the areas' errors to what people are told: one table.
//!
//! Invariant: a cause of ours is logged with the request's id and never told. Writes logs.

use crate::{
    accounts::AccountsError,
    auth::{AuthError, ProviderError, SignUpMode},
    billing::{BillingError, CodeState, StripeError},
    cap_alerts::CapAlertError,
    catalog::CatalogError,
    fields::FieldErrors,
    keys::KeyError,
    ledger::{AdjustError, LedgerError},
    mail::MailError,
    secrets::SecretsError,
    teams::{OWNED_MAX, TeamError, invitations::Refused},
    webhooks::{WAITING_MAX, WebhookError},
};
use frontend::api::{self, ApiError, Code};
use sea_orm::DbErr;

/// Said whichever of them is wrong.
const WRONG: &str = "The e-mail address, the password or the code of the authenticator app is wrong.";

/// A refusal on its way to people: what they are told, and what stays in the log.
#[derive(Debug)]
pub(super) struct Refusal {
    error: ApiError,
    cause: Option<String>,
}

impl Refusal {
    /// What is told, with the request's id; the cause goes into the log.
    pub fn told(self, request_id: &str) -> ApiError {
        if let Some(cause) = self.cause {
            tracing::error!(request_id, cause, "a request of the dashboard failed");
        }
        ApiError {
            request_id: request_id.to_owned(),
            ..self.error
        }
    }

    fn ours(code: Code, cause: impl ToString) -> Self {
        Self {
            error: ApiError::new(code),
            cause: Some(cause.to_string()),
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, cause: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        ApiError::new(code).into()
    }
}

impl From<DbErr> for Refusal {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::ours(Code::Unavailable, error),
            _ => Self::ours(Code::Internal, error),
        }
    }
}

impl From<SecretsError> for Refusal {
    fn from(error: SecretsError) -> Self {
        Self::ours(Code::Internal, error)
    }
}

impl From<LedgerError> for Refusal {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::Database(error) => error.into(),
            LedgerError::Down(_) | LedgerError::Unsure => Self::ours(Code::Unavailable, error),
            other => Self::ours(Code::Internal, other),
        }
    }
}

impl From<FieldErrors> for Refusal {
    fn from(errors: FieldErrors) -> Self {
        let fields = errors.0.into_iter().map(|error| api::FieldError {
            field: error.field.to_owned(),
            message: error.reason.to_string(),
        });
        invalid(fields.collect())
    }
}

fn invalid(fields: Vec<api::FieldError>) -> Refusal {
    let error = ApiError {
        fields,
        ..ApiError::new(Code::Invalid)
    };
    error.into()
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid(errors) => errors.into(),
            AuthError::WrongCredentials => ApiError::because(Code::Unauthenticated, WRONG).into(),
            AuthError::EmailTaken => {
                let taken = "Somebody signed up with this address already. Log in instead.";
                ApiError {
                    code: Code::Conflict,
                    ..ApiError::field("email", taken)
                }
                .into()
            }
            AuthError::Throttled { retry_after_s } => {
                let wait = format!("Too many tries. Try again in {retry_after_s} s.");
                ApiError::because(Code::Throttled, wait).into()
            }
            AuthError::SignUpRefused(mode) => {
                let refused = match mode {
                    SignUpMode::Invited => {
                        "Only who is invited may sign up here. Ask an owner of the team for an invitation."
                    }
                    SignUpMode::Open | SignUpMode::Closed => "Nobody may sign up here at the moment.",
                };
                ApiError::because(Code::Forbidden, refused).into()
            }
            AuthError::SetupRefused => {
                let refused = "This setup link was used, or is not the newest one in the log.";
                ApiError::because(Code::Forbidden, refused).into()
            }
            AuthError::LinkRefused => {
                let refused = "This link was used, is too old, or a newer one was mailed. Ask for another.";
                ApiError::because(Code::Forbidden, refused).into()
            }
            AuthError::FactorIsOn => ApiError::because(
                Code::Conflict,
                "An app is set up already. Turn it off before you set up another.",
            )
            .into(),
            AuthError::Provider(error) => error.into(),
            AuthError::LinkFirst(label) => link_first(&label),
            AuthError::NotAnew(label) => not_anew(&label),
            AuthError::IdentityTaken => {
                let refused = "This account signs in a user here already. Unlink it there first.";
                ApiError::because(Code::Conflict, refused).into()
            }
            AuthError::LastWayIn => {
                let refused =
                    "Nothing else signs you in. Choose a password, add a passkey or link another account first.";
                ApiError::because(Code::Conflict, refused).into()
            }
            AuthError::PasskeyRefused => {
                let refused = "This passkey is not known here, or its answer came too late. Load the page anew and try once more.";
                ApiError::because(Code::Forbidden, refused).into()
            }
            AuthError::Suspended => {
                let refused = "Your account is suspended. Ask whoever runs this server.";
                ApiError::because(Code::Forbidden, refused).into()
            }
            AuthError::Mail(error) => error.into(),
            AuthError::NotFound => Code::NotFound.into(),
            AuthError::Forbidden => Code::Forbidden.into(),
            AuthError::Hashing => Self::ours(Code::Internal, error),
            AuthError::Database(error) => error.into(),
        }
    }
}

fn link_first(label: &str) -> Refusal {
    let refused = format!(
        "Somebody has an account with this address here. Log in as before, or set a new password by mail, then link {label} under \
         Settings, Security. If a code is asked for that you never set up, ask whoever runs this server."
    );
    ApiError::because(Code::Conflict, refused).into()
}

fn not_anew(label: &str) -> Refusal {
    let refused = format!(
        "{label} does not say that you logged in there just now. Confirm with your password, a passkey or a code."
    );
    ApiError::because(Code::Forbidden, refused).into()
}

impl From<ProviderError> for Refusal {
    fn from(error: ProviderError) -> Self {
        let cause = Some(error.to_string());
        let (code, words) = match error {
            ProviderError::Unknown => return Code::NotFound.into(),
            ProviderError::Stray => {
                let words = "This answer fits no log-in that began in this browser, or it took too long. Begin anew.";
                return ApiError::because(Code::Forbidden, words).into();
            }
            ProviderError::Denied(label) => {
                let words = format!("{label} was told not to sign you in. Nothing was changed.");
                return ApiError::because(Code::Forbidden, words).into();
            }
            ProviderError::Unverified(label) => {
                let words = format!("{label} has not proven your e-mail address. Prove it there, then try again.");
                return ApiError::because(Code::Forbidden, words).into();
            }
            ProviderError::Refused { label, reason } => {
                // Anybody can bring it about, and again.
                tracing::warn!(provider = label, reason, "a provider refused a log-in");
                let words = format!("{label} did not take the log-in: it was used, or took too long. Begin anew.");
                return ApiError::because(Code::Conflict, words).into();
            }
            ProviderError::Down { label, .. } => (
                Code::Unavailable,
                format!(
                    "{label} does not answer at this moment. Nothing was changed. Try again in a minute, or log in another way."
                ),
            ),
            ProviderError::Invalid { label, reason } => (
                Code::Forbidden,
                format!(
                    "The answer of {label} does not hold: {reason}. Nothing was changed. Tell whoever runs this server."
                ),
            ),
        };
        Self {
            error: ApiError::because(code, words),
            cause,
        }
    }
}

impl From<TeamError> for Refusal {
    fn from(error: TeamError) -> Self {
        match error {
            TeamError::NotFound => Code::NotFound.into(),
            TeamError::Forbidden => Code::Forbidden.into(),
            TeamError::LastOwner => {
                let refused = "A team keeps at least one owner. Make somebody else an owner first.";
                ApiError {
                    code: Code::Conflict,
                    ..ApiError::field("role", refused)
                }
                .into()
            }
            TeamError::TooMany => {
                let refused = format!("You own {OWNED_MAX} teams, and nobody may own more.");
                ApiError::because(Code::Conflict, refused).into()
            }
            TeamError::Joined => ApiError::because(Code::Conflict, "You are in this team already.").into(),
            TeamError::Invitation(refused) => refused.into(),
            TeamError::Mail(error) => error.into(),
            TeamError::Randomness => Self::ours(Code::Internal, error),
            TeamError::LastAdmin => {
                let refused = "You are the only platform admin. Make somebody else one first.";
                ApiError::because(Code::Conflict, refused).into()
            }
            TeamError::Invalid(errors) => errors.into(),
            TeamError::Database(error) => error.into(),
        }
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let (code, words) = match refused {
            Refused::Unknown => (
                Code::NotFound,
                "No invitation has this link. Copy the whole link, or ask for a new one.",
            ),
            Refused::Used => (
                Code::Conflict,
                "This invitation was accepted already. Ask for a new one.",
            ),
            Refused::Revoked => (Code::Conflict, "This invitation was taken back. Ask for a new one."),
            Refused::Expired => (
                Code::Conflict,
                "This invitation is older than 7 days. Ask for a new one.",
            ),
            Refused::OtherAddress => (
                Code::Forbidden,
                "This invitation is for another address. Log in with the address it was sent to.",
            ),
            Refused::Unbacked => (
                Code::Conflict,
                "Whoever made this invitation may not invite into this team any more. Ask somebody else for a new one.",
            ),
        };
        ApiError::because(code, words).into()
    }
}

impl From<CapAlertError> for Refusal {
    fn from(error: CapAlertError) -> Self {
        match error {
            CapAlertError::Team(error) => error.into(),
            CapAlertError::Invalid(errors) => errors.into(),
            CapAlertError::Mail(error) => error.into(),
            CapAlertError::Database(error) => error.into(),
        }
    }
}

impl From<WebhookError> for Refusal {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Team(error) => error.into(),
            WebhookError::NotFound => Code::NotFound.into(),
            WebhookError::Busy => {
                let wait = format!("{WAITING_MAX} deliveries wait for this address. Test it once they are through.");
                ApiError::because(Code::Throttled, wait).into()
            }
            WebhookError::Invalid(errors) => errors.into(),
            WebhookError::Randomness => Self::ours(Code::Internal, error),
            WebhookError::Secrets(error) => error.into(),
            WebhookError::Database(error) => error.into(),
        }
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::NotFound => Code::NotFound.into(),
            KeyError::Forbidden => Code::Forbidden.into(),
            KeyError::Revoked => ApiError::because(Code::Conflict, "The key is revoked and stays as it is.").into(),
            KeyError::Invalid(errors) => errors.into(),
            KeyError::Randomness => Self::ours(Code::Internal, error),
            KeyError::Database(error) => error.into(),
        }
    }
}

impl From<BillingError> for Refusal {
    fn from(error: BillingError) -> Self {
        match error {
            BillingError::Amount => {
                ApiError::field("amount", "Write an amount that is not zero and that a wallet can hold.").into()
            }
            BillingError::Reason => {
                ApiError::field("reason", "Write a reason of at most 200 characters, in one line.").into()
            }
            BillingError::Invalid(errors) => errors.into(),
            BillingError::CodeUnknown => {
                ApiError::field("code", "There is no such code. Compare it letter by letter.").into()
            }
            BillingError::CodeSpent(state) => {
                let spent = match state {
                    CodeState::Expired => "The time of this code is over.",
                    CodeState::Revoked => "This code was taken back.",
                    CodeState::Open | CodeState::Redeemed => "This code was redeemed before.",
                };
                ApiError {
                    code: Code::Conflict,
                    ..ApiError::field("code", spent)
                }
                .into()
            }
            BillingError::NotFound => Code::NotFound.into(),
            BillingError::Throttled { retry_after_s } => {
                let wait = format!("Too many wrong codes. Try again in {retry_after_s} s.");
                ApiError::because(Code::Throttled, wait).into()
            }
            BillingError::Stripe(StripeError::Unknown(_)) => {
                let wait = "Stripe does not answer at this moment. Nothing is lost: send it once more in a minute, it is not paid twice.";
                Self {
                    error: ApiError::because(Code::Unavailable, wait),
                    cause: Some(error.to_string()),
                }
            }
            BillingError::Stripe(StripeError::Refused { .. }) => Self {
                error: ApiError::because(
                    Code::Conflict,
                    "Stripe refused this. Nothing was paid; the platform’s admin finds the reason in the log.",
                ),
                cause: Some(error.to_string()),
            },
            BillingError::Busy => Self::ours(Code::Unavailable, error),
            BillingError::Randomness | BillingError::Client(_) | BillingError::Mail(_) => {
                Self::ours(Code::Internal, error)
            }
            BillingError::Several => ApiError::field(
                "hold",
                "The request was charged several times. Name one by the id of its hold.",
            )
            .into(),
            BillingError::Adjust(error) => error.into(),
            BillingError::Ledger(error) => error.into(),
            BillingError::Database(error) => error.into(),
        }
    }
}

impl From<AdjustError> for Refusal {
    fn from(error: AdjustError) -> Self {
        match error {
            AdjustError::NotFound => Code::NotFound.into(),
            AdjustError::Uncharged => {
                let refused = "Nothing has been charged here: the call still runs, or was not billed.";
                ApiError::because(Code::Conflict, refused).into()
            }
            AdjustError::Changed(charge) => {
                let refused = format!(
                    "The charge has been corrected to {} meanwhile. Look at it again.",
                    charge.render()
                );
                ApiError::because(Code::Conflict, refused).into()
            }
            AdjustError::Beyond { charge, most } => {
                let refused = format!(
                    "{} is charged. A correction can take it down to 0.00 and up to {}, what was set aside for the call.",
                    charge.render(),
                    most.render()
                );
                ApiError::field("amount", refused).into()
            }
            AdjustError::Ledger(error) => error.into(),
        }
    }
}

impl From<MailError> for Refusal {
    fn from(error: MailError) -> Self {
        match error {
            MailError::Invalid(errors) => errors.into(),
            MailError::NotFound => Code::NotFound.into(),
            MailError::Secrets(error) => error.into(),
            MailError::Database(error) => error.into(),
        }
    }
}

impl From<CatalogError> for Refusal {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Invalid(errors) => errors.into(),
            CatalogError::NotFound => Code::NotFound.into(),
            CatalogError::Taken => {
                let taken = "There is a model of this name. Add a price to it instead.";
                ApiError {
                    code: Code::Conflict,
                    ..ApiError::field("id", taken)
                }
                .into()
            }
            CatalogError::AliasTaken => {
                let taken = "There is an alias of this name. Change that one, or choose another name.";
                ApiError {
                    code: Code::Conflict,
                    ..ApiError::field("name", taken)
                }
                .into()
            }
            CatalogError::Unreadable(_) => Self::ours(Code::Internal, error),
            CatalogError::Database(error) => error.into(),
        }
    }
}

impl From<AccountsError> for Refusal {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Invalid(errors) => errors.into(),
            AccountsError::NotFound => Code::NotFound.into(),
            AccountsError::Crowded => {
                let crowded = "A team has at most 50 upstream accounts. Delete one first.";
                ApiError::because(Code::Conflict, crowded).into()
            }
            AccountsError::Idle => {
                let idle = "The account takes no traffic. Enable it, or save it anew, then test.";
                ApiError::because(Code::Conflict, idle).into()
            }
            AccountsError::Secrets(error) => error.into(),
            AccountsError::Client(_) => Self::ours(Code::Internal, error),
            AccountsError::Database(error) => error.into(),
        }
    }
}
