//! AWS's Signature Version 4, for Amazon Bedrock.
//!
//! Invariant: the secret key signs and never leaves; host, content type, time and session of a request are signed with its body.
//! Pure. Wire facts: AWS's description of Signature Version 4 and the requests it was published with.

use super::upstream::Unusable;
use crate::secrets::Secret;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;
use reqwest::{
    Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "bedrock";
/// Where the address does not name one.
const REGION: &str = "us-east-1";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// An access key, for one region and service.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    id: String,
    secret: Secret,
    session: Option<Secret>,
    region: String,
    service: &'static str,
}

impl Keys {
    /// The keys in `text`: `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind where they are temporary; for the
    /// region in `host`.
    pub(super) fn parse(text: &str, host: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (id, secret, session) = (parts.next()?, parts.next()?, parts.next());
        let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_whole = is_id && !secret.is_empty() && session != Some("");
        is_whole.then(|| Self {
            id: id.to_owned(),
            secret: Secret::new(secret.to_owned()),
            session: session.map(|session| Secret::new(session.to_owned())),
            region: region(host).to_owned(),
            service: SERVICE,
        })
    }

    /// Signs `request`, whose body is whole, as of `now`. Headers that are not there yet may still be added.
    pub(super) fn sign(&self, request: &mut Request, now: Timestamp) -> Result<(), Unusable> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let header = |text: &str| HeaderValue::from_str(text).map_err(|_| Unusable::Header);
        request.headers_mut().insert(DATE, header(&time)?);
        if let Some(session) = &self.session {
            let mut value = header(session.expose())?;
            value.set_sensitive(true);
            request.headers_mut().insert(TOKEN, value);
        }
        let mut value = header(&self.authorization(request, &time))?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    fn authorization(&self, request: &Request, time: &str) -> String {
        let (names, canonical) = canonical(request);
        let day = time.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let start = format!("AWS4{}", self.secret.expose());
        let parts = [day, &self.region, self.service, "aws4_request", &to_sign];
        let signature = parts
            .iter()
            .fold(start.into_bytes(), |key, part| keyed(&key, part.as_bytes()));
        let signature = hex(&signature);
        format!(
            "{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.id
        )
    }
}

/// The names of the headers that are signed, and the text that stands for the request.
fn canonical(request: &Request) -> (String, String) {
    let url = request.url();
    let host = url.host_str().unwrap_or_default();
    let host = url
        .port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let header = |name: HeaderName| {
        let value = request.headers().get(&name)?.to_str().ok()?;
        Some((name.as_str().to_owned(), value.trim().to_owned()))
    };
    let headers = [
        header(CONTENT_TYPE),
        Some(("host".to_owned(), host)),
        header(DATE),
        header(TOKEN),
    ];
    let (mut names, mut lines) = (Vec::new(), String::new());
    for (name, value) in headers.into_iter().flatten() {
        let _ = writeln!(lines, "{name}:{value}");
        names.push(name);
    }
    let names = names.join(";");
    let mut pairs: Vec<_> = url.query().unwrap_or_default().split('&').collect();
    pairs.sort_unstable();
    let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
    let text = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        request.method(),
        encoded(url.path()),
        pairs.join("&"),
        hex(&Sha256::digest(body)),
    );
    (names, text)
}

/// `path`, as it is sent, encoded once more: all services but S3 want it so.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The region in a host such as `bedrock-runtime.eu-central-1.amazonaws.com`, also behind a private link.
fn region(host: &str) -> &str {
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock"));
    labels.nth(1).filter(|label| label.contains('-')).unwrap_or(REGION)
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use reqwest::{Method, Url};

    /// The keys of AWS's published requests.
    fn published() -> Keys {
        let text = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Keys {
            service: "service",
            ..Keys::parse(text, "example.amazonaws.com").unwrap()
        }
    }

    fn signed(keys: &Keys, mut request: Request) -> String {
        keys.sign(&mut request, "2015-08-30T12:36:00Z".parse().unwrap())
            .unwrap();
        request.headers()["authorization"].to_str().unwrap().to_owned()
    }

    #[test]
    fn published_requests_have_their_published_signatures() {
        let form = (CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (method, url, body, signature) in [
            (
                Method::GET,
                "/",
                None,
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                Method::POST,
                "/",
                None,
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                Method::POST,
                "/",
                Some("Param1=value1"),
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                Method::GET,
                "/?Param2=value2&Param1=value1",
                None,
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let url = Url::parse("https://example.amazonaws.com").unwrap().join(url).unwrap();
            let mut request = Request::new(method, url);
            if let Some(body) = body {
                request.headers_mut().insert(form.0.clone(), form.1.parse().unwrap());
                *request.body_mut() = Some(body.into());
            }
            let found = signed(&published(), request);
            assert!(found.ends_with(&format!("Signature={signature}")), "{found}");
            assert!(found.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders="
            ));
        }
    }

    #[test]
    fn a_models_name_is_encoded_twice_in_what_is_signed() {
        let url = "https://bedrock-runtime.eu-west-1.amazonaws.com:8443/model/a.b%3A0%2Fc/converse";
        let request = Request::new(Method::POST, Url::parse(url).unwrap());
        let (names, text) = canonical(&request);
        assert_eq!(names, "host");
        let start =
            "POST\n/model/a.b%253A0%252Fc/converse\n\nhost:bedrock-runtime.eu-west-1.amazonaws.com:8443\n\nhost\n";
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn keys_and_regions_are_read() {
        let host = "bedrock-runtime.eu-central-1.amazonaws.com";
        let keys = Keys::parse("AKIA:secret/+:session:with=colons", host).unwrap();
        assert_eq!((keys.id.as_str(), keys.secret.expose()), ("AKIA", "secret/+"));
        assert_eq!(keys.session.unwrap().expose(), "session:with=colons");
        assert_eq!(keys.region, "eu-central-1");
        for text in ["", "AKIA", "AKIA:", ":secret", "AKIA:secret:", "AK/IA:secret"] {
            assert!(Keys::parse(text, host).is_none(), "{text}");
        }
        for (host, expected) in [
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
            ("vpce-1-x.bedrock-runtime.eu-west-3.vpce.amazonaws.com", "eu-west-3"),
            ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("127.0.0.1", REGION),
            ("bedrock.example", REGION),
        ] {
            assert_eq!(region(host), expected, "{host}");
        }
    }

    #[test]
    fn a_session_is_signed_and_nothing_prints_a_secret() {
        let url = Url::parse("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/converse").unwrap();
        let keys = Keys::parse("AKIA:canary-secret:canary-session", "").unwrap();
        let mut request = Request::new(Method::POST, url);
        keys.sign(&mut request, Timestamp::UNIX_EPOCH).unwrap();
        let signed = request.headers()["authorization"].to_str().unwrap();
        assert!(signed.contains("SignedHeaders=host;x-amz-date;x-amz-security-token"));
        assert!(!signed.contains("canary"));
        let printed = format!("{keys:?} {request:?}");
        assert!(!printed.contains("canary"), "{printed}");
    }
}
