//! A chain.json whose genesis outputs are not on Bitcoin as it says is refused at the start.

use tacit_bridge::client::memory::MemoryBitcoin;
use tacit_protocol::params::Genesis;
use tacit_protocol::{Amount, testing};

use super::*;

/// A chain in memory that holds what a genesis part says.
fn honest() -> (MemoryBitcoin, Genesis) {
    let (chain, base) = (MemoryBitcoin::new(), testing::genesis());
    let anchor = chain.pay(&base.anchor_keys().script_pubkey(), ANCHOR_AMOUNT);
    let value = bitcoin::Amount::from_sat(base.vault_amount.to_sat());
    let vault = chain.pay(&base.vault_keys().script_pubkey(), value);
    let start_hash = chain.mine(1)[0];
    chain.mine(2);
    let genesis = Genesis {
        start_height: 1,
        start_hash,
        anchor,
        vault,
        ..base
    };
    (chain, genesis)
}

fn judge(chain: &MemoryBitcoin, genesis: Genesis) -> Result<(), String> {
    let params = ChainParams::new(genesis, Vec::new()).unwrap();
    check(chain, &params).map_err(|error| format!("{error:#}"))
}

#[test]
fn genesis_outputs_that_are_on_bitcoin_as_stated_are_accepted() {
    let (chain, genesis) = honest();
    assert_eq!(judge(&chain, genesis), Ok(()));
}

#[test]
fn a_chain_file_that_names_other_outputs_is_refused_at_the_start() {
    type Lie = (&'static str, fn(&mut Genesis, &MemoryBitcoin));
    let lies: [Lie; 8] = [
        ("anchor", |g, _| g.anchor.vout += 7),
        ("vault", |g, _| g.vault.vout += 7),
        ("vault", |g, _| g.vault_amount = Amount::from_sat(999).unwrap()),
        ("vault", |g, _| g.vault_backup = None),
        ("vault", |g, _| g.vault_recovery = None),
        ("anchor", |g, _| g.takeover_timelock += 1),
        ("anchor", |g, _| (g.anchor, g.vault) = (g.vault, g.anchor)),
        ("anchor", |g, chain| {
            g.start_hash = chain.block_hash(2).unwrap().unwrap();
        }),
    ];
    for (named, lie) in lies {
        let (chain, mut genesis) = honest();
        lie(&mut genesis, &chain);
        let refused = judge(&chain, genesis).unwrap_err();
        assert!(refused.contains(&format!("genesis {named}")), "{refused}");
    }
}
