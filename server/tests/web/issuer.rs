//! An issuer of OpenID Connect that says what a test wants, and a browser that goes there and comes back.
//!
//! Invariant: it checks what a real one checks: who we are, where we lead people back to, PKCE, and that a code is used once.

use crate::harness::{Answer, Hub, spawn_with};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::Url;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

const CLIENT: &str = "hub-at-the-issuer";
const SECRET: &str = "canary-client-secret";

/// How a statement is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    /// With the listed key.
    Well,
    /// With a key that is not listed, under the listed one's name.
    ByAnother,
    /// With what we and the issuer both know.
    ByOurSecret,
    /// Not at all.
    Not,
}

/// What the issuer does.
pub struct State {
    pub claims: Value,
    pub discovery: Value,
    /// What is told of whom the statement is about, for its token.
    pub info: Value,
    pub signed: Signed,
    /// The status and body of the token endpoint, in place of a statement.
    pub instead: Option<(u16, String)>,
    key: Vec<u8>,
    kid: usize,
    /// Code → what the question said.
    codes: HashMap<String, HashMap<String, String>>,
}

/// A running issuer.
#[derive(Clone)]
pub struct Issuer {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

/// A browser on its way back.
pub struct Way {
    pub back: Url,
    pub cookie: String,
}

fn new_key() -> Vec<u8> {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    made.unwrap().as_ref().to_vec()
}

/// A server that knows an issuer, with further words on its command line.
pub async fn hub_with_issuer(words: &[&str]) -> (Hub, Issuer) {
    let issuer = Issuer::start().await;
    let mut line = vec![
        "--oidc-issuer",
        issuer.url.as_str(),
        "--oidc-name",
        "Example",
        "--oidc-client-id",
        CLIENT,
    ];
    line.extend(["--oidc-client-secret", SECRET]);
    line.extend(words);
    (spawn_with(&line).await, issuer)
}

impl Issuer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let state = State {
            claims: json!({}),
            discovery: json!({}),
            info: json!({}),
            signed: Signed::Well,
            instead: None,
            key: new_key(),
            kid: 1,
            codes: HashMap::new(),
        };
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            state: Arc::new(Mutex::new(state)),
        };
        let serving = issuer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer(stream));
            }
        });
        issuer
    }

    /// Replaces the key: the one before is listed no more.
    pub fn rotate(&self) {
        let mut state = self.state.lock().unwrap();
        (state.key, state.kid) = (new_key(), state.kid + 1);
    }

    /// Who is asked about from now on: what the statement says of them.
    pub fn vouch(&self, subject: &str, email: &str) {
        self.say(json!({"sub": subject, "email": email, "email_verified": true}));
    }

    pub fn say(&self, claims: Value) {
        self.state.lock().unwrap().claims = claims;
    }

    /// Leaves the hub by `path` and signs in here: the way back.
    pub async fn ask(&self, hub: &Hub, path: &str, cookie: &str) -> Way {
        let request = hub.client.get(hub.url(path)).header("sec-fetch-site", "same-origin");
        let left = hub.send(request.header("cookie", cookie)).await;
        assert_eq!(left.status, 303, "{left:?}");
        let asked = Url::parse(left.location()).unwrap_or_else(|_| panic!("{left:?}"));
        let said: HashMap<String, String> = asked.query_pairs().into_owned().collect();
        assert_eq!(
            (said["response_type"].as_str(), said["code_challenge_method"].as_str()),
            ("code", "S256")
        );
        assert_eq!(said["client_id"], CLIENT);
        let mut state = self.state.lock().unwrap();
        let code = format!("code-{}", state.codes.len());
        let mut back = Url::parse(&said["redirect_uri"]).unwrap();
        back.query_pairs_mut()
            .append_pair("code", &code)
            .append_pair("state", &said["state"]);
        state.codes.insert(code, said);
        Way {
            back,
            cookie: left.cookie("ourhub-away").unwrap().0,
        }
    }

    /// Goes the whole way; what the hub answers.
    pub async fn go(&self, hub: &Hub, path: &str, cookie: &str) -> Answer {
        let way = self.ask(hub, path, cookie).await;
        way.come(hub, cookie).await
    }

    async fn answer(self, mut stream: TcpStream) {
        let mut read = Vec::new();
        let mut piece = [0; 4096];
        let (head, mut body) = loop {
            let count = stream.read(&mut piece).await.unwrap_or(0);
            if count == 0 {
                return;
            }
            read.extend_from_slice(&piece[..count]);
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                break (head.to_owned(), body.to_owned());
            }
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")
                .map(str::to_owned)
        });
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while body.len() < length {
            let count = stream.read(&mut piece).await.unwrap();
            body.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, text) = self.say_to(&path, &head, &body);
        let answer = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nlocation: /keys\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        );
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    fn say_to(&self, path: &str, head: &str, body: &str) -> (u16, String) {
        let mut state = self.state.lock().unwrap();
        match path {
            "/.well-known/openid-configuration" => {
                let mut about = json!({
                    "issuer": self.url,
                    "authorization_endpoint": format!("{}/authorize", self.url),
                    "token_endpoint": format!("{}/token", self.url),
                    "jwks_uri": format!("{}/keys", self.url),
                });
                merge(&mut about, &state.discovery);
                (200, about.to_string())
            }
            "/keys" => (
                200,
                json!({"keys": [{"kty": "of the future", "kid": "x"}, state.jwk()]}).to_string(),
            ),
            "/moved" => (302, String::new()),
            "/info" => {
                assert!(
                    head.to_ascii_lowercase().contains("authorization: bearer for-info"),
                    "{head}"
                );
                (200, state.info.to_string())
            }
            "/token" => state.token(&self.url, head, body),
            _ => (404, "{}".to_owned()),
        }
    }
}

impl Way {
    /// Comes back, with the cookie that was kept.
    pub async fn come(&self, hub: &Hub, cookie: &str) -> Answer {
        self.come_with(hub, &format!("{}; {cookie}", self.cookie)).await
    }

    /// Comes back with `cookies`.
    pub async fn come_with(&self, hub: &Hub, cookies: &str) -> Answer {
        let path = format!("{}?{}", self.back.path(), self.back.query().unwrap());
        hub.page(&path, cookies).await
    }
}

impl State {
    fn jwk(&self) -> Value {
        let pair = pair(&self.key);
        let point = pair.public_key().as_ref();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid.to_string(),
            "x": part(&point[1..33]), "y": part(&point[33..]),
        })
    }

    fn token(&mut self, url: &str, head: &str, body: &str) -> (u16, String) {
        let form = Url::parse(&format!("form:x?{body}")).unwrap();
        let form: HashMap<String, String> = form.query_pairs().into_owned().collect();
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{SECRET}"));
        assert!(head.contains(&format!("Basic {basic}")), "{head}");
        // Used once.
        let Some(said) = self
            .codes
            .get_mut(&form["code"])
            .map(std::mem::take)
            .filter(|said| !said.is_empty())
        else {
            return (400, json!({"error": "invalid_grant"}).to_string());
        };
        assert_eq!(form["redirect_uri"], said["redirect_uri"]);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(form["code_verifier"].as_bytes()));
        assert_eq!(challenge, said["code_challenge"]);
        if let Some(instead) = self.instead.clone() {
            return instead;
        }
        let now_s = server::clock::now_ms() / 1_000;
        let mut claims = json!({
            "iss": url, "aud": CLIENT, "sub": "s-1", "iat": now_s, "exp": now_s + 300, "nonce": said["nonce"],
        });
        merge(&mut claims, &self.claims);
        (
            200,
            json!({"id_token": self.sign(&claims), "token_type": "Bearer", "access_token": "for-info"}).to_string(),
        )
    }

    fn sign(&self, claims: &Value) -> String {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let message = |algorithm: &str| {
            let header = json!({"alg": algorithm, "typ": "JWT", "kid": self.kid.to_string()});
            format!(
                "{}.{}",
                part(header.to_string().as_bytes()),
                part(claims.to_string().as_bytes())
            )
        };
        let by = |key: &[u8]| {
            let (random, message) = (SystemRandom::new(), message("ES256"));
            let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random).unwrap();
            format!(
                "{message}.{}",
                part(key.sign(&random, message.as_bytes()).unwrap().as_ref())
            )
        };
        match self.signed {
            Signed::Well => by(&self.key),
            Signed::ByAnother => by(&new_key()),
            Signed::ByOurSecret => {
                let (key, message) = (hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), message("HS256"));
                format!("{message}.{}", part(hmac::sign(&key, message.as_bytes()).as_ref()))
            }
            Signed::Not => format!("{}.", message("none")),
        }
    }
}

fn pair(key: &[u8]) -> EcdsaKeyPair {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &SystemRandom::new()).unwrap()
}

/// Puts what `over` says into `base`; null takes it away.
fn merge(base: &mut Value, over: &Value) {
    for (name, value) in over.as_object().unwrap() {
        match value {
            Value::Null => drop(base.as_object_mut().unwrap().remove(name)),
            value => base[name] = value.clone(),
        }
    }
}
