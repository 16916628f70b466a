//! The faults: what is done to servers and databases while clients go on asking.
//!
//! Invariant: a fault ends before its function returns, and from then on everything must work again by itself. Sends
//! signals to processes that this program started, and to no others.

use std::{fs, path::Path, time::Duration};

use anyhow::Context;
use bench::process;
use sea_orm::ConnectionTrait;
use serde_json::json;
use tokio::{task::block_in_place, time::sleep};
use xtask::postgres::Postgres;

use crate::{
    clients::{Load, Seen},
    hub::{Hub, signal},
    stage::Stage,
};

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL and a new start, again and again.
    Kill,
    /// SIGSTOP for longer than other nodes wait, then SIGCONT; of one server.
    Stop,
    /// Postgres restarts, orderly and as after a crash.
    Restart,
    /// Postgres stands still.
    Stall,
    /// No room left on the disk.
    Full,
    /// The database takes no writes.
    ReadOnly,
    /// The clock jumps an hour ahead and back.
    Clock,
    /// Caps are lowered under way.
    LowerCap,
    /// SIGTERM with 500 streams under way.
    Terminate,
    /// One server of several dies, and is started again only after a while.
    Lose,
    /// Clocks of servers are an hour behind and an hour ahead.
    Skew,
    /// Servers restart one after the other.
    Roll,
}

/// The Postgres of a lane, where there is one.
pub type Lane<'a> = Option<&'a mut Postgres>;

/// Does `fault` for about so long, under `load`.
///
/// # Errors
/// When it cannot be done, or the server does not come back.
pub async fn strike(
    fault: Fault,
    stage: &mut Stage,
    postgres: Lane<'_>,
    load: &Load,
    time: Duration,
) -> anyhow::Result<()> {
    let seen = &load.seen;
    match fault {
        Fault::Kill => kill(&mut stage.hubs[0], seen, time).await,
        Fault::Stop if stage.hubs.len() > 1 => stop_one(&mut stage.hubs, seen, time).await,
        Fault::Stop => stop(&[stage.hubs[0].pid()?], seen, time).await,
        Fault::Restart => restart(postgres.context("Postgres")?, seen, time).await,
        Fault::Stall => stop(&process::family(postgres.context("Postgres")?.pid())?, seen, time).await,
        Fault::Full => fill(&stage.folder.join("data"), seen, time).await,
        Fault::ReadOnly => read_only(stage, postgres.as_deref(), seen, time).await,
        Fault::Clock => jump(stage, seen, time).await,
        Fault::LowerCap => lower_caps(stage, seen, time).await,
        Fault::Terminate => terminate(stage, seen).await,
        Fault::Lose => lose(&mut stage.hubs, seen, time).await,
        Fault::Skew => {
            sleep(time).await;
            seen.fault_ended();
            Ok(())
        }
        Fault::Roll => roll(&mut stage.hubs, seen, time).await,
    }
}

async fn kill(hub: &mut Hub, seen: &Seen, time: Duration) -> anyhow::Result<()> {
    let end = std::time::Instant::now() + time;
    let mut pause = Duration::from_millis(300);
    while std::time::Instant::now() < end {
        sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_secs(3));
        block_in_place(|| hub.kill())?;
        hub.launch()?;
        seen.fault_ended();
        hub.wait().await?;
    }
    Ok(())
}

/// Parents first, so that none starts another child.
async fn stop(pids: &[u32], seen: &Seen, time: Duration) -> anyhow::Result<()> {
    for pid in pids {
        signal(*pid, "STOP")?;
    }
    sleep(time).await;
    for pid in pids.iter().rev() {
        signal(*pid, "CONT")?;
    }
    seen.fault_ended();
    Ok(())
}

/// One of several: by then the others have fenced it, so it goes on as another node.
async fn stop_one(hubs: &mut [Hub], seen: &Seen, time: Duration) -> anyhow::Result<()> {
    let stopped = hubs.last_mut().context("a server")?;
    stop(&[stopped.pid()?], seen, time).await?;
    seen.fault_ended_at(stopped.address);
    let since = std::time::Instant::now();
    while !stopped.log().contains(RENEWED) {
        anyhow::ensure!(since.elapsed() < AGAIN, "it was not fenced:\n{}", stopped.log());
        sleep(Duration::from_millis(100)).await;
    }
    stopped.wait().await
}

/// What a server says that found itself fenced, and one that ended what a dead one left.
const RENEWED: &str = "goes on as a new node";
const RECOVERED: &str = "a node is gone";
/// How long it may take until a server says so.
const AGAIN: Duration = Duration::from_secs(30);
/// From when on the others have noticed that a server is dead.
const NOTICED: Duration = Duration::from_secs(15);

async fn lose(hubs: &mut [Hub], seen: &Seen, time: Duration) -> anyhow::Result<()> {
    let (lost, others) = hubs.split_last_mut().context("a server")?;
    block_in_place(|| lost.kill())?;
    seen.fault_ended();
    sleep(time).await;
    let is_noticed = others.iter().any(|hub| hub.log().contains(RECOVERED));
    anyhow::ensure!(time < NOTICED || is_noticed, "nobody recovered the dead node");
    lost.launch()?;
    seen.fault_ended_at(lost.address);
    lost.wait().await
}

async fn restart(postgres: &mut Postgres, seen: &Seen, time: Duration) -> anyhow::Result<()> {
    for mode in ["fast", "immediate"] {
        block_in_place(|| postgres.restart(mode))?;
        seen.fault_ended();
        sleep(time / 2).await;
    }
    Ok(())
}

/// Takes all room there is.
async fn fill(data: &Path, seen: &Seen, time: Duration) -> anyhow::Result<()> {
    let filler = data.join("filler");
    let fill = || -> std::io::Result<()> {
        use std::io::Write as _;
        let mut file = fs::File::create(&filler)?;
        for size in [1 << 16, 1 << 12, 1] {
            while file.write(&vec![0; size])? > 0 {}
        }
        Ok(())
    };
    let _ = block_in_place(fill); // its last write fails, as it should
    sleep(time).await;
    fs::remove_file(&filler)?;
    seen.fault_ended();
    Ok(())
}

/// Postgres is told so; another process writes to the SQLite file and does not end.
async fn read_only(stage: &Stage, postgres: Option<&Postgres>, seen: &Seen, time: Duration) -> anyhow::Result<()> {
    let rows = stage.rows().await?;
    let (begin, end) = if postgres.is_some() {
        let set = |value: &str| format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
        (
            vec![set("on"), "SELECT pg_reload_conf()".to_owned()],
            vec![set("off"), "SELECT pg_reload_conf()".to_owned()],
        )
    } else {
        (vec!["BEGIN IMMEDIATE".to_owned()], vec!["COMMIT".to_owned()])
    };
    for statement in begin {
        rows.execute_unprepared(&statement).await?;
    }
    sleep(time).await;
    for statement in end {
        rows.execute_unprepared(&statement).await?;
    }
    seen.fault_ended();
    Ok(rows.close().await?)
}

/// The file that tells libfaketime how far off the clock is.
pub fn clock_file(stage: &Path) -> std::path::PathBuf {
    stage.join("clock")
}

async fn jump(stage: &Stage, seen: &Seen, time: Duration) -> anyhow::Result<()> {
    // Not to before the start: then no price would hold yet.
    for offset in ["+3600", "+0"] {
        fs::write(clock_file(&stage.folder), offset)?;
        seen.fault_ended();
        sleep(time / 2).await;
    }
    Ok(())
}

async fn lower_caps(stage: &mut Stage, seen: &Seen, time: Duration) -> anyhow::Result<()> {
    sleep(time / 2).await;
    for key in stage.keys.iter_mut().skip(2) {
        let path = stage.operator.team_path(&format!("/keys/{}", key.id));
        stage.operator.patch(&path, &json!({ "cap_day": "0.15" })).await?;
        key.lowered = Some((String::new(), 150_000_000));
    }
    sleep(Duration::from_secs(1)).await;
    let newest = stage
        .operator
        .get(&stage.operator.team_path("/requests?limit=1"))
        .await?;
    let newest = newest["data"][0]["started_at"]
        .as_str()
        .context("a request")?
        .to_owned();
    for (at, _) in stage.keys.iter_mut().filter_map(|key| key.lowered.as_mut()) {
        at.clone_from(&newest);
    }
    sleep(time / 2).await;
    // So that answers come again.
    for key in stage.keys.iter_mut().skip(4) {
        let path = stage.operator.team_path(&format!("/keys/{}", key.id));
        stage.operator.patch(&path, &json!({ "cap_day": "1000" })).await?;
        (key.lowered, key.cap_day) = (None, Some(1_000_000_000_000));
    }
    seen.fault_ended();
    Ok(())
}

/// Waits for all streams to begin, and for the process to end; then it is started again.
async fn terminate(stage: &mut Stage, seen: &Seen) -> anyhow::Result<()> {
    let hub = &mut stage.hubs[0];
    let began = std::time::Instant::now();
    while seen.streaming() < STREAMS {
        anyhow::ensure!(
            began.elapsed() < Duration::from_secs(60),
            "{} streams began",
            seen.streaming()
        );
        sleep(Duration::from_millis(20)).await;
    }
    hub.signal("TERM")?;
    sleep(Duration::from_millis(300)).await;
    anyhow::ensure!(!hub.is_ready().await, "it is ready after SIGTERM");
    anyhow::ensure!(hub.ended().await?, "it did not end with 0:\n{}", hub.log());
    let [differences, open, estimates] = hub.verify()?;
    anyhow::ensure!(
        [differences, open, estimates] == [0, 0, 0],
        "after SIGTERM: {differences} differences, {open} open, {estimates} estimates"
    );
    hub.start().await
}

/// Streams that SIGTERM meets.
pub const STREAMS: u64 = 500;

async fn roll(hubs: &mut [Hub], seen: &Seen, time: Duration) -> anyhow::Result<()> {
    for hub in hubs {
        sleep(time / 3).await;
        anyhow::ensure!(hub.terminate().await?, "it did not end with 0:\n{}", hub.log());
        hub.launch()?;
        seen.fault_ended_at(hub.address);
        hub.wait().await?;
    }
    sleep(time / 3).await;
    Ok(())
}
