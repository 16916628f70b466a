//! Sleeping to about 0.1 ms: tokio's timer knows whole milliseconds only, which is more than a relay adds.
//!
//! Invariant: nobody is woken early. One thread for the whole process, started at the first sleep.

use std::{
    collections::BTreeMap,
    sync::{
        OnceLock,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

type Sleeper = (Instant, oneshot::Sender<()>);

/// Returns at `due`, or soon after.
pub async fn sleep_until(due: Instant) {
    static THREAD: OnceLock<Sender<Sleeper>> = OnceLock::new();
    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = channel();
        std::thread::spawn(move || wake(&receiver));
        sender
    });
    let (wake, woken) = oneshot::channel();
    if Instant::now() < due && thread.send((due, wake)).is_ok() {
        let _ = woken.await;
    }
}

fn wake(receiver: &Receiver<Sleeper>) {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut sleepers: BTreeMap<(Instant, u64), oneshot::Sender<()>> = BTreeMap::new();
    for number in 0_u64.. {
        let now = Instant::now();
        while let Some(first) = sleepers.first_entry()
            && first.key().0 <= now
        {
            let _ = first.remove().send(());
        }
        let pause = sleepers.first_entry().map_or(DAY, |first| first.key().0 - now);
        match receiver.recv_timeout(pause) {
            Ok((due, sleeper)) => drop(sleepers.insert((due, number), sleeper)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
