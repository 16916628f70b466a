//! The guard: which network addresses may be reached from here.
//!
//! Invariant: nothing but public addresses and the operator's networks is ever connected to, whether the host is written as a
//! name (checked when it resolves) or as an address in any notation (checked when the URL is parsed, because reqwest never
//! asks a resolver for those).
//! Reads DNS. Address ranges: IANA's special-purpose registries.

use ipnet::IpNet;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

/// Which addresses may be reached.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allow: Arc<[IpNet]>,
    /// Whether what is sent may be read on its way, wherever it goes.
    needs_tls: bool,
}

/// Why a URL may not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// Not a URL.
    #[error("This is not a URL. Write it whole, for example https://api.example.com/v1.")]
    NotAUrl,
    /// Another scheme than those that fit here.
    #[error("The URL begins with “{0}”, which cannot be used here.")]
    Scheme(String),
    /// User name, password, query or fragment in a base URL.
    #[error("A base URL has no user name, password, fragment, and no query but Azure's api-version.")]
    Extra,
    /// A key would go over the network in the clear.
    #[error("A team's own account is reached by https alone.")]
    Plain,
    /// An address that is neither public nor allowed by the operator.
    #[error("The address {0} is not public, and the operator's allow list does not name it.")]
    NotAllowed(IpAddr),
}

/// A name resolved to nothing that may be reached.
#[derive(Debug, thiserror::Error)]
#[error("the host resolves to an address that is not allowed")]
pub struct NotAllowed;

impl Guard {
    /// Public addresses, and those in `allow`.
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self {
            allow: allow.into(),
            needs_tls: false,
        }
    }

    /// The same for teams' own accounts, whose base URLs are https, but for addresses in `allow`.
    #[must_use]
    pub fn of_teams(allow: Vec<IpNet>) -> Self {
        Self {
            needs_tls: true,
            ..Self::new(allow)
        }
    }

    /// Whether `address` may be reached. An IPv4 address wrapped in IPv6 is judged as the IPv4 address.
    #[must_use]
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allow.iter().any(|network| network.contains(&address)) || is_public(address)
    }

    /// The base URL in `text`, without a trailing slash.
    ///
    /// # Errors
    /// [`UrlRefusal`].
    pub fn base_url(&self, text: &str) -> Result<Url, UrlRefusal> {
        let url = Url::parse(text.trim()).map_err(|_| UrlRefusal::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(UrlRefusal::Scheme(url.scheme().to_owned()));
        }
        let extra = !url.username().is_empty() || url.password().is_some();
        if extra || !is_version(url.query()) || url.fragment().is_some() {
            return Err(UrlRefusal::Extra);
        }
        self.check_host(&url)?;
        if self.needs_tls && url.scheme() == "http" && !self.is_allowed_host(&url) {
            return Err(UrlRefusal::Plain);
        }
        Ok(url)
    }

    /// The URL in `text`, which a service told us: https, or http where `may_be_plain`.
    ///
    /// # Errors
    /// [`UrlRefusal`].
    pub fn told_url(&self, text: &str, may_be_plain: bool) -> Result<Url, UrlRefusal> {
        let url = Url::parse(text.trim()).map_err(|_| UrlRefusal::NotAUrl)?;
        if url.scheme() != "https" && !(may_be_plain && url.scheme() == "http") {
            return Err(UrlRefusal::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(UrlRefusal::Extra);
        }
        self.check_host(&url)?;
        Ok(url)
    }

    /// The proxy URL in `text`: http, https, socks5 or socks5h, with a user name and password if it needs them.
    ///
    /// # Errors
    /// [`UrlRefusal`].
    pub fn proxy_url(&self, text: &str) -> Result<Url, UrlRefusal> {
        let url = Url::parse(text.trim()).map_err(|_| UrlRefusal::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(UrlRefusal::Scheme(url.scheme().to_owned()));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(UrlRefusal::NotAUrl);
        }
        // Only http URLs have their host normalised, so a socks host is read as one.
        let host = url.host_str().ok_or(UrlRefusal::NotAUrl)?;
        let as_http = Url::parse(&format!("http://{host}/")).map_err(|_| UrlRefusal::NotAUrl)?;
        self.check_host(&as_http)?;
        Ok(url)
    }

    fn check_host(&self, url: &Url) -> Result<(), UrlRefusal> {
        url.host_str()
            .filter(|host| !host.is_empty())
            .ok_or(UrlRefusal::NotAUrl)?;
        match address_of(url) {
            Some(address) if !self.permits(address) => Err(UrlRefusal::NotAllowed(address.to_canonical())),
            _ => Ok(()),
        }
    }

    /// Whether the host is an address that is allowed by name.
    fn is_allowed_host(&self, url: &Url) -> bool {
        let address = address_of(url).map(|address| address.to_canonical());
        address.is_some_and(|address| self.allow.iter().any(|network| network.contains(&address)))
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let any = !found.is_empty();
            let permitted: Vec<SocketAddr> = found.into_iter().filter(|found| guard.permits(found.ip())).collect();
            if any && permitted.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(permitted.into_iter()) as Addrs)
        })
    }
}

/// The host of `url`, where it is an address.
fn address_of(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

/// Whether `query` says nothing but which version of Azure's API is meant.
fn is_version(query: Option<&str>) -> bool {
    let is_word = |version: &str| version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    query.is_none_or(|query| query.strip_prefix("api-version=").is_some_and(is_word))
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => matches!((b, c), (0, 0 | 2) | (88, 99) | (168, _)),
        198 => matches!((b, c), (18 | 19, _) | (51, 100)),
        203 => (b, c) == (0, 113),
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if segments[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast is 2000::/3; in it, protocol assignments with Teredo, documentation and 6to4 are not.
    let is_unicast = segments[0] & 0xe000 == 0x2000;
    let is_special = match segments[0] {
        0x2001 => segments[1] < 0x200 || segments[1] == 0xdb8,
        0x2002 => true,
        0x3fff => segments[1] < 0x1000,
        _ => false,
    };
    is_unicast && !is_special
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const INSIDE: &[&str] = &[
        "127.0.0.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0x7f000001",
        "127.1",
        "127.0.0.1.",
        "0.0.0.0",
        "0",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001:0:7f00:1::]",
        "[2001:db8::1]",
        "[fe80::1]",
        "[fec0::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
        "10.0.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ];
    const OUTSIDE: &[&str] = &[
        "1.1.1.1",
        "100.128.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "[2606:4700::1111]",
        "[::ffff:1.1.1.1]",
        "[64:ff9b::101:101]",
        "api.openai.com",
    ];

    #[test]
    fn every_notation_of_an_inner_address_is_refused() {
        let guard = Guard::default();
        for host in INSIDE {
            let refusal = guard.base_url(&format!("http://{host}:8080/v1")).unwrap_err();
            assert!(matches!(refusal, UrlRefusal::NotAllowed(_)), "{host}: {refusal}");
            for scheme in ["http", "https", "socks5", "socks5h"] {
                assert!(
                    guard.proxy_url(&format!("{scheme}://{host}:1080")).is_err(),
                    "{scheme}://{host}"
                );
            }
        }
        for host in OUTSIDE {
            assert!(guard.base_url(&format!("https://{host}/v1")).is_ok(), "{host}");
        }
    }

    #[test]
    fn the_operators_networks_are_reached_in_every_notation() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for host in ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]", "[fd00::1]"] {
            assert!(guard.base_url(&format!("http://{host}:11434/v1")).is_ok(), "{host}");
        }
        for host in ["10.0.0.1", "[::1]", "0.0.0.0"] {
            assert!(guard.base_url(&format!("http://{host}/")).is_err(), "{host}");
        }
    }

    #[test]
    fn what_is_no_plain_base_url_is_refused() {
        let guard = Guard::default();
        for text in [
            "",
            "api.example.com",
            "ftp://api.example.com",
            "file:///etc/passwd",
            "https://",
            "https://user@api.example.com",
            "https://:pw@api.example.com",
            "https://api.example.com/v1?key=x",
            "https://api.example.com/v1?api-version=1&key=x",
            "https://api.example.com/v1#x",
        ] {
            assert!(guard.base_url(text).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_refused() {
        let error = Guard::default()
            .resolve("localhost".parse().unwrap())
            .await
            .err()
            .unwrap();
        assert!(error.is::<NotAllowed>(), "{error}");
        let open = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()]);
        assert!(open.resolve("localhost".parse().unwrap()).await.unwrap().count() > 0);
    }
}
