//! What is measured: OurHub with everything on, and nginx as the yardstick.
//!
//! Invariant: OurHub is set up as a person would set it up: a user, an account, a key; nothing is switched off.
//! Starts processes; writes temporary folders.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use anyhow::{Context, bail};
use hyper::Method;
use serde_json::{Value, json};

use crate::{
    load::{Target, once},
    mock::Mock,
    operator::Operator,
    process::{self, Pinned},
};

/// Where OurHub keeps its books.
pub enum Database {
    /// In its data folder.
    Sqlite,
    /// A server that is there already.
    Postgres {
        /// Of a superuser.
        url: String,
        /// Of the first process.
        pid: u32,
    },
}

/// A process that relays to the mock.
pub struct Candidate {
    /// For the table.
    pub name: &'static str,
    /// Where to send requests.
    pub target: Target,
    process: Pinned,
    database: Option<u32>,
}

impl Candidate {
    /// nginx as a plain reverse proxy with kept connections; none where it is not installed.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn nginx(mock: &Mock) -> anyhow::Result<Option<Self>> {
        let places = ["/usr/sbin/nginx", "/usr/bin/nginx", "/opt/homebrew/bin/nginx"].map(Path::new);
        let Some(program) = places.into_iter().find(|place| place.is_file()) else {
            eprintln!("nginx is not installed: measured without the yardstick");
            return Ok(None);
        };
        let (folder, port) = (process::folder("nginx")?, free_port()?);
        let text = NGINX
            .replace("UPSTREAM", &mock.address.to_string())
            .replace("PORT", &port.to_string());
        let text = text.replace("FOLDER", &folder.display().to_string());
        let config = folder.join("nginx.conf");
        fs::write(&config, text)?;
        let process = Pinned::start(program, folder, |command| {
            command.arg("-e").arg("stderr").arg("-c").arg(config);
        })?;
        let candidate = Self {
            name: "nginx",
            target: target(port),
            process,
            database: None,
        };
        candidate.wait("/healthz").await?;
        Ok(Some(candidate))
    }

    /// The release build, one account at the mock, one key with limits.
    ///
    /// # Errors
    /// When it does not start or refuses its setting up.
    pub async fn ourhub(binary: &Path, mock: &Mock, database: Database) -> anyhow::Result<Self> {
        let name = if matches!(database, Database::Sqlite) {
            "OurHub, SQLite"
        } else {
            "OurHub, Postgres"
        };
        let (folder, port) = (process::folder(&name.replace([',', ' '], "-"))?, free_port()?);
        let mut settings = vec![
            ("OURHUB_DATA_DIR", folder.display().to_string()),
            ("OURHUB_LISTEN", format!("127.0.0.1:{port}")),
        ];
        let mut pid = None;
        if let Database::Postgres { url, pid: postmaster } = database {
            settings.push(("OURHUB_DATABASE_URL", url));
            pid = Some(postmaster);
        }
        let process = Pinned::start(binary, folder, |command| {
            command.arg("serve").envs(settings.iter().cloned());
        })?;
        let mut candidate = Self {
            name,
            target: target(port),
            process,
            database: pid,
        };
        candidate.wait("/readyz").await?;
        candidate.target.key = candidate.set_up(binary, mock, &settings).await?;
        Ok(candidate)
    }

    /// Makes an admin, an account and a key, and returns the key.
    async fn set_up(&self, binary: &Path, mock: &Mock, settings: &[(&'static str, String)]) -> anyhow::Result<String> {
        let operator = Operator::new(binary, settings, self.target.address).await?;
        let account = json!({
            "label": "mock", "provider": "openai", "dialect": "chat", "base_url": format!("http://{}/v1", mock.address),
            "secret": "sk-mock", "models": ["*"],
        });
        operator.post("/api/v1/accounts", &account).await?;
        let key = json!({ "name": "bench", "cap_month": "1000000", "tpm": 1_000_000_000_000_i64, "models": ["gpt-*"] });
        let key = operator.post(&operator.team_path("/keys"), &key).await?;
        Ok(key["key"].as_str().context("a key")?.to_owned())
    }

    async fn wait(&self, path: &str) -> anyhow::Result<()> {
        for _ in 0..300 {
            if once(&self.target, Method::GET, path, &Value::Null).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("{} did not start:\n{}", self.name, self.process.log())
    }

    /// CPU time so far.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.process
            .cpu()
            .with_context(|| format!("{} ended:\n{}", self.name, self.process.log()))
    }

    /// Whether a database of its own does part of the work.
    pub fn has_database(&self) -> bool {
        self.database.is_some()
    }

    /// CPU time of its database so far.
    ///
    /// # Errors
    /// When the database has ended.
    pub fn database_cpu(&self) -> anyhow::Result<Duration> {
        self.database.map_or(Ok(Duration::ZERO), process::cpu_of_family)
    }

    /// Resident memory in kB.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn rss_kb(&self) -> anyhow::Result<u64> {
        self.process.rss_kb()
    }
}

fn target(port: u16) -> Target {
    Target {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        key: "none".to_owned(),
    }
}

/// A port that nobody listens on now.
///
/// # Errors
/// When there is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

const NGINX: &str = "
daemon off;
worker_processes 1;
pid FOLDER/pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    keepalive_requests 100000000;
    upstream mock { server UPSTREAM; keepalive 256; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:PORT;
        tcp_nodelay on;
        location = /healthz { return 200; }
        location / {
            proxy_pass http://mock;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
        }
    }
}
";
