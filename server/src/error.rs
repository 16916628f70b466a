//! What a relayed request can fail with, and one table of what the client is told.
//!
//! Invariant: an error says what happened, whose turn it is and what to do; never a secret, a host or the label of an account of ours.
//! Pure. The codes and types are those of the OpenAI API where it has one.

use crate::keys::KeyRefusal;
use crate::limits::{LimitRefusal, Which};
use gateway_core::dialect::exchange::Untranslatable;
use gateway_core::dialect::{Dialect, ErrorBody, PeekError, render_error, render_stream_error};
use gateway_core::id::{Kind, render};
use gateway_core::ledger::{Kind as BucketKind, Scope, Short};
use serde_json::{Map, Value};

/// The longest wait we ask a client for, in seconds: SDKs obey longer ones and hang.
const RETRY_AFTER_MAX_S: i64 = 60;

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayError {
    /// No such path.
    UnknownPath,
    /// The path takes another method.
    WrongMethod {
        /// The one it takes.
        allowed: &'static str,
    },
    /// A WebSocket was asked for, which is not spoken here.
    WebSocket,
    /// No key was sent.
    NoKey,
    /// The key opens nothing.
    Key(KeyRefusal),
    /// The key may not be used from this address.
    AddressNotAllowed,
    /// The body cannot be read.
    Body(PeekError),
    /// The body is encoded in a way we do not take.
    ContentEncoding,
    /// The body is larger than allowed, in bytes.
    TooLarge {
        /// The most we take.
        limit: usize,
    },
    /// The body did not arrive in time.
    BodyCut,
    /// The body ended too early, or is in no chunks.
    BodyBroken,
    /// The body cannot be kept on the disk.
    NoRoom,
    /// The key's allow-list does not have the model.
    ModelNotAllowed {
        /// The name asked for.
        model: String,
    },
    /// Nobody knows the model.
    ModelNotFound {
        /// The name asked for.
        model: String,
    },
    /// The model cannot do what the path asks for.
    WrongOperation {
        /// The name asked for.
        model: String,
    },
    /// The request cannot be said in the dialect of any account that serves its model.
    Untranslatable(Untranslatable),
    /// The request refers to what a provider keeps, and no account for its model keeps anything.
    NothingKept,
    /// No account for the model speaks the one dialect in which this can be asked.
    NotSpoken {
        /// The name asked for.
        model: String,
    },
    /// The model has no price, so it is refused.
    PriceUnknown {
        /// The name asked for.
        model: String,
    },
    /// A rate limit of the key or the team.
    Limit(LimitRefusal),
    /// A cap or the balance.
    OutOfMoney {
        /// The bucket.
        short: Box<Short>,
        /// What to do about an empty wallet, as the beginning of a sentence.
        way_out: String,
    },
    /// No enabled account serves the model.
    NoAccount {
        /// The name asked for.
        model: String,
    },
    /// No enabled account in the region that the key or the alias demands serves the model.
    NotInRegion {
        /// The name asked for.
        model: String,
        /// The region.
        region: String,
    },
    /// Every account is busy, and waiting did not help.
    AllBusy {
        /// When one is expected to be free, in seconds from now.
        retry_after_s: i64,
    },
    /// An upstream refused the client's input; its words, scrubbed.
    Refused {
        /// The upstream's status.
        status: u16,
        /// The upstream's type.
        kind: String,
        /// The upstream's code.
        code: Option<String>,
        /// The upstream's words.
        message: String,
        /// The field concerned.
        param: Option<String>,
        /// Members that only the upstream has, where the client speaks its dialect; scrubbed.
        further: Option<Box<Map<String, Value>>>,
    },
    /// Every account failed.
    UpstreamFailed,
    /// No account answered in time.
    TimedOut,
    /// The answer broke off after content had been sent.
    Cut,
    /// The ledger cannot write, so nothing is admitted.
    LedgerDown,
    /// The client went away; nobody reads this.
    HungUp,
}

/// What the client is told, in any dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// HTTP status.
    pub status: u16,
    /// OpenAI's `type`.
    pub kind: String,
    /// OpenAI's `code`.
    pub code: Option<String>,
    /// The sentence.
    pub message: String,
    /// The field concerned.
    pub param: Option<String>,
    /// Members that only the upstream's error has.
    pub further: Option<Box<Map<String, Value>>>,
    /// When to come back, in seconds.
    pub retry_after_s: Option<i64>,
    /// Whether an SDK should try again by itself; none leaves it to the status.
    pub should_retry: Option<bool>,
}

impl Told {
    fn new(status: u16, kind: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            code: Some(code.to_owned()),
            message: message.into(),
            param: None,
            further: None,
            retry_after_s: None,
            should_retry: None,
        }
    }

    fn after(mut self, seconds: i64) -> Self {
        self.retry_after_s = Some(seconds.clamp(1, RETRY_AFTER_MAX_S));
        self
    }

    fn final_answer(mut self) -> Self {
        self.should_retry = Some(false);
        self
    }

    fn about(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    /// The HTTP status in `dialect`: Anthropic's has its own for what nobody can answer at this moment, and for money.
    #[must_use]
    pub fn status_in(&self, dialect: Dialect) -> u16 {
        match (dialect, self.status) {
            (Dialect::Messages, 503) => 529,
            (Dialect::Messages, 429) if self.kind == "insufficient_quota" => 402,
            (_, status) => status,
        }
    }

    /// The body of an error answer in `dialect`.
    #[must_use]
    pub fn render(&self, dialect: Dialect, request_id: i64) -> String {
        let request_id = render(Kind::Request, request_id);
        render_error(dialect, &self.body(dialect, &request_id))
    }

    /// The event that ends a stream in `dialect`.
    #[must_use]
    pub fn render_event(&self, dialect: Dialect, request_id: i64) -> String {
        let request_id = render(Kind::Request, request_id);
        render_stream_error(dialect, &self.body(dialect, &request_id))
    }

    fn body<'a>(&'a self, dialect: Dialect, request_id: &'a str) -> ErrorBody<'a> {
        ErrorBody {
            status: self.status_in(dialect),
            kind: &self.kind,
            code: self.code.as_deref(),
            message: &self.message,
            param: self.param.as_deref(),
            request_id,
            further: self.further.as_deref(),
        }
    }
}

const INVALID: &str = "invalid_request_error";

impl RelayError {
    /// The table: status, type, code and sentence of each.
    #[must_use]
    pub fn told(&self, now_ms: i64) -> Told {
        match self {
            Self::UnknownPath => Told::new(404, INVALID, "unknown_url", "There is no such path. The API is under /v1 and /v1beta, for example /v1/chat/completions."),
            Self::WrongMethod { allowed } => Told::new(405, INVALID, "method_not_allowed", format!("This path takes {allowed}.")),
            Self::WebSocket => Told::new(426, INVALID, "websocket_not_supported", "WebSockets are not spoken here. Send the request by POST and ask for a stream.").final_answer(),
            Self::NoKey => Told::new(401, INVALID, "invalid_api_key", "No key was sent. Send one of your OurHub keys as “Authorization: Bearer sk-oh-…”, or in the header that your SDK has for it."),
            Self::Key(refusal) => key(*refusal),
            Self::AddressNotAllowed => Told::new(403, "permission_error", "ip_not_allowed", "This key may not be used from your address. An owner of the team can change its allowed IPs."),
            Self::Body(error) => body(error),
            Self::ContentEncoding => Told::new(400, INVALID, "unsupported_content_encoding", "The body is compressed. Send it without Content-Encoding."),
            Self::TooLarge { limit } => Told::new(413, INVALID, "request_too_large", format!("The body is larger than {} MiB. Send a smaller one.", limit >> 20)),
            Self::NoRoom => Told::new(503, "api_error", "unavailable", "The form cannot be kept at this moment. Nothing was charged.").after(2),
            Self::BodyBroken => Told::new(400, INVALID, "invalid_body", "The body ended too early, or is not in the chunks that its head announced. Look at what stands between the client and this server."),
            Self::BodyCut => Told::new(408, INVALID, "body_timeout", "The body did not arrive in time. Send the request again."),
            Self::ModelNotAllowed { model } => Told::new(403, "permission_error", "model_not_allowed", format!("This key may not use the model “{model}”. Its allowed models can be changed under Keys.")).about("model"),
            Self::ModelNotFound { model } => Told::new(404, INVALID, "model_not_found", format!("The model “{model}” does not exist here. GET /v1/models lists what this key may use.")).about("model"),
            Self::WrongOperation { model } => Told::new(400, INVALID, "unsupported_operation", format!("The model “{model}” does not do this. Ask it on the path for its kind.")).about("model"),
            Self::Untranslatable(reason) => untranslatable(reason),
            Self::NothingKept => Told::new(404, INVALID, "previous_response_not_found", "This request refers to an earlier answer (previous_response_id, conversation or item_reference) that no account here keeps for this team and model. Send the whole conversation with each request."),
            Self::NotSpoken { model } => Told::new(404, INVALID, "unsupported_operation", format!("No upstream account for the model “{model}” does this. Ask a model whose provider has it.")).about("model"),
            Self::PriceUnknown { model } => Told::new(503, "api_error", "price_unknown", format!("The model “{model}” has no price, so it is not called. The platform's admin has been told; nothing was charged.")).final_answer(),
            Self::Limit(refusal) => limit(refusal),
            Self::OutOfMoney { short, way_out } => money(short, way_out, now_ms),
            Self::NoAccount { model } => Told::new(503, "api_error", "no_account", format!("No upstream account serves the model “{model}” at this time. The platform's admin can add one.")).final_answer(),
            Self::NotInRegion { model, region } => Told::new(503, "api_error", "no_account_in_region", format!("No upstream account in the region {region} serves “{model}”, and no other may be asked. The platform's admin can add one; the region of a key is set under Keys, that of an alias with the alias.")).final_answer(),
            Self::AllBusy { retry_after_s } => Told::new(429, "rate_limit_error", "rate_limit_exceeded", "Every upstream account for this model is busy. Nothing was charged; try again in a moment.").after(*retry_after_s),
            Self::Refused { status, kind, code, message, param, further } => Told {
                status: *status,
                kind: kind.clone(),
                code: code.clone(),
                message: message.clone(),
                param: param.clone(),
                further: further.clone(),
                retry_after_s: None,
                should_retry: Some(false),
            },
            Self::UpstreamFailed => Told::new(502, "api_error", "upstream_failed", "Every upstream account failed to answer. Try again in a moment."),
            Self::TimedOut => Told::new(504, "api_error", "upstream_timeout", "No upstream account answered in time. Try again, or ask for a shorter answer."),
            Self::Cut => Told::new(502, "api_error", "upstream_cut", "The upstream broke off in the middle of its answer. What was sent is charged."),
            Self::LedgerDown => Told::new(503, "api_error", "ledger_unavailable", "The ledger cannot write at this moment, so nothing is admitted. Nothing was charged.").after(5),
            Self::HungUp => Told::new(499, "api_error", "client_closed", "The client went away."),
        }
    }
}

fn key(refusal: KeyRefusal) -> Told {
    let told = |status, kind, code, message: &str| Told::new(status, kind, code, message);
    match refusal {
        KeyRefusal::Malformed => told(
            401,
            INVALID,
            "invalid_api_key",
            "This is not an OurHub key: check it for typing errors. Keys start with “sk-oh-”.",
        ),
        KeyRefusal::Unknown => told(
            401,
            INVALID,
            "invalid_api_key",
            "There is no such key. Create one under Keys.",
        ),
        KeyRefusal::Revoked => told(
            401,
            INVALID,
            "key_revoked",
            "This key was revoked. Create another under Keys.",
        ),
        KeyRefusal::Expired => told(
            401,
            INVALID,
            "key_expired",
            "This key has expired. Create another under Keys, or move its end.",
        ),
        KeyRefusal::Disabled => told(
            401,
            INVALID,
            "key_disabled",
            "This key is disabled. It can be enabled under Keys.",
        ),
        KeyRefusal::TeamSuspended => told(
            403,
            "permission_error",
            "team_suspended",
            "This key's team is suspended. The platform's admin can resume it.",
        ),
        KeyRefusal::MemberGone => told(
            403,
            "permission_error",
            "member_gone",
            "This key's owner may no longer use keys. An owner of the team can give it to someone else.",
        ),
        KeyRefusal::Unavailable => told(
            503,
            "api_error",
            "unavailable",
            "Keys cannot be checked at this moment. Nothing was charged.",
        )
        .after(2),
    }
}

fn body(error: &PeekError) -> Told {
    let code = match error {
        PeekError::Malformed { .. } | PeekError::NotUtf8 { .. } | PeekError::NotAnObject => "invalid_json",
        PeekError::Form { .. } => "invalid_form",
        PeekError::TooDeep | PeekError::TooManyFields => "too_complex",
        PeekError::Duplicate { .. } | PeekError::Lookalike { .. } | PeekError::Alias { .. } => "duplicate_field",
        PeekError::Missing { .. } => "missing_field",
        PeekError::WrongType { .. } => "invalid_type",
        PeekError::Unpriced { .. } => "unsupported_parameter",
    };
    let mut told = Told::new(400, INVALID, code, format!("This request cannot be read: {error}."));
    told.param = error.field().map(str::to_owned);
    told
}

fn untranslatable(reason: &Untranslatable) -> Told {
    let code = match reason {
        Untranslatable::Wrong { .. } => "invalid_value",
        Untranslatable::NoCounterpart { .. } => "unsupported_parameter",
    };
    Told::new(
        400,
        INVALID,
        code,
        format!("This request cannot be answered: {reason}."),
    )
    .about(reason.field())
}

fn limit(refusal: &LimitRefusal) -> Told {
    let (whose, what, kind) = match refusal.which {
        Which::KeyRpm => ("This key's", "requests a minute", "requests"),
        Which::KeyTpm => ("This key's", "tokens a minute", "tokens"),
        Which::KeyInFlight => ("This key's", "requests at once", "requests"),
        Which::MemberRpm => ("This key's owner's", "requests a minute", "requests"),
        Which::MemberTpm => ("This key's owner's", "tokens a minute", "tokens"),
        Which::MemberInFlight => ("This key's owner's", "requests at once", "requests"),
        Which::TeamRpm => ("The team's", "requests a minute", "requests"),
        Which::TeamTpm => ("The team's", "tokens a minute", "tokens"),
    };
    let limit = refusal.limit;
    let place = match refusal.which {
        Which::KeyRpm | Which::KeyTpm | Which::KeyInFlight => "Keys",
        Which::MemberRpm | Which::MemberTpm | Which::MemberInFlight => "Team",
        Which::TeamRpm | Which::TeamTpm => "Settings",
    };
    if refusal.needs_more_than_window {
        let message = format!("This request can use more tokens than {whose} whole limit of {limit} {what}. Lower max_tokens, or raise the limit under {place}.").replace("than This", "than this").replace("than The", "than the");
        return Told::new(400, INVALID, "request_exceeds_limit", message).final_answer();
    }
    let seconds = refusal.retry_after_ms.saturating_add(999) / 1000;
    let message = format!(
        "{whose} limit of {limit} {what} is reached. It has room again in {} s.",
        seconds.clamp(1, RETRY_AFTER_MAX_S)
    );
    Told::new(429, kind, "rate_limit_exceeded", message).after(seconds)
}

fn money(short: &Short, way_out: &str, now_ms: i64) -> Told {
    let whose = match short.series.scope {
        Scope::Team => "The team",
        Scope::Member => "This key's owner",
        Scope::Key => "This key",
    };
    let when = match short
        .resets_at_ms
        .and_then(|at| jiff::Timestamp::from_millisecond(at).ok())
    {
        Some(at) => format!(
            " It opens again at {at}, in {}.",
            span(short.resets_at_ms.unwrap_or(now_ms) - now_ms)
        ),
        None => String::new(),
    };
    let left = short.cap.checked_sub(short.posted).unwrap_or_default().render();
    let message = match short.series.kind {
        BucketKind::Wallet => format!(
            "{whose}'s balance does not cover this request: ${left} is left, {} of it held by running requests. {way_out}, or lower max_tokens.",
            format_args!("${}", short.held)
        ),
        kind => {
            let name = match kind {
                BucketKind::Day => "daily cap",
                BucketKind::Month => "monthly cap",
                BucketKind::Total | BucketKind::Wallet => "cap",
            };
            format!(
                "{whose} cannot pay for this request within its {name} of ${}: ${} is spent and ${} is held by running requests.{when} Lower max_tokens, or raise the cap.",
                short.cap, short.posted, short.held
            )
        }
    };
    Told::new(429, "insufficient_quota", "insufficient_quota", message).final_answer()
}

fn span(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}
