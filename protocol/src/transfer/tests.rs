//! The encoding is exact and the context binds every field.

use super::*;
use crate::peg::exit::ExitScript;
use crate::testing;
use bitcoin::ScriptBuf;

fn with_memo() -> Transfer {
    let mut transfer = testing::transfer(9);
    transfer.body.memo = Some(Memo::new([3; 128]));
    transfer
}

fn with_both() -> Transfer {
    let mut transfer = with_exit();
    transfer.body.memo = Some(Memo::new([4; 128]));
    transfer
}

/// Where the flags stand in a transfer as wallets hand it in.
const FLAGS: usize = 40 + 64 + 80 + 3 + 1 + 3;

fn with_exit() -> Transfer {
    let mut transfer = testing::transfer(7);
    let script = ScriptBuf::new_p2tr_tweaked(bitcoin::key::TweakedPublicKey::dangerous_assume_tweaked(
        testing::x_only(5),
    ));
    let amount = |sats| Amount::from_sat(sats).expect("small");
    let script = ExitScript::new(script).expect("P2TR");
    transfer.body.exit =
        Some(Exit::new(amount(50_000), script, amount(2_000), testing::x_only(6)).expect("above dust"));
    transfer
}

#[test]
fn transfer_survives_both_encodings() {
    for transfer in [testing::transfer(3), with_exit(), with_memo(), with_both()] {
        assert_eq!(Transfer::decode(&transfer.encode()), Ok(transfer.clone()));
        let mut bytes = Vec::new();
        transfer.encode_in_batch(1, &mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(
            Transfer::decode_in_batch(&mut reader, &[5, 0]),
            Ok(transfer.clone())
        );
        assert_eq!(reader.finish(), Ok(()));
        assert_eq!(
            TransferBody::decode(&transfer.body.encode()),
            Ok(transfer.body.clone())
        );
    }
}

#[test]
fn transfer_without_exit_takes_318_bytes_in_a_batch() {
    let mut bytes = Vec::new();
    testing::transfer(3).encode_in_batch(0, &mut bytes);
    assert_eq!(bytes.len(), TRANSFER_BYTES);
}

#[test]
fn longest_transfer_has_the_longest_exit_and_a_memo() {
    let mut bytes = Vec::new();
    with_both().encode_in_batch(0, &mut bytes);
    assert_eq!((bytes.len(), bytes.len()), (MAX_TRANSFER_BYTES, 529));
}

#[test]
fn flags_that_do_not_say_what_follows_are_refused() {
    for transfer in [testing::transfer(3), with_exit(), with_memo(), with_both()] {
        let good = transfer.encode();
        for flags in 0..=u8::MAX {
            let mut bad = good.clone();
            bad[FLAGS] = flags;
            let result = Transfer::decode(&bad);
            if flags == good[FLAGS] {
                assert_eq!(result.as_ref(), Ok(&transfer));
            } else {
                assert!(result.is_err(), "{flags} in place of {}", good[FLAGS]);
            }
            if flags > 3 {
                assert_eq!(result, Err(DecodeError::Unknown("transfer flags")));
            }
        }
    }
}

#[test]
fn a_memo_is_there_whole_or_not_at_all() {
    let good = with_memo().encode();
    for cut in 1..=Memo::BYTES {
        let mut short = good.clone();
        short.drain(FLAGS + 1..=FLAGS + cut);
        let missing = DecodeError::UnexpectedEnd { needed: cut };
        assert_eq!(Transfer::decode(&short), Err(missing));
    }
    let mut long = good;
    long.insert(FLAGS + 1, 0);
    assert_eq!(Transfer::decode(&long), Err(DecodeError::TrailingBytes(1)));
}

#[test]
fn malformed_transfers_are_refused() {
    let good = testing::transfer(3).encode();
    assert!(matches!(
        Transfer::decode(&good[..good.len() - 1]),
        Err(DecodeError::UnexpectedEnd { .. })
    ));
    let longer = [good.clone(), vec![0]].concat();
    assert_eq!(Transfer::decode(&longer), Err(DecodeError::TrailingBytes(1)));
    let mut unknown_flag = good.clone();
    unknown_flag[FLAGS] = 4;
    assert_eq!(
        Transfer::decode(&unknown_flag),
        Err(DecodeError::Unknown("transfer flags"))
    );
    let mut bad_commitment = good.clone();
    bad_commitment[40..72].fill(0xff);
    assert_eq!(
        Transfer::decode(&bad_commitment),
        Err(DecodeError::NonCanonicalField)
    );
    let mut bad_epk = good;
    bad_epk[104..136].fill(0);
    assert!(matches!(
        Transfer::decode(&bad_epk),
        Err(DecodeError::BadPoint(_))
    ));
    let mut bytes = Vec::new();
    testing::transfer(3).encode_in_batch(4, &mut bytes);
    let result = Transfer::decode_in_batch(&mut Reader::new(&bytes), &[0; 4]);
    assert_eq!(result, Err(DecodeError::OutOfRange("anchor index")));
}

#[test]
fn an_anchor_is_named_by_its_first_place_only() {
    for (index, accepted) in [(0, true), (1, true), (2, false), (3, false)] {
        let mut bytes = Vec::new();
        testing::transfer(3).encode_in_batch(index, &mut bytes);
        let result = Transfer::decode_in_batch(&mut Reader::new(&bytes), &[7, 5, 5, 5]);
        assert_eq!(result.is_ok(), accepted, "index {index}");
    }
}

#[test]
fn context_binds_every_field_of_the_body_and_the_chain() {
    type Tamper = fn(&mut TransferBody);
    let params = testing::params();
    let table: [(&str, Tamper); 8] = [
        ("fee", |b| b.fee = 2),
        ("expiry", |b| b.expiry += 1),
        ("outputs", |b| b.outputs = testing::transfer(8).body.outputs),
        ("exit removed", |b| b.exit = None),
        ("memo removed", |b| b.memo = None),
        ("another memo", |b| b.memo = Some(Memo::new([5; 128]))),
        ("exit's limit", |b| {
            let e = b.exit.clone().expect("has one");
            let fee = Amount::from_sat(2_001).expect("small");
            b.exit = Some(Exit::new(e.amount(), e.script().clone(), fee, e.key()).expect("above dust"));
        }),
        ("exit's key", |b| {
            let e = b.exit.clone().expect("has one");
            let (script, key) = (e.script().clone(), testing::x_only(9));
            b.exit = Some(Exit::new(e.amount(), script, e.max_l1_fee(), key).expect("above dust"));
        }),
    ];
    let body = with_both().body;
    let ctx = body.ctx(&params).expect("known fee");
    for (name, tamper) in table {
        let mut other = body.clone();
        tamper(&mut other);
        assert_ne!(other.ctx(&params).expect("known fee"), ctx, "{name}");
    }
    let mut genesis = testing::genesis();
    genesis.start_height += 1;
    let elsewhere = ChainParams::new(genesis, Vec::new()).expect("valid");
    assert_ne!(body.ctx(&elsewhere).expect("known fee"), ctx, "chain");
}

#[test]
fn identifier_ignores_proof_and_anchor_and_nothing_else() {
    let params = testing::params();
    let transfer = testing::transfer(3);
    let id = |t: &Transfer| t.body.id(&params).expect("known fee");
    let malleated = Transfer {
        anchor: 9,
        proof: ProofBytes([7; 128]),
        ..transfer.clone()
    };
    assert_eq!(id(&malleated), id(&transfer));
    let mut other = transfer.clone();
    other.body.nf.swap(0, 1);
    assert_ne!(id(&other), id(&transfer));
    let mut other = transfer.clone();
    other.body.cm.swap(0, 1);
    assert_ne!(id(&other), id(&transfer));
}

#[test]
fn transfer_is_rejected_when_nullifiers_are_equal_or_zero_or_the_fee_is_unknown() {
    let params = testing::params();
    let mut body = testing::transfer(3).body;
    assert_eq!(body.check(&params), Ok(()));
    body.nf[1] = body.nf[0];
    assert_eq!(body.check(&params), Err(TransferRule::RepeatedNullifier));
    body.nf[1] = Nullifier::ZERO;
    assert_eq!(body.check(&params), Err(TransferRule::ZeroNullifier));
    body.nf[1] = testing::nullifier(99);
    body.fee = 3;
    assert_eq!(body.check(&params), Err(TransferRule::UnknownFee(3)));
}
