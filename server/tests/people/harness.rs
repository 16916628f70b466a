//! A migrated database of the test's own, with the areas on it, and short names for people.
//!
//! Invariant: what a test made is gone when it ends, on SQLite; a Postgres database stays in the test server.

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, Set};
use server::auth::{Auth, Config, NewUser, Person, UserMade, Visitor};
use server::clock;
use server::keys::{KeyMade, KeySettings, Keys};
use server::teams::{self, Role, TeamScope};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub const MASTER: [u8; 32] = [9; 32];
pub const PASSWORD: &str = "sunlit-otter";
pub const SECOND_MS: i64 = 1_000;
pub const DAY_MS: i64 = 24 * 3_600 * SECOND_MS;

/// A database with the areas on it.
pub struct Place {
    pub db: DatabaseConnection,
    pub auth: Auth,
    pub keys: Keys,
    dir: Option<PathBuf>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(dir) = &self.dir {
            let _ = std::fs::remove_dir_all(dir);
        }
    }
}

fn name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!(
        "ourhub_people_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}

async fn open(url: &str, dir: Option<PathBuf>) -> Place {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(4)
        .sqlx_logging(false)
        .acquire_timeout(Duration::from_secs(20));
    let db = Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    Place {
        auth: Auth::new(db.clone(), &MASTER, Config::default()),
        keys: Keys::new(db.clone(), &MASTER),
        db,
        dir,
    }
}

/// Every database there is to test on.
pub async fn places() -> Vec<Place> {
    let dir = std::env::temp_dir().join(name());
    std::fs::create_dir_all(&dir).unwrap();
    let url = format!("sqlite://{}?mode=rwc", dir.join("ourhub.db").display());
    let mut places = vec![open(&url, Some(dir)).await];
    if let Ok(server) = std::env::var("OURHUB_TEST_POSTGRES") {
        let name = name();
        let root = Database::connect(ConnectOptions::new(&server)).await.unwrap();
        root.execute_unprepared(&format!("DROP DATABASE IF EXISTS {name}"))
            .await
            .unwrap();
        root.execute_unprepared(&format!("CREATE DATABASE {name}"))
            .await
            .unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        places.push(open(&format!("{base}/{name}"), None).await);
    }
    places
}

impl Place {
    /// What another process sees and does: the same database, nothing cached.
    pub fn elsewhere(&self) -> (Auth, Keys) {
        (
            Auth::new(self.db.clone(), &MASTER, Config::default()),
            Keys::new(self.db.clone(), &MASTER),
        )
    }

    pub async fn user(&self, email: &str) -> UserMade {
        let new = NewUser {
            email,
            password: PASSWORD,
        };
        self.auth.create_user(new, false, clock::now_ms()).await.unwrap()
    }

    pub async fn admin(&self, email: &str) -> UserMade {
        let new = NewUser {
            email,
            password: PASSWORD,
        };
        self.auth.create_user(new, true, clock::now_ms()).await.unwrap()
    }

    /// A user with a team, and what they may do in it.
    pub async fn owner(&self, email: &str) -> (Person, TeamScope) {
        let made = self.user(email).await;
        let scope = teams::scope(&self.db, &made.person, made.team_id).await.unwrap();
        (made.person, scope)
    }

    /// A new user who joins the team as `role`.
    pub async fn join(&self, email: &str, team_id: i64, role: Role) -> (Person, TeamScope) {
        let person = self.user(email).await.person;
        let row = entity::member::ActiveModel {
            team_id: Set(team_id),
            user_id: Set(person.user_id),
            role: Set(role.name().into()),
            cap_day: Set(None),
            cap_month: Set(None),
            created_at: Set(clock::now_ms()),
            ..Default::default()
        };
        entity::member::Entity::insert(row)
            .exec_without_returning(&self.db)
            .await
            .unwrap();
        let scope = teams::scope(&self.db, &person, team_id).await.unwrap();
        (person, scope)
    }

    pub async fn key(&self, scope: &TeamScope, name: &str, now_ms: i64) -> KeyMade {
        self.keys.create(scope, KeySettings::named(name), now_ms).await.unwrap()
    }
}

pub fn visitor(address: &str, now_ms: i64) -> Visitor {
    Visitor {
        address: address.parse().unwrap(),
        user_agent: "test".into(),
        now_ms,
    }
}
