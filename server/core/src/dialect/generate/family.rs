//! Which Gemini a model is, as far as requests hang on it.
//!
//! Invariant: a name nobody knows is taken to be a model that decides for itself. Pure.
//! Wire facts: Google's model pages, November 2026: ids of calls, thinking levels and signatures from Gemini 3 on, budgets in 2.5.

/// What the name of a model says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Family {
    /// Its generation, such as (2, 5).
    pub generation: Option<(u32, u32)>,
    /// Whether it is a Flash, Flash Lite among them.
    pub is_flash: bool,
    /// Whether it is a Flash Lite.
    pub is_lite: bool,
    /// Whether it is a Pro.
    pub is_pro: bool,
    /// Whether it knows more than a high level of thinking.
    pub thinks_more: bool,
}

impl Family {
    /// What the name `model` says.
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let Some(rest) = name.strip_prefix("gemini-") else {
            return Self::default();
        };
        let mut words = rest.split('-');
        let generation = if rest.ends_with("-latest") {
            Some((3, 0))
        } else {
            words.next().and_then(number)
        };
        let has = |word| rest.split('-').any(|found| found == word);
        Self {
            generation,
            is_flash: has("flash"),
            is_lite: has("lite"),
            is_pro: has("pro"),
            thinks_more: has("hydrogen"),
        }
    }

    /// Whether calls have ids and must carry a signature.
    pub(super) fn is_third(self) -> bool {
        self.generation.is_some_and(|generation| generation >= (3, 0))
    }

    /// Whether it is older than 2.5: neither does it think nor fetch.
    pub(super) fn is_old(self) -> bool {
        self.generation.is_some_and(|generation| generation < (2, 5))
    }
}

fn number(word: &str) -> Option<(u32, u32)> {
    let (major, minor) = word.split_once('.').unwrap_or((word, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_generation() {
        for (model, generation) in [
            ("gemini-2.5-flash-lite", Some((2, 5))),
            ("models/gemini-3.1-pro-preview", Some((3, 1))),
            ("publishers/google/models/gemini-2.0-flash", Some((2, 0))),
            ("gemini-4-hydrogen", Some((4, 0))),
            ("gemini-flash-latest", Some((3, 0))),
            ("gemini-exp-1206", None),
            ("gemma-3-27b-it", None),
            ("", None),
        ] {
            assert_eq!(Family::of(model).generation, generation, "{model}");
        }
        let family = Family::of("gemini-2.5-flash-lite");
        assert!(family.is_flash && family.is_lite && !family.is_pro && !family.is_third() && !family.is_old());
    }
}
