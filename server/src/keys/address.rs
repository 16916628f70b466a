//! Addresses a key may be used from.
//!
//! Invariant: an IPv4 address is the same whether it is written as IPv4 or mapped into IPv6. Pure.

use crate::fields::Reason;
use ipnet::{IpNet, Ipv4Net};
use std::net::IpAddr;

const MAPPED_BITS: u8 = 96;

/// The range in `text`: CIDR, or one address.
///
/// # Errors
/// [`Reason::NotAnAddressRange`].
pub fn parse(text: &str) -> Result<IpNet, Reason> {
    let text = text.trim();
    let net = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.map(|net| canonical(net.trunc()))
        .map_err(|_| Reason::NotAnAddressRange(text.to_owned()))
}

/// Whether one of `ranges` holds `address`; no range at all means everywhere.
pub fn allows(ranges: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    ranges.is_empty() || ranges.iter().any(|range| range.contains(&address))
}

/// A range of mapped IPv4 addresses as the IPv4 range it is.
fn canonical(net: IpNet) -> IpNet {
    let IpNet::V6(six) = net else { return net };
    let four = six
        .addr()
        .to_ipv4_mapped()
        .zip(six.prefix_len().checked_sub(MAPPED_BITS));
    four.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok())
        .map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn allowed(ranges: &[&str], address: &str) -> bool {
        let ranges: Vec<IpNet> = ranges.iter().map(|range| parse(range).unwrap()).collect();
        allows(&ranges, address.parse().unwrap())
    }

    #[test]
    fn a_range_holds_its_addresses_in_either_notation() {
        for ranges in [
            ["10.0.0.0/8"],
            ["10.1.2.3"],
            ["::ffff:10.0.0.0/104"],
            ["::ffff:10.1.2.3"],
            [" 10.1.2.9/24 "],
        ] {
            assert!(allowed(&ranges, "10.1.2.3"), "{ranges:?}");
            assert!(allowed(&ranges, "::ffff:10.1.2.3"), "{ranges:?}");
            assert!(!allowed(&ranges, "11.1.2.3"), "{ranges:?}");
            assert!(!allowed(&ranges, "::ffff:11.1.2.3"), "{ranges:?}");
            assert!(!allowed(&ranges, "2001:db8::1"), "{ranges:?}");
        }
        assert!(allowed(&["2001:db8::/32"], "2001:db8::1"));
        assert!(!allowed(&["::/0"], "10.1.2.3"));
    }

    #[test]
    fn no_range_means_everywhere() {
        assert!(allowed(&[], "203.0.113.7"));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for bad in ["", "localhost", "10.0.0.0/33", "10.0.0", "0x7f.1", "10.0.0.1-10.0.0.9"] {
            assert_eq!(parse(bad), Err(Reason::NotAnAddressRange(bad.to_owned())));
        }
    }
}
