//! The stamp of the wasm bundle: a hash of everything it is made from.
//!
//! Invariant: the same sources give the same stamp on every machine. An island is found in the page by a hash of its source,
//! so a bundle of other sources leaves dead islands; the server embeds a bundle only when its stamp is the current one.
//! Reads the sources. Compiled into `xtask` (which writes the stamp) and into `server/build.rs` (which compares it).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Files and folders that go into the bundle, from the repository's root. Of the lock file, only what [`FRAMEWORK`] names.
pub const INPUTS: [&str; 5] = [
    ".cargo/config.toml",
    "frontend/Cargo.toml",
    "frontend/src",
    "server/core/src",
    LOCK,
];

const LOCK: &str = "Cargo.lock";

/// Beginnings of the names of packages that both halves of a page must have in the same version.
const FRAMEWORK: [&str; 5] = ["leptos", "reactive_graph", "server_fn", "tachys", "wasm-bindgen"];

/// The stamp of the sources below `root`: 16 hexadecimal digits.
///
/// # Errors
/// When a source cannot be read.
pub fn of(root: &Path) -> io::Result<String> {
    let mut files = Vec::new();
    for input in INPUTS {
        walk(&root.join(input), &mut files)?;
    }
    let mut hash = Fnv::new();
    for file in files {
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .to_string_lossy()
            .replace('\\', "/");
        let text = fs::read(&file)?;
        hash.add(name.as_bytes());
        if name == LOCK {
            hash.add(framework(&String::from_utf8_lossy(&text)).as_bytes());
        } else {
            hash.add(&text);
        }
    }
    Ok(format!("{:016x}", hash.0))
}

fn walk(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = fs::read_dir(path)?
        .map(|entry| entry.map(|it| it.path()))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    entries.iter().try_for_each(|entry| walk(entry, files))
}

/// Names and versions of the framework's packages, one a line.
fn framework(lock: &str) -> String {
    let value = |package: &str, field: &str| {
        let line = package
            .lines()
            .find_map(|line| line.strip_prefix(field))
            .unwrap_or_default();
        line.trim_matches([' ', '=', '"']).to_owned()
    };
    lock.split("[[package]]")
        .map(|package| (value(package, "name"), value(package, "version")))
        .filter(|(name, _)| FRAMEWORK.iter().any(|it| name.starts_with(it)))
        .map(|(name, version)| format!("{name} {version}\n"))
        .collect()
}

/// FNV-1a, 64 bits: small, stable between compilers; nobody attacks it.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::framework;

    #[test]
    fn of_the_lock_file_only_the_framework_counts() {
        let lock = "version = 4\n\n[[package]]\nname = \"leptos\"\nversion = \"0.8.23\"\n\n[[package]]\nname = \"libc\"\nversion = \"0.2.1\"\n";
        assert_eq!(framework(lock), "leptos 0.8.23\n");
    }
}
