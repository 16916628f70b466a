//! The configuration: what was typed on the command line or set in the environment, checked and made whole.
//!
//! Invariant: a [`Config`] is consistent: a listener that others can reach has a public URL, and a cookie name follows from
//! it. Secrets never reach `Debug`. Reads the command line and the environment, through clap.

mod deadlines;
mod flags;
mod origin;
mod sign_in;

pub use deadlines::Deadlines;
pub use flags::{Command, Flags, LedgerCommand, TokenCommand, UserCommand};
pub use origin::{Origin, is_loopback_host};

use crate::{auth::Provider, billing::StripeSettings, mail, secrets::Secret, telemetry::LogFormat};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

/// The longest waiting room.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// The longest drain at the end.
const DRAIN_MAX: Duration = Duration::from_secs(3_600);

/// Everything the server is told.
#[derive(Clone)]
pub struct Config {
    /// Where the data is.
    pub storage: Storage,
    /// Who can reach the server, and how.
    pub edge: Edge,
    /// Whether a team may only spend what was paid in.
    pub prepaid: bool,
    /// How payments are taken; none: they are not.
    pub stripe: Option<StripeSettings>,
    /// How long a request waits when every account is busy; zero: it does not.
    pub wait: Duration,
    /// After how much silence another account is asked as well; `None`: never.
    pub hedge: Option<Duration>,
    /// How long each part of an upstream call may take.
    pub deadlines: Deadlines,
    /// What `/metrics` demands as a bearer token, if anything.
    pub metrics_token: Option<Secret>,
    /// How many days the rows of requests are kept; `None`: for good.
    pub keep_requests_days: Option<u32>,
    /// Ranges that platform accounts may reach besides public addresses.
    pub upstream_allow: Vec<IpNet>,
    /// Ranges that teams' own accounts may reach besides public addresses. No flag sets it: a server reaches none for them.
    pub team_upstream_allow: Vec<IpNet>,
    /// The mail server; none: mails stay in the outbox.
    pub smtp: Option<mail::Server>,
    /// Services elsewhere that sign people in.
    pub providers: Vec<Provider>,
    /// How logs are written.
    pub log: Log,
}

/// Where the data is.
#[derive(Clone)]
pub struct Storage {
    /// The database.
    pub database_url: String,
    /// Holds the master key and the SQLite file.
    pub data_dir: PathBuf,
    /// The master key from the environment; else it is kept in the data directory.
    pub master_key: Option<String>,
}

/// Who can reach the server, and how.
#[derive(Clone, Debug)]
pub struct Edge {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What browsers call it; none: loopback only.
    pub public: Option<Origin>,
    /// Proxies whose forwarding headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// How long requests under way may take to end after SIGTERM.
    pub drain: Duration,
}

/// How logs are written.
#[derive(Clone, Debug)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// `info`, or directives such as `server=debug,info`.
    pub filter: String,
}

/// Why a configuration is refused: which setting, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct ConfigError {
    /// The environment variable.
    pub setting: &'static str,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl ConfigError {
    fn new(setting: &'static str, reason: impl Into<String>) -> Self {
        Self {
            setting,
            reason: reason.into(),
        }
    }
}

impl Config {
    /// What `flags` mean together.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first setting that is wrong.
    pub fn new(flags: &Flags) -> Result<Self, ConfigError> {
        let listen = flags.listen;
        let is_loopback = listen.ip().to_canonical().is_loopback();
        let public = flags.public_url.as_deref().map(Origin::parse).transpose();
        let public = public.map_err(|reason| ConfigError::new("OURHUB_PUBLIC_URL", reason))?;
        if public.is_none() && !is_loopback {
            let reason = format!(
                "{listen} can be reached from elsewhere, so set what browsers call it, for example https://hub.example.com"
            );
            return Err(ConfigError::new("OURHUB_PUBLIC_URL", reason));
        }
        let upstream_allow = match flags.upstream_allow.as_deref() {
            Some(typed) => ranges("OURHUB_UPSTREAM_ALLOW", typed)?,
            None if is_loopback => loopback_ranges(),
            None => Vec::new(),
        };
        let stripe = stripe(flags)?;
        Ok(Self {
            storage: Storage::new(flags),
            edge: Edge {
                listen,
                public,
                trusted_proxies: ranges("OURHUB_TRUSTED_PROXIES", &flags.trusted_proxies)?,
                drain: duration("OURHUB_DRAIN", &flags.drain, DRAIN_MAX)?,
            },
            prepaid: flags.prepaid.unwrap_or(stripe.is_some()),
            stripe,
            wait: duration("OURHUB_WAIT", &flags.wait, WAIT_MAX)?,
            hedge: Some(duration("OURHUB_HEDGE", &flags.hedge, WAIT_MAX)?).filter(|delay| !delay.is_zero()),
            deadlines: Deadlines::new(&flags.deadlines)?,
            metrics_token: flags
                .metrics_token
                .clone()
                .filter(|token| !token.is_empty())
                .map(Secret::new),
            keep_requests_days: Some(flags.keep_requests_days).filter(|days| *days > 0),
            upstream_allow,
            team_upstream_allow: Vec::new(),
            smtp: flags.smtp_url.as_deref().map(smtp).transpose()?,
            providers: sign_in::providers(&flags.sign_in)?,
            log: Log {
                format: flags.log_format,
                filter: flags.log.clone(),
            },
        })
    }
}

impl Storage {
    fn new(flags: &Flags) -> Self {
        Self {
            database_url: flags
                .database_url
                .clone()
                .unwrap_or_else(|| sqlite_url(&flags.data_dir)),
            data_dir: flags.data_dir.clone(),
            master_key: flags.master_key.clone(),
        }
    }

    /// Whether the database is a SQLite file, which one process serves at a time.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.database_url.starts_with("sqlite:")
    }
}

impl Edge {
    /// Whether only this machine can reach the listener.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }

    /// Whether browsers speak https to the server or to the proxy before it.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public.as_ref().is_some_and(Origin::is_https)
    }

    /// What people type to reach the server when it listens at `bound`.
    #[must_use]
    pub fn url(&self, bound: SocketAddr) -> String {
        self.public
            .as_ref()
            .map_or_else(|| format!("http://{bound}"), Origin::to_string)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Config")
            .field("data_dir", &self.storage.data_dir)
            .field("edge", &self.edge)
            .finish_non_exhaustive()
    }
}

fn smtp(typed: &str) -> Result<mail::Server, ConfigError> {
    mail::Server::parse(typed).map_err(|error| ConfigError::new("OURHUB_SMTP_URL", error.to_string()))
}

/// How Stripe is reached, if it is configured: the two secrets go together.
fn stripe(flags: &Flags) -> Result<Option<StripeSettings>, ConfigError> {
    let base = flags.stripe_api_base.as_deref();
    match (&flags.stripe_secret_key, &flags.stripe_webhook_secret) {
        (None, None) => Ok(None),
        (None, Some(_)) => {
            let reason = "the webhook's secret is set and this is not; set both to take payments, or none";
            Err(ConfigError::new("OURHUB_STRIPE_SECRET_KEY", reason))
        }
        (Some(key), webhook) => StripeSettings::new(key, webhook.as_deref().unwrap_or_default(), base)
            .map(|settings| Some(settings.with_invoices(flags.stripe_invoices)))
            .map_err(|(setting, reason)| ConfigError::new(setting, reason)),
    }
}

fn sqlite_url(data_dir: &Path) -> String {
    format!("sqlite://{}?mode=rwc", data_dir.join("ourhub.db").display())
}

fn loopback_ranges() -> Vec<IpNet> {
    vec![
        Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
        Ipv6Net::from(Ipv6Addr::LOCALHOST).into(),
    ]
}

/// Ranges or single addresses separated by commas.
fn ranges(setting: &'static str, typed: &str) -> Result<Vec<IpNet>, ConfigError> {
    let words = typed.split([',', ' ']).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let range = word.parse::<IpNet>().ok();
            range
                .or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
                .ok_or_else(|| {
                    ConfigError::new(
                        setting,
                        format!("“{word}” is not a range of addresses; write, for example, 10.0.0.0/8"),
                    )
                })
        })
        .collect()
}

/// `30s`, `500ms`, `2m` or a number of seconds.
fn duration(setting: &'static str, typed: &str, longest: Duration) -> Result<Duration, ConfigError> {
    let digits = typed.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit_ms = match &typed[digits.len()..] {
        "ms" => Some(1),
        "s" | "" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let millis = number.zip(unit_ms).and_then(|(number, unit)| number.checked_mul(unit));
    let parsed = millis.map(Duration::from_millis).filter(|time| *time <= longest);
    parsed.ok_or_else(|| {
        let most = longest.as_secs();
        ConfigError::new(
            setting,
            format!("“{typed}” is not a time up to {most}s; write, for example, 30s, 500ms or 0"),
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser as _;

    fn config(typed: &[&str]) -> Result<Config, ConfigError> {
        let words = ["ourhub"].into_iter().chain(typed.iter().copied());
        Config::new(&Flags::try_parse_from(words).unwrap())
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let config = config(&[]).unwrap();
        assert_eq!(config.edge.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.wait, Duration::from_secs(30));
        assert_eq!(config.deadlines.total, Duration::from_secs(3_600));
        assert_eq!(config.keep_requests_days, Some(400));
        assert!(config.storage.is_sqlite() && config.edge.public.is_none() && !config.prepaid);
        assert!(
            config
                .upstream_allow
                .iter()
                .any(|range| range.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)))
        );
    }

    #[test]
    fn a_listener_others_can_reach_demands_a_public_url_and_opens_no_inner_range() {
        for listen in ["0.0.0.0:3000", "[::]:80", "192.0.2.7:3000"] {
            assert_eq!(
                config(&["--listen", listen]).unwrap_err().setting,
                "OURHUB_PUBLIC_URL",
                "{listen}"
            );
        }
        let config = config(&["--listen", "0.0.0.0:3000", "--public-url", "https://Hub.example.com/"]).unwrap();
        assert_eq!(config.edge.url(config.edge.listen), "https://hub.example.com");
        assert!(config.edge.is_https() && config.upstream_allow.is_empty());
    }

    #[test]
    fn wrong_settings_are_named() {
        for (flag, value, setting) in [
            ("--wait", "soon", "OURHUB_WAIT"),
            ("--wait", "2h", "OURHUB_WAIT"),
            ("--connect-timeout", "0", "OURHUB_CONNECT_TIMEOUT"),
            ("--idle-timeout", "a while", "OURHUB_IDLE_TIMEOUT"),
            ("--total-timeout", "25h", "OURHUB_TOTAL_TIMEOUT"),
            ("--trusted-proxies", "10.0.0.0/33", "OURHUB_TRUSTED_PROXIES"),
            ("--upstream-allow", "inner", "OURHUB_UPSTREAM_ALLOW"),
            ("--smtp-url", "mail.example.com", "OURHUB_SMTP_URL"),
            ("--public-url", "hub.example.com", "OURHUB_PUBLIC_URL"),
            ("--public-url", "https://hub.example.com/base", "OURHUB_PUBLIC_URL"),
        ] {
            assert_eq!(config(&[flag, value]).unwrap_err().setting, setting, "{flag} {value}");
        }
    }

    #[test]
    fn a_service_that_signs_people_in_needs_both_halves_and_a_safe_address() {
        let id = ["--google-client-id", "hub"];
        assert_eq!(config(&id).unwrap_err().setting, "OURHUB_GOOGLE_CLIENT_SECRET");
        assert_eq!(
            config(&["--github-client-secret", "s"]).unwrap_err().setting,
            "OURHUB_GITHUB_CLIENT_ID"
        );
        let oidc = ["--oidc-client-id", "hub", "--oidc-client-secret", "canary"];
        assert_eq!(config(&oidc).unwrap_err().setting, "OURHUB_OIDC_ISSUER");
        let clear = [oidc.as_slice(), &["--oidc-issuer", "http://login.example.com"]].concat();
        assert_eq!(config(&clear).unwrap_err().setting, "OURHUB_OIDC_ISSUER");
        let whole = [oidc.as_slice(), &["--oidc-issuer", "https://login.example.com"]].concat();
        let config = config(&whole).unwrap();
        assert_eq!(
            (config.providers.len(), config.providers[0].label.as_str()),
            (1, "single sign-on")
        );
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn times_are_read_with_their_unit() {
        for (typed, millis) in [("0", 0), ("30", 30_000), ("500ms", 500), ("2m", 120_000)] {
            assert_eq!(duration("x", typed, WAIT_MAX).unwrap().as_millis(), millis, "{typed}");
        }
    }

    #[test]
    fn requests_are_kept_for_good_where_it_is_said() {
        for (typed, days) in [("0", None), ("30", Some(30))] {
            assert_eq!(
                config(&["--keep-requests-days", typed]).unwrap().keep_requests_days,
                days
            );
        }
    }

    #[test]
    fn payments_need_both_secrets_and_turn_prepaid_on_unless_it_is_said() {
        let key = ["--stripe-secret-key", "sk_test_42424242"];
        let webhook = ["--stripe-webhook-secret", "whsec_0123456789abc"];
        let both = [key, webhook].concat();
        let on = config(&both).unwrap();
        assert!(on.prepaid && on.stripe.is_some());
        let off = config(&[both.as_slice(), &["--prepaid=false"]].concat()).unwrap();
        assert!(!off.prepaid && off.stripe.is_some());
        assert!(config(&["--prepaid"]).unwrap().prepaid && config(&["--prepaid", "serve"]).unwrap().prepaid);
        assert_eq!(config(&key).unwrap_err().setting, "OURHUB_STRIPE_WEBHOOK_SECRET");
        assert_eq!(config(&webhook).unwrap_err().setting, "OURHUB_STRIPE_SECRET_KEY");
        for empty in ["", "whsec_"] {
            let typed = [key, ["--stripe-webhook-secret", empty]].concat();
            let refused = config(&typed).unwrap_err();
            assert_eq!(refused.setting, "OURHUB_STRIPE_WEBHOOK_SECRET");
            assert!(
                refused.reason.contains("copy the one that begins with whsec_"),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_master_key_is_not_printed() {
        let config = config(&["--master-key", "canary"]).unwrap();
        assert!(!format!("{config:?}").contains("canary"));
    }
}
