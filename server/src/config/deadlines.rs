//! How long each part of an upstream call may take.
//!
//! Invariant: none of them is zero, which nothing could keep. Pure.

use super::flags::DeadlineFlags;
use super::{ConfigError, duration};
use std::time::Duration;

/// The longest of them.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// See the module; all but the last are of one account that is asked.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// Until there is a connection.
    pub connect: Duration,
    /// From sending to the head of a streamed answer.
    pub headers: Duration,
    /// From sending to the first content of a stream.
    pub first_content: Duration,
    /// From sending to the end of an answer that is not streamed.
    pub whole: Duration,
    /// Between two pieces of a stream.
    pub idle: Duration,
    /// For the whole request.
    pub total: Duration,
}

impl Deadlines {
    /// What `flags` say.
    ///
    /// # Errors
    /// [`ConfigError`] naming the first that is no time, or zero.
    pub(super) fn new(flags: &DeadlineFlags) -> Result<Self, ConfigError> {
        Ok(Self {
            connect: deadline("OURHUB_CONNECT_TIMEOUT", &flags.connect_timeout)?,
            headers: deadline("OURHUB_HEADERS_TIMEOUT", &flags.headers_timeout)?,
            first_content: deadline("OURHUB_FIRST_CONTENT_TIMEOUT", &flags.first_content_timeout)?,
            whole: deadline("OURHUB_ANSWER_TIMEOUT", &flags.answer_timeout)?,
            idle: deadline("OURHUB_IDLE_TIMEOUT", &flags.idle_timeout)?,
            total: deadline("OURHUB_TOTAL_TIMEOUT", &flags.total_timeout)?,
        })
    }
}

fn deadline(setting: &'static str, typed: &str) -> Result<Duration, ConfigError> {
    let time = duration(setting, typed, LONGEST)?;
    if time.is_zero() {
        return Err(ConfigError::new(
            setting,
            "a deadline of 0 lets nothing through; write, for example, 30s or 10m",
        ));
    }
    Ok(time)
}
