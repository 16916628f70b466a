//! Endpoints: where each provider is asked for what, in which words of its own, and how it is told who asks.
//!
//! Invariant: a credential goes to the account's own address only (a service account's statement to Google's token endpoint), in a
//! header marked sensitive or as a signature; a model's name is encoded once where a path has it. Calls the token endpoint.
//! Wire facts: the providers' API references.

use super::{
    check,
    client::Client,
    google::{ServiceAccount, Unsendable},
    guard::Guard,
    sign::Keys,
    upstream::{Unusable, join},
};
use crate::secrets::Secret;
use bytes::Bytes;
use futures_util::Stream;
use gateway_core::{
    catalog::{auth, preset},
    dialect::{Dialect, Operation},
    retry::Fault,
};
use jiff::Timestamp;
use reqwest::{
    Body, Method, Request, Url,
    header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::BTreeMap, fmt::Write as _};

const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const VERSION: &str = "2023-06-01";
const VERSION_AT_VERTEX: &str = "vertex-2023-10-16";
const VERSION_AT_BEDROCK: &str = "bedrock-2023-05-31";
/// The end of the path of Azure's older addresses, behind which the deployment stands.
const DEPLOYMENTS: &str = "/deployments";
/// The end of the path of Cohere's address that speaks OpenAI's dialect.
const COMPATIBLE: &str = "/compatibility/v1";

/// The body of a request.
#[derive(Debug)]
pub enum Content {
    /// JSON.
    Json(Vec<u8>),
    /// A form.
    Form {
        /// With its boundary.
        content_type: String,
        /// In bytes.
        length: u64,
        /// Its bytes.
        body: Body,
    },
}

impl Content {
    /// A form of `length` bytes, which come in `pieces`.
    pub fn form<S>(content_type: String, length: u64, pieces: S) -> Self
    where
        S: Stream<Item = std::io::Result<Bytes>> + Send + 'static,
    {
        Self::Form {
            content_type,
            length,
            body: Body::wrap_stream(pieces),
        }
    }
}

impl From<Vec<u8>> for Content {
    fn from(json: Vec<u8>) -> Self {
        Self::Json(json)
    }
}

/// How a streamed answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// As server-sent events.
    Sse,
    /// In frames of Amazon's event stream.
    EventStream,
}

/// Whose paths an address has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Those of the dialect's maker.
    Plain,
    /// Azure's older ones, which name the deployment.
    Deployments,
    /// Google Cloud's, which name a model's maker.
    Vertex,
    /// Amazon Bedrock's.
    Bedrock,
    /// Those of Cohere's address that speaks OpenAI's dialect, and its own beside them.
    Cohere,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) dialect: Dialect,
    pub(super) operation: Operation,
    pub(super) model: &'a str,
    pub(super) is_stream: bool,
}

/// How the account says who it is.
#[derive(Debug)]
enum Credential {
    None,
    Header(HeaderName, HeaderValue),
    Signature(Keys),
    Token(Box<ServiceAccount>),
}

/// What of an account decides how it is reached.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached<'a> {
    pub(super) provider: &'a str,
    pub(super) auth_scheme: &'a str,
    pub(super) base_url: &'a Url,
    pub(super) secret: &'a Secret,
}

/// How an account is reached.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) client: Client,
    place: Place,
    base_url: Url,
    credential: Credential,
}

impl Place {
    /// That of `provider` at `base_url`.
    pub(super) fn of(provider: &str, base_url: &Url) -> Self {
        match provider {
            "vertex" => Self::Vertex,
            "bedrock" => Self::Bedrock,
            "cohere" if base_url.path().trim_end_matches('/').ends_with(COMPATIBLE) => Self::Cohere,
            "azure" if base_url.path().contains(DEPLOYMENTS) => Self::Deployments,
            _ => Self::Plain,
        }
    }

    /// The dialects in which `model` is asked for here, the preferred one first, where the preset speaks `spoken`.
    pub(super) fn dialects(self, model: &str, spoken: &'static [Dialect]) -> &'static [Dialect] {
        let is_claude = model.contains("claude") || model.contains("anthropic.");
        match self {
            Self::Plain | Self::Cohere => spoken,
            Self::Deployments => &[Dialect::Chat],
            Self::Vertex if is_claude => &[Dialect::Messages],
            Self::Vertex => &[Dialect::Generate],
            Self::Bedrock if is_claude => &[Dialect::Converse, Dialect::Messages],
            Self::Bedrock => &[Dialect::Converse],
        }
    }

    /// Whether a prompt's tokens are counted here; where they are not, the path that a count would take answers, for money.
    pub(super) const fn counts_tokens(self) -> bool {
        match self {
            Self::Bedrock | Self::Deployments => false,
            Self::Plain | Self::Vertex | Self::Cohere => true,
        }
    }

    /// How streams come here.
    pub(super) const fn framing(self) -> Framing {
        match self {
            Self::Bedrock => Framing::EventStream,
            Self::Plain | Self::Deployments | Self::Vertex | Self::Cohere => Framing::Sse,
        }
    }

    /// Where `ask` goes.
    fn url(self, base: &Url, ask: &Ask<'_>) -> Url {
        let path = ask.operation.path(ask.model, ask.is_stream);
        if self == Self::Cohere && ask.operation == Operation::Rerank {
            let whole = base.path().trim_end_matches('/');
            let root = whole.strip_suffix(COMPATIBLE).unwrap_or(whole);
            let mut url = base.clone();
            url.set_path(&format!("{root}/v2{path}"));
            return url;
        }
        let pick = |whole: &str, streamed: &str| {
            if ask.is_stream {
                streamed.to_owned()
            } else {
                whole.to_owned()
            }
        };
        let (path, query) = match (self, ask.dialect) {
            (Self::Bedrock, Dialect::Messages) => {
                let method = pick("invoke", "invoke-with-response-stream");
                (format!("/model/{}/{method}", segment(ask.model)).into(), None)
            }
            (_, Dialect::Converse) => {
                let method = pick("converse", "converse-stream");
                (format!("/model/{}/{method}", segment(ask.model)).into(), None)
            }
            (Self::Vertex, Dialect::Messages) if ask.operation == Operation::CountTokens => {
                (Cow::from("/publishers/anthropic/models/count-tokens:rawPredict"), None)
            }
            (Self::Vertex, Dialect::Messages) => {
                let method = pick("rawPredict", "streamRawPredict");
                let model = segment(ask.model);
                (format!("/publishers/anthropic/models/{model}:{method}").into(), None)
            }
            (Self::Vertex, Dialect::Generate) => (
                format!("/publishers/google{path}").into(),
                ask.operation.query(ask.is_stream),
            ),
            (Self::Deployments, _) if base.path().ends_with(DEPLOYMENTS) => {
                (format!("/{}{path}", segment(ask.model)).into(), None)
            }
            _ => (path, ask.operation.query(ask.is_stream)),
        };
        let mut url = join(base, &path);
        if query.is_some() {
            url.set_query(query);
        }
        url
    }

    /// `body` in the words of this place.
    fn body(self, ask: &Ask<'_>, body: Vec<u8>) -> Vec<u8> {
        let version = match (self, ask.dialect) {
            (Self::Vertex, Dialect::Messages) => VERSION_AT_VERTEX,
            (Self::Bedrock, Dialect::Messages) => VERSION_AT_BEDROCK,
            _ => return body,
        };
        let Ok(mut members) = serde_json::from_slice::<BTreeMap<Cow<'_, str>, &RawValue>>(&body) else {
            return body;
        };
        // Counting names the model in the body, for the path does not.
        if ask.operation != Operation::CountTokens {
            members.remove("model");
        }
        if self == Self::Bedrock {
            members.remove("stream");
        }
        let version = serde_json::value::to_raw_value(version).ok();
        if let Some(version) = version.as_deref() {
            members.entry(Cow::Borrowed("anthropic_version")).or_insert(version);
        }
        match serde_json::to_vec(&members) {
            Ok(changed) => changed,
            Err(_) => body,
        }
    }
}

impl Way {
    /// The way to an account that `client` reaches.
    pub(super) fn new(reached: Reached<'_>, client: Client, guard: &Guard) -> Result<Self, Unusable> {
        Ok(Self {
            client,
            place: Place::of(reached.provider, reached.base_url),
            base_url: reached.base_url.clone(),
            credential: credential(reached, guard)?,
        })
    }

    /// Whose paths it has.
    pub(super) const fn place(&self) -> Place {
        self.place
    }

    /// A POST of `content`.
    pub(super) async fn post(&self, ask: Ask<'_>, content: impl Into<Content>) -> Result<Request, Unsendable> {
        let mut request = Request::new(Method::POST, self.place.url(&self.base_url, &ask));
        if ask.dialect == Dialect::Messages && matches!(self.place, Place::Plain | Place::Deployments) {
            request
                .headers_mut()
                .insert(ANTHROPIC_VERSION, HeaderValue::from_static(VERSION));
        }
        let (content_type, body) = match content.into() {
            Content::Json(body) => (None, self.place.body(&ask, body).into()),
            Content::Form {
                content_type,
                length,
                body,
            } => {
                request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                (HeaderValue::from_str(&content_type).ok(), body)
            }
        };
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, content_type.unwrap_or(json));
        *request.body_mut() = Some(body);
        self.identify(&mut request).await?;
        Ok(request)
    }

    /// A request without a body to its base URL followed by `suffix`.
    pub(super) async fn get(&self, suffix: &str, is_anthropic: bool) -> Result<Request, Unsendable> {
        let mut base = self.base_url.clone();
        if let Some((resource, _)) = base.path().split_once(DEPLOYMENTS)
            && self.place == Place::Deployments
        {
            let resource = resource.to_owned();
            base.set_path(&resource);
        }
        let mut request = Request::new(Method::GET, join(&base, suffix));
        if is_anthropic {
            request
                .headers_mut()
                .insert(ANTHROPIC_VERSION, HeaderValue::from_static(VERSION));
        }
        self.identify(&mut request).await?;
        Ok(request)
    }

    async fn identify(&self, request: &mut Request) -> Result<(), Unsendable> {
        match &self.credential {
            Credential::None => {}
            Credential::Header(name, value) => {
                request.headers_mut().insert(name, value.clone());
            }
            Credential::Signature(keys) => {
                let signed = keys.sign(request, Timestamp::now());
                signed.map_err(|reason| Unsendable::new(reason.to_string(), Fault::BadKey))?;
            }
            Credential::Token(account) => {
                let bearer = account.bearer(&self.client).await?;
                request.headers_mut().insert(AUTHORIZATION, bearer);
            }
        }
        Ok(())
    }
}

/// The dialects that an account of `provider`, whose row says `dialect`, speaks. What the operator set up counts for that one only.
pub(super) fn spoken(provider: &str, dialect: Dialect) -> &'static [Dialect] {
    match preset(provider) {
        Some(preset) if preset.id != check::CUSTOM && preset.dialects.contains(&dialect) => preset.dialects,
        _ => match dialect {
            Dialect::Chat => &[Dialect::Chat],
            Dialect::Responses => &[Dialect::Responses],
            Dialect::Messages => &[Dialect::Messages],
            Dialect::Generate => &[Dialect::Generate],
            Dialect::Converse => &[Dialect::Converse],
        },
    }
}

fn credential(reached: Reached<'_>, guard: &Guard) -> Result<Credential, Unusable> {
    let text = reached.secret.expose();
    match reached.auth_scheme {
        _ if text.is_empty() => Ok(Credential::None),
        auth::SERVICE_ACCOUNT => {
            let account = ServiceAccount::parse(text, guard).map_err(|_| Unusable::Key)?;
            Ok(Credential::Token(Box::new(account)))
        }
        auth::SIGV4 => match Keys::parse(text, reached.base_url.host_str().unwrap_or_default()) {
            Some(keys) => Ok(Credential::Signature(keys)),
            None => header(AUTHORIZATION, &format!("Bearer {text}")),
        },
        auth::BEARER => header(AUTHORIZATION, &format!("Bearer {text}")),
        name => {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Unusable::Header)?;
            header(name, text)
        }
    }
}

fn header(name: HeaderName, text: &str) -> Result<Credential, Unusable> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Unusable::Header)?;
    value.set_sensitive(true);
    Ok(Credential::Header(name, value))
}

/// `text` as one segment of a path, encoded once.
fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            let _ = write!(segment, "%{byte:02X}");
        }
    }
    segment
}

#[cfg(test)]
mod tests;
