//! Embeds the wasm bundle of the dashboard into the server, when there is one and it fits the sources.
//!
//! Invariant: a bundle whose stamp is not the current one, or that counts the nodes of a page otherwise, is left out, since its
//! islands would be dead; the pages then work as plain forms. Reads `target/web` (made by `cargo xtask web`) and the sources it is
//! made from; writes `OUT_DIR/web.rs`, which holds `struct Bundle` and `static BUNDLE: Option<Bundle>`.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

#[path = "../xtask/src/stamp.rs"]
mod stamp;

const BUNDLE: &str = "\
/// The dashboard's wasm and its loader, as a browser wants them.
pub struct Bundle {
    /// Changes with the sources: 16 hexadecimal digits, for the address, so that browsers may keep the files for good.
    pub hash: &'static str,
    /// `ourhub.js`
    pub js: &'static [u8],
    /// `ourhub.js`, compressed with brotli.
    pub js_br: &'static [u8],
    /// `ourhub_bg.wasm`
    pub wasm: &'static [u8],
    /// `ourhub_bg.wasm`, compressed with brotli.
    pub wasm_br: &'static [u8],
}
";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("server/ lies in the repository")?;
    let web = root.join("target/web");
    fs::create_dir_all(&web)?; // cargo takes a watched path that does not exist for one that changes every time
    println!("cargo::rerun-if-changed={}", web.display());
    for input in stamp::INPUTS {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }

    let hash = stamp::of(root)?;
    let found = fs::read_to_string(web.join("stamp")).unwrap_or_default();
    if !found.is_empty() && found.trim() != hash {
        println!(
            "cargo::warning=the wasm bundle is older than the sources and is left out; `cargo xtask web` makes a new one"
        );
    }
    // Both sides must count the nodes of a page alike, and the bundle is built as `.cargo/config.toml` says.
    let is_alike = std::env::var_os("CARGO_CFG_ERASE_COMPONENTS").is_some();
    if !found.is_empty() && !is_alike {
        println!("cargo::warning=RUSTFLAGS lacks `--cfg erase_components`: the wasm bundle is left out");
    }
    let value = if found.trim() == hash && is_alike {
        embedded(&web, &hash)
    } else {
        "None".to_owned()
    };
    let text = format!(
        "{BUNDLE}\n/// The bundle, if it was built before the server was.\npub static BUNDLE: Option<Bundle> = {value};\n"
    );
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    Ok(fs::write(out.join("web.rs"), text)?)
}

fn embedded(web: &Path, hash: &str) -> String {
    let bytes = |name: &str| format!("include_bytes!({:?})", web.join(name).display().to_string());
    format!(
        "Some(Bundle {{ hash: {hash:?}, js: {}, js_br: {}, wasm: {}, wasm_br: {} }})",
        bytes("ourhub.js"),
        bytes("ourhub.js.br"),
        bytes("ourhub_bg.wasm"),
        bytes("ourhub_bg.wasm.br"),
    )
}
