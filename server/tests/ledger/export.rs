//! The books as a file: what is written adds up to what the ledger says.

use crate::harness::{NOON_MS, ask, assert_books_balance, charged, leak, open, payer, places, postgres};
use gateway_core::{
    id::{self, Kind},
    money::Nano,
};
use sea_orm::DatabaseConnection;
use server::ledger::{Closing, Format, Grant, Wanted, export};

/// Charges of two teams and grants among them; one charge an estimate, one hold voided and one still open.
async fn books(db: &DatabaseConnection) {
    let ledger = open(db).await;
    for nano in 1..=1_100 {
        let team = 1 + nano % 2;
        let hold = ledger.admit(ask(&payer(team, 10 + team), 2_000)).await.unwrap();
        hold.post(charged(nano));
    }
    for (team_id, nano, reason) in [(1, 5_000_000_001, "=first, \"paid\""), (2, -7, "taken\nback")] {
        let grant = Grant {
            team_id,
            kind: "grant".to_owned(),
            amount: Nano(nano),
            reason: reason.to_owned(),
            actor_id: Some(3),
        };
        ledger.grant(grant).await.unwrap();
    }
    let mut late = ask(&payer(1, 11), 50);
    late.now_ms = NOON_MS + 60_000;
    ledger.admit(late).await.unwrap().post(Closing {
        estimated: true,
        ..charged(9)
    });
    ledger
        .admit(ask(&payer(1, 11), 50))
        .await
        .unwrap()
        .void(Closing::default());
    let running = ledger.admit(ask(&payer(1, 11), 50)).await.unwrap();
    running.durable().await.unwrap();
    leak(running);
    ledger.close().await;
    assert_books_balance(db).await;
}

/// Takes its time.
struct Slow(Vec<u8>);

impl std::io::Write for Slow {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        if self.0.is_empty() {
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        self.0.write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn whoever_takes_the_books_may_pause() {
    let Some(place) = postgres().await else { return };
    books(&place.connect().await).await;
    let impatient = format!("{}?options=-c%20idle_in_transaction_session_timeout%3D500", place.url);
    let db = sea_orm::Database::connect(impatient).await.unwrap();
    let mut out = Slow(Vec::new());
    let count = export(&db, Wanted::default(), Format::JsonLines, &mut out)
        .await
        .unwrap();
    assert_eq!(out.0.iter().filter(|byte| **byte == b'\n').count() as u64, count);
}

async fn written(db: &DatabaseConnection, wanted: Wanted, format: Format) -> String {
    let mut out = Vec::new();
    let count = export(db, wanted, format, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    if format == Format::JsonLines {
        assert_eq!(text.lines().count() as u64, count);
    }
    text
}

/// The lines as JSON.
async fn lines(db: &DatabaseConnection, wanted: Wanted) -> Vec<serde_json::Value> {
    let text = written(db, wanted, Format::JsonLines).await;
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_lines_of_a_team_add_up_to_its_balance_to_the_nano_dollar() {
    for place in places().await {
        let db = place.connect().await;
        books(&db).await;
        let ledger = open(&db).await;
        for team_id in [1, 2] {
            let team = Wanted {
                team_id: Some(team_id),
                ..Wanted::default()
            };
            let lines = lines(&db, team).await;
            let amounts = lines.iter().map(|line| line["amount"].as_str().unwrap());
            let sum: i64 = amounts
                .inspect(|amount| assert_eq!(amount.split_once('.').unwrap().1.len(), 9, "{amount}"))
                .map(|amount| Nano::parse(amount).unwrap().0)
                .sum();
            let recovered = if team_id == 1 { 50 } else { 0 };
            let left = ledger.balance(team_id).await.unwrap().left();
            assert_eq!(Nano(sum), left);
            assert!(lines.iter().any(|line| line["held"] == "0.000000050") == (recovered > 0));
        }
        let all = lines(&db, Wanted::default()).await;
        assert_eq!(
            all.len(),
            1_100 + 2 + 1 + 1,
            "the voided hold is no line, the recovered one is"
        );
        let ids: Vec<i64> = all
            .iter()
            .map(|line| {
                let kind = if line["kind"] == "charge" {
                    Kind::Request
                } else {
                    Kind::Entry
                };
                id::parse(kind, line["id"].as_str().unwrap()).unwrap()
            })
            .collect();
        assert!(ids.is_sorted(), "in the order of ids");
        ledger.close().await;
    }
}

#[tokio::test]
async fn a_span_of_time_leaves_out_what_is_before_and_after() {
    for place in places().await {
        let db = place.connect().await;
        books(&db).await;
        let span = Wanted {
            team_id: None,
            from_ms: Some(NOON_MS + 1),
            to_ms: Some(NOON_MS + 60_001),
        };
        let mut lines = lines(&db, span).await;
        lines.retain(|line| line["kind"] == "charge");
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (&lines[0]["at"], &lines[0]["amount"], &lines[0]["is_estimate"]),
            (
                &"2026-11-24T12:01:00.000Z".into(),
                &"-0.000000009".into(),
                &serde_json::Value::Bool(true)
            )
        );
        let before = Wanted {
            to_ms: Some(NOON_MS),
            ..Wanted::default()
        };
        assert!(!written(&db, before, Format::JsonLines).await.contains("\"charge\""));
    }
}

#[tokio::test]
async fn csv_has_one_header_and_quotes_what_people_typed() {
    for place in places().await {
        let db = place.connect().await;
        books(&db).await;
        let text = written(&db, Wanted::default(), Format::Csv).await;
        assert!(
            text.starts_with(
                "at,id,kind,team,amount,request,corrects,key,member,model,operation,price,is_estimate,held,"
            ),
            "{}",
            &text[..200]
        );
        assert_eq!(text.matches("at,id,kind").count(), 1);
        assert!(text.contains(",5.000000001,"), "the grant");
        assert!(text.contains(",\"'=first, \"\"paid\"\"\",,\n"), "no formula");
        assert!(text.contains(",-0.000000007,") && text.contains(",\"taken\nback\",,\n"));
    }
}
