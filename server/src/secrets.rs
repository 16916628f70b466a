//! Secrets at rest: the master key, keys derived from it, envelope encryption, and a text that never prints itself.
//!
//! Invariant: a sealed value opens only for the row, column and origin it was sealed for; no secret reaches `Debug` or `Display`.
//! Reads and writes the file `master.key` in the data directory.

mod owner;

pub use owner::is_owner;

use aes_gcm::{
    Aes256Gcm, KeyInit as _,
    aead::{Aead as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use std::{
    fmt, fs,
    io::{self, Write as _},
    path::Path,
};

const FILE_NAME: &str = "master.key";
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
const WRAPPED_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;
/// First byte of a sealed value: AES-256-GCM, data key wrapped under the key derived for [`ENVELOPE`].
const VERSION: u8 = 1;
const ENVELOPE: &str = "envelope v1";

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The master key is not 32 bytes in base64.
    #[error("the master key is not 32 bytes in base64")]
    BadMasterKey,
    /// The master key's file cannot be read or written.
    #[error("master key file: {0}")]
    File(#[from] io::Error),
    /// A sealed value was altered, moved to another row, or sealed under another master key.
    #[error("a sealed value does not open: it was altered, moved, or sealed under another master key")]
    DoesNotOpen,
}

/// A text that is never printed, logged or serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The last four characters, or nothing where the text has fewer than twelve.
    #[must_use]
    pub fn last_four(&self) -> String {
        let count = self.0.chars().count();
        if count < 12 {
            return String::new();
        }
        self.0.chars().skip(count - 4).collect()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(…)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}

/// What a sealed value is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// The table.
    pub table: &'a str,
    /// The row's id.
    pub row: i64,
    /// The column.
    pub column: &'a str,
    /// Scheme, host and port the secret is sent to; empty where it is sent nowhere.
    pub origin: &'a str,
}

impl Binding<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [self.table, &self.row.to_string(), self.column, self.origin] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

/// The key all others come from.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("MasterKey(…)")
    }
}

impl MasterKey {
    /// The key in `env` (base64 of 32 bytes), else the one kept in `data_dir`, which is made with mode 0600 when absent.
    ///
    /// # Errors
    /// [`SecretsError`] where the text is no key, or the file cannot be read or written.
    pub fn load_or_create(data_dir: &Path, env: Option<&str>) -> Result<Self, SecretsError> {
        if let Some(text) = env {
            return Self::parse(text);
        }
        let path = data_dir.join(FILE_NAME);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(data_dir)?;
                create_file(data_dir, &path)?;
                Self::parse(&fs::read_to_string(&path)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A key for one area alone, made of what was derived for it.
    #[must_use]
    pub const fn of(derived: [u8; KEY_BYTES]) -> Self {
        Self(derived)
    }

    /// The key written in `text`.
    ///
    /// # Errors
    /// [`SecretsError::BadMasterKey`] where it is not base64 of 32 bytes.
    pub fn parse(text: &str) -> Result<Self, SecretsError> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| SecretsError::BadMasterKey)?;
        bytes.try_into().map(Self).map_err(|_| SecretsError::BadMasterKey)
    }

    /// The key for the use named `label`: HMAC-SHA-256 of the label under this key.
    #[must_use]
    pub fn derive(&self, label: &str) -> [u8; KEY_BYTES] {
        let mut mac = <Hmac<Sha256> as aes_gcm::KeyInit>::new(&block(&self.0).into());
        mac.update(label.as_bytes());
        mac.finalize().into_bytes().into()
    }

    /// `plain` encrypted under a random key of its own, which is wrapped under a key derived from this one.
    ///
    /// # Errors
    /// [`SecretsError::NoRandomness`].
    pub fn seal(&self, plain: &Secret, binding: &Binding<'_>) -> Result<Vec<u8>, SecretsError> {
        let aad = binding.bytes();
        let data_key = random::<KEY_BYTES>()?;
        let mut sealed = vec![VERSION];
        sealed.extend(encrypt(&self.derive(ENVELOPE), &data_key, &aad)?);
        sealed.extend(encrypt(&data_key, plain.expose().as_bytes(), &aad)?);
        Ok(sealed)
    }

    /// The text that was sealed for `binding`.
    ///
    /// # Errors
    /// [`SecretsError::DoesNotOpen`].
    pub fn open(&self, sealed: &[u8], binding: &Binding<'_>) -> Result<Secret, SecretsError> {
        let aad = binding.bytes();
        let (version, rest) = sealed.split_first().ok_or(SecretsError::DoesNotOpen)?;
        if *version != VERSION || rest.len() < WRAPPED_BYTES {
            return Err(SecretsError::DoesNotOpen);
        }
        let (wrapped, body) = rest.split_at(WRAPPED_BYTES);
        let data_key = decrypt(&self.derive(ENVELOPE), wrapped, &aad)?;
        let data_key: [u8; KEY_BYTES] = data_key.try_into().map_err(|_| SecretsError::DoesNotOpen)?;
        let plain = decrypt(&data_key, body, &aad)?;
        String::from_utf8(plain)
            .map(Secret)
            .map_err(|_| SecretsError::DoesNotOpen)
    }
}

/// `key` zero-padded to HMAC-SHA-256's block of 64 bytes, as RFC 2104 pads a short key.
fn block(key: &[u8; KEY_BYTES]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    block
}

fn random<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SecretsError::NoRandomness)?;
    Ok(bytes)
}

/// Nonce, ciphertext and tag.
fn encrypt(key: &[u8; KEY_BYTES], plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let nonce = random::<NONCE_BYTES>()?;
    let cipher = Aes256Gcm::new(key.into());
    let payload = Payload { msg: plain, aad };
    let body = cipher
        .encrypt(&nonce.into(), payload)
        .map_err(|_| SecretsError::DoesNotOpen)?;
    Ok([nonce.as_slice(), &body].concat())
}

fn decrypt(key: &[u8; KEY_BYTES], sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, SecretsError> {
    let (nonce, body) = sealed
        .split_first_chunk::<NONCE_BYTES>()
        .ok_or(SecretsError::DoesNotOpen)?;
    let cipher = Aes256Gcm::new(key.into());
    cipher
        .decrypt(nonce.into(), Payload { msg: body, aad })
        .map_err(|_| SecretsError::DoesNotOpen)
}

/// Puts a new key at `path`, whole or not at all, and leaves one that another process put there meanwhile.
fn create_file(data_dir: &Path, path: &Path) -> Result<(), SecretsError> {
    let text = STANDARD.encode(random::<KEY_BYTES>()?);
    let draft = data_dir.join(format!("{FILE_NAME}.{}", u64::from_le_bytes(random()?)));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const BINDING: Binding<'_> = Binding {
        table: "account",
        row: 7,
        column: "secret",
        origin: "https://api.example.com:443",
    };

    fn master() -> MasterKey {
        MasterKey([9; KEY_BYTES])
    }

    #[test]
    fn what_was_sealed_opens_for_its_row_only() {
        let secret = Secret::new("sk-canary-1234567890".to_owned());
        let sealed = master().seal(&secret, &BINDING).unwrap();
        assert_eq!(master().open(&sealed, &BINDING).unwrap(), secret);
        let others = [
            Binding {
                table: "user",
                ..BINDING
            },
            Binding { row: 8, ..BINDING },
            Binding {
                column: "proxy",
                ..BINDING
            },
            Binding {
                origin: "http://api.example.com:80",
                ..BINDING
            },
        ];
        for other in others {
            assert!(master().open(&sealed, &other).is_err(), "{other:?}");
        }
        assert!(MasterKey([8; KEY_BYTES]).open(&sealed, &BINDING).is_err());
    }

    #[test]
    fn each_value_has_a_key_of_its_own() {
        let [one, other] = ["one", "other"].map(|text| master().seal(&Secret::new(text.to_owned()), &BINDING).unwrap());
        let keyed_otherwise = [&one[..=WRAPPED_BYTES], &other[1 + WRAPPED_BYTES..]].concat();
        assert!(master().open(&keyed_otherwise, &BINDING).is_err());
    }

    #[test]
    fn an_altered_or_cut_value_does_not_open() {
        let sealed = master().seal(&Secret::new("x".to_owned()), &BINDING).unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(master().open(&altered, &BINDING).is_err(), "byte {at}");
            assert!(master().open(&sealed[..at], &BINDING).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes_without_the_text() {
        let secret = Secret::new("sk-canary-1234567890".to_owned());
        let (one, two) = (
            master().seal(&secret, &BINDING).unwrap(),
            master().seal(&secret, &BINDING).unwrap(),
        );
        assert_ne!(one, two);
        assert!(!one.windows(9).any(|window| window == b"sk-canary"));
    }

    #[test]
    fn a_secret_never_prints_itself() {
        let secret = Secret::new("sk-canary-1234567890".to_owned());
        let printed = format!("{secret} {secret:?} {:?} {:?}", Some(&secret), master());
        assert!(!printed.contains("canary") && !printed.contains("9, 9"), "{printed}");
        assert_eq!(secret.last_four(), "7890");
        assert_eq!(Secret::new("short".to_owned()).last_four(), "");
    }

    #[test]
    fn derived_keys_differ_by_label_and_match_hmac() {
        assert_ne!(master().derive("a"), master().derive("b"));
        // RFC 4231 pads alike: a 32-byte key and the same key zero-padded to the block give one MAC.
        let mut mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(&[9; KEY_BYTES]).unwrap();
        mac.update(b"a");
        let expected: [u8; KEY_BYTES] = mac.finalize().into_bytes().into();
        assert_eq!(master().derive("a"), expected);
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let mut name = [0; 8];
        getrandom::fill(&mut name).unwrap();
        let data_dir = std::env::temp_dir().join(format!("ourhub-secrets-{}", u64::from_le_bytes(name)));
        let made = MasterKey::load_or_create(&data_dir, None).unwrap();
        let again = MasterKey::load_or_create(&data_dir, None).unwrap();
        assert_eq!(made.0, again.0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(data_dir.join(FILE_NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1);
        let env = STANDARD.encode([3; KEY_BYTES]);
        assert_eq!(
            MasterKey::load_or_create(&data_dir, Some(&env)).unwrap().0,
            [3; KEY_BYTES]
        );
        assert!(MasterKey::load_or_create(&data_dir, Some("too short")).is_err());
        fs::remove_dir_all(&data_dir).unwrap();
    }
}
