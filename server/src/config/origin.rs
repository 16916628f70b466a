//! An origin: scheme, host and port of the address browsers use.
//!
//! Invariant: lower case, without the scheme's own port, so that two spellings of one origin are equal. Pure.

use std::fmt;

/// Where browsers reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
}

impl Origin {
    /// The origin written in `text`, an http or https URL without a path.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "“{text}” is not an http or https address without a path; write, for example, https://hub.example.com"
            )
        };
        let lower = text.trim().to_ascii_lowercase();
        let (scheme, own_port) = match () {
            () if lower.starts_with("https://") => ("https://", ":443"),
            () if lower.starts_with("http://") => ("http://", ":80"),
            () => return Err(refused()),
        };
        let authority = lower[scheme.len()..].trim_end_matches('/');
        let authority = authority.strip_suffix(own_port).unwrap_or(authority);
        let (host, port) = split_port(authority).ok_or_else(refused)?;
        if !is_host(host) || port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(refused());
        }
        Ok(Self {
            text: format!("{scheme}{authority}"),
        })
    }

    /// Whether it is https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.text.starts_with("https:")
    }

    /// Whether only this machine can mean it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback_host(self.authority())
    }

    /// The host and, where it is not the scheme's own, the port.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.text.split_once("://").map_or("", |(_, authority)| authority)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Whether `authority`, a host with or without a port, names this machine: `localhost`, `127.0.0.0/8` or `[::1]`.
#[must_use]
pub fn is_loopback_host(authority: &str) -> bool {
    let Some((host, _)) = split_port(authority) else {
        return false;
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Host (an IPv6 address in brackets) and port.
fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        let (host, rest) = authority.split_at(end);
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(rest.strip_prefix(':')?))),
        };
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((authority, None)),
    }
}

fn is_host(host: &str) -> bool {
    let is_v6 = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok());
    let is_name = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    is_v6 || is_name
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spellings_of_one_origin_are_equal() {
        let origin = Origin::parse("https://Hub.Example.com").unwrap();
        for same in [
            "https://hub.example.com/",
            "HTTPS://hub.example.com:443",
            " https://hub.example.com ",
        ] {
            assert_eq!(Origin::parse(same).unwrap(), origin, "{same}");
        }
        for other in [
            "http://hub.example.com",
            "https://hub.example.com:8443",
            "https://example.com",
        ] {
            assert_ne!(Origin::parse(other).unwrap(), origin, "{other}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "hub",
            "ftp://hub",
            "https://",
            "https://a/b",
            "https://u@a",
            "https://a?b",
            "https://a:b",
            "null",
            "https://[::g]",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn loopback_hosts_are_told_from_names_that_look_like_them() {
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]:3000",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "10.0.0.1",
            "[::2]",
            "example.com:127",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
