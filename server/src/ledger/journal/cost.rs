//! What the journal costs beside its store: requests hold, wait and settle, and groups are made of it and thrown away.
//!
//! Invariant: everything between a request and the store is the product's own; only the store is missing. Prints a figure and
//! judges none. Run by `cargo xtask bench journal`, in the release build.

use super::GATHER;
use crate::ledger::{Ask, Closing, Opening, batch::Batch, book::Book, chain, node::Identity};
use gateway_core::{
    ledger::{Bucket, Caps, Funding, Payer, Period, Stored},
    money::Nano,
};
use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

const REQUESTS: u32 = 400_000;
const LOOPS: u32 = 64;
const NOW_MS: i64 = 1_795_521_600_000;

fn ask() -> Ask {
    Ask {
        payer: Payer {
            team_id: 1,
            team_zone: "UTC".to_owned(),
            team: Caps::default(),
            member: None,
            key_id: 2,
            key: Caps::default(),
        },
        amount: Nano(1_000),
        wait_ms: 0,
        now_ms: NOW_MS,
        record: Opening {
            request_id: None,
            model: "model".into(),
            asked: None,
            operation: "chat",
            is_stream: false,
            is_own: false,
            price_id: 1,
            markup: gateway_core::pricing::Markup::NONE,
        },
    }
}

/// CPU time of this process so far, to 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    Duration::from_millis(fields.map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum())
}

/// Writes nothing, as the journal would write it.
async fn throw_away(book: Arc<Book>) {
    loop {
        match book.rest() {
            None => {}
            Some(_) => {
                let _ = tokio::time::timeout(super::SETTLE_WITHIN, book.work()).await;
            }
        }
        let Some(taken) = book.take() else { return };
        if taken.ops.is_empty() {
            continue;
        }
        let mut batch = Batch::new(taken, false);
        batch.seal(&chain::ROOT, 1);
        book.committed(std::hint::black_box(&batch).last);
        thread::sleep(GATHER);
    }
}

/// CPU time of all requests: with the ledger, or of the loops alone.
fn run(book: Option<&Arc<Book>>) -> Duration {
    let before = cpu();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..LOOPS {
            let book = book.cloned();
            tasks.spawn(async move {
                for _ in 0..REQUESTS / LOOPS {
                    let ask = std::hint::black_box(ask());
                    let Some(book) = &book else {
                        tokio::task::yield_now().await;
                        continue;
                    };
                    let opened = book.admit(&ask, NOW_MS, false).unwrap();
                    assert!(book.durable(opened.seq).await);
                    book.settle(&opened, Closing::default(), false);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
    });
    cpu() - before
}

#[test]
#[ignore = "measures, and proves nothing"]
fn the_journal_with_a_store_that_writes_nothing() {
    let book = Arc::new(Book::new(&Identity::only(), false));
    book.with_engine(|engine| {
        for (id, (series, _)) in (1..).zip(ask().payer.path(Funding::Credit)) {
            let period = Period::at(series.kind, "UTC", NOW_MS);
            let zone = "UTC".to_owned();
            engine.open(Stored {
                bucket: Bucket {
                    id,
                    series,
                    period,
                    zone,
                },
                posted: Nano::ZERO,
                overrun: Nano::ZERO,
                credit: Nano::ZERO,
            });
        }
    });
    let journal = thread::spawn({
        let book = Arc::clone(&book);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        move || runtime.block_on(throw_away(book))
    });
    let (loops, start) = (run(None), Instant::now());
    let all = run(Some(&book));
    let took = start.elapsed();
    book.begin_close();
    journal.join().unwrap();
    let each_ns = |time: Duration| time.as_nanos() / u128::from(REQUESTS);
    println!(
        "a hold and its end, with a store that writes nothing: {} ns of CPU, and {} ns of the loops around it; {} a second",
        each_ns(all.saturating_sub(loops)),
        each_ns(loops),
        u128::from(REQUESTS) * 1_000 / took.as_millis().max(1)
    );
}
