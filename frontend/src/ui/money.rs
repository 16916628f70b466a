//! Money and counts. Dollars and cents carry the weight; the digits below a cent step back, and columns line up.
//!
//! Invariant: display only. Nothing here is added up; totals come from the ledger.
//! Pure.

use gateway_core::money::Nano;
use leptos::prelude::*;

/// An amount in US dollars.
#[component]
pub fn Amount(
    of: Nano,
    /// Decimals shown: 6 for one request, 9 in receipts; absent: those of a sum.
    #[prop(optional)]
    decimals: Option<usize>,
    /// Show + or −, and credits in green: in the ledger only.
    #[prop(optional)]
    signed: bool,
) -> impl IntoView {
    let (whole, rest) = parts(of, decimals.unwrap_or_else(|| decimals_of_sum(of)), signed);
    let class = if signed && of.0 > 0 {
        "money money--pos"
    } else {
        "money"
    };
    view! {
        <span class=class>
            {whole}
            {(!rest.is_empty()).then(|| view! { <i>{rest}</i> })}
        </span>
    }
    .into_any()
}

/// The amount as text: `$21.84`; below a cent with more decimals, so that it is not nothing.
pub fn usd(of: Nano) -> String {
    let (whole, rest) = parts(of, decimals_of_sum(of), false);
    whole + &rest
}

/// Decimals of a sum: two, and six or nine for what is less than a cent but not nothing.
pub const fn decimals_of_sum(of: Nano) -> usize {
    match of.0.unsigned_abs() {
        1..1_000 => 9,
        1_000..10_000_000 => 6,
        _ => 2,
    }
}

/// Decimals of a column of sums, so that they line up: those of the sum that needs the most.
pub fn decimals_of_column(sums: impl IntoIterator<Item = Nano>) -> usize {
    sums.into_iter().map(decimals_of_sum).max().unwrap_or(2)
}

/// Up to the cents, and the digits below them.
fn parts(of: Nano, decimals: usize, signed: bool) -> (String, String) {
    let text = of.render_fixed(decimals);
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let sign = match (of.0 < 0, signed && of.0 > 0) {
        (true, _) => "\u{2212}",
        (false, true) => "+",
        (false, false) => "",
    };
    let (dollars, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let (cents, below) = decimals.split_at(decimals.len().min(2));
    let point = if cents.is_empty() { "" } else { "." };
    (format!("{sign}${}{point}{cents}", grouped(dollars)), below.to_owned())
}

/// Digits with a comma before every third: `48,216`.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count with grouping commas: `48,216`.
pub fn count(of: u64) -> String {
    grouped(&of.to_string())
}

/// A count with its noun: `1 request`, `48,216 requests`.
pub fn counted(of: u64, one: &str, many: &str) -> String {
    if of == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", count(of))
    }
}

/// The number of rows shown, with their noun.
pub fn counted_rows<T>(of: &[T], one: &str, many: &str) -> String {
    counted(u64::try_from(of.len()).unwrap_or(u64::MAX), one, many)
}

/// A count in short form, for big figures and limits: `38.4 M`, `128 k`.
pub fn short_count(of: u64) -> String {
    let (unit, name) = match of {
        0..10_000 => return count(of),
        10_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        _ => (1_000_000_000, "B"),
    };
    let tenths = of / (unit / 10);
    match tenths % 10 {
        0 => format!("{} {name}", count(tenths / 10)),
        tenth => format!("{}.{tenth} {name}", count(tenths / 10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_below_a_cent_step_back_and_dollars_are_grouped() {
        let part = |nano, decimals, signed| {
            let (whole, rest) = parts(Nano(nano), decimals, signed);
            format!("{whole}|{rest}")
        };
        assert_eq!(part(70_871_750, 9, false), "$0.07|0871750");
        assert_eq!(part(1_234_567_890_000_000, 2, false), "$1,234,567.89|");
        assert_eq!(part(-21_844_127_000, 6, true), "\u{2212}$21.84|4127");
        assert_eq!(part(100_000_000_000, 6, true), "+$100.00|0000");
        assert_eq!(part(0, 6, true), "$0.00|0000");
        assert_eq!(
            [0, 4_050, 10_000_000, 1_999_999_999].map(|nano| usd(Nano(nano))),
            ["$0.00", "$0.000004", "$0.01", "$1.99"]
        );
        assert_eq!(decimals_of_column([0, 1_999_999_999].map(Nano)), 2);
        assert_eq!(decimals_of_column([4_050, 1_999_999_999].map(Nano)), 6);
    }

    #[test]
    fn counts_are_grouped_and_big_ones_shortened() {
        assert_eq!(count(0), "0");
        assert_eq!(count(48_216), "48,216");
        assert_eq!(counted(1, "entry", "entries"), "1 entry");
        assert_eq!(counted(1_000, "entry", "entries"), "1,000 entries");
        assert_eq!(short_count(9_999), "9,999");
        assert_eq!(short_count(128_000), "128 k");
        assert_eq!(short_count(38_412_000), "38.4 M");
        assert_eq!(short_count(2_000_000), "2 M");
    }
}
