//! What upstreams do to connections: each test scripts a server, byte by byte.

#![allow(clippy::unwrap_used)]
use super::*;
use reqwest::{Method, Url};
use std::{
    net::SocketAddr,
    pin::pin,
    sync::atomic::AtomicUsize,
    task::{Context, Waker},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

const PATIENCE: Duration = Duration::from_secs(5);
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A server that treats each connection as `script` does, given its number.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    async fn start<F>(script: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(script(stream, count.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { address, connections }
    }

    /// One that answers every request with `text`.
    async fn saying(text: &'static str) -> Self {
        Self::start(move |mut stream, _| async move {
            while hear(&mut stream).await {
                stream.write_all(text.as_bytes()).await.unwrap();
            }
        })
        .await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> Request {
        let url = Url::parse(&format!("http://{}/v1/chat/completions", self.address)).unwrap();
        let mut request = Request::new(Method::POST, url);
        *request.body_mut() = Some(body.into());
        request
    }
}

/// Reads one request of at most 64 kB; false at the end.
async fn hear(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.rsplit_once("content-length: ").unwrap().1;
            if body.len() >= length.lines().next().unwrap().parse::<usize>().unwrap() {
                return true;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return false;
        }
    }
}

fn client() -> Client {
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    Clients::new(guard, PATIENCE).get(None).unwrap()
}

async fn read(answer: Answer) -> Result<String, Lost> {
    let mut pieces = answer.pieces;
    let mut whole = Vec::new();
    while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.unwrap() {
        whole.extend_from_slice(&piece?);
    }
    Ok(String::from_utf8(whole).unwrap())
}

/// What a request to `server` brings.
async fn ask(client: &Client, server: &Server) -> Result<String, Unanswered> {
    let sent = tokio::time::timeout(PATIENCE, client.send(server.post("{}")));
    Ok(read(sent.await.unwrap()?).await.unwrap())
}

#[tokio::test]
async fn one_connection_serves_requests_one_after_another() {
    let (client, server) = (client(), Server::saying(OK).await);
    for _ in 0..5 {
        assert_eq!(ask(&client, &server).await.unwrap(), "ok");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn no_connection_is_shared_by_two_requests_at_once_or_used_before_its_answer_was_read() {
    let (client, server) = (client(), Server::saying(OK).await);
    let (one, two) = (client.send(server.post("{}")), client.send(server.post("{}")));
    let (one, two) = tokio::join!(one, two);
    assert_eq!(server.connections(), 2);
    // One is dropped unread; what it left must not be taken for an answer to the next.
    drop(one);
    assert_eq!(read(two.unwrap()).await.unwrap(), "ok");
    assert_eq!(ask(&client, &server).await.unwrap(), "ok");
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_connection_closed_or_spoken_on_while_it_was_idle_is_left() {
    for last_words in ["", "HTTP/1.1 408 Timeout\r\ncontent-length: 0\r\n\r\n"] {
        let left = Arc::new(Notify::new());
        let leaving = Arc::clone(&left);
        let server = Server::start(move |mut stream, number| {
            let leaving = Arc::clone(&leaving);
            async move {
                while hear(&mut stream).await {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                    if number == 0 {
                        tokio::task::yield_now().await;
                        stream.write_all(last_words.as_bytes()).await.unwrap();
                        drop(stream);
                        leaving.notify_one();
                        return;
                    }
                }
            }
        })
        .await;
        let client = client();
        assert_eq!(ask(&client, &server).await.unwrap(), "ok");
        left.notified().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(ask(&client, &server).await.unwrap(), "ok", "{last_words:?}");
        assert_eq!(server.connections(), 2);
    }
}

#[tokio::test]
async fn a_request_that_a_kept_connection_has_taken_is_not_sent_again() {
    let heard = Arc::new(AtomicUsize::new(0));
    let hearing = Arc::clone(&heard);
    let server = Server::start(move |mut stream, _| {
        let hearing = Arc::clone(&hearing);
        async move {
            while hear(&mut stream).await {
                if hearing.fetch_add(1, Ordering::SeqCst) == 1 {
                    return;
                }
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        }
    })
    .await;
    let client = client();
    assert_eq!(ask(&client, &server).await.unwrap(), "ok");
    assert_eq!(ask(&client, &server).await, Err(Unanswered::Broken));
    assert_eq!((heard.load(Ordering::SeqCst), server.connections()), (2, 1));
}

#[tokio::test]
async fn what_cannot_be_used_again_is_not_used_again() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more than was told",
        "HTTP/1.1 200 OK\r\ncontent-length: 7\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        let (client, server) = (client(), Server::saying(text).await);
        for connections in 1..3 {
            assert_eq!(ask(&client, &server).await.unwrap(), "ok", "{text}");
            assert_eq!(server.connections(), connections, "{text}");
        }
    }
}

#[tokio::test]
async fn chunks_with_trailers_and_words_before_the_answer_leave_the_connection_whole() {
    let text = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                1\r\no\r\n1\r\nk\r\n0\r\nx-cost: 1\r\n\r\n";
    let (client, server) = (client(), Server::saying(text).await);
    for _ in 0..3 {
        assert_eq!(ask(&client, &server).await.unwrap(), "ok");
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn an_answer_that_ends_before_its_end_is_lost() {
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokay\r\n",
    ] {
        let server = Server::start(move |mut stream, _| async move {
            hear(&mut stream).await;
            stream.write_all(text.as_bytes()).await.unwrap();
        })
        .await;
        let answer = client().send(server.post("{}")).await.unwrap();
        assert_eq!(read(answer).await, Err(Lost), "{text}");
    }
    let endless = Server::start(|mut stream, _| async move {
        hear(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nok").await.unwrap();
    })
    .await;
    assert_eq!(ask(&client(), &endless).await.unwrap(), "ok");
}

#[tokio::test]
async fn what_is_no_http_breaks_and_who_hangs_up_before_an_answer_too() {
    for text in [
        "",
        "HTTP/1.1 200",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ] {
        let server = Server::start(move |mut stream, _| async move {
            hear(&mut stream).await;
            stream.write_all(text.as_bytes()).await.unwrap();
        })
        .await;
        assert_eq!(ask(&client(), &server).await, Err(Unanswered::Broken), "{text:?}");
    }
}

#[tokio::test]
async fn who_refuses_a_long_request_before_its_end_is_heard() {
    const REFUSAL: &str = "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno";
    let server = Server::start(|mut stream, _| async move {
        let mut some = [0; 1000];
        stream.read_exact(&mut some).await.unwrap();
        stream.write_all(REFUSAL.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        // Closing with bytes unread would reset the connection, and the refusal with it.
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let answer = client().send(server.post(vec![b'x'; 8 << 20])).await.unwrap();
    assert_eq!(answer.status, 413);
    assert_eq!(read(answer).await.unwrap(), "no");
}

#[tokio::test]
async fn a_long_request_arrives_whole_though_its_answer_has_begun() {
    const LENGTH: usize = 8 << 20;
    let server = Server::start(|mut stream, _| async move {
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).await.unwrap();
        let mut heard = 0;
        let mut some = vec![0; 64 << 10];
        while heard < LENGTH {
            let count = stream.read(&mut some).await.unwrap();
            heard += some[..count].iter().filter(|byte| **byte == b'\x01').count();
        }
        stream.write_all(b"2\r\nok\r\n0\r\n\r\n").await.unwrap();
    })
    .await;
    let answer = client().send(server.post(vec![1; LENGTH])).await.unwrap();
    assert_eq!(read(answer).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_request_given_up_closes_its_connection() {
    let (asked, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (asking, closing) = (Arc::clone(&asked), Arc::clone(&closed));
    let server = Server::start(move |mut stream, _| {
        let (asking, closing) = (Arc::clone(&asking), Arc::clone(&closing));
        async move {
            hear(&mut stream).await;
            asking.notify_one();
            assert!(!hear(&mut stream).await);
            closing.notify_one();
        }
    })
    .await;
    let client = client();
    tokio::select! {
        _ = client.send(server.post("{}")) => panic!("nobody answers"),
        () = asked.notified() => {}
    }
    tokio::time::timeout(PATIENCE, closed.notified()).await.unwrap();
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_from_who_breaks() {
    let client = client();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let nobody = Server {
        address,
        connections: Arc::default(),
    };
    assert_eq!(ask(&client, &nobody).await, Err(Unanswered::NoConnection));
    // The guard is asked at the moment of connecting too.
    let closed = Clients::new(Guard::default(), PATIENCE).get(None).unwrap();
    let server = Server::saying(OK).await;
    assert_eq!(ask(&closed, &server).await, Err(Unanswered::NoConnection));
    assert_eq!(server.connections(), 0);
    // No TLS where TLS is wanted.
    let plain = Server::start(|mut stream, _| async move {
        let _ = stream.write_all(OK.as_bytes()).await;
    })
    .await;
    let mut request = plain.post("{}");
    request.url_mut().set_scheme("https").unwrap();
    let answer = client.send(request).await;
    assert_eq!(answer.map(|_| ()), Err(Unanswered::NoConnection));
}

#[tokio::test]
async fn a_closed_connection_is_left_also_by_a_task_that_has_read_as_much_as_it_may() {
    let (near, far) = tokio::io::duplex(64);
    let mut connection = connection::Connection::new(Box::new(near), false);
    assert!(connection.is_usable());
    drop(far);
    let mut context = Context::from_waker(Waker::noop());
    while pin!(tokio::task::consume_budget()).poll(&mut context).is_ready() {}
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn whatever_proxies_and_origins_are_named_connections_that_are_kept_stay() {
    let server = Server::saying(OK).await;
    let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let clients = Clients::new(guard, PATIENCE);
    let direct = clients.get(None).unwrap();
    assert_eq!(ask(&direct, &server).await, Ok("ok".to_owned()));
    for number in 0..2 * CLIENTS_MAX {
        let proxy = Secret::new(format!("http://127.0.0.1:{}", 1_024 + number));
        clients.get(Some(&proxy)).unwrap();
    }
    assert!(clients.by_proxy.lock().len() <= CLIENTS_MAX + 1);
    assert!(HERE.with_borrow(HashMap::len) <= CLIENTS_MAX + 1);
    for number in 0..2 * LINES_MAX {
        drop(direct.0.line(&format!("http://{number}.example")));
    }
    assert!(direct.0.here(|here| here.lines.len()) <= LINES_MAX);
    let again = clients.get(None).unwrap();
    assert_eq!(ask(&again, &server).await, Ok("ok".to_owned()));
    assert_eq!(server.connections(), 1);
}

/// A request that goes the way of what is rare: its body comes piece by piece.
fn rare(url: &str) -> Request {
    let mut request = Request::new(Method::POST, Url::parse(url).unwrap());
    let pieces = futures_util::stream::iter([Ok::<_, io::Error>("{}")]);
    *request.body_mut() = Some(reqwest::Body::wrap_stream(pieces));
    request
}

#[tokio::test]
async fn on_either_way_names_that_lead_inside_are_not_reached_and_redirects_not_followed() {
    let moved =
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let server = Server::start(move |mut stream, _| async move {
        let mut bytes = Vec::new();
        let is_whole = |bytes: &[u8]| match bytes.windows(8).any(|eight| eight == b"chunked\r") {
            true => bytes.ends_with(b"0\r\n\r\n"),
            false => bytes.ends_with(b"\r\n\r\n"),
        };
        while !is_whole(&bytes) && stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {}
        stream.write_all(moved.as_bytes()).await.unwrap();
    })
    .await;
    let (named, numbered) = (
        format!("http://localhost:{}/v1", server.address.port()),
        format!("http://{}/v1", server.address),
    );
    let plain = |url: &str| Request::new(Method::GET, Url::parse(url).unwrap());
    let strict = Clients::new(Guard::default(), PATIENCE).get(None).unwrap();
    for request in [plain(&named), plain(&numbered), rare(&named)] {
        let url = request.url().clone();
        let refused = strict.send(request).await.err();
        assert_eq!(refused, Some(Unanswered::NoConnection), "{url}");
    }
    assert_eq!(server.connections(), 0);
    let local = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let open = Clients::new(local, PATIENCE).get(None).unwrap();
    for (count, request) in [plain(&numbered), rare(&numbered)].into_iter().enumerate() {
        assert_eq!(open.send(request).await.unwrap().status, 307);
        assert_eq!(server.connections(), count + 1);
    }
}
