//! `xtask-web <frontend.wasm> <folder>`: turns what rustc made into what a browser loads, and compresses it.
//!
//! Invariant: the result is two files, `ourhub.js` and `ourhub_bg.wasm`, each with a `.br` beside it; it needs no other file,
//! and a browser loads at most [`MOST`] bytes.
//! Reads the wasm file; writes the folder. Called by `cargo xtask web`.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, ensure};
use wasm_bindgen_cli_support::Bindgen;

/// What both files may take together, compressed.
const MOST: usize = 200_000;

fn main() -> anyhow::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, folder] = args.as_slice() else {
        anyhow::bail!("usage: xtask-web <frontend.wasm> <folder>")
    };
    let folder = Path::new(folder);
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(input)
        .out_name("ourhub")
        .web(true)?
        .typescript(false);
    bindgen.remove_name_section(true).remove_producers_section(true);
    let mut output = bindgen.generate_output().context("wasm-bindgen")?;
    let is_whole = output.snippets().values().all(Vec::is_empty);
    ensure!(
        is_whole,
        "a dependency brings JavaScript files of its own, which the server does not embed"
    );
    output.emit(folder)?;
    let sizes = ["ourhub.js", "ourhub_bg.wasm"].map(|name| compress(&folder.join(name)));
    let size = sizes.into_iter().sum::<anyhow::Result<usize>>()?;
    ensure!(
        size <= MOST,
        "the bundle takes {size} bytes compressed, and may take {MOST}"
    );
    Ok(())
}

/// Writes a compressed copy beside the file and returns its size in bytes.
fn compress(file: &Path) -> anyhow::Result<usize> {
    let plain = fs::read(file)?;
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, 11, 22);
    writer.write_all(&plain)?;
    let packed = writer.into_inner();
    println!("{}: {} bytes, {} as brotli", file.display(), plain.len(), packed.len());
    let mut name = file.as_os_str().to_owned();
    name.push(".br");
    fs::write(name, &packed)?;
    Ok(packed.len())
}
