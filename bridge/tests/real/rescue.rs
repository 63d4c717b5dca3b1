//! A rescue after a handover, on a real chain: the vault of epoch 1 is moved by the leaf of its own federation.

use bitcoin::OutPoint;
use tacit_bridge::rescue::{FeeSource, Rescue, RescueError, lineage_of};
use tacit_protocol::params::ChainId;
use tacit_protocol::peg::epoch::{Release, Voice};
use tacit_protocol::peg::vault::{VaultKeys, VaultLeaf};
use tacit_protocol::peg::{Announcement, Epoch, Lineage, VaultTip};
use tacit_protocol::testing::quorum;

use super::setting::{MEMBERS, Setting, federation, key, operator, rate, vault_keys};

const CHAIN: ChainId = ChainId::from_bytes([7; 32]);

/// The backup keys of the next federation, two of which sign.
const NEXT: [u8; 3] = [91, 92, 93];

/// The first federation, which is all that those who sign know.
fn first() -> Lineage {
    let keys = vault_keys();
    Lineage::new(CHAIN, Epoch { number: 0, keys })
}

/// The next one, whose leaf opens after 4 blocks.
fn next() -> Epoch {
    let keys = VaultKeys {
        federation: key(4).public_key(),
        backup: Some(quorum(2, &NEXT, 4)),
        recovery: None,
    };
    Epoch { number: 1, keys }
}

fn announced() -> Lineage {
    let epoch = next();
    let sign = |signer: tacit_bridge::keys::SigningKey, keys: &VaultKeys, voice| {
        signer.sign_key_path(&epoch.message(CHAIN, voice), keys.merkle_root())
    };
    let announcement = Announcement {
        release: Release::Federation(sign(federation(), &vault_keys(), Voice::Incumbent)),
        successor: sign(key(4), &epoch.keys, Voice::Successor),
        epoch: epoch.clone(),
    };
    let mut lineage = first();
    lineage.follow(announcement).unwrap();
    lineage
}

#[test]
fn the_vault_of_a_later_epoch_is_rescued_on_a_real_chain_by_its_own_members() {
    let mut setting = Setting::new();
    let script = next().keys.script_pubkey();
    let outpoint = setting
        .faucet
        .pay(&script, bitcoin::Amount::from_sat(2_000_000))
        .unwrap();
    setting.mine(1);
    let client = setting.client();
    let lineage = lineage_of(announced(), outpoint, client.as_ref()).unwrap();
    let before = lineage_of(first(), outpoint, client.as_ref());
    assert_eq!(before, Err(RescueError::NoEpoch(outpoint)));
    let coins = setting.coins.spendable();
    let fee = FeeSource {
        coins: &coins,
        rate: rate(),
        change: setting.coins.script(),
    };
    let tip = VaultTip {
        outpoint,
        amount: tacit_protocol::Amount::from_sat(2_000_000).unwrap(),
    };
    let prepared = Rescue::prepare(&lineage, tip, (VaultLeaf::Backup, None), fee).unwrap();

    // Each of those who sign has chain.json and these bytes.
    let read = || Rescue::read(&prepared.to_bytes(), &first()).unwrap();
    let mut all = read();
    assert!(
        all.sign(&key(MEMBERS[0])).is_err(),
        "a key of the federation before"
    );
    for tag in &NEXT[1..] {
        let mut copy = read();
        copy.sign(&key(*tag)).unwrap();
        all.combine(copy).unwrap();
    }
    all.sign_coins(&operator()).unwrap();
    assert_eq!(all.summary().epoch, 1);
    setting.mine(2);
    let locked = all.clone().send(client.as_ref());
    assert!(
        matches!(locked, Err(RescueError::Locked { left: 1, .. })),
        "{locked:?}"
    );
    setting.mine(1);
    let tx = all.send(client.as_ref()).unwrap();
    setting.mine(1);
    let moved = OutPoint::new(tx.compute_txid(), 0);
    let found = client.unspent(&moved, false).unwrap().unwrap();
    assert_eq!(
        (found.txout.script_pubkey, found.txout.value),
        (script, bitcoin::Amount::from_sat(2_000_000))
    );
}
