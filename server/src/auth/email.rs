//! E-mail addresses as users type them.
//!
//! Invariant: what passes is lower case and has one `@` between a name and a host. Deliberately simple: only a mail
//! that arrives proves an address. Pure.

use crate::fields::Reason;

const MAX: usize = 254;
const LOCAL_MAX: usize = 64;

/// The address in `text`, trimmed and in lower case.
///
/// # Errors
/// The reason it is refused.
pub fn parse(text: &str) -> Result<String, Reason> {
    let email = normalize(text);
    if email.is_empty() {
        return Err(Reason::Missing);
    }
    if email.chars().count() > MAX {
        return Err(Reason::TooLong { max: MAX });
    }
    let is_address = email
        .split_once('@')
        .is_some_and(|(local, host)| is_local(local) && is_host(host));
    if is_address {
        Ok(email)
    } else {
        Err(Reason::NotAnEmail(text.trim().to_owned()))
    }
}

/// `text` as addresses are compared, right or not.
pub fn normalize(text: &str) -> String {
    text.trim().to_lowercase()
}

fn is_local(local: &str) -> bool {
    let is_fine = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"@\"(),:;<>[\\]".contains(letter);
    !local.is_empty() && local.len() <= LOCAL_MAX && local.chars().all(is_fine)
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_fine = |letter: char| letter.is_alphanumeric() || letter == '-';
        !label.is_empty() && !label.starts_with('-') && !label.ends_with('-') && label.chars().all(is_fine)
    };
    host.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_trimmed_and_lowered() {
        for (typed, stored) in [
            (" Mara.Lind+ai@Example.COM ", "mara.lind+ai@example.com"),
            ("root@localhost", "root@localhost"),
            ("jürgen@müller.example", "jürgen@müller.example"),
        ] {
            assert_eq!(parse(typed).as_deref(), Ok(stored));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for typed in [
            "mara",
            "@example.com",
            "mara@",
            "a@b@c",
            "mara@-a.b",
            "mara@a..b",
            "ma ra@a.b",
            "a@b\r\nBcc: c",
            "<a@b>",
        ] {
            assert_eq!(parse(typed), Err(Reason::NotAnEmail(typed.to_owned())), "{typed}");
        }
        assert_eq!(parse(" "), Err(Reason::Missing));
        assert!(parse(&format!("{}@example.com", "a".repeat(65))).is_err());
        assert!(parse(&format!("a@{}", "b".repeat(300))).is_err());
    }
}
