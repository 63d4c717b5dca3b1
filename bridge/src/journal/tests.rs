//! The journal in memory keeps the contract, and entries decode strictly.

use bitcoin::hashes::Hash;
use bitcoin::{OutPoint, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};

use super::{MemoryJournal, check_journal, put_outpoint, read_outpoint, read_transaction};

#[test]
fn the_journal_in_memory_conforms() {
    check_journal(&MemoryJournal::default());
}

#[test]
fn outpoints_survive_the_journal() {
    let outpoint = OutPoint {
        txid: Txid::from_byte_array([9; 32]),
        vout: 0x0102_0304,
    };
    let mut bytes = Vec::new();
    put_outpoint(&mut bytes, &outpoint);
    assert_eq!(read_outpoint(&mut Reader::new(&bytes)), Ok(outpoint));
    assert!(read_outpoint(&mut Reader::new(&bytes[..35])).is_err());
}

#[test]
fn a_damaged_transaction_is_refused() {
    let mut bytes = vec![3, 0, 0, 0];
    bytes.extend_from_slice(&[1, 2, 3]);
    let read = read_transaction(&mut Reader::new(&bytes));
    assert_eq!(read, Err(DecodeError::Unknown("transaction")));
}
