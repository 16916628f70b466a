//! The audit log.

use crate::harness::places;
use sea_orm::TransactionTrait;
use serde_json::{Value, json};
use server::audit::{self, Actor, Event};

fn event(team_id: i64, target: &str) -> Event {
    Event {
        actor: Actor {
            acting_as: None,
            user_id: Some(7),
            address: "203.0.113.7".into(),
        },
        team_id: Some(team_id),
        action: "key.update",
        target: target.into(),
        before: json!({"name": "old"}),
        after: json!({"name": "new"}),
    }
}

#[tokio::test]
async fn what_is_recorded_is_listed_newest_first_by_team_and_page() {
    for place in places().await {
        for (team_id, target) in [(1, "a"), (2, "b"), (1, "c")] {
            audit::record(&place.db, event(team_id, target), 1_790_000_000_000)
                .await
                .unwrap();
        }
        let targets = |rows: &[audit::Recorded]| rows.iter().map(|row| row.target.clone()).collect::<Vec<_>>();
        let all = audit::list(&place.db, None, None, 10).await.unwrap();
        assert_eq!(targets(&all), ["c", "b", "a"]);
        assert_eq!(
            all[0].detail,
            json!({"before": {"name": "old"}, "after": {"name": "new"}})
        );
        assert_eq!(all[0].actor.user_id, Some(7));
        let one = audit::list(&place.db, Some(1), None, 1).await.unwrap();
        assert_eq!(targets(&one), ["c"]);
        let rest = audit::list(&place.db, Some(1), Some(one[0].id), 10).await.unwrap();
        assert_eq!(targets(&rest), ["a"]);
    }
}

#[tokio::test]
async fn a_change_that_is_rolled_back_is_not_recorded() {
    for place in places().await {
        let transaction = place.db.begin().await.unwrap();
        let event = Event {
            before: Value::Null,
            ..event(1, "a")
        };
        audit::record(&transaction, event, 1_790_000_000_000).await.unwrap();
        transaction.rollback().await.unwrap();
        assert!(audit::list(&place.db, None, None, 10).await.unwrap().is_empty());
    }
}
