//! One target under libFuzzer: the one that `OURHUB_FUZZ` names.
//!
//! Invariant: the targets are those that the core's tests replay, see `targets.rs`.
//! Reads the folders and writes the files that libFuzzer is told on its command line.
#![no_main]

#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static CHOSEN: OnceLock<fn(&[u8])> = OnceLock::new();
    let run = CHOSEN.get_or_init(|| {
        let name = std::env::var("OURHUB_FUZZ").unwrap_or_default();
        let target = targets::ALL.iter().find(|target| target.name == name);
        target.expect("OURHUB_FUZZ names a target").run
    });
    run(data);
});
