//! An account with a proxy of its own is called through it alone, and a proxy that fails is no fault of the account's.

use crate::harness::{HELLO, Hub, PATIENCE, hello, hello_streamed, spawn};
use parking_lot::Mutex;
use server::metering::{Attempt, AttemptOutcome};
use server::secrets::Secret;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// How a proxy answers.
#[derive(Clone, Copy)]
enum Manner {
    /// It hands on what it is asked for.
    Forward,
    /// It refuses everybody.
    Refuse,
}

/// A proxy for HTTP that remembers the heads of what it was asked.
struct Proxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, manner, Arc::clone(&seen)));
            }
        });
        Self { address, heads }
    }

    fn url(&self) -> Secret {
        Secret::new(format!("http://user:canary-pass@{}", self.address))
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().clone()
    }
}

/// The head of a message, and what came behind it.
async fn read_head(socket: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if socket.read_buf(&mut bytes).await.unwrap() == 0 {
            return None;
        }
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n").unwrap();
    Some((head.to_owned(), rest.to_owned()))
}

async fn serve(mut client: TcpStream, manner: Manner, seen: Arc<Mutex<Vec<String>>>) {
    let Some((head, body)) = read_head(&mut client).await else {
        return;
    };
    seen.lock().push(head.clone());
    if let Manner::Refuse = manner {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        client.write_all(refusal.as_bytes()).await.unwrap();
        return;
    }
    // `POST http://host:port/path HTTP/1.1` becomes `POST /path HTTP/1.1`.
    let (line, rest) = head.split_once("\r\n").unwrap();
    let mut words = line.split(' ');
    let length = rest
        .to_ascii_lowercase()
        .split("content-length: ")
        .nth(1)
        .map(|length| {
            let digits = length.split("\r\n").next().unwrap();
            digits.parse::<usize>().unwrap()
        });
    let mut body = body.into_bytes();
    while body.len() < length.unwrap_or(0) {
        client.read_buf(&mut body).await.unwrap();
    }
    let (method, url) = (words.next().unwrap(), words.next().unwrap());
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut upstream = TcpStream::connect(host).await.unwrap();
    let handed_on = format!("{method} /{path} HTTP/1.1\r\n{rest}\r\n\r\n");
    upstream
        .write_all(&[handed_on.as_bytes(), &body].concat())
        .await
        .unwrap();
    // A connection is one request's.
    let (head, body) = read_head(&mut upstream).await.unwrap();
    let answer = format!("{head}\r\nconnection: close\r\n\r\n{body}");
    client.write_all(answer.as_bytes()).await.unwrap();
    let _ = copy_bidirectional(&mut client, &mut upstream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_called_through_its_own_proxy() {
    let hub = spawn().await;
    let proxy = Proxy::start(Manner::Forward).await;
    let account = hub.account_with("far", |new| new.proxy_url = Some(proxy.url())).await;
    hub.account_with("near", |new| new.standing.priority = 1).await;
    let key = hub.key().await;
    for body in [hello(), hello_streamed()] {
        let answer = key.chat(&body).await;
        assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
    }
    let heads = proxy.heads();
    assert!(!heads.is_empty());
    for head in &heads {
        let line = format!("POST {}/chat/completions HTTP/1.1", hub.upstream.base_url("far"));
        assert!(head.starts_with(&line), "{head}");
        // user:canary-pass
        assert!(
            head.to_ascii_lowercase().contains("proxy-authorization: basic "),
            "{head}"
        );
    }
    assert_eq!(hub.upstream.arrived("far").len(), 2);

    // The other account's calls pass it by.
    let off = server::accounts::Change {
        is_disabled: Some(true),
        ..server::accounts::Change::default()
    };
    hub.app.fleet.update(account, off).await.unwrap();
    assert_eq!(key.chat(&hello()).await.status, 200);
    assert_eq!(hub.upstream.arrived("near").len(), 1);
    assert_eq!(proxy.heads(), heads);
    drop(key);
    hub.close().await;
}

/// A SOCKS5 proxy that hands on to whatever it is asked for, if that is there; where it listens.
async fn start_socks() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve_socks(client));
        }
    });
    address
}

/// RFC 1928, an address of IPv4, with a user name and password by RFC 1929.
async fn serve_socks(mut client: TcpStream) -> std::io::Result<()> {
    let mut head = [0; 2];
    client.read_exact(&mut head).await?;
    let mut methods = vec![0; head[1].into()];
    client.read_exact(&mut methods).await?;
    assert!(methods.contains(&2), "{methods:?}");
    client.write_all(&[5, 2]).await?;
    client.read_exact(&mut head).await?;
    let mut user = vec![0; usize::from(head[1]) + 1];
    client.read_exact(&mut user).await?;
    let mut password = vec![0; user.pop().unwrap().into()];
    client.read_exact(&mut password).await?;
    assert_eq!(
        (user.as_slice(), password.as_slice()),
        (&b"user"[..], &b"canary-pass"[..])
    );
    client.write_all(&[1, 0]).await?;
    let mut request = [0; 10];
    client.read_exact(&mut request).await?;
    let [5, 1, 0, 1, a, b, c, d, high, low] = request else {
        panic!("{request:?}");
    };
    let target = SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low])));
    let Ok(mut upstream) = TcpStream::connect(target).await else {
        return client.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).await;
    };
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut client, &mut upstream).await.map(|_| ())
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_called_through_a_socks_proxy() {
    let hub = spawn().await;
    let socks = start_socks().await;
    for scheme in ["socks5", "socks5h"] {
        let url = Secret::new(format!("{scheme}://user:canary-pass@{socks}"));
        hub.account_with(scheme, |new| new.proxy_url = Some(url)).await;
        let key = hub.key().await;
        for body in [hello(), hello_streamed()] {
            let answer = key.chat(&body).await;
            assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("1")));
        }
    }
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_finds_nobody_at_the_accounts_address_is_not_to_blame() {
    let hub = spawn().await;
    let socks = start_socks().await;
    let url = || Some(Secret::new(format!("socks5://user:canary-pass@{socks}")));
    let closed = nobody().await;
    let away = hub
        .account_with("away", |new| {
            new.proxy_url = url();
            new.base_url = Some(format!("http://{closed}/v1"));
        })
        .await;
    let there = hub
        .account_with("there", |new| {
            new.proxy_url = url();
            new.standing.priority = 1;
        })
        .await;
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!((answer.status, answer.header("x-ourhub-attempts")), (200, Some("2")));
    for (account, state) in [(away, "cooling"), (there, "ready")] {
        let live = hub.app.fleet.get(account).await.unwrap().live;
        assert_eq!((live.health.unwrap().state.as_str(), live.proxy), (state, None));
    }
    drop(key);
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_proxy_is_found_dead_once_for_all_its_accounts_and_a_good_answer_ends_that() {
    let hub = spawn().await;
    let address = nobody().await;
    let mut accounts = Vec::new();
    for name in ["one", "two"] {
        let url = Secret::new(format!("socks5://user:canary-pass@{address}"));
        accounts.push(hub.account_with(name, |new| new.proxy_url = Some(url)).await);
    }
    hub.account_with("near", |new| new.standing.priority = 1).await;
    let key = hub.key().await;
    let answer = key.chat(&hello()).await;
    assert_eq!(
        (answer.status, answer.header("x-ourhub-attempts")),
        (200, Some("2")),
        "the second account behind it is not tried"
    );
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve_socks(client));
        }
    });
    let is_back = || async {
        let answered = key.chat(&hello()).await.status == 200;
        let arrived = hub.upstream.arrived("one").len() + hub.upstream.arrived("two").len();
        answered && arrived > 0
    };
    let waiting = async {
        while !is_back().await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    for account in accounts {
        assert_eq!(hub.app.fleet.get(account).await.unwrap().live.proxy, None);
    }
    drop(key);
    hub.close().await;
}

/// Another account answers where the first one's proxy fails, and the first one's health is as it was.
async fn steps_aside(hub: &Hub, base_url: Option<String>, proxy: Secret) {
    let account = hub
        .account_with("far", |new| {
            new.proxy_url = Some(proxy);
            if base_url.is_some() {
                new.base_url = base_url;
            }
        })
        .await;
    hub.account_with("near", |new| new.standing.priority = 1).await;
    let key = hub.key().await;
    let answer = tokio::time::timeout(PATIENCE, key.chat(&hello())).await.unwrap();
    assert_eq!(
        (answer.status, answer.header("x-ourhub-attempts")),
        (200, Some("2")),
        "{answer:?}"
    );
    assert!(hub.upstream.arrived("far").is_empty());
    assert_eq!(hub.charged().await, HELLO, "what never arrived costs nothing");
    let live = hub.app.fleet.get(account).await.unwrap().live;
    let health = live.health.unwrap();
    assert_eq!((health.state.as_str(), health.failures), ("ready", 0), "{health:?}");
    assert_eq!(live.proxy.unwrap().state, "cooling");
    let attempts = Attempt::parse_list(&hub.holds().await[0].attempts);
    assert_eq!(attempts[0].outcome, AttemptOutcome::ProxyFailed);
    assert!(!live.last_error.unwrap_or_default().contains("canary"));
    let open = server::alerts::list_open(&hub.app.db).await.unwrap();
    assert!(open.iter().all(|alert| alert.kind != "account_parked"), "{open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_is_not_there_is_no_fault_of_the_accounts_key() {
    let hub = spawn().await;
    let address = nobody().await;
    steps_aside(&hub, None, Secret::new(format!("http://user:canary-pass@{address}"))).await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_refuses_us_is_no_fault_of_the_accounts_key() {
    let tunnelled = "https://127.0.0.1:9/far/v1".to_owned();
    for (base_url, line) in [(None, "POST http://"), (Some(tunnelled), "CONNECT 127.0.0.1:9 ")] {
        let hub = spawn().await;
        let proxy = Proxy::start(Manner::Refuse).await;
        steps_aside(&hub, base_url, proxy.url()).await;
        assert!(proxy.heads()[0].starts_with(line), "{:?}", proxy.heads());
        hub.close().await;
    }
}
