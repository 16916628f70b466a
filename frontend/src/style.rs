//! The stylesheet, joined from `style/` when this crate is compiled, so that a build needs no other step.
//!
//! Invariant: the order is that of `style/main.css`. The address names the content, so it may be cached for good.
//! Pure.

/// The whole stylesheet: tokens, then components, then pages.
pub const STYLESHEET: &str = concat!(
    include_str!("../../style/tokens.css"),
    include_str!("../../style/components/base.css"),
    include_str!("../../style/components/button.css"),
    include_str!("../../style/components/field.css"),
    include_str!("../../style/components/badge.css"),
    include_str!("../../style/components/card.css"),
    include_str!("../../style/components/cap.css"),
    include_str!("../../style/components/table.css"),
    include_str!("../../style/components/menu.css"),
    include_str!("../../style/components/tabs.css"),
    include_str!("../../style/components/code.css"),
    include_str!("../../style/components/kv.css"),
    include_str!("../../style/components/trail.css"),
    include_str!("../../style/components/notice.css"),
    include_str!("../../style/components/overlay.css"),
    include_str!("../../style/components/pager.css"),
    include_str!("../../style/components/chart.css"),
    include_str!("../../style/components/shell.css"),
    include_str!("../../style/pages/public.css"),
    include_str!("../../style/pages/onboarding.css"),
    include_str!("../../style/pages/gallery.css"),
    include_str!("../../style/components/utilities.css"),
    include_str!("../../style/components/media.css"),
);

/// Where the stylesheet is served: `/style-<16 hex digits>.css`.
pub const STYLESHEET_PATH: &str = match std::str::from_utf8(&PATH_BYTES) {
    Ok(path) => path,
    Err(_) => panic!("the path is ASCII"),
};

const PATH_BYTES: [u8; 27] = path_of(fnv1a(STYLESHEET.as_bytes()));

/// FNV-1a, 64 bits: enough to tell one release's stylesheet from the next.
pub(crate) const fn fnv1a(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

const fn path_of(hash: u64) -> [u8; 27] {
    let mut path = *b"/style-0000000000000000.css";
    let digits = b"0123456789abcdef";
    let mut at = 0;
    while at < 16 {
        path[7 + at] = digits[((hash >> (60 - 4 * at)) & 0xf) as usize];
        at += 1;
    }
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::{collections::BTreeSet, path::Path};

    #[test]
    fn the_stylesheet_is_joined_in_the_order_of_main_css() {
        let style = concat!(env!("CARGO_MANIFEST_DIR"), "/../style/");
        let main = std::fs::read_to_string(format!("{style}main.css")).unwrap();
        let joined: String = main
            .lines()
            .filter_map(|line| line.strip_prefix("@import \"")?.strip_suffix("\";"))
            .map(|file| std::fs::read_to_string(format!("{style}{file}")).unwrap())
            .collect();
        assert_eq!(joined, STYLESHEET);
    }

    #[test]
    fn the_address_carries_sixteen_hex_digits() {
        let digits = STYLESHEET_PATH
            .strip_prefix("/style-")
            .unwrap()
            .strip_suffix(".css")
            .unwrap();
        assert_eq!(digits.len(), 16);
        assert!(u64::from_str_radix(digits, 16).unwrap() != 0);
    }

    #[test]
    fn the_stylesheet_asks_no_other_host_and_no_other_file() {
        assert!(!STYLESHEET.contains("url("));
        assert!(!STYLESHEET.contains("@import"));
    }

    /// Classes whose ending is a value: of a tone, a size, a series, a token.
    const BUILT: [&str; 9] = [
        "badge--",
        "btn--",
        "cap--",
        "dot--",
        "notice--",
        "sk--",
        "sw--",
        "trail__n--",
        "c",
    ];

    #[test]
    fn every_class_of_the_stylesheet_is_used() {
        let sources = sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref());
        let words: BTreeSet<&str> = sources
            .split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
            .collect();
        let is_built = |class: &str| {
            let ending = |start: &&str| {
                class
                    .strip_prefix(*start)
                    .is_some_and(|end| *start != "c" || end.parse::<u8>().is_ok())
            };
            BUILT.iter().any(ending)
        };
        let unused: Vec<_> = classes()
            .into_iter()
            .filter(|class| !words.contains(class) && !is_built(class))
            .collect();
        assert!(unused.is_empty(), "not used by any page or component: {unused:?}");
    }

    #[test]
    fn every_class_that_a_page_names_is_in_the_stylesheet() {
        let (sources, known) = (sources(concat!(env!("CARGO_MANIFEST_DIR"), "/src").as_ref()), classes());
        let named = sources.split("class=\"").skip(1);
        let named = named.filter_map(|rest| rest.split('"').next());
        let unknown: BTreeSet<&str> = named
            .flat_map(str::split_whitespace)
            .filter(|class| class.starts_with(|c: char| c.is_alphabetic()) && !known.contains(class))
            .collect();
        assert!(unknown.is_empty(), "named by a page, without a rule: {unknown:?}");
    }

    /// The class names in the selectors.
    fn classes() -> BTreeSet<&'static str> {
        let without_comments = STYLESHEET
            .split("/*")
            .map(|part| part.split_once("*/").map_or(part, |(_, rest)| rest));
        let selectors = without_comments.flat_map(|part| part.split('{').filter_map(|part| part.rsplit('}').next()));
        let ends = |c: char| !(c.is_alphanumeric() || c == '-' || c == '_');
        selectors
            .flat_map(|selector| selector.split('.').skip(1))
            .filter_map(|rest| rest.split(ends).next())
            .filter(|class| class.starts_with(|c: char| c.is_alphabetic()))
            .collect()
    }

    fn sources(folder: &Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            text += &if path.is_dir() {
                sources(&path)
            } else {
                std::fs::read_to_string(&path).unwrap()
            };
        }
        text
    }
}
