//! Whose rights have changed: told to every process, so that none goes on using what it remembers.
//!
//! Invariant: it is told in the transaction that makes the change. Answers grow old by themselves all the same
//! ([`super::cache::FRESH_MS`]). Tells and hears the topic `people`.

use crate::signals::{self, Heard, Listener};
use sea_orm::{ConnectionTrait, DbErr};

/// Where it is told.
pub const TOPIC: &str = "people";

/// Whose rights may not be what they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Those of a key.
    Key(i64),
    /// Those of a team, its members and its keys.
    Team(i64),
    /// Those of a user, with their sessions, tokens and keys.
    User(i64),
    /// Anybody's: something may not have been heard.
    Anybody,
}

impl Changed {
    /// Tells every process, once the transaction of `db` is committed.
    ///
    /// # Errors
    /// [`DbErr`] where the database does not answer.
    pub async fn tell<C: ConnectionTrait>(self, db: &C) -> Result<(), DbErr> {
        signals::tell_all(db, TOPIC, &self.render()).await
    }

    /// What `listener`, which is on [`TOPIC`], hears next. Dropping the future loses nothing.
    pub async fn hear(listener: &mut Listener) -> Self {
        match listener.next().await {
            Heard::Said(text) => Self::parse(&text),
            Heard::Missed => Self::Anybody,
        }
    }

    fn render(self) -> String {
        match self {
            Self::Key(id) => format!("key {id}"),
            Self::Team(id) => format!("team {id}"),
            Self::User(id) => format!("user {id}"),
            Self::Anybody => "anybody".to_owned(),
        }
    }

    /// What is not understood, such as what a newer release says, may concern anybody.
    fn parse(text: &str) -> Self {
        let Some((kind, Ok(id))) = text.split_once(' ').map(|(kind, id)| (kind, id.parse())) else {
            return Self::Anybody;
        };
        match kind {
            "key" => Self::Key(id),
            "team" => Self::Team(id),
            "user" => Self::User(id),
            _ => Self::Anybody,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood_and_what_is_not_concerns_anybody() {
        for changed in [Changed::Key(1), Changed::Team(2), Changed::User(3), Changed::Anybody] {
            assert_eq!(Changed::parse(&changed.render()), changed);
        }
        for text in ["", "key", "key x", "region 7"] {
            assert_eq!(Changed::parse(text), Changed::Anybody, "{text}");
        }
    }
}
