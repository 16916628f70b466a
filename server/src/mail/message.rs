//! What a mail says, as plain text and as simple HTML.
//!
//! Invariant: everything that people wrote is escaped in the HTML; a link's address is the public URL and a path of ours. Pure.

use serde::{Deserialize, Serialize};

/// A mail to be sent.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is for, such as `invitation`: shown to admins.
    pub kind: &'static str,
    /// An e-mail address.
    pub to: String,
    /// Its subject, one line.
    pub subject: String,
    /// What it says.
    pub body: Vec<Paragraph>,
    /// Unix milliseconds; later it is of no use and is not sent.
    pub expires_at_ms: i64,
}

/// A part of a mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paragraph {
    /// Words.
    Text(String),
    /// A link to a page of ours.
    Link {
        /// What it does: “Choose a new password”.
        words: String,
        /// The page, such as `/reset?token=…`.
        path: String,
    },
}

impl Paragraph {
    /// Words.
    #[must_use]
    pub fn text(words: impl Into<String>) -> Self {
        Self::Text(words.into())
    }

    /// A link to the page `path`, which begins with `/`.
    #[must_use]
    pub fn link(words: impl Into<String>, path: impl Into<String>) -> Self {
        Self::Link {
            words: words.into(),
            path: path.into(),
        }
    }
}

/// A mail as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Plain text.
    pub text: String,
    /// HTML without anything from elsewhere.
    pub html: String,
}

/// `body` with links to `public_url`.
pub(super) fn write(body: &[Paragraph], public_url: &str) -> Written {
    let mut text = String::new();
    let mut html = String::from("<!doctype html><html lang=\"en\"><body>");
    for part in body {
        match part {
            Paragraph::Text(words) => {
                text.push_str(words);
                html.push_str(&format!("<p>{}</p>", escape(words)));
            }
            Paragraph::Link { words, path } => {
                let url = format!("{public_url}{path}");
                text.push_str(&format!("{words}:\n{url}"));
                let (url, words) = (escape(&url), escape(words));
                html.push_str(&format!("<p><a href=\"{url}\">{words}</a></p>"));
            }
        }
        text.push_str("\n\n");
    }
    text.push_str(&format!("OurHub at {public_url}\n"));
    html.push_str(&format!("<p>OurHub at {}</p></body></html>", escape(public_url)));
    Written { text, html }
}

/// `text` as it stands in HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_written_twice_and_what_people_wrote_is_escaped() {
        let body = [
            Paragraph::text("<b>Mara & Jo</b>"),
            Paragraph::link("Join", "/invite/x?a=1&b=2"),
        ];
        let written = write(&body, "https://hub.example.com");
        assert_eq!(
            written.text,
            "<b>Mara & Jo</b>\n\nJoin:\nhttps://hub.example.com/invite/x?a=1&b=2\n\nOurHub at https://hub.example.com\n"
        );
        assert!(written.html.contains("<p>&lt;b&gt;Mara &amp; Jo&lt;/b&gt;</p>"));
        assert!(
            written
                .html
                .contains("href=\"https://hub.example.com/invite/x?a=1&amp;b=2\"")
        );
    }
}
