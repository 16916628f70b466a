//! A mail server for tests: it keeps what it is given, or refuses as it is told.
//!
//! Invariant: speaks just the SMTP (RFC 5321) that a client without encryption needs. Listens on a free port of loopback.

use parking_lot::Mutex;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// A mail server that runs until the test ends.
#[derive(Clone)]
pub struct Smtp {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mails: Vec<String>,
    /// The answer to every recipient, where it is not yes.
    refusal: Option<&'static str>,
}

impl Smtp {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&smtp.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(talk(stream, Arc::clone(&state)));
            }
        });
        smtp
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// From now on every recipient gets this answer; `None`: they are welcome.
    pub fn refuse(&self, answer: Option<&'static str>) {
        self.state.lock().refusal = answer;
    }

    /// What was taken so far, headers and bodies with their soft line breaks undone.
    pub fn mails(&self) -> Vec<String> {
        self.state.lock().mails.clone()
    }

    /// The mails once there are `count` of them.
    pub async fn wait(&self, count: usize) -> Vec<String> {
        for _ in 0..600 {
            let mails = self.mails();
            if mails.len() >= count {
                return mails;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{count} mails were expected, there are {:?}", self.mails());
    }
}

async fn talk(stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 test\r\n").await?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let refusal = state.lock().refusal;
        let answer = match line.split_whitespace().next().unwrap_or_default() {
            // Any password is right.
            "EHLO" | "HELO" => "250-test\r\n250 AUTH PLAIN".to_owned(),
            "AUTH" => "235 come in".to_owned(),
            "RCPT" if line.contains("nobody@") => "550 no such user".to_owned(),
            "RCPT" => refusal.unwrap_or("250 ok").to_owned(),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let mail = read_mail(&mut stream).await?;
                state.lock().mails.push(mail);
                "250 taken".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(());
            }
            _ => "250 ok".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
}

async fn read_mail(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut mail = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(mail.replace("=\r\n", "").replace("=3D", "="));
        }
        mail.push_str(&line);
    }
}
