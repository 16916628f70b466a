//! The components of the dashboard: how things look, in every state. `/gallery` shows them all.
//!
//! Invariant: nothing here asks for data, knows a page, or writes a style attribute (the content security policy
//! forbids it). Everything works without script.
//! Pure.

pub mod badge;
pub mod button;
pub mod cap;
pub mod card;
pub mod chart;
pub mod code;
pub mod field;
pub mod form;
pub mod icon;
pub mod money;
pub mod notice;
pub mod overlay;
pub mod page;
pub mod shell;
pub mod table;
pub mod time;
pub mod trail;

pub use badge::{Avatar, Badge, Cooling, Mark, Status, Tone};
pub use button::{Button, Kind, LinkButton, Size};
pub use cap::{CapBar, CapCell};
pub use card::{Card, Fact, Facts, Stat, Stats};
pub use chart::{Bar, Bars, Column, Legend, Spark, StackedBars, swatch};
pub use code::{CodeBlock, Secret, Snippet, Snippets};
pub use field::{
    CheckField, Choice, ErrorText, Fieldset, Hidden, More, SearchField, Segment, SelectField, TextArea, TextField,
};
pub use form::{PostForm, SHOWN_TEAM, ShownTeam};
pub use icon::{Glyph, Icon, Logo};
pub use money::{Amount, count, counted, counted_rows, decimals_of_column, decimals_of_sum, short_count, usd};
pub use notice::{Empty, Notice, Skeleton};
pub use overlay::{Dialog, Drawer};
pub use page::{AuthFrame, ErrorPage, PageHead, Site};
pub use shell::{Nav, NavTeam, Section, Shell};
pub use table::{Menu, MenuItem, MenuPost, Pager, Table, Th, th};
pub use time::{Clock, Style, When, countdown, day_name, duration, month_name};
pub use trail::{Lane, LaneKind, Pips, Progress, Step, Trail, Waterfall};
