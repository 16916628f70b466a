//! The master key: a database opens with its own only.

use clap::Parser as _;
use server::{
    app::{App, Office, StartError},
    config::{Config, Flags},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_opens_with_its_own_master_key_only() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dir = std::env::temp_dir().join(format!("ourhub_web_master_{}", std::process::id()));
    let line = ["ourhub", "--listen", "127.0.0.1:0", "--data-dir", dir.to_str().unwrap()];
    let config = |words: &[&str]| Config::new(&Flags::try_parse_from(line.iter().chain(words)).unwrap()).unwrap();
    let own = config(&[]);
    let other = config(&["--master-key", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]);
    Office::open(&own.storage).await.unwrap();

    let refused = Office::open(&other.storage).await.err().unwrap();
    assert!(matches!(refused, StartError::OtherMasterKey), "{refused}");
    assert!(refused.to_string().contains("OURHUB_MASTER_KEY"), "{refused}");
    let refused = App::start(&other).await.err().unwrap();
    assert!(matches!(refused, StartError::OtherMasterKey), "{refused}");

    Office::open(&own.storage).await.unwrap();
    App::start(&own).await.unwrap().close().await;
    std::fs::remove_dir_all(dir).unwrap();
}
