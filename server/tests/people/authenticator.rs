//! An authenticator as browsers have one, with the faults that a test wants.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Present, and its owner recognised.
pub const RECOGNISED: u8 = 0b101;
/// Present only.
pub const PRESENT: u8 = 0b001;

/// A key on its way to a site.
pub struct Authenticator {
    pub id: Vec<u8>,
    pub site: String,
    pub origin: String,
    pub flags: u8,
    pub count: u32,
    /// What the browser says it did, in place of the truth.
    pub kind: Option<&'static str>,
    /// Whether a page of another site framed ours.
    pub is_framed: bool,
    pub user: Vec<u8>,
    key: Vec<u8>,
}

pub fn text(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Authenticator {
    pub fn new(id: &str) -> Self {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new()).unwrap();
        Self {
            id: id.as_bytes().to_vec(),
            site: "localhost".to_owned(),
            origin: "http://localhost:3000".to_owned(),
            flags: RECOGNISED,
            count: 0,
            kind: None,
            is_framed: false,
            user: Vec::new(),
            key: key.as_ref().to_vec(),
        }
    }

    fn pair(&self) -> EcdsaKeyPair {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &self.key, &SystemRandom::new()).unwrap()
    }

    fn client(&self, kind: &str, options: &Value) -> Vec<u8> {
        let data = json!({
            "type": self.kind.unwrap_or(kind), "challenge": options["challenge"], "origin": self.origin,
            "crossOrigin": self.is_framed,
        });
        data.to_string().into_bytes()
    }

    fn head(&self, more: u8) -> Vec<u8> {
        let mut data = Sha256::digest(self.site.as_bytes()).to_vec();
        data.push(self.flags | more);
        data.extend(self.count.to_be_bytes());
        data
    }

    /// A new passkey.
    pub fn create(&mut self, options: &Value) -> Value {
        self.user = URL_SAFE_NO_PAD.decode(options["user"]["id"].as_str().unwrap()).unwrap();
        let mut data = self.head(0x40);
        data.extend([0; 16]);
        data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
        data.extend(&self.id);
        let point = self.pair().public_key().as_ref().to_vec();
        data.extend([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]);
        data.extend(&point[1..33]);
        data.extend([0x22, 0x58, 0x20]);
        data.extend(&point[33..]);
        let mut object = vec![0xa3, 0x63];
        object.extend(b"fmt");
        object.push(0x64);
        object.extend(b"none");
        object.push(0x67);
        object.extend(b"attStmt");
        object.extend([0xa0, 0x68]);
        object.extend(b"authData");
        object.push(0x58);
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        json!({"client": text(self.client("webauthn.create", options)), "attestation": text(object)})
    }

    /// The passkey, shown.
    pub fn get(&self, options: &Value) -> Value {
        let client = self.client("webauthn.get", options);
        let data = self.head(0);
        let signed = [data.as_slice(), &Sha256::digest(&client)[..]].concat();
        let sign = self.pair().sign(&SystemRandom::new(), &signed).unwrap();
        json!({
            "id": text(&self.id), "client": text(client), "data": text(data), "signature": text(sign),
            "user": text(&self.user),
        })
    }
}
