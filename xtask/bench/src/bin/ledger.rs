//! `ledger [--requests N]`: what the ledger admits and settles a second, beside the same store taking a transaction for each request.
//!
//! Invariant: everything is durable before it counts: SQLite writes ahead with FULL, Postgres syncs; and the books balance afterwards.
//! Drives `server::ledger` in this process; starts a Postgres; writes temporary folders; prints a table. Called by
//! `cargo xtask bench ledger`.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use clap::Parser as _;
use gateway_core::{
    money::Nano,
    pricing::{Markup, charge},
    usage::{ServiceTier, Usage},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, Database, DatabaseConnection, EntityTrait, QueryFilter, Set,
    TransactionTrait,
    sea_query::Expr,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use server::{
    app::Office,
    catalog::Catalog,
    config::{Config, Flags, Storage},
    ledger::{self, Ask, Caps, Closing, Ledger, Opening, Outcome, Payer},
    signals::Signals,
};
use tokio::task::JoinSet;
use xtask::postgres::Postgres;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Requests at once.
const CLIENTS: u64 = 256;
/// Keys of the one team.
const KEYS: u64 = 8;
const REQUESTS: u64 = 1_000_000;
/// When the memory is noted, in hundredths of the requests.
const NOTED: [u64; 5] = [10, 25, 50, 75, 100];
/// Of how many requests one is timed.
const TIMED: u64 = 16;
/// How long a transaction for each request is measured.
const SINGLY: Duration = Duration::from_secs(8);
/// Of those, how many at once; one a connection.
const CONNECTIONS: u32 = 16;
const MODEL: &str = "gpt-4o-mini";
const USAGE: Usage = Usage {
    input: 24,
    cache_read: 0,
    cache_read_audio: 0,
    cache_write: 0,
    cache_write_long: 0,
    audio_input: 0,
    image_input: 0,
    audio_output: 0,
    image_output: 0,
    output: 12,
    reasoning: 0,
    images: 0,
    characters: 0,
    seconds: 0,
    searches: 0,
    tier: ServiceTier::Standard,
};

/// What a measurement came to.
struct Figures {
    requests: u64,
    took: Duration,
    /// Microseconds from asking to being durable, in order.
    waits: Vec<u32>,
    /// Transactions, where they hold several operations.
    commits: Option<u64>,
    /// Resident memory, kB, at [`NOTED`].
    rss_kb: [u64; NOTED.len()],
}

impl Figures {
    fn per_second(&self) -> u64 {
        let ms = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX).max(1);
        self.requests * 1_000 / ms
    }

    fn wait(&self, per_cent: usize) -> u32 {
        let last = self.waits.len().saturating_sub(1);
        self.waits.get(last * per_cent / 100).copied().unwrap_or_default()
    }

    fn row(&self, name: &str) -> String {
        // A request is two operations: its hold and its end.
        let operations = self.commits.map_or("2.0".to_owned(), |commits| {
            let tenths = self.requests * 2 * 10 / commits.max(1);
            format!("{}.{}", tenths / 10, tenths % 10)
        });
        let memory = self.rss_kb.map(|kb| (kb / 1024).to_string()).join(" / ");
        format!(
            "| {name} | {} | {} | {operations} | {} | {} | {memory} |",
            self.requests,
            self.per_second(),
            self.wait(50),
            self.wait(99)
        )
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let requests = match words.as_slice() {
        [] => REQUESTS,
        ["--requests", count] => count.parse().context("--requests takes a number")?,
        _ => anyhow::bail!("usage: ledger [--requests N]"),
    };
    anyhow::ensure!(requests >= 100, "at least 100 requests");
    let folder = std::env::temp_dir().join(format!("ourhub-bench-{}-ledger", std::process::id()));
    fs::create_dir(&folder)?;
    let measured = measure_all(&folder, requests).await;
    fs::remove_dir_all(&folder)?;
    measured
}

async fn measure_all(folder: &Path, requests: u64) -> anyhow::Result<()> {
    let postgres = Postgres::start_durable()?;
    let load_before = load_average()?;
    let mut rows = Vec::new();
    for (name, url) in [("SQLite", None), ("Postgres", Some(postgres.url()))] {
        let storage = storage(&folder.join(name), url.as_deref())?;
        let office = Office::open(&storage).await?;
        let grouped = grouped(&office.db, requests).await?;
        rows.push(grouped.row(&format!("{name}, the ledger")));
        let singly = singly(&storage).await?;
        rows.push(singly.row(&format!("{name}, a transaction for each")));
        let tenths = grouped.per_second() * 10 / singly.per_second().max(1);
        rows.push(format!("| {name}, ratio | | {}.{} | | | | |", tenths / 10, tenths % 10));
    }
    println!(
        "| | requests | requests/s | operations a commit | durable after µs, p50 | p99 | RSS MB at 10 / 25 / 50 / 75 / 100 % |"
    );
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        println!("{row}");
    }
    println!(
        "\nOne team, {KEYS} keys, {CLIENTS} requests at once ({CONNECTIONS} where each has a transaction); load average \
         {load_before} before, {} after.",
        load_average()?
    );
    Ok(())
}

fn storage(folder: &Path, postgres: Option<&str>) -> anyhow::Result<Storage> {
    let mut words = vec!["ourhub", "--data-dir", folder.to_str().context("a path is text")?];
    if let Some(url) = postgres {
        words.extend(["--database-url", url]);
    }
    Ok(Config::new(&Flags::try_parse_from(words)?)?.storage)
}

/// As many as `requests` through the ledger, every one of them durable before it is settled.
async fn grouped(db: &DatabaseConnection, requests: u64) -> anyhow::Result<Figures> {
    let catalog = Catalog::start(db.clone()).await?;
    let (price_id, sheet) = catalog.price_at(MODEL, now_ms()).context("a price")?;
    let cost = charge(&sheet, &USAGE).context("a charge")?;
    let ledger = Ledger::open(db, &Signals::start(db).await?, ledger::Config::default()).await?;
    let (commits, start) = (ledger.status().commits, Instant::now());
    let next = Arc::new(AtomicU64::new(0));
    let rss_kb: Arc<[AtomicU64; NOTED.len()]> = Arc::default();
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let (ledger, next, rss_kb) = (ledger.clone(), Arc::clone(&next), Arc::clone(&rss_kb));
        tasks.spawn(async move {
            let payer = payer(client % KEYS);
            let mut waits = Vec::with_capacity(usize::try_from(requests / CLIENTS / TIMED * 2)?);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= requests {
                    return anyhow::Ok(waits);
                }
                note_rss(&rss_kb, number, requests)?;
                let asked = Instant::now();
                let hold = ledger.admit(ask(&payer, price_id)).await?;
                hold.mark_sent();
                hold.durable().await?;
                if number % TIMED == 0 {
                    waits.push(us(asked.elapsed()));
                }
                hold.post(closing(cost));
            }
        });
    }
    let mut waits = Vec::new();
    while let Some(task) = tasks.join_next().await {
        waits.extend(task??);
    }
    ledger.close().await;
    let took = start.elapsed();
    note_rss(&rss_kb, requests, requests)?;
    waits.sort_unstable();
    let commits = Some(ledger.status().commits - commits);
    let report = ledger::verify(db).await?;
    anyhow::ensure!(
        report.difference_count == 0 && report.checked == requests && report.open == 0,
        "the books do not balance: {report:?}"
    );
    Ok(Figures {
        requests,
        took,
        waits,
        commits,
        rss_kb: std::array::from_fn(|at| rss_kb[at].load(Ordering::Relaxed)),
    })
}

/// Keeps the memory of now if the request with this `number`, of all `requests`, is one at which it is noted.
fn note_rss(places: &[AtomicU64; NOTED.len()], number: u64, requests: u64) -> anyhow::Result<()> {
    let place = NOTED.iter().position(|per_cent| number == requests * per_cent / 100);
    if let Some(place) = place {
        places[place].store(own_rss_kb()?, Ordering::Relaxed);
    }
    Ok(())
}

fn payer(key: u64) -> Payer {
    let wide = Some(Nano(i64::MAX / 4));
    let caps = Caps {
        day: wide,
        month: wide,
        total: wide,
    };
    Payer {
        team_id: 1,
        team_zone: "UTC".to_owned(),
        team: Caps { total: None, ..caps },
        member: None,
        key_id: i64::try_from(key).unwrap_or_default() + 1,
        key: caps,
    }
}

fn ask(payer: &Payer, price_id: i64) -> Ask {
    Ask {
        payer: payer.clone(),
        amount: Nano(100_000),
        wait_ms: 0,
        now_ms: now_ms(),
        record: Opening {
            request_id: None,
            model: MODEL.into(),
            asked: None,
            operation: "chat",
            is_stream: true,
            is_own: false,
            price_id,
            markup: Markup::NONE,
        },
    }
}

fn closing(cost: Nano) -> Closing {
    Closing {
        usage: USAGE,
        charge: cost,
        outcome: Outcome::Ok,
        status: 200,
        attempts: r#"[{"account":"1","provider":"openai","outcome":"ok","status":200,"started_ms":0,"took_ms":20}]"#
            .to_owned(),
        ttft_ms: Some(20),
        total_ms: 21,
        finished_at_ms: now_ms(),
        ..Closing::default()
    }
}

/// The same books by hand: a transaction for each request adds to the team's one row and inserts a record.
async fn singly(storage: &Storage) -> anyhow::Result<Figures> {
    use sea_orm::sea_query::ExprTrait as _;

    let mut options = ConnectOptions::new(&storage.database_url);
    let connections = if storage.is_sqlite() { 1 } else { CONNECTIONS };
    options.max_connections(connections).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
    });
    let db = Database::connect(options).await?;
    let start = Instant::now();
    let next = Arc::new(AtomicU64::new(1));
    let mut tasks = JoinSet::new();
    let (bucket_id, price_id) = (hot_bucket(&db).await?, 1);
    for _ in 0..connections {
        let (db, next) = (db.clone(), Arc::clone(&next));
        tasks.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < SINGLY {
                let asked = Instant::now();
                let id = i64::try_from(next.fetch_add(1, Ordering::Relaxed))?;
                let transaction = db.begin().await?;
                entity::bucket::Entity::update_many()
                    .col_expr(
                        entity::bucket::Column::Posted,
                        Expr::col(entity::bucket::Column::Posted).add(1),
                    )
                    .filter(entity::bucket::Column::Id.eq(bucket_id))
                    .exec(&transaction)
                    .await?;
                record(id, bucket_id, price_id).insert(&transaction).await?;
                transaction.commit().await?;
                waits.push(us(asked.elapsed()));
            }
            anyhow::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(task) = tasks.join_next().await {
        waits.extend(task??);
    }
    waits.sort_unstable();
    let rss = own_rss_kb()?;
    Ok(Figures {
        requests: u64::try_from(waits.len())?,
        took: start.elapsed(),
        waits,
        commits: None,
        rss_kb: [rss; NOTED.len()],
    })
}

/// The team's row that every request adds to.
async fn hot_bucket(db: &DatabaseConnection) -> anyhow::Result<i64> {
    let team = entity::bucket::Entity::find().filter(entity::bucket::Column::Scope.eq("team"));
    Ok(team.one(db).await?.context("a bucket")?.id)
}

fn record(id: i64, bucket_id: i64, price_id: i64) -> entity::hold::ActiveModel {
    entity::hold::ActiveModel {
        id: Set(id),
        request_id: Set(id),
        team_id: Set(1),
        key_id: Set(1),
        member_id: Set(None),
        node_id: Set(1),
        batch: Set(0),
        model: Set(MODEL.to_owned()),
        asked: Set(None),
        operation: Set("chat".to_owned()),
        is_stream: Set(true),
        is_own: Set(false),
        price_id: Set(price_id),
        markup: Set(0),
        buckets: Set(bucket_id.to_string()),
        state: Set(1),
        held: Set(100_000),
        posted: Set(1),
        overrun: Set(0),
        input: Set(24),
        cache_read: Set(0),
        cache_write: Set(0),
        output: Set(12),
        reasoning: Set(0),
        details: Set(None),
        outcome: Set(1),
        status: Set(200),
        attempts: Set("[]".to_owned()),
        notes: Set(String::new()),
        failovers: Set(0),
        ttft_ms: Set(Some(20)),
        total_ms: Set(Some(21)),
        started_at: Set(now_ms()),
        finished_at: Set(Some(now_ms())),
    }
}

fn own_rss_kb() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.context("no VmRSS")?.trim().trim_end_matches(" kB").parse()?)
}

fn load_average() -> anyhow::Result<String> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').take(3).collect::<Vec<_>>().join(" "))
}

fn us(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
