//! What one scenario runs on: servers, their operator, customers' keys, and the upstream that knows the truth.
//!
//! Invariant: every scenario has a database and files of its own, so that what one finds is its own doing. Starts processes;
//! writes a folder that is gone with the stage unless something was found.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;
use bench::operator::Operator;
use gateway_core::money::Nano;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use serde_json::json;

use crate::{
    clients::{Load, Mix, Plan},
    hub::Hub,
    upstream::{PRICES, Upstream},
};

/// Day caps in USD and requests a minute of the keys: some are spent within seconds, some within the scenario, some never.
const KEYS: [(&str, Option<u64>); 6] = [
    ("0.02", None),
    ("0.1", None),
    ("0.4", None),
    ("2", Some(600)),
    ("1000", None),
    ("1000", Some(3_000)),
];
/// How long a server may take to see what another one was told.
const SPREAD: Duration = Duration::from_secs(2);
/// Clients of a load.
const CLIENTS: u64 = 24;

/// Where the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// A file in the data folder.
    Sqlite,
    /// The lane's Postgres.
    Postgres,
    /// The same, under several servers.
    Cluster,
}

/// A customer's key.
pub struct Key {
    /// Its id.
    pub id: String,
    /// What clients send.
    pub secret: String,
    /// The most it may cost a day.
    pub cap_day: Option<i64>,
    /// When the cap was lowered, and to what.
    pub lowered: Option<(String, i64)>,
}

/// See the module.
pub struct Stage {
    /// The servers; all on the same rows.
    pub hubs: Vec<Hub>,
    /// Whoever set them up, at the first.
    pub operator: Operator,
    /// The keys, in the order of [`KEYS`].
    pub keys: Vec<Key>,
    /// The truth.
    pub upstream: Upstream,
    /// Its files.
    pub folder: PathBuf,
    /// Where the rows are, as a URL.
    pub database_url: String,
    /// What was mounted on the data folder.
    mount: Option<PathBuf>,
    /// Whether its files are of no more use.
    is_done: bool,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.hubs.clear();
        if let Some(place) = &self.mount {
            let _ = Command::new("umount").arg(place).status();
        }
        if self.is_done {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// How a stage is set up.
pub struct Setup<'a> {
    /// The built server.
    pub binary: &'a Path,
    /// For the folder and the database.
    pub name: String,
    /// Of a superuser, where the rows are in Postgres.
    pub postgres: Option<String>,
    /// Servers.
    pub hubs: usize,
    /// Megabytes of a file system of its own for the data folder.
    pub tmpfs_mb: Option<u32>,
    /// Further environment of each server.
    pub environment: Vec<Vec<(&'static str, String)>>,
}

impl Stage {
    /// Starts everything.
    ///
    /// # Errors
    /// When something does not start or refuses its setting up.
    pub async fn new(setup: Setup<'_>, upstream: &Upstream) -> anyhow::Result<Self> {
        let folder = folder(&setup.name);
        fs::create_dir_all(folder.join("data"))?;
        let mount = setup
            .tmpfs_mb
            .map(|size| mount(&folder.join("data"), size))
            .transpose()?;
        let database_url = match &setup.postgres {
            Some(url) => {
                let name = format!("torture_{}", setup.name.replace('-', "_"));
                let root = connect(url).await?;
                root.execute_unprepared(&format!("CREATE DATABASE {name}")).await?;
                root.close().await?;
                let (base, _) = url.rsplit_once('/').context("a URL ends in a database")?;
                format!("{base}/{name}")
            }
            None => format!("sqlite://{}?mode=rw", folder.join("data/ourhub.db").display()),
        };
        let mut hubs = Vec::new();
        for number in 0..setup.hubs {
            let url = setup.postgres.is_some().then(|| database_url.clone());
            let mut hub = Hub::new(setup.binary, &folder, url)?;
            hub.settings
                .extend(setup.environment.get(number).into_iter().flatten().cloned());
            hub.start().await?;
            hubs.push(hub);
        }
        let operator = Operator::new(setup.binary, &hubs[0].settings, hubs[0].address).await?;
        let keys = set_up(&operator, upstream).await?;
        if hubs.len() > 1 {
            tokio::time::sleep(SPREAD).await;
        }
        Ok(Self {
            hubs,
            operator,
            keys,
            upstream: upstream.clone(),
            folder,
            database_url,
            mount,
            is_done: false,
        })
    }

    /// Clients at all servers.
    pub fn load(&self) -> Load {
        self.load_of(CLIENTS, Mix::Everything)
    }

    /// So many clients that ask this.
    pub fn load_of(&self, clients: u64, mix: Mix) -> Load {
        let is_wide = |key: &&Key| mix == Mix::Everything || key.cap_day >= Some(1_000_000_000_000);
        Load::start(Plan {
            servers: self.hubs.iter().map(|hub| hub.address).collect(),
            keys: self.keys.iter().filter(is_wide).map(|key| key.secret.clone()).collect(),
            clients,
            mix,
        })
    }

    /// A connection to the rows, past the server.
    ///
    /// # Errors
    /// When there is none.
    pub async fn rows(&self) -> anyhow::Result<DatabaseConnection> {
        connect(&self.database_url).await
    }

    /// Removes its files, at its end.
    pub fn forget(&mut self) {
        self.is_done = true;
    }
}

/// The folder of the scenario `name`.
pub fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("ourhub-torture-{}-{name}", std::process::id()))
}

/// A connection with nothing else on it.
///
/// # Errors
/// When there is none.
pub async fn connect(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(10));
    Ok(Database::connect(options).await?)
}

fn mount(place: &Path, size_mb: u32) -> anyhow::Result<PathBuf> {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", &format!("size={size_mb}m"), "tmpfs"]);
    let status = mount.arg(place).status()?;
    anyhow::ensure!(status.success(), "mount: {status}");
    Ok(place.to_owned())
}

async fn set_up(operator: &Operator, upstream: &Upstream) -> anyhow::Result<Vec<Key>> {
    let (input, output) = PRICES;
    let model = json!({ "id": "truth", "max_output": 4096, "prices": { "input": input, "output": output } });
    operator.post("/api/v1/models", &model).await?;
    let account = json!({
        "label": "truth", "provider": "custom", "dialect": "chat", "base_url": format!("http://{}/v1", upstream.address),
        "secret": "sk-truth", "models": ["*"],
    });
    operator.post("/api/v1/accounts", &account).await?;
    let mut keys = Vec::new();
    for (number, (cap_day, rpm)) in KEYS.into_iter().enumerate() {
        let key = json!({ "name": format!("key {number}"), "cap_day": cap_day, "rpm": rpm });
        let made = operator.post(&operator.team_path("/keys"), &key).await?;
        keys.push(Key {
            id: made["id"].as_str().context("an id")?.to_owned(),
            secret: made["key"].as_str().context("a key")?.to_owned(),
            cap_day: Some(Nano::parse(cap_day)?.0),
            lowered: None,
        });
    }
    Ok(keys)
}
