//! The sample team's keys.
//!
//! Invariant: nothing here is changed by a call. Pure.

use super::{DAY, MINUTE, NOW, Sample, named, refused, spend};
use async_trait::async_trait;
use frontend::api::keys::{KeyPatch, KeyView, KeyWithSecret, Keys, NewKey, Spend};
use frontend::api::{ApiError, Code, Page, PageQuery, Time};

fn key_view(id: &str, name: &str, state: &str, (day, month): (Spend, Spend)) -> KeyView {
    KeyView {
        id: id.to_owned(),
        name: name.to_owned(),
        member: (id == "key_3").then(|| named("user_1", "mira@harbor-robotics.io")),
        last_four: vec!["vT9x".to_owned()],
        models: if id == "key_2" {
            vec!["gpt-6-luna".to_owned(), "gemini-3-*".to_owned()]
        } else {
            Vec::new()
        },
        region: (id == "key_2").then(|| "eu".to_owned()),
        rpm: Some(60),
        tpm: None,
        max_in_flight: None,
        clamp: true,
        hosted_tools: id == "key_2",
        allowed_ips: Vec::new(),
        expires_at: None,
        created_at: Time(NOW - 40 * DAY),
        last_used_at: Some(Time(NOW - 3 * MINUTE)),
        state: state.to_owned(),
        cap_day: day.cap,
        cap_month: month.cap,
        cap_total: None,
        day,
        month,
        total: spend(20_000, 0, None),
    }
}

fn keys() -> Vec<KeyView> {
    vec![
        key_view(
            "key_1",
            "ci-agents",
            "active",
            (spend(1_106, 60, Some(1_200)), spend(16_118, 60, Some(40_000))),
        ),
        key_view(
            "key_2",
            "support-bot",
            "active",
            (spend(584, 45, Some(1_500)), spend(10_602, 45, Some(30_000))),
        ),
        key_view(
            "key_3",
            "claude-code-mira",
            "active",
            (spend(194, 0, None), spend(6_877, 0, None)),
        ),
        key_view(
            "key_4",
            "jonas-laptop",
            "active",
            (spend(300, 0, Some(300)), spend(4_140, 0, Some(6_000))),
        ),
        key_view(
            "key_5",
            "hackweek",
            "disabled",
            (spend(0, 0, Some(500)), spend(1_211, 0, None)),
        ),
    ]
}

#[async_trait]
impl Keys for Sample {
    async fn list_keys(&self, _: &str, _: PageQuery) -> Result<Page<KeyView>, ApiError> {
        Ok(self.some(keys()))
    }

    async fn key(&self, _: &str, id: &str) -> Result<KeyView, ApiError> {
        keys()
            .into_iter()
            .find(|key| key.id == id)
            .ok_or_else(|| ApiError::new(Code::NotFound))
    }

    async fn create_key(&self, _: &str, new: NewKey) -> Result<KeyWithSecret, ApiError> {
        let view = KeyView {
            name: new.name,
            ..keys().remove(0)
        };
        Ok(KeyWithSecret {
            key: "sk-oh-7Qm2fKx1BvWc8RtYpLd4NhZs0JgAe6UiOv3TqMb5EkvT9x".to_owned(),
            view,
        })
    }

    async fn update_key(&self, _: &str, _: &str, _: KeyPatch) -> Result<KeyView, ApiError> {
        refused()
    }

    async fn rotate_key(&self, _: &str, _: &str, _: Option<u32>) -> Result<KeyWithSecret, ApiError> {
        refused()
    }

    async fn revoke_key(&self, _: &str, _: &str) -> Result<(), ApiError> {
        refused()
    }
}
