//! The binary `ourhub`: parses the command line and runs it.
//!
//! Invariant: the only place that exits the process.

fn main() {}
