//! A ledger that is told what to do: in this process, or in one of its own, which can be killed and stopped.
//!
//! Invariant: both do the same when told the same. A process is told one line of JSON for each thing to do, and says one line
//! when it is done; it ends when its input ends. Starts this test binary again; sends signals to what it started.

use crate::harness::{NOON_MS, ask, charged, leak, open, open_with, payer};
use gateway_core::money::Nano;
use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use serde::{Deserialize, Serialize};
use server::ledger::{Closing, Config, Grant, Hold, Home, Kind, Ledger, Payer, Refusal, Series};
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// What the team may spend a day, and a key in all.
pub const DAY_CAP: i64 = 150;
pub const KEY_CAP: i64 = 400;
/// Keys of a team; their ids follow the team's.
pub const KEYS: i64 = 2;
/// How long a process may take for one thing.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tell a process where the rows are, and where its data directory is.
const DATABASE: &str = "OURHUB_TEST_TOLD_DATABASE";
const DATA_DIR: &str = "OURHUB_TEST_TOLD_DATA_DIR";
/// What the lines begin with that are answers: the test harness says things, too.
const MARK: char = '@';

/// Something to do.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Act {
    Admit {
        team: i64,
        key: i64,
        amount: i64,
        now_ms: i64,
        is_durable: bool,
    },
    End {
        hold: i64,
        end: End,
    },
    /// Forget every hold, as a process does that dies.
    Forget,
    Grant {
        team: i64,
        amount: i64,
    },
    /// When the day of now ends.
    Day {
        team: i64,
        now_ms: i64,
    },
    /// What the team and each of its keys have spent.
    Sums {
        team: i64,
    },
    /// Wait until all that was counted is written.
    Write,
    Me,
    Close,
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum End {
    Post(i64),
    Estimate(i64),
    Void,
    /// Dropped after it was sent, or before.
    Drop {
        is_sent: bool,
    },
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    Done,
    Admitted(i64),
    /// What stands in the way is the team's day, or else a key.
    Short {
        is_day: bool,
        resets_at_ms: Option<i64>,
        says: String,
    },
    Down,
    Day(Option<i64>),
    Sums(Sums),
    /// The node it is, if the database has it; whether it admits; holds open.
    Me {
        node: Option<i64>,
        is_writable: bool,
        open_holds: u64,
    },
}

/// What was spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Posted and held, of each key.
    pub keys: Vec<(i64, i64)>,
    /// Of the team.
    pub posted: i64,
    /// Paid in.
    pub entries: i64,
}

/// A ledger and the holds it made.
pub struct Clerk {
    ledger: Ledger,
    holds: HashMap<i64, Hold>,
}

/// Whether a hold of this amount is for an account of the team's own, which the wallet does not pay.
pub const fn is_own(amount: i64) -> bool {
    amount % 3 == 1
}

fn capped(team: i64, key: i64) -> Payer {
    let mut payer = payer(team, team + key);
    payer.team.day = Some(Nano(DAY_CAP));
    payer.key.total = Some(Nano(KEY_CAP));
    payer
}

impl Clerk {
    async fn act(&mut self, act: Act) -> Answer {
        let ledger = &self.ledger;
        match act {
            Act::Admit {
                team,
                key,
                amount,
                now_ms,
                is_durable,
            } => {
                let mut asked = ask(&capped(team, key), amount);
                asked.now_ms = now_ms;
                asked.record.is_own = is_own(amount);
                return self.admit(ledger.admit(asked).await, is_durable).await;
            }
            Act::End { hold, end } => {
                let hold = self.holds.remove(&hold).expect("a hold of this ledger");
                finish(hold, end);
            }
            Act::Forget => self.holds.drain().for_each(|(_, hold)| leak(hold)),
            Act::Grant { team, amount } => {
                let grant = Grant {
                    team_id: team,
                    kind: "grant".to_owned(),
                    amount: Nano(amount),
                    reason: "test".to_owned(),
                    actor_id: Some(1),
                };
                ledger.grant(grant).await.unwrap();
            }
            Act::Day { team, now_ms } => {
                let day = [Series::team(team, Kind::Day)];
                return Answer::Day(ledger.spent(&day, "UTC", now_ms).await.unwrap()[0].resets_at_ms);
            }
            Act::Sums { team } => {
                let keys: Vec<_> = (0..KEYS)
                    .map(|key| Series::key(team, team + key, Kind::Total))
                    .collect();
                let spent = ledger.spent(&keys, "UTC", NOON_MS).await.unwrap();
                let balance = ledger.balance(team).await.unwrap();
                return Answer::Sums(Sums {
                    keys: spent.iter().map(|spent| (spent.posted.0, spent.held.0)).collect(),
                    posted: balance.posted.0,
                    entries: balance.entries.0,
                });
            }
            Act::Write => {
                ledger.spent(&[], "UTC", NOON_MS).await.unwrap();
            }
            Act::Me => return me(ledger).await,
            Act::Close => {
                ledger.close().await;
                self.holds.drain().for_each(|(_, hold)| leak(hold));
            }
        }
        Answer::Done
    }

    async fn admit(&mut self, admitted: Result<Hold, Refusal>, is_durable: bool) -> Answer {
        match admitted {
            Ok(hold) => {
                if is_durable && hold.durable().await.is_err() {
                    return Answer::Down;
                }
                let id = hold.id();
                self.holds.insert(id, hold);
                Answer::Admitted(id)
            }
            Err(Refusal::Short(short)) => Answer::Short {
                is_day: short.series.kind == Kind::Day,
                resets_at_ms: short.resets_at_ms,
                says: format!("{short:?}"),
            },
            Err(Refusal::Down(_)) => Answer::Down,
        }
    }
}

fn finish(hold: Hold, end: End) {
    match end {
        End::Post(actual) => hold.post(charged(actual)),
        End::Estimate(actual) => hold.post(Closing {
            estimated: true,
            ..charged(actual)
        }),
        End::Void => hold.void(Closing::default()),
        End::Drop { is_sent } => {
            if is_sent {
                hold.mark_sent();
            }
        }
    }
}

async fn me(ledger: &Ledger) -> Answer {
    let nodes = ledger.nodes().await.unwrap();
    let status = ledger.status();
    Answer::Me {
        node: nodes.iter().find(|node| node.is_me).map(|node| node.id),
        is_writable: status.writable,
        open_holds: status.open_holds,
    }
}

/// Where ledgers are opened.
pub enum Site {
    /// In this process.
    Here(DatabaseConnection),
    /// Each in a process of its own, with a common data directory.
    There { url: String, data_dir: PathBuf },
}

impl Site {
    /// Processes on the database at `url`.
    pub fn there(url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let data_dir = std::env::temp_dir().join(format!("ourhub_told_{process}_{count}"));
        std::fs::create_dir_all(&data_dir).unwrap();
        Self::There {
            url: url.to_owned(),
            data_dir,
        }
    }

    /// So many ledgers, all ready.
    pub async fn open(&self, count: usize) -> Vec<Node> {
        let mut nodes: Vec<Node> = Vec::new();
        for _ in 0..count {
            nodes.push(match self {
                Self::Here(db) => Node::Here(Clerk {
                    ledger: open(db).await,
                    holds: HashMap::new(),
                }),
                Self::There { url, data_dir } => Node::There(Process::launch(url, data_dir)),
            });
        }
        for node in &mut nodes {
            if let Node::There(process) = node {
                process.answer();
            }
        }
        nodes
    }

    /// One more.
    pub async fn open_one(&self) -> Node {
        self.open(1).await.remove(0)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Self::There { data_dir, .. } = self {
            let _ = std::fs::remove_dir_all(data_dir);
        }
    }
}

/// See the module.
pub enum Node {
    Here(Clerk),
    There(Process),
}

impl Node {
    pub async fn act(&mut self, act: Act) -> Answer {
        match self {
            Self::Here(clerk) => clerk.act(act).await,
            Self::There(process) => {
                process.tell(act);
                process.answer()
            }
        }
    }
}

/// Has all do the same; processes do it at once.
pub async fn act_all(nodes: &mut [Node], act: Act) -> Vec<Answer> {
    for node in nodes.iter_mut() {
        if let Node::There(process) = node {
            process.tell(act);
        }
    }
    let mut answers = Vec::new();
    for node in nodes {
        answers.push(match node {
            Node::Here(clerk) => clerk.act(act).await,
            Node::There(process) => process.answer(),
        });
    }
    answers
}

/// A ledger's process. Dropped, it is killed.
pub struct Process {
    child: Child,
    input: ChildStdin,
    answers: Receiver<Answer>,
}

impl Process {
    /// Starts it; its first answer says that it is ready.
    fn launch(url: &str, data_dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "node::the_process_that_is_told",
                "--nocapture",
                "--test-threads=1",
            ])
            .envs([(DATABASE, url), (DATA_DIR, data_dir.to_str().unwrap())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // What a killed process said last may be half a line.
                let answer = line
                    .strip_prefix(MARK)
                    .and_then(|text| serde_json::from_str::<Answer>(text).ok());
                if answer.is_some_and(|answer| sender.send(answer).is_err()) {
                    return;
                }
            }
        });
        Self {
            input: child.stdin.take().unwrap(),
            child,
            answers,
        }
    }

    /// Tells it what to do, and does not wait.
    pub fn tell(&mut self, act: Act) {
        let line = serde_json::to_string(&act).unwrap() + "\n";
        self.input.write_all(line.as_bytes()).expect("the process has ended");
    }

    fn answer(&mut self) -> Answer {
        self.answers.recv_timeout(PATIENCE).expect("the process says nothing")
    }

    /// Ends it with SIGKILL; what it said and nobody has heard yet.
    pub fn kill(mut self) -> Vec<Answer> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.answers.iter().collect()
    }

    /// Sends a signal, by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success(), "kill -{name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs in a process of its own, started by [`Process::launch`]; alone it does nothing.
#[test]
fn the_process_that_is_told() {
    let (Ok(url), Ok(data_dir)) = (std::env::var(DATABASE), std::env::var(DATA_DIR)) else {
        return;
    };
    let say = |answer: &Answer| {
        let line = format!("\n{MARK}{}\n", serde_json::to_string(answer).unwrap());
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        let db = Database::connect(options).await.unwrap();
        let home = Home {
            data_dir: Some(data_dir.into()),
            name: "told".to_owned(),
        };
        let config = Config {
            home,
            ..Config::default()
        };
        let mut clerk = Clerk {
            ledger: open_with(&db, config).await.unwrap(),
            holds: HashMap::new(),
        };
        say(&Answer::Done);
        for line in std::io::stdin().lines() {
            let act = serde_json::from_str(&line.unwrap()).unwrap();
            say(&clerk.act(act).await);
        }
        clerk.act(Act::Forget).await;
    });
}
