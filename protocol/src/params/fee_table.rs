//! The table of fees that transfers choose from by one byte.

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::encoding::{Decode, DecodeError, Encode, Reader};
use crate::params::{MAX_FEES, ParamsError};

/// The fees a transfer may pay, strictly increasing; a transfer names one by a byte.
///
/// One fee for everybody at a time leaves less to tell transfers apart by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u64>", into = "Vec<u64>")]
pub struct FeeTable(Vec<Amount>);

impl FeeTable {
    /// A table of satoshi amounts.
    ///
    /// # Errors
    /// [`ParamsError::FeeTable`].
    pub fn new(fees: &[u64]) -> Result<Self, ParamsError> {
        if fees.is_empty() || fees.len() > MAX_FEES || !fees.is_sorted_by(|a, b| a < b) {
            return Err(ParamsError::FeeTable);
        }
        let amounts: Result<Vec<Amount>, DecodeError> =
            fees.iter().map(|&fee| Amount::from_sat(fee)).collect();
        amounts.map(Self).map_err(|_| ParamsError::FeeTable)
    }

    /// The fee that a byte names.
    #[must_use]
    pub fn fee(&self, index: u8) -> Option<Amount> {
        self.0.get(usize::from(index)).copied()
    }

    /// The byte that names the smallest fee not below `amount`.
    #[must_use]
    pub fn index_at_least(&self, amount: Amount) -> Option<u8> {
        let index = self.0.partition_point(|fee| *fee < amount);
        self.0.get(index).and(u8::try_from(index).ok())
    }

    /// All fees.
    #[must_use]
    pub fn fees(&self) -> &[Amount] {
        &self.0
    }
}

impl TryFrom<Vec<u64>> for FeeTable {
    type Error = ParamsError;
    fn try_from(fees: Vec<u64>) -> Result<Self, ParamsError> {
        Self::new(&fees)
    }
}

impl From<FeeTable> for Vec<u64> {
    fn from(table: FeeTable) -> Self {
        table.0.into_iter().map(Amount::to_sat).collect()
    }
}

impl Encode for FeeTable {
    fn encode_to(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.0.len()).expect("at most 256 entries");
        out.extend_from_slice(&count.to_le_bytes());
        self.0.iter().for_each(|fee| fee.encode_to(out));
    }
}

impl Decode for FeeTable {
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = usize::from(reader.u16()?);
        if count > MAX_FEES {
            return Err(DecodeError::OutOfRange("fee table"));
        }
        let fees: Result<Vec<u64>, DecodeError> = (0..count).map(|_| reader.u64()).collect();
        Self::new(&fees?).map_err(|_| DecodeError::OutOfRange("fee table"))
    }
}
