//! Logs: one line an event, for people or for machines.
//!
//! Invariant: logs go to standard error, so that standard output holds only what a command answers. Sets the process's
//! subscriber.

use tracing_subscriber::EnvFilter;

/// For people or for machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Coloured lines on a terminal.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("OURHUB_LOG: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
}

/// Starts to log in `format` what `filter` lets through. Where the process logs already, that stays as it is.
///
/// # Errors
/// [`TelemetryError::Filter`] where `filter` is not understood.
pub fn start(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Pretty => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}
