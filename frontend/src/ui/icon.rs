//! The icons: a 16 px grid, strokes of 1.5 px, round caps. Drawn inline, so that a page needs no sprite.
//! Pure.

use leptos::prelude::*;

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyph {
    Overview,
    Key,
    Receipt,
    Models,
    Play,
    Team,
    Card,
    Settings,
    Server,
    Tag,
    Building,
    Pulse,
    Ticket,
    Audit,
    Search,
    Plus,
    Cross,
    Check,
    Copy,
    Down,
    Right,
    Left,
    Updown,
    Dots,
    Download,
    Filter,
    Clock,
    Alert,
    Info,
    Arrow,
    Outside,
    Mail,
    Lock,
    Refresh,
    Pause,
    Stop,
    Trash,
    Menu,
    Bolt,
    Shield,
    Globe,
    Book,
    Eye,
    Edit,
    Chart,
    Send,
    Code,
    Route,
    Db,
    Moon,
    Link,
}

impl Glyph {
    /// Every glyph, in the order of the gallery.
    pub const ALL: &'static [Self] = &[
        Self::Overview,
        Self::Key,
        Self::Receipt,
        Self::Models,
        Self::Play,
        Self::Team,
        Self::Card,
        Self::Settings,
        Self::Server,
        Self::Tag,
        Self::Building,
        Self::Pulse,
        Self::Ticket,
        Self::Audit,
        Self::Search,
        Self::Plus,
        Self::Cross,
        Self::Check,
        Self::Copy,
        Self::Down,
        Self::Right,
        Self::Left,
        Self::Updown,
        Self::Dots,
        Self::Download,
        Self::Filter,
        Self::Clock,
        Self::Alert,
        Self::Info,
        Self::Arrow,
        Self::Outside,
        Self::Mail,
        Self::Lock,
        Self::Refresh,
        Self::Pause,
        Self::Stop,
        Self::Trash,
        Self::Menu,
        Self::Bolt,
        Self::Shield,
        Self::Globe,
        Self::Book,
        Self::Eye,
        Self::Edit,
        Self::Chart,
        Self::Send,
        Self::Code,
        Self::Route,
        Self::Db,
        Self::Moon,
        Self::Link,
    ];

    const fn shape(self) -> &'static str {
        match self {
            Self::Overview => {
                r#"<rect x="2.25" y="2.25" width="4.75" height="5.5" rx="1"/><rect x="9" y="2.25" width="4.75" height="3" rx="1"/><rect x="9" y="8.25" width="4.75" height="5.5" rx="1"/><rect x="2.25" y="10.75" width="4.75" height="3" rx="1"/>"#
            }
            Self::Key => r#"<circle cx="5.25" cy="10.75" r="3"/><path d="M7.5 8.5 13.25 2.75M10.5 5.5l2.25 2.25"/>"#,
            Self::Receipt => {
                r#"<path d="M3.25 1.75v12.5l1.6-1.1 1.6 1.1L8 13.15l1.55 1.1 1.6-1.1 1.6 1.1V1.75l-1.6 1.1-1.6-1.1L8 2.85l-1.55-1.1-1.6 1.1zM5.75 6.5h4.5M5.75 9.5h4.5"/>"#
            }
            Self::Models => r#"<path d="M8 1.75 13.5 4.9v6.2L8 14.25 2.5 11.1V4.9zM2.5 4.9 8 8l5.5-3.1M8 8v6.25"/>"#,
            Self::Play => {
                r#"<rect x="1.75" y="2.75" width="12.5" height="10.5" rx="1.75"/><path d="m4.5 6 2.25 2-2.25 2M8.5 10.25h3"/>"#
            }
            Self::Team => {
                r#"<circle cx="6" cy="5.25" r="2.5"/><path d="M1.75 13.25c.3-2.5 2-3.75 4.25-3.75s3.95 1.25 4.25 3.75M10.5 2.95a2.5 2.5 0 0 1 0 4.6M12.1 9.85c1.3.6 2 1.75 2.15 3.4"/>"#
            }
            Self::Card => {
                r#"<rect x="1.75" y="3.25" width="12.5" height="9.5" rx="1.75"/><path d="M1.75 6.5h12.5M4.5 9.9h2.5"/>"#
            }
            Self::Settings => {
                r#"<path d="M2.25 5h6M12.25 5h1.5M2.25 11h1.5M7.75 11h6"/><circle cx="10.25" cy="5" r="2"/><circle cx="5.75" cy="11" r="2"/>"#
            }
            Self::Server => {
                r#"<rect x="2" y="2.5" width="12" height="4.75" rx="1.25"/><rect x="2" y="8.75" width="12" height="4.75" rx="1.25"/><path d="M4.75 4.9h.01M4.75 11.1h.01M7.5 4.9h3.75M7.5 11.1h3.75"/>"#
            }
            Self::Tag => {
                r#"<path d="M2.25 3.25v4.1c0 .4.15.78.44 1.06l5.15 5.15a1.5 1.5 0 0 0 2.12 0l3.6-3.6a1.5 1.5 0 0 0 0-2.12L8.4 2.69a1.5 1.5 0 0 0-1.06-.44h-4.1a1 1 0 0 0-1 1zM5.25 5.25h.01"/>"#
            }
            Self::Building => {
                r#"<path d="M3 13.75V3.25a1 1 0 0 1 1-1h4a1 1 0 0 1 1 1v10.5M9 6.25h3a1 1 0 0 1 1 1v6.5M1.5 13.75h13M5.25 5.25h1.5M5.25 8h1.5M5.25 10.75h1.5"/>"#
            }
            Self::Pulse => r#"<path d="M1.5 8.5h2.75L6.25 3l3.5 10 2-4.5h2.75"/>"#,
            Self::Ticket => {
                r#"<path d="M1.75 4.75a1 1 0 0 1 1-1h10.5a1 1 0 0 1 1 1v1.5a1.75 1.75 0 0 0 0 3.5v1.5a1 1 0 0 1-1 1H2.75a1 1 0 0 1-1-1v-1.5a1.75 1.75 0 0 0 0-3.5zM9.75 6v.01M9.75 8v.01M9.75 10v.01"/>"#
            }
            Self::Audit => {
                r#"<rect x="3" y="2.75" width="10" height="11.5" rx="1.5"/><path d="M6 1.75h4v2H6zM5.75 7.5h4.5M5.75 10.5h3"/>"#
            }
            Self::Search => r#"<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.25 3.25"/>"#,
            Self::Plus => r#"<path d="M8 3v10M3 8h10"/>"#,
            Self::Cross => r#"<path d="m4 4 8 8M12 4l-8 8"/>"#,
            Self::Check => r#"<path d="m3 8.5 3.25 3.25L13 4.75"/>"#,
            Self::Copy => {
                r#"<rect x="5.5" y="5.5" width="8.25" height="8.25" rx="1.5"/><path d="M10.5 5.5V3.75a1.5 1.5 0 0 0-1.5-1.5H3.75a1.5 1.5 0 0 0-1.5 1.5V9a1.5 1.5 0 0 0 1.5 1.5H5.5"/>"#
            }
            Self::Down => r#"<path d="m4 6.25 4 4 4-4"/>"#,
            Self::Right => r#"<path d="m6.25 4 4 4-4 4"/>"#,
            Self::Left => r#"<path d="m9.75 4-4 4 4 4"/>"#,
            Self::Updown => r#"<path d="m5 6 3-3 3 3M5 10l3 3 3-3"/>"#,
            Self::Dots => r#"<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.2"/>"#,
            Self::Download => r#"<path d="M8 2.25v7.5M4.75 6.75 8 10l3.25-3.25M2.5 13.25h11"/>"#,
            Self::Filter => r#"<path d="M2.25 4h11.5M4.5 8h7M6.75 12h2.5"/>"#,
            Self::Clock => r#"<circle cx="8" cy="8" r="6"/><path d="M8 4.75V8l2.25 1.5"/>"#,
            Self::Alert => r#"<path d="M8 2.25 14.25 13.25H1.75zM8 6.5v3M8 11.4v.01"/>"#,
            Self::Info => r#"<circle cx="8" cy="8" r="6"/><path d="M8 7.5v3.25M8 5.1v.01"/>"#,
            Self::Arrow => r#"<path d="M3 8h10M9 4l4 4-4 4"/>"#,
            Self::Outside => {
                r#"<path d="M6 3.5H3.75a1 1 0 0 0-1 1v7.75a1 1 0 0 0 1 1h7.75a1 1 0 0 0 1-1V10M9 2.75h4.25V7M13 3 7.5 8.5"/>"#
            }
            Self::Mail => {
                r#"<rect x="1.75" y="3.25" width="12.5" height="9.5" rx="1.5"/><path d="m2.25 4.5 5.75 4.25 5.75-4.25"/>"#
            }
            Self::Lock => {
                r#"<rect x="3" y="7" width="10" height="6.75" rx="1.5"/><path d="M5.25 7V5a2.75 2.75 0 0 1 5.5 0v2"/>"#
            }
            Self::Refresh => {
                r#"<path d="M13.5 3v3.25h-3.25M2.5 13V9.75h3.25M13.2 6.25A5.5 5.5 0 0 0 3.6 4.9M2.8 9.75a5.5 5.5 0 0 0 9.6 1.35"/>"#
            }
            Self::Pause => r#"<path d="M5.5 3.5v9M10.5 3.5v9"/>"#,
            Self::Stop => r#"<rect x="4" y="4" width="8" height="8" rx="1.5"/>"#,
            Self::Trash => {
                r#"<path d="M2.75 4.25h10.5M6 4.25v-1.5h4v1.5M4 4.25l.6 8.6a1 1 0 0 0 1 .9h4.8a1 1 0 0 0 1-.9l.6-8.6"/>"#
            }
            Self::Menu => r#"<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11"/>"#,
            Self::Bolt => r#"<path d="M8.75 1.75 3 9h4.25L7 14.25 13 7H8.6z"/>"#,
            Self::Shield => {
                r#"<path d="M8 1.75 13.25 3.9v3.85c0 3.1-2.1 5.35-5.25 6.5-3.15-1.15-5.25-3.4-5.25-6.5V3.9zM5.75 8l1.6 1.6 3-3.1"/>"#
            }
            Self::Globe => {
                r#"<circle cx="8" cy="8" r="6"/><path d="M2 8h12M8 2c1.7 1.7 2.5 3.7 2.5 6S9.7 12.3 8 14c-1.7-1.7-2.5-3.7-2.5-6S6.3 3.7 8 2z"/>"#
            }
            Self::Book => {
                r#"<path d="M8 4.25C6.75 3.25 4.75 2.9 2.25 3v9.25c2.5-.1 4.5.25 5.75 1.25 1.25-1 3.25-1.35 5.75-1.25V3c-2.5-.1-4.5.25-5.75 1.25zM8 4.25v9.25"/>"#
            }
            Self::Eye => {
                r#"<path d="M1.5 8S3.75 3.75 8 3.75 14.5 8 14.5 8 12.25 12.25 8 12.25 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="2"/>"#
            }
            Self::Edit => {
                r#"<path d="M9.75 3.75 12.25 6.25 5.5 13H3v-2.5zM9.75 3.75l1.4-1.4a1 1 0 0 1 1.4 0l1.1 1.1a1 1 0 0 1 0 1.4l-1.4 1.4"/>"#
            }
            Self::Chart => r#"<path d="M2.25 13.75h11.5M4 11V8.5M7 11V4.5M10 11V7M13 11V2.75"/>"#,
            Self::Send => r#"<path d="M8 13V3M3.75 7.25 8 3l4.25 4.25"/>"#,
            Self::Code => r#"<path d="m5 4.5-3.25 3.5L5 11.5M11 4.5l3.25 3.5L11 11.5M9.25 3l-2.5 10"/>"#,
            Self::Route => {
                r#"<path d="M1.75 3.25c4 0 4 4.75 8 4.75h4.5M1.75 12.75c4 0 4-4.75 8-4.75M1.75 8h8M12 5.75 14.25 8 12 10.25"/>"#
            }
            Self::Db => {
                r#"<ellipse cx="8" cy="4" rx="5.25" ry="2"/><path d="M2.75 4v8c0 1.1 2.35 2 5.25 2s5.25-.9 5.25-2V4M2.75 8c0 1.1 2.35 2 5.25 2s5.25-.9 5.25-2"/>"#
            }
            Self::Moon => r#"<path d="M13.5 9.5A5.75 5.75 0 0 1 6.5 2.5a5.75 5.75 0 1 0 7 7z"/>"#,
            Self::Link => {
                r#"<path d="M6.75 9.25a2.75 2.75 0 0 0 3.9 0l2.3-2.3a2.75 2.75 0 0 0-3.9-3.9L8 4.1M9.25 6.75a2.75 2.75 0 0 0-3.9 0l-2.3 2.3a2.75 2.75 0 0 0 3.9 3.9L8 11.9"/>"#
            }
        }
    }
}

/// An icon. It is decoration: what it stands on carries the words.
#[component]
pub fn Icon(
    /// What it shows.
    of: Glyph,
    /// A size other than 16 px: `icon icon--12` or `icon icon--20`.
    #[prop(default = "icon")]
    class: &'static str,
) -> impl IntoView {
    view! { <svg class=class viewBox="0 0 16 16" aria-hidden="true" inner_html=of.shape()></svg> }.into_any()
}

/// The mark of OurHub with its name, linked to the landing page.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <a class="logo" href="/">
            <svg viewBox="0 0 22 22" aria-hidden="true">
                <rect width="22" height="22" rx="6"></rect>
                <path d="M4.5 6c4.6 0 4.6 5 9 5M4.5 11h13M4.5 16c4.6 0 4.6-5 9-5"></path>
            </svg>
            "OurHub"
        </a>
    }
    .into_any()
}
