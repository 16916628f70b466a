//! The fleet: the accounts that take traffic, in memory, with how each does.
//!
//! Invariant: a change by any process shows within a second; health and requests under way outlive a change of the row, unless
//! key or address changed; what any process learns about an account binds all of them. Reads `account`, `deployment` and the stamp `accounts`; writes parked reasons, last errors and alerts.

use super::{
    AREA, AccountsError,
    client::Clients,
    cooldowns,
    guard::Guard,
    state::{News, Permit, State},
    trial,
    upstream::{Deployment, Shared, Upstream},
};
use crate::{alerts, clock, ledger::Peers, secrets::MasterKey, signals::Signals, stamp};
use entity::{account, deployment};
use futures_util::FutureExt as _;
use gateway_core::{
    id,
    retry::Reason,
    routing::{self, RouteRequest, WhyEmpty},
};
use ipnet::IpNet;
use parking_lot::RwLock;
use sea_orm::{ColumnTrait as _, DatabaseConnection, DbErr, EntityTrait as _, QueryFilter as _, sea_query::Expr};
use std::{
    collections::{BTreeMap, HashMap},
    hash::RandomState,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, Notify};

/// The pause between two times of catching up.
const REST: Duration = Duration::from_millis(200);
/// How often pauses that have passed are deleted.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Models whose deployments are kept at hand; more are put together at each request.
const KEPT: usize = 10_000;

/// Whose accounts: those of the team of this id, or the platform's.
pub type Owner = Option<i64>;

/// How accounts behave.
#[derive(Clone, Debug)]
pub struct Config {
    /// Networks that the platform's accounts may reach besides public addresses.
    pub allow: Vec<IpNet>,
    /// Networks that teams' own accounts may reach besides public addresses, without TLS too. The operator has no flag for it.
    pub team_allow: Vec<IpNet>,
    /// How long a connection may take.
    pub connect: Duration,
    /// Who else uses them: each has its part of an account's limits.
    pub peers: Peers,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            team_allow: Vec::new(),
            connect: Duration::from_secs(5),
            peers: Peers::default(),
        }
    }
}

/// The accounts to ask for a request, in order.
#[derive(Clone, Debug)]
pub struct Routes {
    /// The model on each of them.
    pub ordered: Vec<Arc<Deployment>>,
    /// When the first account that cannot be asked now can be: Unix milliseconds. `None` where no moment is known.
    pub next_free_ms: Option<i64>,
    /// Why there are none; `None` where there are some.
    pub why_empty: Option<WhyEmpty>,
}

/// How an account does, in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Gauges {
    /// Its id.
    pub id: i64,
    /// Whether it can be asked.
    pub is_ready: bool,
    /// Requests under way.
    pub in_flight: u32,
    /// What is left of its tighter limit, in thousandths.
    pub headroom: u16,
}

/// The accounts of one process, seen by their owner: what is asked of it concerns the accounts of that owner alone. Clones
/// share it.
#[derive(Clone, Debug)]
pub struct Fleet {
    pub(super) inner: Arc<Inner>,
    pub(super) owner: Owner,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) db: DatabaseConnection,
    pub(super) master: MasterKey,
    /// What the platform's accounts are called with.
    clients: Clients,
    /// What teams' own are called with.
    team_clients: Clients,
    snapshot: RwLock<Arc<Snapshot>>,
    loading: Mutex<()>,
    freed: Arc<Notify>,
    /// Something was learnt about an account.
    learnt: Arc<Notify>,
    peers: Peers,
    /// Makes this process wait otherwise than others.
    pub(super) spread: RandomState,
}

#[derive(Debug, Default)]
pub(super) struct Snapshot {
    stamp: String,
    pub(super) upstreams: BTreeMap<i64, Arc<Upstream>>,
    pools: HashMap<Owner, Pool>,
}

/// The accounts of one owner, apart from all others'.
#[derive(Debug, Default)]
struct Pool {
    /// Those that serve every model.
    every: Vec<Arc<Upstream>>,
    named: HashMap<String, Vec<Arc<Deployment>>>,
    by_model: RwLock<HashMap<String, Arc<[Arc<Deployment>]>>>,
}

impl Fleet {
    /// Reads the accounts, whose secrets are sealed under `master`; what is returned sees the platform's.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn start(db: DatabaseConnection, master: MasterKey, config: Config) -> Result<Self, AccountsError> {
        let fleet = Self {
            inner: Arc::new(Inner {
                db,
                master,
                clients: Clients::new(Guard::new(config.allow), config.connect),
                team_clients: Clients::new(Guard::of_teams(config.team_allow), config.connect),
                snapshot: RwLock::default(),
                loading: Mutex::default(),
                freed: Arc::default(),
                learnt: Arc::default(),
                peers: config.peers,
                spread: RandomState::new(),
            }),
            owner: None,
        };
        fleet.load().await?;
        if fleet.is_shared() {
            fleet.learn().await?;
        }
        Ok(fleet)
    }

    /// The same process' accounts, as `owner` sees them.
    #[must_use]
    pub fn of(&self, owner: Owner) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            owner,
        }
    }

    /// Whose accounts these are.
    #[must_use]
    pub const fn owner(&self) -> Owner {
        self.owner
    }

    /// Whether an account may be at `base_url`, where a provider has one.
    #[must_use]
    pub fn may_be_at(&self, base_url: &str) -> bool {
        base_url.is_empty() || self.clients_of(self.owner).guard().base_url(base_url).is_ok()
    }

    /// The accounts to ask for `model`, in order; its maker is in the request.
    #[must_use]
    pub fn plan(&self, model: &str, request: &RouteRequest<'_>) -> Routes {
        self.plan_among(model, request, &|_| true)
    }

    /// The same among the accounts that `fits` takes.
    #[must_use]
    pub fn plan_among(&self, model: &str, request: &RouteRequest<'_>, fits: &dyn Fn(&Deployment) -> bool) -> Routes {
        let deployments = self.snapshot().deployments(self.owner, model);
        let candidates: Vec<_> = deployments
            .iter()
            .filter(|deployment| fits(deployment))
            .map(|deployment| deployment.candidate(request.now_ms))
            .collect();
        let plan = routing::plan(&candidates, request);
        let found = |id: &i64| deployments.iter().find(|deployment| deployment.account_id == *id);
        Routes {
            ordered: plan.ordered.iter().filter_map(found).cloned().collect(),
            next_free_ms: plan.next_free_ms,
            why_empty: plan.why_empty,
        }
    }

    /// Whether an enabled account serves `model`, made by `maker`, as far as it has not said otherwise.
    #[must_use]
    pub fn serves(&self, model: &str, maker: &str) -> bool {
        self.is_served(model, maker, &|_| true)
    }

    /// The same for one of the accounts that `fits` takes.
    #[must_use]
    pub fn is_served(&self, model: &str, maker: &str, fits: &dyn Fn(&Deployment) -> bool) -> bool {
        let now_ms = clock::now_ms();
        let deployments = self.snapshot().deployments(self.owner, model);
        let serves =
            |deployment: &Deployment| routing::serves_made_by(deployment.only_made_by, maker) && fits(deployment);
        let mut serving = deployments.iter().filter(|deployment| serves(deployment));
        serving.any(|deployment| !deployment.lacks_model(now_ms))
    }

    /// Takes a slot and at most `tokens` on `deployment`, or nothing where it filled up or is being probed meanwhile.
    #[must_use]
    pub fn begin(&self, deployment: &Arc<Deployment>, tokens: u64) -> Option<Permit> {
        Permit::take(deployment, tokens, &self.inner.freed, clock::now_ms())
    }

    /// Ends when a permit is given back, or an account recovers or changes, from the moment of this call on.
    pub fn freed(&self) -> impl Future<Output = ()> + use<> {
        Arc::clone(&self.inner.freed).notified_owned()
    }

    /// Whether any account takes traffic.
    #[must_use]
    pub fn takes_traffic(&self) -> bool {
        self.snapshot().pools.contains_key(&self.owner)
    }

    /// How each account that takes traffic does, in order of their ids.
    #[must_use]
    pub fn gauges(&self) -> Vec<Gauges> {
        let now_ms = clock::now_ms();
        let gauges = |(id, upstream): (&i64, &Arc<Upstream>)| {
            let health = upstream.state.snapshot(now_ms);
            Gauges {
                id: *id,
                is_ready: health.state == "ready" && upstream.way.client.proxy_trouble(now_ms).is_none(),
                in_flight: upstream.state.in_flight(),
                headroom: health.headroom,
            }
        };
        let snapshot = self.snapshot();
        let mine = snapshot
            .upstreams
            .iter()
            .filter(|(_, upstream)| upstream.row.team_id == self.owner);
        mine.map(gauges).collect()
    }

    /// What accounts of `owner` are called with.
    pub(super) fn clients_of(&self, owner: Owner) -> &Clients {
        match owner {
            None => &self.inner.clients,
            Some(_) => &self.inner.team_clients,
        }
    }

    /// The account of this id, where it takes traffic.
    pub(super) fn upstream(&self, id: i64) -> Option<Arc<Upstream>> {
        self.snapshot().upstreams.get(&id).cloned()
    }

    pub(super) fn announce_free(&self) {
        self.inner.freed.notify_waiters();
    }

    pub(super) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.snapshot.read())
    }

    /// Reads the rows anew if any process changed them; whether it did.
    ///
    /// # Errors
    /// [`AccountsError::Database`]; then what was read before stays in force.
    pub async fn refresh(&self) -> Result<bool, AccountsError> {
        if stamp::read(&self.inner.db, AREA).await? == self.snapshot().stamp {
            return Ok(false);
        }
        self.load().await?;
        Ok(true)
    }

    /// Keeps the fleet up to date, writes down what became of accounts, and probes parked ones: when `signals` say so, and
    /// `every` so often; runs until it is dropped.
    pub async fn watch(self, signals: Signals, every: Duration) {
        let mut changes = stamp::Watch::new(AREA, &signals, every);
        let mut told = signals.on(cooldowns::TOPIC);
        let mut pruned = Instant::now();
        loop {
            let idle = Instant::now();
            let is_called = tokio::select! {
                () = changes.next() => idle.elapsed() < every,
                _ = told.next() => true,
                () = self.inner.learnt.notified(), if self.is_shared() => true,
            };
            // What was told until now is read now.
            while told.next().now_or_never().is_some() {}
            if let Err(error) = self.catch_up(&signals).await {
                tracing::warn!(%error, "accounts cannot be brought up to date");
            }
            self.probe_parked();
            if self.is_shared() && pruned.elapsed() > PRUNE_EVERY {
                pruned = Instant::now();
                if let Err(error) = self.prune_cooldowns().await {
                    tracing::warn!(%error, "pauses that have passed could not be deleted");
                }
            }
            if is_called {
                // What comes thick and fast is dealt with together.
                tokio::time::sleep(REST.min(every)).await;
            }
        }
    }

    /// Reads what others changed, exchanges with them which accounts to leave alone, and writes down what became of accounts,
    /// in this order, so that what has changed or is over is not written. The one goes on where the other fails.
    async fn catch_up(&self, signals: &Signals) -> Result<(), AccountsError> {
        let read = self.refresh().await;
        let exchanged = if self.is_shared() {
            self.exchange(signals).await
        } else {
            Ok(())
        };
        self.write_news().await?;
        exchanged?;
        read.map(|_| ())
    }

    pub(super) async fn load(&self) -> Result<(), AccountsError> {
        let _one_at_a_time = self.inner.loading.lock().await;
        let db = &self.inner.db;
        // The stamp first: what changes after it is read again next time.
        let mut fresh = Snapshot {
            stamp: stamp::read(db, AREA).await?,
            ..Snapshot::default()
        };
        let enabled = account::Entity::find().filter(account::Column::DisabledAt.is_null());
        let rows = enabled.all(db).await?;
        let served = deployment::Entity::find().all(db).await?;
        let open = alerts::list_open(db).await?;
        let before = self.snapshot();
        for row in rows {
            let subject = id::render(id::Kind::Account, row.id);
            let was_unusable = open
                .iter()
                .any(|alert| alert.kind == alerts::Kind::AccountUnusable.as_str() && alert.subject == subject);
            match self.open(&row, &before) {
                Ok(upstream) => {
                    if was_unusable {
                        alerts::resolve(db, alerts::Kind::AccountUnusable, &subject).await?;
                    }
                    fresh.upstreams.insert(row.id, Arc::new(upstream));
                }
                Err(error) => {
                    tracing::warn!(account = %subject, %error, "an account cannot be used");
                    if row.team_id.is_some() {
                        // Its team finds it on its own page.
                        continue;
                    }
                    let message = format!("{} takes no traffic. {error}", row.label);
                    alerts::raise(db, alerts::Kind::AccountUnusable, &subject, &message).await?;
                }
            }
        }
        fresh.pool(served);
        *self.inner.snapshot.write() = Arc::new(fresh);
        self.inner.freed.notify_waiters();
        Ok(())
    }

    fn open(&self, row: &account::Model, before: &Snapshot) -> Result<Upstream, super::upstream::Unusable> {
        let same = before
            .upstreams
            .get(&row.id)
            .filter(|upstream| upstream.is_reached_as(row));
        let state = same.map_or_else(|| Arc::new(first_state(row)), |upstream| Arc::clone(&upstream.state));
        let shared = Shared {
            master: &self.inner.master,
            clients: self.clients_of(row.team_id),
            freed: &self.inner.freed,
            learnt: &self.inner.learnt,
            peers: &self.inner.peers,
        };
        Upstream::open(row.clone(), state, &shared)
    }

    /// Writes down which accounts became parked or recovered, and their last errors.
    pub(super) async fn write_news(&self) -> Result<(), DbErr> {
        let now_ms = clock::now_ms();
        for upstream in self.snapshot().upstreams.values() {
            if let Some(news) = upstream.state.news(now_ms) {
                self.write(upstream, &news).await?;
                upstream.state.told(&news);
            }
            self.write_turn(upstream, now_ms).await?;
        }
        Ok(())
    }

    async fn write(&self, upstream: &Upstream, news: &News) -> Result<(), DbErr> {
        let db = &self.inner.db;
        let mut update = account::Entity::update_many()
            .filter(account::Column::Id.eq(upstream.row.id))
            .filter(account::Column::Secret.eq(upstream.row.secret.clone()));
        let parked = news.parked.map(word);
        if news.is_turn {
            update = update.col_expr(account::Column::ParkedReason, Expr::value(parked));
        }
        if let Some(error) = &news.last_error {
            update = update
                .col_expr(account::Column::LastError, Expr::value(error.message.as_str()))
                .col_expr(account::Column::LastErrorAt, Expr::value(error.at_ms));
        }
        let is_gone = update.exec(db).await?.rows_affected == 0;
        // What was learnt with another key, or about an account that was removed, concerns nobody.
        if is_gone || !news.is_turn || upstream.row.team_id.is_some() {
            return Ok(());
        }
        let subject = id::render(id::Kind::Account, upstream.row.id);
        match news.parked {
            None => alerts::resolve(db, alerts::Kind::AccountParked, &subject).await,
            Some(reason) => {
                let said = news.last_error.as_ref().map_or("", |error| error.message.as_str());
                let message = format!("{} {} {said}", upstream.row.label, explain(reason));
                alerts::raise(db, alerts::Kind::AccountParked, &subject, message.trim_end()).await
            }
        }
    }

    /// Probes parked accounts whose pause is over and that no request is probing, where a list of models tells about the key.
    fn probe_parked(&self) {
        let now_ms = clock::now_ms();
        for upstream in self.snapshot().upstreams.values() {
            if trial::tells_about_key(&upstream.row.provider)
                && let Some(reason) = upstream.state.start_probe(now_ms)
            {
                tokio::spawn(trial::probe(
                    Arc::clone(upstream),
                    reason,
                    Arc::clone(&self.inner.freed),
                ));
            }
        }
    }
}

impl Snapshot {
    /// Puts each account, with the models `served`, among those of its owner.
    fn pool(&mut self, served: Vec<deployment::Model>) {
        for upstream in self.upstreams.values() {
            let pool = self.pools.entry(upstream.row.team_id).or_default();
            if upstream.row.every_model {
                pool.every.push(Arc::clone(upstream));
            }
        }
        for row in served {
            let upstream = self
                .upstreams
                .get(&row.account_id)
                .filter(|upstream| !upstream.row.every_model);
            if let Some(upstream) = upstream {
                let deployment = Deployment::new(upstream, &row.model, &row.upstream_model);
                let pool = self.pools.entry(upstream.row.team_id).or_default();
                pool.named.entry(row.model).or_default().push(Arc::new(deployment));
            }
        }
    }

    /// `model` on every account of `owner` that serves it.
    fn deployments(&self, owner: Owner, model: &str) -> Arc<[Arc<Deployment>]> {
        let pool = self.pools.get(&owner);
        pool.map_or_else(|| Arc::from([]), |pool| pool.deployments(model))
    }
}

impl Pool {
    /// `model` on every account that serves it.
    fn deployments(&self, model: &str) -> Arc<[Arc<Deployment>]> {
        if let Some(known) = self.by_model.read().get(model) {
            return Arc::clone(known);
        }
        let every = self.every.iter();
        let every = every.map(|upstream| Arc::new(Deployment::new(upstream, model, model)));
        let named = self.named.get(model).into_iter().flatten().cloned();
        let found: Arc<[_]> = every.chain(named).collect();
        let mut by_model = self.by_model.write();
        if by_model.len() < KEPT {
            by_model.insert(model.to_owned(), Arc::clone(&found));
        }
        found
    }
}

fn first_state(row: &account::Model) -> State {
    let parked = row.parked_reason.as_deref().and_then(parse);
    parked.map_or_else(State::default, |reason| State::parked(reason, clock::now_ms()))
}

/// The reason of which `text` is the [`word`].
pub(super) fn parse(text: &str) -> Option<Reason> {
    let mut reasons = [Reason::BadKey, Reason::NoMoney, Reason::Forbidden].into_iter();
    reasons.find(|reason| word(*reason) == text)
}

pub(super) const fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::BadKey => "bad_key",
        Reason::NoMoney => "no_money",
        Reason::Forbidden => "forbidden",
    }
}

const fn explain(reason: Reason) -> &'static str {
    match reason {
        Reason::BadKey => "takes no traffic: the provider refuses its key. Enter a new one.",
        Reason::NoMoney => "takes no traffic: it has no money left at the provider. Top it up there, then test it.",
        Reason::Forbidden => "takes no traffic: the provider does not let it call. Look into it there, then test it.",
    }
}
