//! Stamps: how a process notices that another one changed an area's rows, by one cheap read.
//!
//! Invariant: a stamp changes in the transaction that changes the rows, which tells every process; who does not hear it looks
//! by itself. Reads and writes the table `setting`; tells and hears the topic `stamp`.

use crate::{
    clock,
    signals::{self, Heard, Listener, Signals},
};
use entity::setting::{ActiveModel, Column, Entity};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _, sea_query::OnConflict};
use std::time::Duration;

/// How often one looks that hears nothing: a change by any process shows within a second.
pub const LOOK_EVERY: Duration = Duration::from_millis(900);
const TOPIC: &str = "stamp";

/// Marks the rows of `area` as changed.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn renew<C: ConnectionTrait>(db: &C, area: &str) -> Result<(), DbErr> {
    let row = ActiveModel {
        name: Set(name_of(area)),
        value: Set(clock::new_id().to_string()),
    };
    let mut newer = OnConflict::column(Column::Name);
    newer.update_column(Column::Value);
    Entity::insert(row)
        .on_conflict(newer)
        .exec_without_returning(db)
        .await?;
    signals::tell_all(db, TOPIC, area).await
}

/// The stamp of `area`; empty where its rows have never changed.
///
/// # Errors
/// [`DbErr`] where the database does not answer.
pub async fn read<C: ConnectionTrait>(db: &C, area: &str) -> Result<String, DbErr> {
    let row = Entity::find_by_id(name_of(area)).one(db).await?;
    Ok(row.map(|row| row.value).unwrap_or_default())
}

fn name_of(area: &str) -> String {
    format!("stamp_{area}")
}

/// Says when to look at the stamp of one area.
#[derive(Debug)]
pub struct Watch {
    area: &'static str,
    listener: Listener,
    every: Duration,
}

impl Watch {
    /// Looks when `signals` say so, and `every` so often in any case.
    #[must_use]
    pub fn new(area: &'static str, signals: &Signals, every: Duration) -> Self {
        Self {
            area,
            listener: signals.on(TOPIC),
            every,
        }
    }

    /// Resolves when it is time to look.
    pub async fn next(&mut self) {
        let told = async {
            loop {
                match self.listener.next().await {
                    Heard::Said(area) if *area != *self.area => {}
                    Heard::Said(_) | Heard::Missed => return,
                }
            }
        };
        // Either way it is time.
        let _ = tokio::time::timeout(self.every, told).await;
    }
}
