//! Alerts: platform admins see and dismiss them.
//!
//! Invariant: only open alerts are shown. Reads and writes what `alerts` does.

use super::{Change, Principal, Refusal, view};
use crate::alerts::{self, Alert};
use async_trait::async_trait;
use frontend::api::{
    ApiError, Code, Page, PageQuery, Time,
    alerts::{AlertView, Alerts},
};
use gateway_core::id::{self, Kind};
use serde_json::json;

#[async_trait]
impl Alerts for Principal {
    async fn list_alerts(&self, page: PageQuery) -> Result<Page<AlertView>, ApiError> {
        self.answer(self.read_alerts(&page).await)
    }

    async fn dismiss_alert(&self, id: &str) -> Result<(), ApiError> {
        self.answer(self.close_alert(id).await)
    }
}

impl Principal {
    async fn read_alerts(&self, query: &PageQuery) -> Result<Page<AlertView>, Refusal> {
        self.admin()?;
        let after = view::after_place(query, Kind::Alert)?;
        let place = |row: &Alert| (row.last_at, row.id);
        let mut rows = alerts::list_open(&self.app.db).await?;
        rows.retain(|row| after.is_none_or(|after| place(row) < after));
        let page = view::page(query, rows, |row| view::place(Kind::Alert, place(row)));
        Ok(Page {
            data: page.data.into_iter().map(alert_view).collect(),
            next: page.next,
        })
    }

    async fn close_alert(&self, id: &str) -> Result<(), Refusal> {
        self.admin()?;
        let row = alerts::dismiss(&self.app.db, super::parse(Kind::Alert, id)?).await?;
        let row = row.ok_or(Code::NotFound)?;
        self.record(Change {
            action: "alert.dismiss",
            target: id,
            before: json!({"kind": row.kind, "subject": row.subject, "message": row.message, "count": row.count}),
            ..Change::default()
        })
        .await
    }
}

fn alert_view(row: Alert) -> AlertView {
    AlertView {
        id: id::render(Kind::Alert, row.id),
        kind: row.kind,
        subject: row.subject,
        message: row.message,
        first_at: Time(row.first_at),
        last_at: Time(row.last_at),
        count: row.count,
    }
}
