//! Accounts as rows: added, changed, removed, listed.
//!
//! Invariant: a row is changed together with the stamp; its secrets are sealed for its own id, column and origin.
//! Reads and writes `account`, `deployment`, `cooldown` and the stamp `accounts`.

use super::{
    AREA, Account, AccountsError, Change, Fleet, Grants, Live, Models, NewAccount, Owner, Patch, Served, Standing,
    Times,
    check::{self, Reach},
    history,
    upstream::{binding, open_secrets, place, reach},
};
use crate::{
    alerts, clock,
    fields::FieldErrors,
    secrets::{Secret, SecretsError},
    stamp,
};
use entity::{account, cooldown, deployment, team};
use gateway_core::{catalog::preset, id};
use reqwest::Url;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _,
    IntoActiveModel as _, PaginatorTrait as _, QueryFilter, QueryOrder as _, TransactionTrait as _, sea_query::Expr,
};

const PRIORITY: i32 = 0;
const WEIGHT: i32 = 100;
/// The most accounts a team has: each is looked after by every process.
const OF_TEAM_MAX: u64 = 50;
const NEEDS_SECRET: &str =
    "Another host, port, scheme or proxy: enter the key again, so that nobody can have it sent elsewhere.";

/// The parts of a row that depend on its key, address and proxy.
struct Sealed {
    secret: Vec<u8>,
    last_four: String,
    proxy_url: Option<String>,
    proxy_secret: Option<Vec<u8>>,
}

impl Default for Standing {
    fn default() -> Self {
        Self {
            priority: PRIORITY,
            weight: WEIGHT,
            region: None,
        }
    }
}

impl<T> Patch<T> {
    /// What becomes of `old`; `default` where cleared.
    fn or(self, old: T, default: T) -> T {
        match self {
            Self::Keep => old,
            Self::Clear => default,
            Self::Set(new) => new,
        }
    }

    /// What becomes of `old`; nothing where cleared.
    fn or_none(self, old: Option<T>) -> Option<T> {
        match self {
            Self::Keep => old,
            Self::Clear => None,
            Self::Set(new) => Some(new),
        }
    }
}

impl Fleet {
    /// Adds an account.
    ///
    /// # Errors
    /// [`AccountsError::Crowded`] where a team has as many as it may, [`AccountsError::Invalid`] naming every wrong field,
    /// [`AccountsError::Secrets`], [`AccountsError::Database`].
    pub async fn create(&self, new: &NewAccount) -> Result<Account, AccountsError> {
        let mut errors = FieldErrors::default();
        check::check_label(&new.label, &mut errors);
        check::check_models(&new.models, preset(&new.provider), &mut errors);
        check::check_numbers(&new.standing, &new.grants, &mut errors);
        let reach = check::reach(new, self.clients_of(self.owner).guard(), &mut errors);
        errors.finish().map_err(AccountsError::Invalid)?;
        let reach = reach.ok_or_else(|| AccountsError::Invalid(FieldErrors::default()))?;
        let id = clock::new_id();
        let sealed = self.seal((id, self.owner), &reach.base_url, &reach.secret, reach.proxy.as_ref())?;
        let row = account::Model {
            team_id: self.owner,
            ..new_row(id, new, &reach, sealed)
        };
        let transaction = self.inner.db.begin().await?;
        if let Some(team_id) = self.owner {
            lock_team(&transaction, team_id).await?;
            if count(&transaction, self.owner).await? >= OF_TEAM_MAX {
                return Err(AccountsError::Crowded);
            }
        }
        row.into_active_model().insert(&transaction).await?;
        write_models(&transaction, id, &new.models).await?;
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.load().await?;
        self.get(id).await
    }

    /// Changes an account. A new key or address, another way to send the key, and being enabled again make it take traffic at once.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::Invalid`] naming every wrong field, [`AccountsError::Secrets`],
    /// [`AccountsError::Database`].
    pub async fn update(&self, id: i64, change: Change) -> Result<Account, AccountsError> {
        let old = self.row(id).await?;
        let mut row = old.clone();
        let mut errors = FieldErrors::default();
        let models = match change.models.clone() {
            Patch::Keep => None,
            Patch::Clear => Some(Models::All),
            Patch::Set(models) => Some(models),
        };
        if let Some(models) = &models {
            check::check_models(models, preset(&old.provider), &mut errors);
            row.every_model = *models == Models::All;
        }
        apply_plain(&mut row, &change, &mut errors);
        self.apply_reach(&mut row, &old, &change, &mut errors)?;
        errors.finish().map_err(AccountsError::Invalid)?;
        let is_off = row.disabled_at.is_some();
        let is_back = old.disabled_at.is_some() && row.disabled_at.is_none();
        let is_fresh = reach(&row) != reach(&old) || is_back;
        if is_fresh {
            (row.parked_reason, row.last_error, row.last_error_at) = (None, None, None);
        }
        let transaction = self.inner.db.begin().await?;
        row.into_active_model().reset_all().update(&transaction).await?;
        if let Some(models) = &models {
            write_models(&transaction, id, models).await?;
        }
        let subject = id::render(id::Kind::Account, id);
        if is_fresh || is_off {
            alerts::resolve(&transaction, alerts::Kind::AccountParked, &subject).await?;
            forget_pauses(&transaction, id).await?;
        }
        if is_off {
            alerts::resolve(&transaction, alerts::Kind::AccountUnusable, &subject).await?;
        }
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.load().await?;
        self.get(id).await
    }

    /// Removes an account and its deployments. Requests under way finish.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::Database`].
    pub async fn delete(&self, id: i64) -> Result<(), AccountsError> {
        let transaction = self.inner.db.begin().await?;
        let row = account::Entity::delete_many().filter(account::Column::Id.eq(id));
        let gone = of(self.owner, row).exec(&transaction).await?;
        if gone.rows_affected == 0 {
            return Err(AccountsError::NotFound);
        }
        forget_account(&transaction, id).await?;
        stamp::renew(&transaction, AREA).await?;
        transaction.commit().await?;
        self.load().await
    }

    /// The account, with how it does.
    ///
    /// # Errors
    /// [`AccountsError::NotFound`], [`AccountsError::Database`].
    pub async fn get(&self, id: i64) -> Result<Account, AccountsError> {
        let row = self.row(id).await?;
        let served = deployment::Entity::find()
            .filter(deployment::Column::AccountId.eq(id))
            .all(&self.inner.db)
            .await?;
        Ok(self.view(row, served))
    }

    /// Every account with how it does, by priority, then by age.
    ///
    /// # Errors
    /// [`AccountsError::Database`].
    pub async fn list(&self) -> Result<Vec<Account>, AccountsError> {
        let db = &self.inner.db;
        let rows = of(self.owner, account::Entity::find()).order_by_asc(account::Column::Priority);
        let rows = rows.order_by_asc(account::Column::Id).all(db).await?;
        let mut served = std::collections::HashMap::<i64, Vec<_>>::new();
        let ids = rows.iter().map(|row| row.id);
        let named = deployment::Entity::find().filter(deployment::Column::AccountId.is_in(ids));
        for row in named.all(db).await? {
            served.entry(row.account_id).or_default().push(row);
        }
        let view = |row: account::Model| {
            let served = served.remove(&row.id).unwrap_or_default();
            self.view(row, served)
        };
        Ok(rows.into_iter().map(view).collect())
    }

    pub(super) async fn row(&self, id: i64) -> Result<account::Model, AccountsError> {
        let row = of(self.owner, account::Entity::find_by_id(id))
            .one(&self.inner.db)
            .await?;
        row.ok_or(AccountsError::NotFound)
    }

    /// Applies a change of key, address or proxy; another origin or proxy needs the key anew.
    fn apply_reach(
        &self,
        row: &mut account::Model,
        old: &account::Model,
        change: &Change,
        errors: &mut FieldErrors,
    ) -> Result<(), AccountsError> {
        let guard = self.clients_of(old.team_id).guard();
        let typed_url = change
            .base_url
            .as_deref()
            .filter(|typed| typed.trim().trim_end_matches('/') != old.base_url);
        let shown = old.proxy_url.as_deref();
        let keeps_proxy = match &change.proxy_url {
            Patch::Keep => true,
            Patch::Clear => shown.is_none(),
            Patch::Set(proxy) => Some(proxy.expose()) == shown,
        };
        if typed_url.is_none() && keeps_proxy && change.secret.is_none() {
            return Ok(());
        }
        let new_proxy = match &change.proxy_url {
            Patch::Set(proxy) if !keeps_proxy => Some(proxy.clone()),
            _ => None,
        };
        check::check_proxy(new_proxy.as_ref(), guard, errors);
        let mut typed = change.secret.clone();
        if let Some(secret) = &mut typed {
            *secret = check::secret(secret, preset(&old.provider), &row.auth_scheme, guard, errors);
        }
        let old_url = Url::parse(&old.base_url).ok();
        let base_url = match typed_url {
            Some(typed) => check::base_url(typed, guard, errors),
            None => old_url.clone(),
        };
        let Some(base_url) = base_url else { return Ok(()) };
        check::check_place(&base_url, preset(&old.provider), errors);
        let is_elsewhere = old_url.as_ref().map(check::origin) != Some(check::origin(&base_url)) || !keeps_proxy;
        if is_elsewhere && !old.secret.is_empty() && change.secret.is_none() {
            errors.refuse("secret", NEEDS_SECRET);
            return Ok(());
        }
        let (secret, proxy) = self.reached_before(old, old_url.as_ref(), typed, keeps_proxy)?;
        let proxy = if keeps_proxy { proxy } else { new_proxy };
        row.base_url = check::stored(&base_url);
        let sealed = self.seal((row.id, row.team_id), &base_url, &secret, proxy.as_ref())?;
        (row.secret, row.last_four) = (sealed.secret, sealed.last_four);
        (row.proxy_url, row.proxy_secret) = (sealed.proxy_url, sealed.proxy_secret);
        Ok(())
    }

    /// The key after the change, and the proxy before it. What is replaced need not open.
    fn reached_before(
        &self,
        old: &account::Model,
        old_url: Option<&Url>,
        typed: Option<Secret>,
        keeps_proxy: bool,
    ) -> Result<(Secret, Option<Secret>), SecretsError> {
        let mut needed = old.clone();
        if typed.is_some() {
            needed.secret = Vec::new();
        }
        if !keeps_proxy {
            (needed.proxy_url, needed.proxy_secret) = (None, None);
        }
        let old_url = old_url.ok_or(SecretsError::DoesNotOpen)?;
        let (secret, proxy) = open_secrets(&needed, old_url, &self.inner.master)?;
        Ok((typed.unwrap_or(secret), proxy))
    }

    fn seal(
        &self,
        (id, owner): (i64, Owner),
        base_url: &Url,
        secret: &Secret,
        proxy: Option<&Secret>,
    ) -> Result<Sealed, SecretsError> {
        let origin = place(owner, base_url);
        let master = &self.inner.master;
        let shown = proxy.and_then(check::shown_proxy);
        // A proxy without a password is shown as it is; only what must not be shown is sealed.
        let hidden = proxy.filter(|proxy| Some(proxy.expose().trim_end_matches('/')) != shown.as_deref());
        Ok(Sealed {
            secret: if secret.is_empty() {
                Vec::new()
            } else {
                master.seal(secret, &binding(id, "secret", &origin))?
            },
            last_four: secret.last_four(),
            proxy_secret: hidden
                .map(|proxy| master.seal(proxy, &binding(id, "proxy_secret", &origin)))
                .transpose()?,
            proxy_url: shown,
        })
    }

    fn view(&self, row: account::Model, served: Vec<deployment::Model>) -> Account {
        let now_ms = clock::now_ms();
        let upstream = self.upstream(row.id);
        let live = Live {
            in_flight: upstream.as_ref().map_or(0, |upstream| upstream.state.in_flight()),
            proxy: upstream
                .as_ref()
                .and_then(|upstream| upstream.way.client.proxy_trouble(now_ms)),
            health: upstream.map(|upstream| upstream.state.snapshot(now_ms)),
            last_error: row.last_error,
            last_error_at: row.last_error_at,
        };
        let named = served.into_iter().map(|row| Served {
            upstream_model: (row.upstream_model != row.model).then_some(row.upstream_model),
            model: row.model,
        });
        Account {
            id: row.id,
            label: row.label,
            provider: row.provider,
            dialect: row.dialect,
            base_url: row.base_url,
            last_four: row.last_four,
            auth_scheme: row.auth_scheme,
            proxy_url: row.proxy_url,
            models: if row.every_model {
                Models::All
            } else {
                Models::Named(named.collect())
            },
            standing: Standing {
                priority: row.priority,
                weight: row.weight,
                region: row.region,
            },
            grants: Grants {
                rpm: row.rpm,
                tpm: row.tpm,
                max_in_flight: row.max_in_flight,
            },
            times: Times {
                created_at: row.created_at,
                disabled_at: row.disabled_at,
            },
            live,
        }
    }
}

/// What `query` asks, of the accounts of `owner` alone.
fn of<Q: QueryFilter>(owner: Owner, query: Q) -> Q {
    query.filter(match owner {
        Some(team_id) => account::Column::TeamId.eq(team_id),
        None => account::Column::TeamId.is_null(),
    })
}

/// Deletes the accounts of the team `team_id`, with their secrets, in the transaction `db`; processes that serve by them hear of it.
///
/// # Errors
/// [`DbErr`].
pub async fn forget_team<C: ConnectionTrait>(db: &C, team_id: i64) -> Result<(), DbErr> {
    let theirs = || account::Column::TeamId.eq(team_id);
    let rows = account::Entity::find().filter(theirs()).all(db).await?;
    if rows.is_empty() {
        return Ok(());
    }
    account::Entity::delete_many().filter(theirs()).exec(db).await?;
    for row in rows {
        forget_account(db, row.id).await?;
    }
    stamp::renew(db, AREA).await
}

/// Deletes what belongs to the account `id`, which is gone.
async fn forget_account<C: ConnectionTrait>(db: &C, id: i64) -> Result<(), DbErr> {
    let served = deployment::Entity::delete_many().filter(deployment::Column::AccountId.eq(id));
    served.exec(db).await?;
    forget_pauses(db, id).await?;
    history::forget(db, id).await?;
    let subject = id::render(id::Kind::Account, id);
    for kind in [alerts::Kind::AccountParked, alerts::Kind::AccountUnusable] {
        alerts::resolve(db, kind, &subject).await?;
    }
    Ok(())
}

/// Keeps the number of the team's accounts as it is until the transaction `db` ends.
async fn lock_team<C: ConnectionTrait>(db: &C, team_id: i64) -> Result<(), DbErr> {
    // A write that changes nothing takes the lock.
    team::Entity::update_many()
        .col_expr(team::Column::Id, Expr::value(team_id))
        .filter(team::Column::Id.eq(team_id))
        .exec(db)
        .await?;
    Ok(())
}

/// How many accounts `owner` has.
async fn count<C: ConnectionTrait>(db: &C, owner: Owner) -> Result<u64, DbErr> {
    of(owner, account::Entity::find()).count(db).await
}

/// Applies what needs neither key nor address.
fn apply_plain(row: &mut account::Model, change: &Change, errors: &mut FieldErrors) {
    if let Some(label) = &change.label {
        check::check_label(label, errors);
        row.label = label.trim().to_owned();
    }
    match &change.auth_scheme {
        Patch::Keep => {}
        Patch::Clear => check::scheme_of(preset(&row.provider)).clone_into(&mut row.auth_scheme),
        Patch::Set(scheme) => row.auth_scheme = check::auth_scheme(scheme, preset(&row.provider), errors),
    }
    let standing = Standing {
        priority: change.priority.clone().or(row.priority, PRIORITY),
        weight: change.weight.clone().or(row.weight, WEIGHT),
        region: change.region.clone().or_none(row.region.take()),
    };
    let grants = Grants {
        rpm: change.grants.rpm.clone().or_none(row.rpm),
        tpm: change.grants.tpm.clone().or_none(row.tpm),
        max_in_flight: change.grants.max_in_flight.clone().or_none(row.max_in_flight),
    };
    check::check_numbers(&standing, &grants, errors);
    (row.priority, row.weight, row.region) = (standing.priority, standing.weight, standing.region);
    (row.rpm, row.tpm, row.max_in_flight) = (grants.rpm, grants.tpm, grants.max_in_flight);
    match change.is_disabled {
        Some(true) if row.disabled_at.is_none() => row.disabled_at = Some(clock::now_ms()),
        Some(false) => row.disabled_at = None,
        _ => {}
    }
}

fn new_row(id: i64, new: &NewAccount, reach: &Reach, sealed: Sealed) -> account::Model {
    account::Model {
        id,
        team_id: None,
        label: new.label.trim().to_owned(),
        provider: new.provider.clone(),
        dialect: reach.dialect.as_str().to_owned(),
        base_url: check::stored(&reach.base_url),
        auth_scheme: reach.auth_scheme.clone(),
        secret: sealed.secret,
        last_four: sealed.last_four,
        priority: new.standing.priority,
        weight: new.standing.weight,
        region: new.standing.region.clone(),
        proxy_url: sealed.proxy_url,
        proxy_secret: sealed.proxy_secret,
        every_model: new.models == Models::All,
        rpm: new.grants.rpm,
        tpm: new.grants.tpm,
        max_in_flight: new.grants.max_in_flight,
        created_at: clock::now_ms(),
        disabled_at: None,
        parked_reason: None,
        last_error: None,
        last_error_at: None,
    }
}

/// Lets every process ask account `id` again.
async fn forget_pauses<C: ConnectionTrait>(db: &C, id: i64) -> Result<(), DbErr> {
    let pauses = cooldown::Entity::delete_many().filter(cooldown::Column::AccountId.eq(id));
    pauses.exec(db).await?;
    Ok(())
}

/// Replaces the deployments of account `id`.
async fn write_models<C: ConnectionTrait>(db: &C, id: i64, models: &Models) -> Result<(), DbErr> {
    let old = deployment::Entity::delete_many().filter(deployment::Column::AccountId.eq(id));
    old.exec(db).await?;
    let Models::Named(named) = models else { return Ok(()) };
    let rows = named.iter().map(|served| deployment::ActiveModel {
        account_id: Set(id),
        model: Set(served.model.clone()),
        upstream_model: Set(served.upstream_model.clone().unwrap_or_else(|| served.model.clone())),
    });
    deployment::Entity::insert_many(rows).exec_without_returning(db).await?;
    Ok(())
}
