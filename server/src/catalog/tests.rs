//! The catalogue with prices in effect, on a database.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::temp_db::TempDb;
use entity::{model, price};
use gateway_core::{
    catalog::{Mode, ModelSpec},
    pricing::Rates,
};
use sea_orm::{EntityTrait as _, PaginatorTrait as _};

const NOW: i64 = 1_790_000_000_000;
const DAY: i64 = 86_400_000;

fn sheet(input: i64) -> PriceSheet {
    let base = Rates {
        input,
        output: 2 * input,
        ..Rates::default()
    };
    PriceSheet::new(base, Vec::new()).unwrap()
}

fn spec(id: &str, today: Option<PriceSheet>, scheduled: Vec<(i64, PriceSheet)>) -> ModelSpec {
    ModelSpec {
        id: id.to_owned(),
        provider: "openai".to_owned(),
        mode: Mode::Chat,
        context: Some(1_000),
        max_output: Some(100),
        sheet: today,
        aliases: vec![format!("{id}-latest")],
        capabilities: Vec::new(),
        flags: Vec::new(),
        retires: None,
        scheduled,
        input_constant: 8,
        dialects: vec!["chat".to_owned()],
    }
}

async fn read(db: &TempDb) -> Snapshot {
    Snapshot::load(db).await.unwrap()
}

fn input_at(snapshot: &Snapshot, id: &str, now_ms: i64) -> Option<i64> {
    let row = snapshot.models[id].price_at(now_ms)?;
    Some(row.sheet.base.input)
}

#[tokio::test]
async fn the_shipped_catalogue_is_brought_in_once() {
    let db = TempDb::open().await;
    let catalog = Catalog::start((*db).clone()).await.unwrap();
    let counts = async || {
        (
            model::Entity::find().count(&*db).await.unwrap(),
            price::Entity::find().count(&*db).await.unwrap(),
        )
    };
    let before = counts().await;
    assert!(before.0 > 150 && before.1 > 150, "{before:?}");
    assert!(catalog.price_at("gpt-4o-mini", NOW).is_some());
    Catalog::start((*db).clone()).await.unwrap();
    assert_eq!(counts().await, before);
    assert!(!catalog.refresh().await.unwrap());
}

#[tokio::test]
async fn a_changed_price_is_a_new_row_and_the_old_one_stays() {
    let db = TempDb::open().await;
    seed::seed_from(&db, &[spec("m", Some(sheet(10)), Vec::new())], NOW)
        .await
        .unwrap();
    let old = read(&db).await.models["m"].price_at(NOW).unwrap().id;
    seed::seed_from(&db, &[spec("m", Some(sheet(20)), Vec::new())], NOW + DAY)
        .await
        .unwrap();
    let snapshot = read(&db).await;
    assert_eq!(input_at(&snapshot, "m", NOW), Some(10));
    assert_eq!(input_at(&snapshot, "m", NOW + DAY), Some(20));
    assert_eq!(input_at(&snapshot, "m-latest", NOW + DAY), Some(20));
    assert_eq!(snapshot.sheets[&old].base.input, 10);
}

#[tokio::test]
async fn an_announced_price_holds_from_its_day_and_can_be_called_off() {
    let db = TempDb::open().await;
    let announced = [spec("m", Some(sheet(10)), vec![(NOW + DAY, sheet(20))])];
    seed::seed_from(&db, &announced, NOW).await.unwrap();
    let snapshot = read(&db).await;
    assert_eq!(input_at(&snapshot, "m", NOW + DAY - 1), Some(10));
    assert_eq!(input_at(&snapshot, "m", NOW + DAY), Some(20));
    assert_eq!(snapshot.models["m"].next_price(NOW).unwrap().sheet.base.input, 20);
    // Seen again after the day, it is in force already: nothing to add.
    seed::seed_from(&db, &announced, NOW + 2 * DAY).await.unwrap();
    assert_eq!(read(&db).await.models["m"].prices.len(), 2);
    let called_off = [spec("m", Some(sheet(10)), Vec::new())];
    seed::seed_from(&db, &called_off, NOW).await.unwrap();
    assert_eq!(input_at(&read(&db).await, "m", NOW + DAY), Some(10));
}

#[tokio::test]
async fn an_admins_price_wins_over_later_shipped_ones() {
    let db = TempDb::open().await;
    let now_ms = crate::clock::now_ms();
    seed::seed_from(&db, &[spec("m", Some(sheet(10)), Vec::new())], now_ms)
        .await
        .unwrap();
    let catalog = Catalog::start((*db).clone()).await.unwrap();
    let new = NewPrice {
        prices: Prices {
            input: "0.50".to_owned(),
            output: "1".to_owned(),
            ..Prices::default()
        },
        effective_at_ms: None,
    };
    catalog.add_price("m", &new, 7).await.unwrap();
    seed::seed_from(&db, &[spec("m", Some(sheet(30)), Vec::new())], now_ms + DAY)
        .await
        .unwrap();
    assert!(catalog.refresh().await.unwrap());
    let (_, price) = catalog.price_at("m", now_ms + 2 * DAY).unwrap();
    assert_eq!(price.base.input, 500_000);
}

#[tokio::test]
async fn a_model_without_a_price_has_none_and_an_admins_model_is_left_alone() {
    let db = TempDb::open().await;
    let catalog = Catalog::start((*db).clone()).await.unwrap();
    let new = NewModel {
        id: "house/llama".to_owned(),
        context: Some(8_192),
        prices: Prices {
            input: "0".to_owned(),
            output: "0".to_owned(),
            ..Prices::default()
        },
        ..NewModel::default()
    };
    let added = catalog.add_model(&new, 7).await.unwrap();
    assert!(!added.is_builtin && added.price_at(i64::MAX).is_some());
    let shipped = [
        spec("house/llama", Some(sheet(10)), Vec::new()),
        spec("dear", None, Vec::new()),
    ];
    seed::seed_from(&db, &shipped, NOW).await.unwrap();
    catalog.refresh().await.unwrap();
    assert_eq!(catalog.model("house/llama").unwrap().context, Some(8_192));
    assert!(catalog.model("dear").is_some() && catalog.price_at("dear", i64::MAX).is_none());
}

#[tokio::test]
async fn every_wrong_field_of_a_model_is_named() {
    let db = TempDb::open().await;
    let catalog = Catalog::start((*db).clone()).await.unwrap();
    let new = NewModel {
        id: "two words".to_owned(),
        dialects: vec!["morse".to_owned()],
        context: Some(0),
        max_output: Some(-1),
        prices: Prices {
            input: "-1".to_owned(),
            output: "1e3".to_owned(),
            cache_read: Some("0.0000001".to_owned()),
            cache_write: None,
            ..Prices::default()
        },
    };
    let CatalogError::Invalid(errors) = catalog.add_model(&new, 7).await.unwrap_err() else {
        panic!("another error");
    };
    let fields: Vec<_> = errors.0.iter().map(|error| error.field).collect();
    let wrong = [
        "id",
        "dialects",
        "context",
        "max_output",
        "input",
        "output",
        "cache_read",
    ];
    assert_eq!(fields, wrong);
    let past = NewPrice {
        effective_at_ms: Some(NOW - DAY),
        ..NewPrice::default()
    };
    assert!(matches!(
        catalog.add_price("none", &past, 7).await,
        Err(CatalogError::NotFound)
    ));
    assert!(matches!(
        catalog.add_price("gpt-4o", &past, 7).await,
        Err(CatalogError::Invalid(_))
    ));
}
