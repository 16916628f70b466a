//! The server killed with SIGKILL under load, again and again: every answer of which a client got a byte is on the books.

use crate::harness::{Hub, Place, Setup, hello, hello_streamed};
use crate::upstream::Reply;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use sea_orm::EntityTrait as _;
use server::app::Office;
use server::ledger;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const KILLS: usize = 20;
const CLIENTS: usize = 16;
/// Answers after which the server is killed.
const ANSWERS: usize = 40;

/// The built server on the data of `place`, and where it listens.
pub fn start(place: &Place) -> (Child, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ourhub"));
    command
        .args(["--listen", "127.0.0.1:0", "--log", "off", "--data-dir"])
        .arg(&place.dir);
    if let Some(url) = &place.database_url {
        command.args(["--database-url", url]);
    }
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let ready = lines.find_map(|line| Some(line.unwrap().split_once("ready at ")?.1.trim().to_owned()));
    (process, ready.expect("the server did not start"))
}

/// Asks until the server is gone, and notes the request of each answer of which a byte came.
async fn ask(client: reqwest::Client, url: String, key: String, seen: Arc<Mutex<Vec<String>>>) {
    for turn in 0.. {
        let body = if turn % 2 == 0 { hello() } else { hello_streamed() };
        let request = client
            .post(format!("{url}/v1/chat/completions"))
            .bearer_auth(&key)
            .body(body.to_string());
        let Ok(response) = request.send().await else { return };
        if response.status() != 200 {
            return;
        }
        let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let mut pieces = response.bytes_stream();
        if let Some(Ok(_)) = pieces.next().await {
            seen.lock().push(id);
        }
        while let Some(Ok(_)) = pieces.next().await {}
    }
}

async fn kill_under_load(place: Place) {
    let hub = Hub::start(place, Setup::default()).await;
    hub.account("one").await;
    hub.upstream.behave("one", |call| {
        let reply = if call.json()["stream"] == true {
            Reply::stream(&["a", "b", "c"], 10, 5)
        } else {
            Reply::chat("hello", 10, 5)
        };
        reply.after(Duration::from_millis(2))
    });
    let text = hub.key().await.text;
    let (upstream, client) = (hub.upstream.clone(), hub.client.clone());
    let place = hub.close_keeping_data().await;

    let seen = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..KILLS {
        let (mut process, url) = start(&place);
        let before = seen.lock().len();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| tokio::spawn(ask(client.clone(), url.clone(), text.clone(), Arc::clone(&seen))))
            .collect();
        let enough = async {
            while seen.lock().len() < before + ANSWERS {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(crate::harness::PATIENCE, enough)
            .await
            .expect("too few answers");
        process.kill().unwrap();
        process.wait().unwrap();
        for client in clients {
            client.await.unwrap();
        }
    }

    // One more start ends what the last kill left open.
    let (mut process, _) = start(&place);
    let ended = Command::new("kill").arg(process.id().to_string()).status().unwrap();
    assert!(
        ended.success() && process.wait().unwrap().success(),
        "SIGTERM ends it in order"
    );

    let office = Office::open(&place.config(&[]).storage).await.unwrap();
    let report = ledger::verify(&office.db).await.unwrap();
    assert_eq!(report.differences, Vec::<String>::new());
    assert_eq!((report.difference_count, report.open), (0, 0));
    let seen = seen.lock().clone();
    for id in &seen {
        let id = gateway_core::id::parse(gateway_core::id::Kind::Request, id).unwrap();
        let row = entity::hold::Entity::find_by_id(id).one(&office.db).await.unwrap();
        let row = row.expect("an answer that is not on the books");
        assert!(row.posted >= crate::harness::HELLO.0, "{row:?}");
    }
    assert!(upstream.arrived("one").len() >= seen.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_has_every_answer_on_its_books() {
    kill_under_load(Place::sqlite()).await;
    if let Some(place) = Place::postgres().await {
        kill_under_load(place).await;
    }
}
