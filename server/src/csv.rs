//! Cells of a CSV file.
//!
//! Invariant: no cell is taken for a formula by a spreadsheet, and a reader gets back what was written. Pure.

use gateway_core::money::Nano;

/// `cell` in quotes where it needs them; what a spreadsheet would run as a formula begins with an apostrophe.
#[must_use]
pub fn cell(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && Nano::parse(cell).is_err();
    let cell = if is_formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_never_formulas() {
        for (text, written) in [
            ("ci", "ci"),
            ("a, \"b\"", "\"a, \"\"b\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@sum", "'@sum"),
            ("+1+1", "'+1+1"),
            ("-5", "-5"),
            ("-0.000120000", "-0.000120000"),
            ("-1-1", "'-1-1"),
            ("\tx", "'\tx"),
        ] {
            assert_eq!(cell(text), written, "{text}");
        }
    }
}
