//! Service tiers: the classes of service that have prices of their own.
//!
//! Invariant: a word that no provider has for a tier is none, so that nothing is priced by guess. Pure.
//! Wire facts: the API references of OpenAI, Anthropic, Google, Amazon Bedrock and Groq.

use serde::{Deserialize, Serialize};

/// What Google's words for a tier begin with: in Gemini's API, and in Vertex AI's.
const PREFIXES: [&str; 2] = ["service_tier_", "on_demand_"];
/// The rest of a word, and what it stands for.
const WORDS: [(&str, ServiceTier); 7] = [
    ("default", ServiceTier::Standard),
    ("standard", ServiceTier::Standard),
    ("standard_only", ServiceTier::Standard),
    ("on_demand", ServiceTier::Standard),
    ("flex", ServiceTier::Flex),
    ("priority", ServiceTier::Priority),
    ("fast", ServiceTier::Priority),
];

/// A class of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceTier {
    /// The one that everybody is served in who asks for none.
    #[default]
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer.
    Priority,
}

impl ServiceTier {
    /// Those that may have a price of their own.
    pub const OTHERS: [Self; 2] = [Self::Flex, Self::Priority];

    /// Its name in receipts and rows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
        }
    }

    /// The tier called `name` in rows.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Standard, Self::Flex, Self::Priority]
            .into_iter()
            .find(|tier| tier.as_str() == name)
    }

    /// The tier that `word` of a provider stands for, in whatever dialect: `default`, `SERVICE_TIER_FLEX`, `ON_DEMAND_PRIORITY`.
    #[must_use]
    pub fn spoken(word: &str) -> Option<Self> {
        let rest = PREFIXES.into_iter().find_map(|prefix| {
            let (start, rest) = word.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then_some(rest)
        });
        let word = rest.unwrap_or(word);
        let known = WORDS.into_iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
        known.map(|(_, tier)| tier)
    }
}

/// Which service tiers a request may be served in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierAsked {
    /// The one that the provider serves everybody in.
    #[default]
    Unsaid,
    /// Whichever the provider chooses (`auto`).
    Any,
    /// This one, or the standard one where the provider has none of it left.
    Of(ServiceTier),
}

impl TierAsked {
    /// What `word` of a client asks for; `None` where it is no tier that can have a price.
    #[must_use]
    pub fn spoken(word: &str) -> Option<Self> {
        if word == "auto" {
            return Some(Self::Any);
        }
        ServiceTier::spoken(word).map(Self::Of)
    }

    /// Whether the request may be charged by `tier`.
    #[must_use]
    pub fn covers(self, tier: ServiceTier) -> bool {
        match self {
            _ if tier == ServiceTier::Standard => true,
            Self::Unsaid => false,
            Self::Any => true,
            Self::Of(asked) => asked == tier,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_every_dialect_are_tiers() {
        for (word, tier) in [
            ("default", Some(ServiceTier::Standard)),
            ("on_demand", Some(ServiceTier::Standard)),
            ("ON_DEMAND", Some(ServiceTier::Standard)),
            ("SERVICE_TIER_STANDARD", Some(ServiceTier::Standard)),
            ("flex", Some(ServiceTier::Flex)),
            ("ON_DEMAND_FLEX", Some(ServiceTier::Flex)),
            ("priority", Some(ServiceTier::Priority)),
            ("fast", Some(ServiceTier::Priority)),
            ("scale", None),
            ("ultrafast", None),
            ("batch", None),
            ("auto", None),
            ("", None),
        ] {
            assert_eq!(ServiceTier::spoken(word), tier, "{word}");
        }
        for tier in [ServiceTier::Standard, ServiceTier::Flex, ServiceTier::Priority] {
            assert_eq!(ServiceTier::parse(tier.as_str()), Some(tier));
        }
    }

    #[test]
    fn every_request_may_be_served_as_standard() {
        let priority = TierAsked::Of(ServiceTier::Priority);
        for asked in [TierAsked::Unsaid, TierAsked::Any, priority] {
            assert!(asked.covers(ServiceTier::Standard));
            assert!(!asked.covers(ServiceTier::Flex) || asked == TierAsked::Any);
            assert_eq!(asked.covers(ServiceTier::Priority), asked != TierAsked::Unsaid);
        }
    }
}
