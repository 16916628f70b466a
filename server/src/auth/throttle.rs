//! How often somebody may try: per address, per account and in all.
//!
//! Invariant: an attempt counts from before its work begins, so that a burst cannot slip through; in no window, however
//! it is laid, are more attempts let through than the limit says. In memory of this process.

use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// So many attempts in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Attempts.
    pub count: usize,
    /// The sliding window, in milliseconds.
    pub window_ms: i64,
}

/// The limits of signing up and in, and of links that are mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Failed log-ins from one address.
    pub log_in_address: Limit,
    /// Failed log-ins to one account, whether it exists or not.
    pub log_in_account: Limit,
    /// Sign-ups from one address.
    pub sign_up_address: Limit,
    /// Links asked for from one address.
    pub link_address: Limit,
    /// Links to one mailbox, whether anybody has it or not.
    pub link_mailbox: Limit,
    /// Log-ins, sign-ups and links in all.
    pub everybody: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE_MS: i64 = 60_000;
        Self {
            log_in_address: Limit {
                count: 30,
                window_ms: 5 * MINUTE_MS,
            },
            log_in_account: Limit {
                count: 10,
                window_ms: 15 * MINUTE_MS,
            },
            sign_up_address: Limit {
                count: 100,
                window_ms: 60 * MINUTE_MS,
            },
            link_address: Limit {
                count: 20,
                window_ms: 60 * MINUTE_MS,
            },
            link_mailbox: Limit {
                count: 5,
                window_ms: 60 * MINUTE_MS,
            },
            everybody: Limit {
                count: 600,
                window_ms: MINUTE_MS,
            },
        }
    }
}

/// Whose attempts are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    LogInAddress(IpAddr),
    LogInAccount(String),
    SignUpAddress(IpAddr),
    LinkAddress(IpAddr),
    LinkMailbox(String),
    Everybody,
}

/// A counted attempt, to be given back when it turns out to be nobody's guess.
pub struct Attempt {
    subjects: Vec<Subject>,
    at_ms: i64,
}

/// Counts attempts.
pub struct Throttle {
    limits: Limits,
    attempts: Mutex<HashMap<Subject, VecDeque<i64>>>,
}

impl Throttle {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            attempts: Mutex::new(HashMap::new()),
        }
    }

    /// Counts a log-in from `address` to the account `email`.
    ///
    /// # Errors
    /// The seconds until the next attempt may be let through.
    pub fn log_in(&self, address: IpAddr, email: &str, now_ms: i64) -> Result<Attempt, u64> {
        let subjects = vec![
            Subject::LogInAddress(network(address)),
            Subject::LogInAccount(email.to_owned()),
            Subject::Everybody,
        ];
        self.count(subjects, now_ms)
    }

    /// Counts a sign-up from `address`.
    ///
    /// # Errors
    /// The seconds until the next attempt may be let through.
    pub fn sign_up(&self, address: IpAddr, now_ms: i64) -> Result<Attempt, u64> {
        self.count(
            vec![Subject::SignUpAddress(network(address)), Subject::Everybody],
            now_ms,
        )
    }

    /// Counts a link that `address` has mailed to `email`.
    ///
    /// # Errors
    /// The seconds until the next attempt may be let through.
    pub fn mail_link(&self, address: IpAddr, email: &str, now_ms: i64) -> Result<Attempt, u64> {
        let subjects = vec![
            Subject::LinkAddress(network(address)),
            Subject::LinkMailbox(email.to_owned()),
            Subject::Everybody,
        ];
        self.count(subjects, now_ms)
    }

    /// Takes back a successful log-in's count, except in all.
    pub fn give_back(&self, attempt: Attempt) {
        let mut attempts = self.attempts.lock();
        for subject in attempt
            .subjects
            .iter()
            .filter(|subject| **subject != Subject::Everybody)
        {
            let Some(times) = attempts.get_mut(subject) else {
                continue;
            };
            if let Some(position) = times.iter().rposition(|time| *time == attempt.at_ms) {
                times.remove(position);
            }
        }
    }

    fn limit(&self, subject: &Subject) -> Limit {
        match subject {
            Subject::LogInAddress(_) => self.limits.log_in_address,
            Subject::LogInAccount(_) => self.limits.log_in_account,
            Subject::SignUpAddress(_) => self.limits.sign_up_address,
            Subject::LinkAddress(_) => self.limits.link_address,
            Subject::LinkMailbox(_) => self.limits.link_mailbox,
            Subject::Everybody => self.limits.everybody,
        }
    }

    fn count(&self, subjects: Vec<Subject>, now_ms: i64) -> Result<Attempt, u64> {
        let mut attempts = self.attempts.lock();
        let mut wait_ms = 0;
        for subject in &subjects {
            let limit = self.limit(subject);
            let Some(times) = attempts.get_mut(subject) else {
                continue;
            };
            drop_old(times, limit, now_ms);
            if times.len() >= limit.count {
                let opens_ms = times.front().map_or(now_ms, |first| first + limit.window_ms);
                wait_ms = wait_ms.max(opens_ms - now_ms);
            }
        }
        if wait_ms > 0 {
            return Err(wait_ms.unsigned_abs().div_ceil(1_000));
        }
        for subject in &subjects {
            attempts.entry(subject.clone()).or_default().push_back(now_ms);
        }
        Ok(Attempt {
            subjects,
            at_ms: now_ms,
        })
    }

    /// Forgets what no longer counts, so that memory stays small; to be called every minute or so.
    pub fn tidy(&self, now_ms: i64) {
        self.attempts.lock().retain(|subject, times| {
            drop_old(times, self.limit(subject), now_ms);
            !times.is_empty()
        });
    }
}

fn drop_old(times: &mut VecDeque<i64>, limit: Limit, now_ms: i64) {
    while times.front().is_some_and(|first| first + limit.window_ms <= now_ms) {
        times.pop_front();
    }
}

/// What one customer of an internet provider holds: the address, or the /64 of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(six) => IpAddr::V6((six.to_bits() & !u128::from(u64::MAX)).into()),
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_account_is_throttled_from_any_address_and_opens_when_the_first_attempt_is_old() {
        let throttle = Throttle::new(Limits::default());
        for count in 0..10 {
            let from = address(&format!("203.0.113.{count}"));
            assert!(throttle.log_in(from, "mara@example.com", NOW + count).is_ok());
        }
        let from = address("198.51.100.1");
        assert_eq!(throttle.log_in(from, "mara@example.com", NOW + 10).err(), Some(900));
        assert!(throttle.log_in(from, "jonas@example.com", NOW + 10).is_ok());
        assert!(throttle.log_in(from, "mara@example.com", NOW + 15 * 60_000).is_ok());
        assert!(throttle.log_in(from, "mara@example.com", NOW + 15 * 60_000).is_err());
    }

    #[test]
    fn one_address_is_throttled_over_all_accounts_and_so_is_its_ipv6_network() {
        let throttle = Throttle::new(Limits::default());
        for count in 0..30 {
            let from = address(&format!("2001:db8::{count:x}"));
            assert!(throttle.log_in(from, &format!("{count}@example.com"), NOW).is_ok());
        }
        assert!(
            throttle
                .log_in(address("2001:db8::ffff"), "x@example.com", NOW)
                .is_err()
        );
        assert!(
            throttle
                .log_in(address("2001:db8:0:1::1"), "x@example.com", NOW)
                .is_ok()
        );
    }

    #[test]
    fn a_success_does_not_count_against_account_or_address_but_counts_in_all() {
        let limits = Limits {
            everybody: Limit {
                count: 50,
                window_ms: 60_000,
            },
            ..Limits::default()
        };
        let throttle = Throttle::new(limits);
        for _ in 0..50 {
            let attempt = throttle
                .log_in(address("203.0.113.1"), "mara@example.com", NOW)
                .unwrap();
            throttle.give_back(attempt);
        }
        assert_eq!(
            throttle.log_in(address("203.0.113.1"), "mara@example.com", NOW).err(),
            Some(60)
        );
        assert!(throttle.sign_up(address("203.0.113.9"), NOW).is_err());
    }

    #[test]
    fn a_refused_attempt_does_not_lengthen_the_wait() {
        let throttle = Throttle::new(Limits::default());
        for _ in 0..10 {
            throttle
                .log_in(address("203.0.113.1"), "mara@example.com", NOW)
                .unwrap();
        }
        for second in 0..60 {
            assert!(
                throttle
                    .log_in(address("203.0.113.1"), "mara@example.com", NOW + second * 1_000)
                    .is_err()
            );
        }
        assert!(
            throttle
                .log_in(address("203.0.113.1"), "mara@example.com", NOW + 900_000)
                .is_ok()
        );
    }

    #[test]
    fn sign_ups_and_links_are_counted_by_address_and_links_by_mailbox_too() {
        let limits = Limits::default();
        let throttle = Throttle::new(limits);
        let (here, there) = (address("203.0.113.1"), address("203.0.113.2"));
        for _ in 0..limits.sign_up_address.count {
            assert!(throttle.sign_up(here, NOW).is_ok());
        }
        assert!(throttle.sign_up(here, NOW).is_err() && throttle.sign_up(there, NOW).is_ok());
        for at in 0..limits.link_address.count {
            assert!(throttle.mail_link(here, &format!("user-{at}@example.com"), NOW).is_ok());
        }
        assert!(throttle.mail_link(here, "mara@example.com", NOW).is_err());
        for at in 0..limits.link_mailbox.count {
            let from = address(&format!("198.51.100.{at}"));
            assert!(throttle.mail_link(from, "mara@example.com", NOW).is_ok());
        }
        assert!(throttle.mail_link(there, "mara@example.com", NOW).is_err());
        assert!(throttle.mail_link(there, "lena@example.com", NOW).is_ok());
    }

    #[test]
    fn tidying_keeps_only_what_counts() {
        let throttle = Throttle::new(Limits::default());
        throttle
            .log_in(address("203.0.113.1"), "mara@example.com", NOW)
            .unwrap();
        throttle.tidy(NOW + 1);
        assert_eq!(throttle.attempts.lock().len(), 3);
        throttle.tidy(NOW + 15 * 60_000);
        assert!(throttle.attempts.lock().is_empty());
    }
}
