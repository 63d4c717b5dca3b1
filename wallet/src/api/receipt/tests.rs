//! Tests of receipts.

use super::*;
use bitcoin::secp256k1::SecretKey;

fn key() -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[3; 32]).unwrap())
}

fn promise() -> Promise {
    Promise {
        chain_id: ChainId::from_bytes([1; 32]),
        txid: TransferId([2; 32]),
        nf: [Nullifier::new([3; 20]), Nullifier::new([4; 20])],
        target_batch: 5,
        key_epoch: 6,
    }
}

#[test]
fn a_receipt_verifies_under_its_key_only() {
    let receipt = promise().sign(&key(), &[0; 32]);
    assert!(receipt.verify(&key().x_only_public_key().0));
    let other = Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[4; 32]).unwrap());
    assert!(!receipt.verify(&other.x_only_public_key().0));
}

#[test]
fn a_receipt_covers_every_field() {
    let tampers: [fn(&mut Promise); 6] = [
        |p| p.chain_id = ChainId::from_bytes([9; 32]),
        |p| p.txid = TransferId([9; 32]),
        |p| p.nf[0] = Nullifier::new([9; 20]),
        |p| p.nf.swap(0, 1),
        |p| p.target_batch += 1,
        |p| p.key_epoch += 1,
    ];
    for tamper in tampers {
        let mut receipt = promise().sign(&key(), &[0; 32]);
        tamper(&mut receipt.promise);
        assert!(!receipt.verify(&key().x_only_public_key().0));
    }
}

#[test]
fn a_receipt_survives_json() {
    let receipt = promise().sign(&key(), &[0; 32]);
    let text = serde_json::to_string(&receipt).unwrap();
    assert!(text.contains("\"targetBatch\":5"), "{text}");
    assert_eq!(serde_json::from_str::<Receipt>(&text).unwrap(), receipt);
}
