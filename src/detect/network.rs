//! The networks that addresses are told apart by: where a pod calls from changes, its cluster's network does not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::keyed;

/// The network that an address is told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Network {
    /// That of `address`; `None` if it is none.
    pub(super) fn of(address: &str) -> Option<Self> {
        let address: IpAddr = address.parse().ok()?;
        Some(match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, ..] = v4.octets();
                Self::V4(Ipv4Addr::new(a, b, 0, 0))
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                Self::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
        })
    }

    pub(super) fn hash(self) -> u64 {
        match self {
            Self::V4(v4) => keyed::hash(u64::from(v4.to_bits()), &["v4"]),
            // The lower 80 bits are zero.
            Self::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                let number = [a, b, c].map(u64::from);
                keyed::hash(number[0] << 32 | number[1] << 16 | number[2], &["v6"])
            }
        }
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::V4(v4) => write!(f, "{v4}/16"),
            Self::V6(v6) => write!(f, "{v6}/48"),
        }
    }
}

/// The network that an address is told apart by: `10.244.0.0/16`, `2001:db8:12::/48`; `None` for what is no address.
#[must_use]
pub fn address_range(address: &str) -> Option<String> {
    Some(Network::of(address)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        for (address, expected) in [
            ("10.244.3.7", Some("10.244.0.0/16")),
            ("::ffff:10.244.9.9", Some("10.244.0.0/16")),
            ("2001:db8:12:34::1", Some("2001:db8:12::/48")),
            ("private", None),
            ("", None),
            ("10.0.0.1:443", None),
        ] {
            let network = Network::of(address).map(|network| network.to_string());
            assert_eq!(network.as_deref(), expected, "{address}");
        }
    }
}
