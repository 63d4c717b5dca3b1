//! The Bitcoin network a deployment lives on.

use serde::{Deserialize, Serialize};

use crate::encoding::{Decode, DecodeError, Encode, Reader};

/// A Bitcoin network. Values of different networks never mix: the network is part of addresses,
/// key derivation and the chain identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The main network; development keys are refused on it.
    Mainnet,
    /// The fourth test network.
    Testnet4,
    /// The default signet.
    Signet,
    /// A local regression-test network.
    Regtest,
}

impl Network {
    /// The byte that stands for the network in hashes and encodings.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Mainnet => 0,
            Self::Testnet4 => 1,
            Self::Signet => 2,
            Self::Regtest => 3,
        }
    }

    /// The human-readable part of Tacit addresses.
    #[must_use]
    pub fn hrp(self) -> &'static str {
        match self {
            Self::Mainnet => "tacit",
            Self::Testnet4 | Self::Signet => "tacitt",
            Self::Regtest => "tacitrt",
        }
    }

    /// The same network in the `bitcoin` crate's terms.
    #[must_use]
    pub fn bitcoin(self) -> bitcoin::Network {
        match self {
            Self::Mainnet => bitcoin::Network::Bitcoin,
            Self::Testnet4 => bitcoin::Network::Testnet4,
            Self::Signet => bitcoin::Network::Signet,
            Self::Regtest => bitcoin::Network::Regtest,
        }
    }

    /// The name `bitcoind` gives the network in `getblockchaininfo`.
    #[must_use]
    pub fn core_name(self) -> &'static str {
        match self {
            Self::Mainnet => "main",
            Self::Testnet4 => "testnet4",
            Self::Signet => "signet",
            Self::Regtest => "regtest",
        }
    }
}

impl Encode for Network {
    fn encode_to(&self, out: &mut Vec<u8>) {
        out.push(self.code());
    }
}

impl Decode for Network {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8()? {
            0 => Ok(Self::Mainnet),
            1 => Ok(Self::Testnet4),
            2 => Ok(Self::Signet),
            3 => Ok(Self::Regtest),
            _ => Err(DecodeError::Unknown("network")),
        }
    }
}
