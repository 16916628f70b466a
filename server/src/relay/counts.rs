//! What the pipeline counts while it works, for `/metrics`.
//!
//! Invariant: every label is one of a fixed list, so the series are as many after a year as at the start, but those of accounts and models,
//! which are bounded and stand apart; counting is an addition and nothing more. No I/O.

mod by_account;

use crate::metering::AttemptOutcome;
use by_account::ByAccount;
use gateway_core::dialect::Operation;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// Every operation, whose names are labels.
const OPERATIONS: [Operation; Operation::ALL.len()] = Operation::ALL;
/// Names of status classes, as labels.
const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];
/// Upper bounds of the buckets of a histogram, in milliseconds, and as Prometheus writes them, in seconds.
const BOUNDS: [(i64, &str); 9] = [
    (50, "0.05"),
    (200, "0.2"),
    (500, "0.5"),
    (1_000, "1"),
    (2_000, "2"),
    (5_000, "5"),
    (15_000, "15"),
    (60_000, "60"),
    (300_000, "300"),
];
/// Every outcome of an attempt.
const OUTCOMES: [AttemptOutcome; 13] = [
    AttemptOutcome::Ok,
    AttemptOutcome::RateLimited,
    AttemptOutcome::NoMoney,
    AttemptOutcome::BadKey,
    AttemptOutcome::Failed,
    AttemptOutcome::TimedOut,
    AttemptOutcome::Unreachable,
    AttemptOutcome::Cut,
    AttemptOutcome::ModelMissing,
    AttemptOutcome::Refused,
    AttemptOutcome::HungUp,
    AttemptOutcome::ProxyFailed,
    AttemptOutcome::Outrun,
];

/// See the module.
#[derive(Debug, Default)]
pub struct Counts {
    requests: [[AtomicU64; CLASSES.len()]; OPERATIONS.len()],
    attempts: [AtomicU64; OUTCOMES.len()],
    first_content: Histogram,
    total: Histogram,
    by_account: ByAccount,
}

/// How many took how long.
#[derive(Debug, Default)]
struct Histogram {
    buckets: [AtomicU64; BOUNDS.len()],
    /// Those above the last bound.
    above: AtomicU64,
    sum_ms: AtomicU64,
}

impl Counts {
    /// A request got an answer with `status`.
    pub fn request(&self, operation: Operation, status: u16) {
        let class = match status {
            ..400 => 0,
            400..500 => 1,
            500.. => 2,
        };
        self.requests[operation as usize][class].fetch_add(1, Ordering::Relaxed);
    }

    /// The account was asked for the model, and that ended so; milliseconds to its first content, where that came.
    pub(super) fn attempt(&self, asked: Option<(i64, &str)>, outcome: AttemptOutcome, ttft_ms: Option<i64>) {
        self.attempts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        if let Some((account_id, model)) = asked {
            self.by_account.add(account_id, model, outcome, ttft_ms);
        }
    }

    /// What was counted of each account and model, in Prometheus' text format: for those who may know their names.
    #[must_use]
    pub fn render_accounts(&self) -> String {
        self.by_account.render()
    }

    /// An upstream answered: milliseconds to the first content, where it was streamed, and to the end.
    pub(super) fn answer(&self, ttft_ms: Option<i64>, total_ms: i64) {
        if let Some(ttft_ms) = ttft_ms {
            self.first_content.add(ttft_ms);
        }
        self.total.add(total_ms);
    }

    /// All of it in Prometheus' text format.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        head(&mut text, "requests_total", "counter", "Requests answered.");
        for (operation, classes) in OPERATIONS.iter().zip(&self.requests) {
            for (class, count) in CLASSES.iter().zip(classes) {
                let operation = operation.as_str();
                let labels = format!("{{operation=\"{operation}\",status=\"{class}\"}}");
                line(&mut text, "requests_total", &labels, count.load(Ordering::Relaxed));
            }
        }
        head(&mut text, "attempts_total", "counter", "Upstream accounts asked.");
        for (outcome, count) in OUTCOMES.iter().zip(&self.attempts) {
            let labels = format!("{{outcome=\"{}\"}}", outcome.name());
            line(&mut text, "attempts_total", &labels, count.load(Ordering::Relaxed));
        }
        let histograms = [
            (
                "first_content_seconds",
                "From a request to the first content of its stream.",
                &self.first_content,
            ),
            (
                "answer_seconds",
                "From a request to the end of its answer.",
                &self.total,
            ),
        ];
        for (name, help, histogram) in histograms {
            head(&mut text, name, "histogram", help);
            histogram.render(&mut text, name);
        }
        text
    }
}

impl Histogram {
    fn add(&self, took_ms: i64) {
        let bucket = BOUNDS.iter().position(|(bound_ms, _)| took_ms <= *bound_ms);
        let bucket = bucket.map_or(&self.above, |at| &self.buckets[at]);
        bucket.fetch_add(1, Ordering::Relaxed);
        self.sum_ms
            .fetch_add(u64::try_from(took_ms).unwrap_or(0), Ordering::Relaxed);
    }

    fn render(&self, text: &mut String, name: &str) {
        let mut count = 0;
        for ((_, bound), bucket) in BOUNDS.iter().zip(&self.buckets) {
            count += bucket.load(Ordering::Relaxed);
            line(text, &format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), count);
        }
        count += self.above.load(Ordering::Relaxed);
        line(text, &format!("{name}_bucket"), "{le=\"+Inf\"}", count);
        let sum_ms = self.sum_ms.load(Ordering::Relaxed);
        // A String takes whatever is written to it.
        let _ = writeln!(text, "ourhub_{name}_sum {}.{:03}", sum_ms / 1_000, sum_ms % 1_000);
        line(text, &format!("{name}_count"), "", count);
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP ourhub_{name} {help}\n# TYPE ourhub_{name} {kind}");
}

fn line(text: &mut String, name: &str, labels: &str, value: u64) {
    let _ = writeln!(text, "ourhub_{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        let counts = Counts::default();
        for (at, outcome) in OUTCOMES.into_iter().enumerate() {
            assert_eq!(outcome as usize, at, "{outcome:?}");
            counts.attempt(Some((1, "m")), outcome, None);
            let expected = format!("ourhub_attempts_total{{outcome=\"{}\"}} 1\n", outcome.name());
            assert!(counts.render().contains(&expected), "{expected}");
        }
    }

    #[test]
    fn the_buckets_of_a_histogram_add_up() {
        let counts = Counts::default();
        for total_ms in [0, 50, 51, 299_999, 300_001] {
            counts.answer(None, total_ms);
        }
        let text = counts.render();
        for expected in [
            "answer_seconds_bucket{le=\"0.05\"} 2\n",
            "answer_seconds_bucket{le=\"0.2\"} 3\n",
            "answer_seconds_bucket{le=\"300\"} 4\n",
            "answer_seconds_bucket{le=\"+Inf\"} 5\n",
            "answer_seconds_sum 600.101\n",
            "answer_seconds_count 5\n",
            "first_content_seconds_count 0\n",
        ] {
            assert!(text.contains(expected), "{expected}{text}");
        }
    }
}
