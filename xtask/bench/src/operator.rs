//! Somebody who runs OurHub: its command line, and the management API with a token of an admin.
//!
//! Invariant: only what the interface offers is used. Starts processes; talks to loopback.

use std::{
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
};

use anyhow::Context;
use hyper::Method;
use serde_json::{Value, json};

use crate::load::{Target, once};

/// An admin of one installation, with a team of their own.
#[derive(Clone)]
pub struct Operator {
    /// Where the management API is asked, with the token.
    pub admin: Target,
    team: String,
}

/// Runs the command line of `binary` to its end.
///
/// # Errors
/// When it does not start.
pub fn command(binary: &Path, settings: &[(&'static str, String)], args: &[&str]) -> anyhow::Result<Output> {
    let mut command = Command::new(binary);
    Ok(command.args(args).envs(settings.iter().cloned()).output()?)
}

fn text(binary: &Path, settings: &[(&'static str, String)], args: &[&str]) -> anyhow::Result<String> {
    let output = command(binary, settings, args)?;
    anyhow::ensure!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Operator {
    /// Makes an admin with a token for the server at `address`.
    ///
    /// # Errors
    /// When the command line or the server refuses.
    pub async fn new(binary: &Path, settings: &[(&'static str, String)], address: SocketAddr) -> anyhow::Result<Self> {
        let email = "bench@example.com";
        let password = "a long enough passphrase";
        text(
            binary,
            settings,
            &["user", "create", "--email", email, "--password", password, "--admin"],
        )?;
        let key = text(binary, settings, &["token", "create", "--email", email])?;
        let admin = Target { address, key };
        let teams = once(&admin, Method::GET, "/api/v1/teams", &json!(null)).await?;
        let team = teams["data"][0]["id"].as_str().context("a team")?.to_owned();
        Ok(Self { admin, team })
    }

    /// The path of something of the team.
    #[must_use]
    pub fn team_path(&self, rest: &str) -> String {
        format!("/api/v1/teams/{}{rest}", self.team)
    }

    /// What is at `path`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        once(&self.admin, Method::GET, path, &Value::Null).await
    }

    /// Makes `body` at `path`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        once(&self.admin, Method::POST, path, body).await
    }

    /// Changes what is at `path`.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        once(&self.admin, Method::PATCH, path, body).await
    }
}
