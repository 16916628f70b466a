//! Attempts by account and model.
//!
//! Invariant: at most [`PAIRS_MAX`] pairs are told apart; what comes after is counted together. No I/O.

use super::{AttemptOutcome, OUTCOMES, head, line};
use gateway_core::id::{Kind, render};
use parking_lot::Mutex;
use std::collections::HashMap;

/// How many pairs of account and model are told apart.
const PAIRS_MAX: usize = 1_000;

/// Name, what it says, and which number of a pair it is.
type Sum = (&'static str, &'static str, fn(&Tally) -> u64);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct ByAccount(Mutex<Pairs>);

#[derive(Debug, Default)]
struct Pairs {
    known: HashMap<i64, HashMap<String, Tally>>,
    count: usize,
    others: Tally,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    outcomes: [u64; OUTCOMES.len()],
    streams: u64,
    ttft_ms: u64,
}

impl Tally {
    fn add(&mut self, outcome: AttemptOutcome, ttft_ms: Option<i64>) {
        self.outcomes[outcome as usize] += 1;
        if let Some(ttft_ms) = ttft_ms {
            self.streams += 1;
            self.ttft_ms += u64::try_from(ttft_ms).unwrap_or_default();
        }
    }
}

impl ByAccount {
    pub(super) fn add(&self, account_id: i64, model: &str, outcome: AttemptOutcome, ttft_ms: Option<i64>) {
        let pairs = &mut *self.0.lock();
        let of_account = pairs.known.entry(account_id).or_default();
        if let Some(tally) = of_account.get_mut(model) {
            tally.add(outcome, ttft_ms);
        } else if pairs.count < PAIRS_MAX {
            pairs.count += 1;
            of_account.entry(model.to_owned()).or_default().add(outcome, ttft_ms);
        } else {
            pairs.others.add(outcome, ttft_ms);
        }
    }

    pub(super) fn render(&self) -> String {
        let pairs = self.0.lock();
        let mut rows: Vec<(String, Tally)> = Vec::new();
        for (account_id, models) in &pairs.known {
            let account = render(Kind::Account, *account_id);
            let row = |(model, tally): (&String, &Tally)| {
                (format!("account=\"{account}\",model=\"{}\"", quoted(model)), *tally)
            };
            rows.extend(models.iter().map(row));
        }
        rows.push(("account=\"others\",model=\"others\"".to_owned(), pairs.others));
        drop(pairs);
        rows.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let mut text = String::new();
        head(
            &mut text,
            "account_attempts_total",
            "counter",
            "Calls of an account for a model.",
        );
        for (labels, tally) in &rows {
            for (outcome, count) in OUTCOMES.iter().zip(tally.outcomes).filter(|(_, count)| *count > 0) {
                let labels = format!("{{{labels},outcome=\"{}\"}}", outcome.name());
                line(&mut text, "account_attempts_total", &labels, count);
            }
        }
        let sums: [Sum; 2] = [
            ("account_streams_total", "Streams of which content came.", |tally| {
                tally.streams
            }),
            (
                "account_first_content_milliseconds_total",
                "What they took to their first content, together.",
                |tally| tally.ttft_ms,
            ),
        ];
        for (name, help, of) in sums {
            head(&mut text, name, "counter", help);
            for (labels, tally) in rows.iter().filter(|(_, tally)| tally.streams > 0) {
                line(&mut text, name, &format!("{{{labels}}}"), of(tally));
            }
        }
        text
    }
}

/// A label's value as Prometheus writes it.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_told_apart_up_to_a_bound() {
        let counts = ByAccount::default();
        for number in 0..PAIRS_MAX + 5 {
            counts.add(7, &format!("m{number}"), AttemptOutcome::Ok, Some(3));
        }
        counts.add(7, "m0", AttemptOutcome::RateLimited, None);
        let text = counts.render();
        let account = render(Kind::Account, 7);
        for expected in [
            format!("account_attempts_total{{account=\"{account}\",model=\"m0\",outcome=\"ok\"}} 1\n"),
            format!("account_attempts_total{{account=\"{account}\",model=\"m0\",outcome=\"rate_limited\"}} 1\n"),
            format!("account_first_content_milliseconds_total{{account=\"{account}\",model=\"m0\"}} 3\n"),
            "account_attempts_total{account=\"others\",model=\"others\",outcome=\"ok\"} 5\n".to_owned(),
        ] {
            assert!(text.contains(&expected), "{expected}");
        }
        assert_eq!(quoted("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
