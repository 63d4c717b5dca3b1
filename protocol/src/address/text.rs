//! Addresses as text: Bech32m over the mixed bytes `version ‖ d ‖ pk_d ‖ P_d`.
//!
//! The human-readable part is [`Network::hrp`]; signet and testnet share one, as in Bitcoin.

use bech32::primitives::decode::{CharError, CheckedHrpstring, UncheckedHrpstring};
use bech32::primitives::decode::{ChecksumError, UncheckedHrpstringError};
use bech32::{Bech32m, Hrp};
use thiserror::Error;

use super::{Address, jumble};
use crate::encoding::{Decode, DecodeError, Encode};
use crate::network::Network;

/// The version byte of the addresses defined here.
const VERSION: u8 = 1;

/// Why a string is not an address that can be paid on the network asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AddressError {
    /// Upper and lower case are mixed.
    #[error("upper and lower case are mixed")]
    MixedCase,
    /// A character cannot occur in an address, or the separator is missing.
    #[error("not a Bech32m string: {0}")]
    Characters(String),
    /// The prefix is of no Tacit network.
    #[error("unknown prefix {0:?}")]
    UnknownPrefix(String),
    /// The address is of another network.
    #[error("the address is for prefix {found:?}, this network uses {expected:?}")]
    WrongNetwork {
        /// Prefix of the address.
        found: &'static str,
        /// Prefix of the network asked for.
        expected: &'static str,
    },
    /// The checksum does not match: a typing error.
    #[error("the checksum does not match")]
    Checksum,
    /// The number of characters, or the padding bit, is wrong.
    #[error("wrong length or padding")]
    Length,
    /// The version is not one this software knows.
    #[error("unknown address version {0}")]
    Version(u8),
    /// The content is not an address.
    #[error("{0}")]
    Content(#[from] DecodeError),
}

impl Address {
    /// The address as text for `network`.
    ///
    /// # Panics
    /// Never: the prefix and the length are fixed and valid.
    #[must_use]
    pub fn to_string_for(&self, network: Network) -> String {
        let mut bytes = [0; jumble::LENGTH];
        bytes[0] = VERSION;
        bytes[1..].copy_from_slice(&self.encode());
        jumble::jumble(&mut bytes);
        let hrp = Hrp::parse_unchecked(network.hrp());
        bech32::encode_lower::<Bech32m>(hrp, &bytes).expect("124 characters are within the code")
    }

    /// Reads an address of `network`; the whole string may be upper case, as in QR codes.
    ///
    /// # Errors
    /// The [`AddressError`] of the first rule broken.
    pub fn parse(text: &str, network: Network) -> Result<Self, AddressError> {
        let unchecked = UncheckedHrpstring::new(text).map_err(|error| {
            if error == UncheckedHrpstringError::Char(CharError::MixedCase) {
                AddressError::MixedCase
            } else {
                AddressError::Characters(error.to_string())
            }
        })?;
        check_prefix(&unchecked.hrp().to_lowercase(), network)?;
        unchecked.validate_checksum::<Bech32m>().map_err(|error| {
            if matches!(error, ChecksumError::CodeLength(_)) {
                AddressError::Length
            } else {
                AddressError::Checksum
            }
        })?;
        let mut bytes = unpad(&unchecked.remove_checksum::<Bech32m>())?;
        jumble::unjumble(&mut bytes);
        if bytes[0] != VERSION {
            return Err(AddressError::Version(bytes[0]));
        }
        Ok(Self::decode(&bytes[1..])?)
    }
}

fn check_prefix(found: &str, network: Network) -> Result<(), AddressError> {
    let known = [
        Network::Mainnet,
        Network::Signet,
        Network::Testnet4,
        Network::Regtest,
    ];
    match known.into_iter().map(Network::hrp).find(|hrp| *hrp == found) {
        None => Err(AddressError::UnknownPrefix(found.to_owned())),
        Some(hrp) if hrp == network.hrp() => Ok(()),
        Some(hrp) => Err(AddressError::WrongNetwork {
            found: hrp,
            expected: network.hrp(),
        }),
    }
}

/// Exactly 73 bytes: 117 characters of which the last carries one zero bit of padding.
fn unpad(checked: &CheckedHrpstring<'_>) -> Result<[u8; jumble::LENGTH], AddressError> {
    let mut last = None;
    let characters = checked
        .fe32_iter::<std::iter::Empty<u8>>()
        .inspect(|fe| last = Some(fe.to_u8()))
        .count();
    let padding_is_zero = last.is_some_and(|fe| fe & 1 == 0);
    if characters != (jumble::LENGTH * 8).div_ceil(5) || !padding_is_zero {
        return Err(AddressError::Length);
    }
    let mut bytes = [0; jumble::LENGTH];
    for (slot, byte) in bytes.iter_mut().zip(checked.byte_iter()) {
        *slot = byte;
    }
    Ok(bytes)
}
