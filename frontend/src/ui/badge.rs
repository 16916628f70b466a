//! States and small marks: badge, status, cooldown ring, avatar. Colour never speaks alone, a word stands beside it.
//! Pure.

use leptos::prelude::*;

/// What a colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Nothing to say.
    #[default]
    Neutral,
    /// Outlined, for names in a list.
    Line,
    /// New, or chosen.
    Accent,
    /// It works.
    Ok,
    /// Watch it.
    Warn,
    /// It stopped.
    Bad,
}

impl Tone {
    /// The ending of a class name.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Line => "line",
            Self::Accent => "accent",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// A word on a coloured ground, beside a title.
#[component]
pub fn Badge(#[prop(optional)] tone: Tone, #[prop(into)] text: String) -> impl IntoView {
    view! { <span class=format!("badge badge--{}", tone.suffix())>{text}</span> }.into_any()
}

/// A dot and a word, in tables.
#[component]
pub fn Status(
    #[prop(optional)] tone: Tone,
    /// The dot pulses: something is being waited for.
    #[prop(optional)]
    live: bool,
    #[prop(into)] text: String,
) -> impl IntoView {
    let live = if live { " dot--live" } else { "" };
    view! {
        <span class="status">
            <i class=format!("dot dot--{}{live}", tone.suffix())></i>
            {text}
        </span>
    }
    .into_any()
}

/// A ring that shows how much of a rest is left, and a word.
#[component]
pub fn Cooling(
    /// Percent of the rest that is left, 0 to 100.
    left: u8,
    #[prop(into)] text: String,
) -> impl IntoView {
    view! {
        <span class="status">
            <svg class="ring" viewBox="0 0 12 12" aria-hidden="true">
                <circle class="ring__bg" cx="6" cy="6" r="4.5"></circle>
                <circle
                    class="ring__v"
                    cx="6"
                    cy="6"
                    r="4.5"
                    pathLength="100"
                    stroke-dasharray=format!("{} 100", left.min(100))
                    transform="rotate(-90 6 6)"
                ></circle>
            </svg>
            {text}
        </span>
    }
    .into_any()
}

/// The initials of a person, round.
#[component]
pub fn Avatar(
    /// A name or an email address.
    #[prop(into)]
    name: String,
    #[prop(default = "avatar")] class: &'static str,
) -> impl IntoView {
    view! { <span class=class aria-hidden="true">{initials(&name)}</span> }.into_any()
}

/// The initials of a team or a provider, square.
#[component]
pub fn Mark(#[prop(into)] name: String) -> impl IntoView {
    view! { <span class="mark" aria-hidden="true">{initials(&name)}</span> }.into_any()
}

/// Two letters for a name: of its first two words, else its first two.
fn initials(name: &str) -> String {
    let name = name.split('@').next().unwrap_or(name);
    let mut words = name
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    match (words.next(), words.next()) {
        (Some(first), Some(second)) => first
            .chars()
            .take(1)
            .chain(second.chars().take(1))
            .collect::<String>()
            .to_uppercase(),
        (Some(word), None) => {
            let mut letters = word.chars();
            letters
                .next()
                .into_iter()
                .flat_map(char::to_uppercase)
                .chain(letters.take(1))
                .collect()
        }
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::initials;

    #[test]
    fn initials_come_from_two_words_or_two_letters() {
        assert_eq!(initials("Harbor Robotics"), "HR");
        assert_eq!(initials("mira@harbor-robotics.io"), "Mi");
        assert_eq!(initials("jonas.lind@example.org"), "JL");
        assert_eq!(initials(""), "…");
    }
}
