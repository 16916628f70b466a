//! The mail server: its address as it is set, and one mail handed to it.
//!
//! Invariant: user name and password never reach `Debug` or a log. Connects to the mail server.

use super::message::Written;
use crate::secrets::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, MultiPart},
    transport::smtp,
};
use std::{fmt, sync::Arc, time::Duration};

/// How long the mail server may take for one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// How long a whole mail may take.
const MAIL_WITHIN: Duration = Duration::from_secs(60);
/// Answers that are about the recipient or the mail and will not change: trying again annoys only.
const FINAL: [u16; 5] = [501, 550, 551, 552, 553];

/// A mail server.
#[derive(Clone)]
pub struct Server {
    host: String,
    /// What no reason may say: the password, in every way in which it is sent or set.
    secrets: Arc<[Secret]>,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

/// What is not the address of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "write smtps://user:password@mail.example.com, or smtp://user:password@mail.example.com:587?tls=required; \
     smtp:// alone sends without encryption"
)]
pub struct ServerError;

/// Why the mail server did not take a mail.
#[derive(Debug)]
pub(super) struct Refused {
    /// In the mail server's or the system's words.
    pub(super) reason: String,
    /// Whether another try is of no use.
    pub(super) is_final: bool,
}

impl Refused {
    fn for_good(reason: impl ToString) -> Self {
        Self {
            reason: reason.to_string(),
            is_final: true,
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Server").field(&self.host).finish()
    }
}

impl Server {
    /// The server at `url`; nothing is connected yet.
    ///
    /// # Errors
    /// [`ServerError`] where it is no address of a mail server.
    pub fn parse(url: &str) -> Result<Self, ServerError> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| ServerError)?;
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        Ok(Self {
            host: host.to_owned(),
            secrets: secrets(authority).into(),
            transport: builder.timeout(Some(ANSWER_WITHIN)).build(),
        })
    }

    /// Host and port.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Hands over one mail; `id` tells two deliveries of the same one.
    pub(super) async fn send(&self, id: &str, envelope: Envelope<'_>, written: Written) -> Result<(), Refused> {
        let mail = compose(id, envelope, written)?;
        match tokio::time::timeout(MAIL_WITHIN, self.transport.send(mail)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.refused(&error)),
            Err(_) => Err(Refused {
                reason: "the mail server took too long".to_owned(),
                is_final: false,
            }),
        }
    }

    /// Why a mail was not taken, without the password, which some servers repeat.
    fn refused(&self, error: &smtp::Error) -> Refused {
        let code = error.status().map(u16::from);
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            let words = deeper.to_string();
            if !reason.contains(&words) {
                reason = format!("{reason}: {words}");
            }
            cause = deeper.source();
        }
        for secret in self.secrets.iter() {
            reason = reason.replace(secret.expose(), "[removed]");
        }
        Refused {
            reason,
            is_final: code.is_some_and(|code| FINAL.contains(&code)),
        }
    }
}

/// From whom, to whom, about what.
pub(super) struct Envelope<'a> {
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) subject: &'a str,
}

fn compose(id: &str, envelope: Envelope<'_>, written: Written) -> Result<Message, Refused> {
    let from: Mailbox = envelope.from.parse().map_err(Refused::for_good)?;
    let to: Mailbox = envelope.to.parse().map_err(Refused::for_good)?;
    let host = from.email.domain().to_owned();
    Message::builder()
        .from(from)
        .to(to)
        .subject(envelope.subject)
        .message_id(Some(format!("<{id}@{host}>")))
        .date_now()
        .multipart(MultiPart::alternative_plain_html(written.text, written.html))
        .map_err(Refused::for_good)
}

/// The password in `authority`, as it is set, as it is, and as the ways to log in send it.
fn secrets(authority: &str) -> Vec<Secret> {
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let Some((name, typed)) = user.split_once(':').filter(|(_, typed)| !typed.is_empty()) else {
        return Vec::new();
    };
    let (name, password) = (decoded(name), decoded(typed));
    let plain = STANDARD.encode(format!("\0{name}\0{password}"));
    let ways = [plain, STANDARD.encode(&password), typed.to_owned(), password];
    ways.map(Secret::new).into()
}

/// `text` of a URL without its percent signs.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex
            .filter(|_| *first == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_address_is_read_and_its_password_is_not_printed() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for (url, host) in [
            ("smtp://127.0.0.1:2525", "127.0.0.1:2525"),
            ("smtps://me%40x:canary@mail.example.com", "mail.example.com"),
            (
                "smtp://me:canary@mail.example.com:587?tls=required",
                "mail.example.com:587",
            ),
        ] {
            let server = Server::parse(url).unwrap();
            assert_eq!(server.host(), host);
            assert!(!format!("{server:?}").contains("canary"));
        }
        for wrong in ["mail.example.com", "http://mail.example.com", "smtp://", ""] {
            assert!(Server::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_known_in_every_way_it_is_sent() {
        let ways = secrets("me%40x:can%20ary@mail.example.com:587");
        let ways: Vec<&str> = ways.iter().map(Secret::expose).collect();
        assert_eq!(ways, ["AG1lQHgAY2FuIGFyeQ==", "Y2FuIGFyeQ==", "can%20ary", "can ary"]);
        assert!(secrets("mail.example.com").is_empty() && secrets("me:@mail.example.com").is_empty());
        assert_eq!(decoded("100%"), "100%");
    }

    #[test]
    fn a_subject_with_a_line_break_adds_no_header() {
        let envelope = Envelope {
            from: "OurHub <hub@example.com>",
            to: "mara@example.com",
            subject: "Hello\r\nBcc: eve@example.com",
        };
        let written = Written {
            text: "Hi".to_owned(),
            html: "<p>Hi</p>".to_owned(),
        };
        let mail = compose("mail_1", envelope, written).unwrap();
        let sent = String::from_utf8(mail.formatted()).unwrap();
        assert!(!sent.lines().any(|line| line.starts_with("Bcc:")), "{sent}");
    }
}
