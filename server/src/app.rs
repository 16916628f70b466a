//! The application: every area, built once from the configuration, and taken down in order.
//!
//! Invariant: whatever must outlive a connection runs on [`App::runtime`], the multi-thread runtime the process was started
//! with; after [`App::close`] nothing is left unwritten. Reads and writes the data directory and the database.

mod database;
mod upkeep;

pub use database::{migrate, open};

use crate::{
    accounts::{self, AccountsError, Fleet},
    auth::{self, Auth, AuthError},
    billing::{self, Billing, BillingError},
    catalog::{Catalog, CatalogError},
    clock,
    config::{Config, Edge, Storage},
    guard,
    kept::Kept,
    keys::Keys,
    ledger::{self, Guard, Ledger, LedgerError, LockError, Peers},
    limits::Limits,
    mail::{self, Mail},
    secrets::{self, MasterKey, Secret, SecretsError},
    signals::Signals,
    teams::invitations::Invitations,
    webhooks::Webhooks,
};
use sea_orm::{DatabaseConnection, DbErr};
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{runtime::Handle, task::JoinSet};

/// How often the end looks whether holds are open.
const SETTLE_LOOK: Duration = Duration::from_millis(20);

/// Every area of a serving process.
pub struct App {
    /// Who can reach the server, and how.
    pub edge: Edge,
    /// Whether a team may only spend what was paid in.
    pub is_prepaid: bool,
    /// The database.
    pub db: DatabaseConnection,
    /// What other processes on the database say.
    pub signals: Signals,
    /// What secrets are sealed under.
    pub master: MasterKey,
    /// Who somebody is.
    pub auth: Auth,
    /// What is written to people.
    pub mail: Mail,
    /// Where teams are told by machine.
    pub webhooks: Webhooks,
    /// Invitations into teams.
    pub invitations: Invitations,
    /// Customers' keys.
    pub keys: Keys,
    /// What may be spent and what was.
    pub ledger: Ledger,
    /// What is paid in.
    pub billing: Billing,
    /// Models and prices.
    pub catalog: Catalog,
    /// Requests and tokens a minute.
    pub limits: Limits,
    /// Upstream accounts.
    pub fleet: Fleet,
    /// Which of them keeps which answer.
    pub kept: Kept,
    /// Where what belongs to this process is kept.
    pub data_dir: PathBuf,
    /// Requests that wait for an account, as the relay counts them.
    pub waiting: Arc<AtomicUsize>,
    /// What `/metrics` demands as a bearer token, if anything.
    pub metrics_token: Option<Secret>,
    /// Where what must outlive a connection runs.
    pub runtime: Handle,
    lifetime: Lifetime,
}

/// What begins with the process and ends with it.
struct Lifetime {
    is_draining: AtomicBool,
    /// Requests whose answer has not begun.
    under_way: AtomicUsize,
    upkeep: parking_lot::Mutex<JoinSet<()>>,
    _lock: Option<Guard>,
}

/// A request whose answer has not begun.
#[must_use]
pub struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The handles that work without a serving process: for the command line.
pub struct Office {
    /// The database, its tables up to date.
    pub db: DatabaseConnection,
    /// Who somebody is.
    pub auth: Auth,
}

/// Why the application does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("the data directory {0} cannot be made: {1}")]
    DataDir(String, std::io::Error),
    /// Another process serves from the data directory.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The master key cannot be had.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The database's secrets are sealed under another master key.
    #[error(
        "the database belongs to another master key: set OURHUB_MASTER_KEY to that of the server which made it, \
         or use that server's data directory"
    )]
    OtherMasterKey,
    /// The database cannot be opened, or its tables cannot be brought up to date.
    #[error("the database cannot be used: {0}")]
    Database(#[from] DbErr),
    /// Nobody can listen to other processes.
    #[error("the thread that listens to other processes does not start: {0}")]
    Signals(std::io::Error),
    /// The ledger does not open.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The catalogue does not read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The accounts do not read.
    #[error(transparent)]
    Fleet(#[from] AccountsError),
    /// Payments cannot be taken.
    #[error(transparent)]
    Billing(#[from] BillingError),
    /// The setup link cannot be made.
    #[error(transparent)]
    Setup(#[from] AuthError),
}

impl App {
    /// Builds every area, in the order in which one needs the other, and starts its upkeep. Runs inside of the
    /// multi-thread runtime that outlives connections.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(config: &Config) -> Result<Arc<Self>, StartError> {
        let storage = &config.storage;
        database::make_data_dir(storage)?;
        let lock = if storage.is_sqlite() {
            Some(ledger::lock(&storage.data_dir)?)
        } else {
            None
        };
        let master = load_master(storage)?;
        let db = database::open(storage).await?;
        database::migrate(&db).await?;
        check_master(&db, &master).await?;
        let signals = Signals::start(&db).await.map_err(StartError::Signals)?;
        let catalog = Catalog::start(db.clone()).await?;
        let peers = Peers::default();
        let accounts = accounts::Config {
            allow: config.upstream_allow.clone(),
            team_allow: config.team_upstream_allow.clone(),
            connect: config.deadlines.connect,
            peers: peers.clone(),
        };
        let fleet = Fleet::start(db.clone(), master.clone(), accounts).await?;
        let ledger = ledger::Config {
            prepaid: config.prepaid,
            home: ledger::Home {
                data_dir: Some(storage.data_dir.clone()),
                name: host_name(),
            },
            peers,
        };
        let mail = mail::Config {
            server: config.smtp.clone(),
            public_url: config.edge.url(config.edge.listen),
        };
        let mail = Mail::new(db.clone(), master.clone(), mail);
        let ledger = Ledger::open(&db, &signals, ledger).await?;
        let billing = Billing::new(
            db.clone(),
            (ledger.clone(), mail.clone()),
            &master.derive("billing"),
            billing::Config {
                stripe: config.stripe.clone(),
                site: config.edge.url(config.edge.listen),
                ..billing::Config::default()
            },
        )?;
        billing.follow_prepaid(config.prepaid, clock::now_ms()).await?;
        let app = Arc::new(Self {
            edge: config.edge.clone(),
            is_prepaid: config.prepaid,
            metrics_token: config.metrics_token.clone(),
            auth: people(
                &db,
                &master,
                auth::Config {
                    providers: config.providers.clone(),
                    guard: guard::Guard::new(config.upstream_allow.clone()),
                    ..auth::Config::default()
                },
            ),
            mail: mail.clone(),
            // Teams' own addresses are public ones, whatever the operator's accounts may reach.
            webhooks: Webhooks::new(db.clone(), master.clone(), Vec::new()),
            invitations: Invitations::new(db.clone(), &master.derive("invitations"), mail),
            keys: Keys::new(db.clone(), &master.derive("keys")),
            ledger,
            billing,
            limits: Limits::start(&db, &signals),
            data_dir: storage.data_dir.clone(),
            waiting: Arc::default(),
            kept: Kept::new(db.clone(), Handle::current()),
            runtime: Handle::current(),
            lifetime: Lifetime {
                is_draining: AtomicBool::new(false),
                under_way: AtomicUsize::new(0),
                upkeep: parking_lot::Mutex::new(JoinSet::new()),
                _lock: lock,
            },
            db,
            signals,
            master,
            catalog,
            fleet,
        });
        upkeep::start(&app, config.keep_requests_days, &mut app.lifetime.upkeep.lock());
        Ok(app)
    }

    /// From now on the process takes nothing new: it is not ready any more.
    pub fn begin_drain(&self) {
        self.lifetime.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the process is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.lifetime.is_draining.load(Ordering::Relaxed)
    }

    /// Counts a request until the value is dropped, when its answer begins.
    pub fn enter(&self) -> UnderWay<'_> {
        self.lifetime.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(&self.lifetime.under_way)
    }

    /// Whether requests are taken: not while draining, and only with a ledger that can write.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.is_draining() && self.ledger.status().writable
    }

    /// Waits, at most `grace`, until every request is answered and every hold has ended: upstreams are read on for clients
    /// that hung up.
    pub async fn settle(&self, grace: Duration) {
        let until = tokio::time::Instant::now() + grace;
        let is_busy = || self.lifetime.under_way.load(Ordering::Relaxed) > 0 || self.ledger.status().open_holds > 0;
        while is_busy() && tokio::time::Instant::now() < until {
            tokio::time::sleep(SETTLE_LOOK).await;
        }
    }

    /// Writes down everything and closes the database. Call it once no request is under way.
    pub async fn close(&self) {
        self.begin_drain();
        self.lifetime.upkeep.lock().abort_all();
        upkeep::note_used_keys(self).await;
        self.limits.close().await;
        self.ledger.close().await;
        if let Err(error) = self.db.clone().close().await {
            tracing::warn!(%error, "the database did not close");
        }
    }
}

impl Office {
    /// Opens the database beside a server that may be running.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn open(storage: &Storage) -> Result<Self, StartError> {
        database::make_data_dir(storage)?;
        let master = load_master(storage)?;
        let db = database::open(storage).await?;
        database::migrate(&db).await?;
        check_master(&db, &master).await?;
        let auth = people(&db, &master, auth::Config::default());
        Ok(Self { db, auth })
    }
}

/// What this host is called, where the system tells; for people.
fn host_name() -> String {
    let file = std::fs::read_to_string("/etc/hostname");
    let name = std::env::var("HOSTNAME").or(file).unwrap_or_default();
    name.trim().to_owned()
}

/// The master key that `storage` names.
fn load_master(storage: &Storage) -> Result<MasterKey, SecretsError> {
    MasterKey::load_or_create(&storage.data_dir, storage.master_key.as_deref())
}

async fn check_master(db: &DatabaseConnection, master: &MasterKey) -> Result<(), StartError> {
    if secrets::is_owner(db, master).await? {
        Ok(())
    } else {
        Err(StartError::OtherMasterKey)
    }
}

fn people(db: &DatabaseConnection, master: &MasterKey, config: auth::Config) -> Auth {
    Auth::new(db.clone(), &master.derive("people"), config)
}
