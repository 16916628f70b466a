//! A serving process killed with SIGKILL at some point of its work: what clients got is on the books.

use crate::harness::{ask, assert_books_balance, charged, open, payer, places, take_over};
use gateway_core::money::Nano;
use sea_orm::{ConnectOptions, Database, EntityTrait};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

const DATABASE: &str = "OURHUB_TEST_KILL_DATABASE";
/// Answers a client gets before the process is killed.
const ANSWERS: usize = 300;

/// Runs in a process of its own, started by the test below; alone it does nothing.
#[test]
fn the_process_to_be_killed() {
    let Ok(url) = std::env::var(DATABASE) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut options = ConnectOptions::new(url);
        options.max_connections(2).sqlx_logging(false);
        let ledger = open(&Database::connect(options).await.unwrap()).await;
        let clients: Vec<_> = (0..16)
            .map(|key| {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    let mut payer = payer(1, key);
                    payer.team.day = Some(Nano(i64::MAX));
                    for actual in (1..20).cycle() {
                        let hold = ledger.admit(ask(&payer, 20)).await.unwrap();
                        hold.mark_sent();
                        hold.durable().await.unwrap();
                        // The client has its answer before the hold ends.
                        let line = format!("answered {} {actual}\n", hold.id());
                        std::io::stdout().write_all(line.as_bytes()).unwrap();
                        hold.post(charged(actual));
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    });
}

#[tokio::test]
async fn a_killed_process_has_booked_every_answer_it_gave() {
    for place in places().await {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "kill::the_process_to_be_killed",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(DATABASE, &place.url)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut answers: Vec<(i64, i64)> = Vec::new();
        let parse = |line: &str| {
            let (_, answer) = line.split_once("answered ")?;
            let (id, actual) = answer.split_once(' ')?;
            Some((id.parse().ok()?, actual.parse().ok()?))
        };
        while answers.len() < ANSWERS {
            let line = lines.next().expect("the process ended by itself").unwrap();
            answers.extend(parse(&line));
        }
        process.kill().unwrap();
        answers.extend(lines.map_while(Result::ok).filter_map(|line| parse(&line)));
        process.wait().unwrap();

        let db = place.connect().await;
        let ledger = take_over(&db).await;
        for (id, actual) in &answers {
            let row = entity::hold::Entity::find_by_id(*id)
                .one(&db)
                .await
                .unwrap()
                .expect("an answer not on the books");
            assert!(
                row.posted == *actual || (row.state, row.posted) == (3, row.held),
                "hold {id}: {}",
                row.posted
            );
        }
        let sum: i64 = entity::hold::Entity::find()
            .all(&db)
            .await
            .unwrap()
            .iter()
            .map(|row| row.posted)
            .sum();
        assert!(answers.iter().map(|(_, actual)| actual).sum::<i64>() <= sum);
        assert_eq!(ledger.balance(1).await.unwrap().posted, Nano(sum));
        ledger.close().await;
        assert_books_balance(&db).await;
    }
}
