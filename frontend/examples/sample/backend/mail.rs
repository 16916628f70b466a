//! The sample outbox: a mail of each state.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{MINUTE, NOW, Sample, refused};
use async_trait::async_trait;
use frontend::api::mail::{MailPatch, MailRead, MailRow, MailTested, MailView, Mails};
use frontend::api::{ApiError, Page, PageQuery, Time};

fn mail(id: &str, subject: &str, state: &str, trouble: Option<&str>) -> MailRow {
    MailRow {
        id: id.to_owned(),
        kind: "invitation".to_owned(),
        recipient: "jonas@harbor-robotics.io".to_owned(),
        subject: subject.to_owned(),
        created_at: Time(NOW - 40 * MINUTE),
        attempts: i32::from(trouble.is_some()),
        state: state.to_owned(),
        next_at: (state == "waits").then_some(Time(NOW + 5 * MINUTE)),
        sent_at: (state == "sent").then_some(Time(NOW - 39 * MINUTE)),
        last_error: trouble.map(str::to_owned),
    }
}

#[async_trait]
impl Mails for Sample {
    async fn mail_settings(&self) -> Result<MailView, ApiError> {
        self.demand_admin()?;
        Ok(MailView {
            server: self.has_data().then(|| "mail.harbor-robotics.io:587".to_owned()),
            sender: "OurHub <hub@harbor-robotics.io>".to_owned(),
            public_url: "https://hub.harbor-robotics.io".to_owned(),
            verify_sign_ups: false,
        })
    }

    async fn update_mail(&self, _: MailPatch) -> Result<MailView, ApiError> {
        refused()
    }

    async fn test_mail(&self) -> Result<MailTested, ApiError> {
        refused()
    }

    async fn list_mails(&self, _: PageQuery) -> Result<Page<MailRow>, ApiError> {
        self.demand_admin()?;
        Ok(self.some(vec![
            mail(
                "mail_3",
                "Join Harbor Robotics",
                "waits",
                Some("Connection error: Connection refused"),
            ),
            mail("mail_2", "Join Harbor Robotics", "sent", None),
            mail(
                "mail_1",
                "Join Harbor Robotics",
                "failed",
                Some("550 no such user here"),
            ),
        ]))
    }

    async fn mail(&self, _: &str) -> Result<MailRead, ApiError> {
        self.demand_admin()?;
        Ok(MailRead {
            row: mail("mail_3", "Join Harbor Robotics", "waits", None),
            text: Some(
                "Mira invites you.\n\nJoin:\nhttps://hub.harbor-robotics.io/invite/x\n\n\
                 OurHub at https://hub.harbor-robotics.io\n"
                    .to_owned(),
            ),
        })
    }

    async fn retry_mail(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }

    async fn discard_mail(&self, _: &str) -> Result<(), ApiError> {
        refused()
    }
}
