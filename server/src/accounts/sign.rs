//! AWS's Signature Version 4, for Amazon Bedrock.
//!
//! Invariant: the secret key signs and never leaves; host, content type, time and session of a request are signed with its body.
//! Pure. Wire facts: AWS's description of Signature Version 4 and the requests it was published with.

use super::upstream::Unusable;
use crate::secrets::Secret;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use jiff::Timestamp;
use reqwest::{
    Request,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue},
};

const SERVICE: &str = "bedrock";
/// Where the address does not name one.
const REGION: &str = "us-east-1";
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
        let body = request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default();
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| Some((CONTENT_TYPE.as_str(), kind.to_str().ok()?)));
        let signable = SignableRequest::new(
            request.method().as_str(),
            request.url().as_str(),
            kind.into_iter(),
            SignableBody::Bytes(body),
        );
        let identity = self.credentials().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(self.service)
            .time(now.into())
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| Unusable::Header)?
            .into();
        let signed = signable.and_then(|signable| sign(signable, &params));
        let (signed, _) = signed.map_err(|_| Unusable::Header)?.into_parts();
        let (headers, _) = signed.into_parts();
        for header in headers {
            let name = HeaderName::from_static(header.name());
            let mut value = HeaderValue::from_str(header.value()).map_err(|_| Unusable::Header)?;
            value.set_sensitive(name == AUTHORIZATION || name == TOKEN);
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }

    fn credentials(&self) -> Credentials {
        let session = self.session.as_ref().map(|session| session.expose().to_owned());
        Credentials::new(self.id.as_str(), self.secret.expose(), session, None, "account")
    }
}

/// The region in a host such as `bedrock-runtime.eu-central-1.amazonaws.com`, also behind a private link.
fn region(host: &str) -> &str {
    let mut labels = host.split('.').skip_while(|label| !label.starts_with("bedrock"));
    labels.nth(1).filter(|label| label.contains('-')).unwrap_or(REGION)
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
        let url =
            Url::parse("https://bedrock-runtime.eu-west-1.amazonaws.com:8443/model/a.b%3A0%2Fc/converse").unwrap();
        let keys = Keys {
            region: "eu-west-1".to_owned(),
            service: SERVICE,
            ..published()
        };
        // Of "/model/a.b%253A0%252Fc/converse" at this host and port, computed apart.
        let signature = "8a6331a9281127d766290e59e13809b01c37a83b7fdc9a5b54d5c30e19d09cca";
        let found = signed(&keys, Request::new(Method::POST, url));
        let end = format!("SignedHeaders=host;x-amz-date, Signature={signature}");
        assert!(found.ends_with(&end), "{found}");
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
