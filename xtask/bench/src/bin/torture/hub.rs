//! A server process that is killed, stopped and started again.
//!
//! Invariant: it keeps its port, so that clients find it again; an end that nobody asked for counts as a crash.
//! Starts `ourhub serve`; its output goes to a file in its folder.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail};
use bench::{
    candidate::free_port,
    load::{Target, once},
    operator,
};
use hyper::Method;
use serde_json::Value;

/// How long a start may take.
const START: Duration = Duration::from_secs(60);

/// See the module.
pub struct Hub {
    /// Where it listens.
    pub address: SocketAddr,
    /// The built server.
    pub binary: PathBuf,
    folder: PathBuf,
    /// Its environment.
    pub settings: Vec<(&'static str, String)>,
    child: Option<Child>,
    /// Ends that nobody asked for.
    pub crashes: u64,
}

impl Hub {
    /// A server with its files in `folder`, not started yet.
    ///
    /// # Errors
    /// When there is no port.
    pub fn new(binary: &Path, folder: &Path, database_url: Option<String>) -> anyhow::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut settings = vec![
            ("OURHUB_DATA_DIR", folder.join("data").display().to_string()),
            ("OURHUB_LISTEN", address.to_string()),
            ("OURHUB_LOG", "warn".to_owned()),
        ];
        settings.extend(database_url.map(|url| ("OURHUB_DATABASE_URL", url)));
        Ok(Self {
            address,
            binary: binary.to_owned(),
            folder: folder.to_owned(),
            settings,
            child: None,
            crashes: 0,
        })
    }

    /// Starts it and waits until it takes requests.
    ///
    /// # Errors
    /// When it does not.
    pub async fn start(&mut self) -> anyhow::Result<()> {
        self.launch()?;
        self.wait().await
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.log_path())?;
        let mut command = Command::new(&self.binary);
        command.arg("serve").envs(self.settings.iter().cloned());
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.child = Some(command.spawn()?);
        Ok(())
    }

    /// Waits until it takes requests.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait(&mut self) -> anyhow::Result<()> {
        let since = std::time::Instant::now();
        while since.elapsed() < START {
            if self.is_ready().await {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                bail!("the server ended with {status} at its start:\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("the server takes no requests:\n{}", self.log())
    }

    /// Whether it says that it takes requests.
    pub async fn is_ready(&self) -> bool {
        let asked = tokio::time::timeout(Duration::from_secs(2), self.get("/readyz")).await;
        asked.is_ok_and(|answer| answer.is_ok())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let target = Target {
            address: self.address,
            key: "none".to_owned(),
        };
        once(&target, Method::GET, path, &Value::Null).await
    }

    /// Sends it a signal, by name.
    ///
    /// # Errors
    /// When it does not run.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        signal(self.pid()?, name)
    }

    /// Its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.child.as_ref().context("it was not started")?.id())
    }

    /// Ends it at once, as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it was not started")?;
        if child.try_wait()?.is_some() {
            self.crashes += 1;
        }
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to end and waits; whether it said that all went well.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn terminate(&mut self) -> anyhow::Result<bool> {
        self.signal("TERM")?;
        self.ended().await
    }

    /// Waits for its end; whether it said that all went well.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn ended(&mut self) -> anyhow::Result<bool> {
        let mut child = self.child.take().context("it was not started")?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status.success());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it has ended though nobody asked; it counts then.
    ///
    /// # Errors
    /// When it was not started.
    pub fn has_crashed(&mut self) -> anyhow::Result<bool> {
        let child = self.child.as_mut().context("it was not started")?;
        let has_ended = child.try_wait()?.is_some();
        self.crashes += u64::from(has_ended);
        Ok(has_ended)
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join(format!("log-{}", self.address.port()))
    }

    /// What `ourhub ledger verify` counts: differences, open holds, estimates.
    ///
    /// # Errors
    /// When it cannot read the books.
    pub fn verify(&self) -> anyhow::Result<[u64; 3]> {
        let output = operator::command(&self.binary, &self.settings, &["ledger", "verify"])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = |after: &str| {
            let (before, _) = text.split_once(after)?;
            before.rsplit([' ', '\n']).next()?.parse::<u64>().ok()
        };
        let counts = (count(" differences"), count(" open"), count(" estimates"));
        let (Some(differences), Some(open), Some(estimates)) = counts else {
            bail!("ledger verify: {text}{}", String::from_utf8_lossy(&output.stderr));
        };
        if differences > 0 {
            eprintln!("{text}");
        }
        Ok([differences, open, estimates])
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Sends a signal, by name.
///
/// # Errors
/// When there is no such process.
pub fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status()?;
    anyhow::ensure!(status.success(), "kill -{name} {pid}: {status}");
    Ok(())
}
