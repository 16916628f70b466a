//! Health: platform admins see which processes serve and how the journal does, on the page and over the API.

use crate::harness;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sees_the_processes_the_journal_and_the_database() {
    for hub in harness::everywhere().await {
        let cookie = hub.sign_up("first@example.com").await;
        let admin = hub.user("root@example.com", true).await;
        let health = hub.get("/health", &admin).await.json();
        let kind = match hub.app.db.get_database_backend() {
            sea_orm::DatabaseBackend::Postgres => "postgres",
            _ => "sqlite",
        };
        assert_eq!(
            (&health["ready"], &health["database"]),
            (&Value::Bool(true), &kind.into())
        );
        assert_eq!(health["journal"]["writable"], true);
        assert_eq!((&health["waiting"], &health["open_holds"]), (&0.into(), &0.into()));
        let nodes = health["nodes"].as_array().unwrap();
        assert_eq!(nodes.len(), 1, "{health}");
        assert_eq!(
            (&nodes[0]["state"], &nodes[0]["is_me"]),
            (&"serving".into(), &true.into())
        );
        assert_eq!(nodes[0]["seen_at"].is_null(), kind == "sqlite");
        let id = nodes[0]["id"].as_str().unwrap();
        let page = hub.page("/admin/health", &cookie).await.text;
        assert!(page.contains(id) && page.contains("Requests are taken"), "{page}");
        assert!(page.contains("href=\"/admin/health\""), "the nav leads there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_admins_sees_health() {
    let hub = harness::spawn().await;
    let user = hub.user("mara@example.com", false).await;
    assert_eq!(hub.get("/health", &user).await.status, 403);
}
