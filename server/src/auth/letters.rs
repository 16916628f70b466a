//! The mails about users: what each says.
//!
//! Invariant: a mail with a link says what happens if nobody asked for it; a notice of a change holds no secret. Pure.

use super::proof::Purpose;
use crate::mail::{Message, Paragraph};

/// How long a notice may wait for a mail server, in milliseconds.
const NOTICE_LIFE_MS: i64 = 7 * 24 * 3_600_000;
const NOT_YOU: &str = "If it was not you, do nothing: nothing changes.";

/// The link to a new password.
pub(super) fn new_password(to: &str, token: &str, now_ms: i64) -> Message {
    let body = vec![
        Paragraph::text(format!("Somebody, probably you, asked for a new password for {to}.")),
        Paragraph::link("Choose a new password", format!("/reset?token={token}")),
        Paragraph::text(format!("The link works once, for an hour. {NOT_YOU}")),
    ];
    linked(
        "password_reset",
        to,
        "Choose a new password",
        (body, Purpose::Password, now_ms),
    )
}

/// The link that finishes a sign-up.
pub(super) fn confirm_sign_up(to: &str, token: &str, now_ms: i64) -> Message {
    let body = vec![
        Paragraph::text(format!("Somebody, probably you, signed up with {to}.")),
        Paragraph::link("Finish signing up", format!("/verify?token={token}")),
        Paragraph::text(format!("The link works once, for a day. {NOT_YOU}")),
    ];
    linked("sign_up", to, "Finish signing up", (body, Purpose::SignUp, now_ms))
}

/// To who signs up with the address of a user.
pub(super) fn known_already(to: &str, now_ms: i64) -> Message {
    let body = vec![
        Paragraph::text(format!(
            "Somebody, probably you, signed up with {to}, but you have an account already."
        )),
        Paragraph::link("Log in", "/login"),
        Paragraph::link("Choose a new password", "/forgot"),
        Paragraph::text(NOT_YOU),
    ];
    linked(
        "sign_up",
        to,
        "You have an account already",
        (body, Purpose::SignUp, now_ms),
    )
}

/// The link that proves a new address.
pub(super) fn confirm_email(to: &str, old: &str, token: &str, now_ms: i64) -> Message {
    let body = vec![
        Paragraph::text(format!("{old} wants to log in with {to} from now on.")),
        Paragraph::link("Use this address", format!("/settings/email?token={token}")),
        Paragraph::text(format!(
            "The link works once, for a day, where {old} is logged in. {NOT_YOU}"
        )),
    ];
    linked(
        "email_change",
        to,
        "Confirm your new address",
        (body, Purpose::Email, now_ms),
    )
}

/// To whose address another user wants.
pub(super) fn email_wanted(to: &str, now_ms: i64) -> Message {
    let text = format!(
        "Somebody who has another account wants to log in with {to} from now on. You have an account with this address, \
         so that was refused. {NOT_YOU}"
    );
    let body = vec![Paragraph::text(text)];
    linked(
        "email_change",
        to,
        "Your address was asked for",
        (body, Purpose::Email, now_ms),
    )
}

/// A notice to `to` of a change that was made.
pub(super) fn notice(to: &str, what: &str, now_ms: i64) -> Message {
    let body = vec![
        Paragraph::text(what),
        Paragraph::text("If it was not you, choose a new password at once and tell whoever runs this server."),
        Paragraph::link("Choose a new password", "/forgot"),
    ];
    Message {
        kind: "notice",
        to: to.to_owned(),
        subject: "Your account was changed".to_owned(),
        body,
        expires_at_ms: now_ms + NOTICE_LIFE_MS,
    }
}

fn linked(
    kind: &'static str,
    to: &str,
    subject: &str,
    (body, purpose, now_ms): (Vec<Paragraph>, Purpose, i64),
) -> Message {
    Message {
        kind,
        to: to.to_owned(),
        subject: subject.to_owned(),
        body,
        expires_at_ms: now_ms + purpose.life_ms(),
    }
}
