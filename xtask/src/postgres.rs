//! A Postgres of our own for one test run: temporary folder, free port, gone afterwards.
//!
//! Invariant: it listens on loopback only, and never touches a cluster that is already on the machine. Postgres refuses to
//! run as root, so root hands it to the user `postgres` or `nobody`.
//! Reads `/etc/passwd`; writes a folder under the system's temporary folder.

use std::{
    net::TcpListener,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::shell;

/// A running cluster; dropping it stops the server and removes its files.
pub struct Postgres {
    programs: PathBuf,
    user: Option<(u32, u32)>,
    folder: PathBuf,
    port: u16,
    settings: Vec<String>,
    server: Child,
}

impl Postgres {
    /// One for tests: it leaves writing to the disk to the system, so a power cut would cost it its data.
    ///
    /// # Errors
    /// When Postgres is not installed and cannot be, or does not start within 30 s.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&["fsync=off", "full_page_writes=off"])
    }

    /// One that has on the disk what it says is committed, as it comes.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_durable() -> anyhow::Result<Self> {
        Self::start_with(&[])
    }

    /// Finds the programs, makes a cluster and waits until it answers.
    fn start_with(settings: &[&str]) -> anyhow::Result<Self> {
        let programs = shell::need("Postgres (initdb, postgres)", &["postgresql"], find_programs)?;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(format!("ourhub-postgres-{process}-{count}"));
        std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let user = hand_over(&folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();

        let mut initdb = program(&programs, "initdb", user);
        initdb.arg("-D").arg(folder.join("data"));
        initdb.args([
            "--username=ourhub",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        shell::run(initdb.stdout(Stdio::null()))?;

        let mut settings: Vec<String> = settings.iter().map(|it| (*it).to_owned()).collect();
        settings.push("max_connections=500".to_owned());
        let mut started = Self {
            server: launch(&programs, user, &folder, port, &settings)?,
            programs,
            user,
            folder,
            port,
            settings,
        };
        started.wait()?;
        Ok(started)
    }

    /// Ends the server as `pg_ctl stop -m mode` does, and starts it again.
    ///
    /// # Errors
    /// When it does not end, or does not answer again within 30 s.
    pub fn restart(&mut self, mode: &str) -> anyhow::Result<()> {
        shell::run(self.stop(mode).stdout(Stdio::null()))?;
        self.server.wait()?;
        self.server = launch(&self.programs, self.user, &self.folder, self.port, &self.settings)?;
        self.wait()
    }

    fn stop(&self, mode: &str) -> Command {
        let mut stop = program(&self.programs, "pg_ctl", self.user);
        stop.arg("stop").arg("-D").arg(self.folder.join("data"));
        stop.args(["-m", mode, "-w"]);
        stop
    }

    /// The connection string of a superuser, who may create databases.
    pub fn url(&self) -> String {
        format!("postgres://ourhub@127.0.0.1:{}/postgres", self.port)
    }

    /// The first of its processes, whose children are all others.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        for _ in 0..300 {
            let mut ready = program(&self.programs, "pg_isready", None);
            ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status()?.success() {
                return Ok(());
            }
            if let Some(status) = self.server.try_wait()? {
                let log = std::fs::read_to_string(self.folder.join("log"))?;
                bail!("Postgres ended with {status}:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("Postgres did not answer on port {} within 30 s", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = self.stop("immediate").stdout(Stdio::null()).status();
        let is_stopped = stopped.is_ok_and(|status| status.success());
        if !is_stopped && let Err(error) = self.server.kill() {
            eprintln!("xtask: Postgres may still run on port {}: {error}", self.port);
        }
        let gone = self.server.wait().and_then(|_| std::fs::remove_dir_all(&self.folder));
        if let Err(error) = gone {
            eprintln!("xtask: {} is left behind: {error}", self.folder.display());
        }
    }
}

fn launch(
    programs: &Path,
    user: Option<(u32, u32)>,
    folder: &Path,
    port: u16,
    settings: &[String],
) -> anyhow::Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))?;
    let mut postgres = program(programs, "postgres", user);
    postgres.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    postgres.args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
    for setting in settings {
        postgres.args(["-c", setting]);
    }
    Ok(postgres
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?)
}

fn program(programs: &Path, name: &str, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(std::env::temp_dir()); // one that the other user may enter
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// The folder that holds Postgres' programs: on the path, or the newest version where Debian and Homebrew put it.
fn find_programs() -> Option<PathBuf> {
    let on_path = shell::find(&["postgres"]).and_then(|file| file.parent().map(Path::to_owned));
    if on_path.as_deref().is_some_and(is_complete) {
        return on_path;
    }
    let versions = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .filter_map(|parent| std::fs::read_dir(parent).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path().join("bin")))
        .filter(|folder| is_complete(folder));
    versions.max_by_key(|folder| version_of(folder))
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl", "pg_isready"]
        .iter()
        .all(|name| folder.join(name).is_file())
}

fn version_of(folder: &Path) -> u32 {
    let name = folder
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    name.trim_start_matches("postgresql@").parse().unwrap_or(0)
}

/// Gives the folder to an unprivileged user when we are root (its owner tells), and returns who that is.
fn hand_over(folder: &Path) -> anyhow::Result<Option<(u32, u32)>> {
    if std::fs::metadata(folder)?.uid() != 0 {
        return Ok(None);
    }
    let passwd = std::fs::read_to_string("/etc/passwd")?;
    let user = ["postgres", "nobody"].iter().find_map(|name| ids_of(&passwd, name));
    let (uid, gid) = user.context("root may not run Postgres, and there is neither a user postgres nor nobody")?;
    std::os::unix::fs::chown(folder, Some(uid), Some(gid))?;
    Ok(Some((uid, gid)))
}

fn ids_of(passwd: &str, name: &str) -> Option<(u32, u32)> {
    let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = fields.into_iter().find(|fields| fields.first() == Some(&name))?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{ids_of, version_of};

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "nobody2:x:7:8::/:/bin/sh\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";
        assert_eq!(ids_of(passwd, "nobody"), Some((65534, 65533)));
        assert_eq!(ids_of(passwd, "postgres"), None);
    }

    #[test]
    fn the_newest_version_is_a_number_not_a_word() {
        let newest = ["/usr/lib/postgresql/9/bin", "/usr/lib/postgresql/15/bin"].map(Path::new);
        assert_eq!(
            newest.into_iter().max_by_key(|it| version_of(it)),
            Some(Path::new("/usr/lib/postgresql/15/bin"))
        );
        assert_eq!(version_of(Path::new("/opt/homebrew/opt/postgresql@17/bin")), 17);
    }
}
