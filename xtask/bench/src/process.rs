//! Processes on a core of their own, and what they cost.
//!
//! Invariant: what is measured runs on core 0, everything else on core 1; without two cores nothing is measured.
//! Reads `/proc`; starts processes through `taskset`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::Context;

/// Clock ticks of `/proc/*/stat` in a second: Linux has shown 100 to programs since 2.6.
const TICKS_PER_SECOND: u64 = 100;

/// A process on core 0; dropping it ends it and removes its folder.
pub struct Pinned {
    child: Child,
    folder: PathBuf,
}

impl Pinned {
    /// Starts `program` in `folder`, its output in `folder/log`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &Path, folder: PathBuf, set: impl FnOnce(&mut Command)) -> anyhow::Result<Self> {
        let log = fs::File::create(folder.join("log"))?;
        let mut command = Command::new("taskset");
        command.args(["-c", "0"]).arg(program).current_dir(&folder);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        set(&mut command);
        let child = command.spawn().context("cannot start taskset (package util-linux)")?;
        Ok(Self { child, folder })
    }

    /// CPU time used so far, by the process and its children.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu_of_family(self.child.id())
    }

    /// Resident memory, in kB, of the process and its children.
    ///
    /// # Errors
    /// When it has ended.
    pub fn rss_kb(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for pid in family(self.child.id())? {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))
                .context("no VmRSS")?;
            sum += line.trim().trim_end_matches(" kB").parse::<u64>()?;
        }
        Ok(sum)
    }

    /// What the process wrote.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        for pid in family(self.child.id()).unwrap_or_default().iter().rev() {
            let _ = Command::new("kill").arg(pid.to_string()).stderr(Stdio::null()).status();
        }
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Moves this process, which is upstream and load, to core 1.
///
/// # Errors
/// When there is no second core, or no `taskset`.
pub fn pin_self() -> anyhow::Result<()> {
    let pid = std::process::id().to_string();
    let status = Command::new("taskset")
        .args(["-a", "-c", "-p", "1", &pid])
        .stdout(Stdio::null())
        .status();
    let is_pinned = status.context("cannot start taskset (package util-linux)")?.success();
    anyhow::ensure!(
        is_pinned,
        "two cores are needed: one for what is measured, one for the load"
    );
    Ok(())
}

/// An empty folder of its own.
///
/// # Errors
/// When it cannot be made.
pub fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("ourhub-bench-{}-{name}", std::process::id()));
    fs::create_dir(&folder)?;
    Ok(folder)
}

/// CPU time of a process and all its children, ended ones included.
///
/// # Errors
/// When it has ended.
pub fn cpu_of_family(parent: u32) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for pid in family(parent)? {
        // After the name in parentheses: state is field 3, utime, stime and those of ended children are 14 to 17.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let fields = stat
            .rsplit(')')
            .next()
            .context("no name")?
            .split_whitespace()
            .skip(11)
            .take(4);
        ticks += fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    }
    Ok(Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND))
}

/// A process and all its descendants.
///
/// # Errors
/// When it has ended.
pub fn family(parent: u32) -> anyhow::Result<Vec<u32>> {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    let mut pids = vec![parent];
    for child in children.split_whitespace() {
        pids.extend(family(child.parse()?).unwrap_or_default());
    }
    Ok(pids)
}
