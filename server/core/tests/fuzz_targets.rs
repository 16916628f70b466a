//! The fuzzer's targets, with the files that it begins with and those that it once found, whole and cut.
//!
//! Invariant: each target has seeds, and what holds for whatever is read holds for them. Pure but for reading the seeds.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::path::Path;

/// What is in `folder`, file by file.
fn files(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_seed_passes_every_way_it_is_cut() {
    for target in targets::ALL {
        let seeds: Vec<Vec<u8>> = target.seeds.iter().flat_map(|folder| files(folder)).collect();
        assert!(!seeds.is_empty(), "{}", target.name);
        for seed in &seeds {
            (target.run)(seed);
            // A prefix, and the same without something in the middle.
            for at in (0..seed.len()).step_by(1 + seed.len() / 8) {
                (target.run)(&seed[..at]);
                (target.run)(&[&seed[..at], &seed[(at + 3).min(seed.len())..]].concat());
            }
        }
    }
}
