//! The contract of [`BitcoinClient`] as checks: every implementation passes all of them.
//!
//! A check takes the client and a [`TestChain`] that can mine, pay and replace blocks, and panics
//! with the broken promise. [`check_all`] runs every one.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use crate::client::{Acceptance, BitcoinClient, Broadcast, ClientError};

/// What a check does to the chain that the client looks at.
pub trait TestChain {
    /// Mines `count` blocks with whatever the mempool holds.
    fn mine(&self, count: u32) -> Vec<BlockHash>;

    /// Puts a payment into the mempool.
    fn pay(&self, script: &ScriptBuf, amount: Amount) -> OutPoint;

    /// Replaces the last block by two others.
    fn replace_tip(&self);
}

/// Runs every check.
///
/// # Panics
/// With the promise that is broken.
pub fn check_all(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    check_chain_info_follows_mining(client, chain);
    check_hashes_end_at_the_tip(client, chain);
    check_unknown_blocks_are_named(client);
    check_a_block_brings_what_it_spends(client, chain);
    check_amounts_are_exact_to_the_satoshi(client, chain);
    check_outputs_move_from_mempool_to_block(client, chain);
    check_mempool_names_the_spender(client, chain);
    check_scan_finds_scripts(client, chain);
    check_unknown_inputs_are_refused(client, chain);
    check_sending_again_does_no_harm(client, chain);
    check_a_replaced_block_is_not_active(client, chain);
    check_fee_answers_are_plausible(client);
}

/// A script that nobody else pays to.
fn script(tag: u8) -> ScriptBuf {
    let hash = bitcoin::WScriptHash::hash(&[tag, 0xc0, 0x4f]);
    ScriptBuf::new_p2wsh(&hash)
}

/// Unwraps an answer that has to come.
fn must<T>(answer: Result<T, ClientError>) -> T {
    answer.unwrap_or_else(|error| panic!("the client must answer: {error}"))
}

/// Height and hash of the tip follow the chain, and the network has its name.
///
/// # Panics
/// With the promise that is broken.
pub fn check_chain_info_follows_mining(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let before = must(client.chain_info());
    let mined = chain.mine(2);
    let after = must(client.chain_info());
    assert_eq!(
        after.network, "regtest",
        "the network is named as bitcoind names it"
    );
    assert_eq!(after.height, before.height + 2, "the height follows");
    assert_eq!(Some(&after.best), mined.last(), "the best block follows");
    assert!(
        after.version >= crate::client::MIN_VERSION && !after.pruned,
        "the node is usable"
    );
}

/// Hashes by height: the tip's, its parent's, none above.
///
/// # Panics
/// With the promise that is broken.
pub fn check_hashes_end_at_the_tip(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    chain.mine(1);
    let info = must(client.chain_info());
    assert_eq!(must(client.block_hash(info.height)), Some(info.best));
    assert_eq!(
        must(client.block_hash(info.height + 1)),
        None,
        "nothing is above the tip"
    );
    let header = must(client.header(&info.best)).expect("the tip is known");
    assert_eq!((header.height, header.confirmations), (info.height, 1));
    assert_eq!(
        must(client.block_hash(info.height - 1)),
        header.prev,
        "the parent is below"
    );
    let first = must(client.block_hash(0)).expect("the first block is there");
    let first_header = must(client.header(&first)).expect("the first block is known");
    assert_eq!((first_header.height, first_header.prev), (0, None));
}

/// A block that the node never saw: no header, and an error that names it.
///
/// # Panics
/// With the promise that is broken.
pub fn check_unknown_blocks_are_named(client: &dyn BitcoinClient) {
    let unknown = BlockHash::from_byte_array([0x5a; 32]);
    assert_eq!(must(client.header(&unknown)), None);
    assert_eq!(
        client.block(&unknown).err(),
        Some(ClientError::UnknownBlock(unknown))
    );
}

/// Each transaction of a block comes with the outputs it spends, the coinbase with none.
///
/// # Panics
/// With the promise that is broken.
pub fn check_a_block_brings_what_it_spends(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let paid = chain.pay(&script(1), Amount::from_sat(70_001));
    let hash = chain.mine(1)[0];
    let block = must(client.block(&hash));
    let header = must(client.header(&hash)).expect("the block is known");
    assert_eq!(
        (block.hash, block.height, Some(block.prev)),
        (hash, header.height, header.prev)
    );
    assert!(block.txs[0].tx().is_coinbase() && block.txs[0].prevouts().is_empty());
    let payment = block
        .txs
        .iter()
        .find(|tx| tx.txid() == paid.txid)
        .expect("it was mined");
    assert_eq!(payment.prevouts().len(), payment.tx().input.len());
    let spent: Amount = payment.prevouts().iter().map(|output| output.value).sum();
    let made: Amount = payment.tx().output.iter().map(|output| output.value).sum();
    assert!(spent > made, "the spent outputs pay for the new ones and a fee");
    let found = must(client.transaction(&paid.txid, Some(&hash)));
    assert_eq!(
        found.as_ref(),
        Some(payment.tx()),
        "the block hands out its transactions"
    );
}

/// No amount is rounded on its way through JSON.
///
/// # Panics
/// With the promise that is broken.
pub fn check_amounts_are_exact_to_the_satoshi(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    for sats in [54_321, 10_000_001, 123_456_789, 1_999_999_999] {
        let amount = Amount::from_sat(sats);
        let paid = chain.pay(&script(2), amount);
        let hash = chain.mine(1)[0];
        let unspent = must(client.unspent(&paid, false)).expect("it is unspent");
        assert_eq!(unspent.txout.value, amount, "unspent outputs are exact");
        let scan = must(client.scan(&[script(2)]));
        let found = scan.outputs.iter().find(|output| output.outpoint == paid);
        assert_eq!(
            found.expect("the scan finds it").txout.value,
            amount,
            "scans are exact"
        );
        for tx in must(client.block(&hash)).txs {
            for (input, prevout) in tx.tx().input.iter().zip(tx.prevouts()) {
                let whole = prevout.value.to_sat();
                assert!(whole > 0, "input {} has an amount", input.previous_output);
            }
        }
    }
}

/// An output counts its confirmations, and is seen in the mempool only when asked for.
///
/// # Panics
/// With the promise that is broken.
pub fn check_outputs_move_from_mempool_to_block(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let paid = chain.pay(&script(3), Amount::from_sat(50_000));
    assert_eq!(must(client.unspent(&paid, false)), None, "it is not confirmed");
    let pending = must(client.unspent(&paid, true)).expect("the mempool has it");
    assert_eq!(pending.confirmations, 0);
    let entry = must(client.mempool_entry(&paid.txid)).expect("the mempool has it");
    assert!(entry.fee > Amount::ZERO && entry.ancestors >= 1);
    assert_eq!(
        (entry.family_vsize, entry.family_fee),
        (entry.vsize, entry.fee),
        "nothing hangs on it"
    );
    assert!(
        must(client.transaction(&paid.txid, None)).is_some(),
        "the mempool hands it out"
    );
    chain.mine(1);
    assert_eq!(
        must(client.mempool_entry(&paid.txid)),
        None,
        "it left the mempool"
    );
    for confirmations in 1..3 {
        let unspent = must(client.unspent(&paid, false)).expect("it is unspent");
        assert_eq!((unspent.confirmations, unspent.coinbase), (confirmations, false));
        assert_eq!(unspent.txout.script_pubkey, script(3));
        chain.mine(1);
    }
}

/// The mempool says which of its transactions spends an output.
///
/// # Panics
/// With the promise that is broken.
pub fn check_mempool_names_the_spender(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let paid = chain.pay(&script(4), Amount::from_sat(50_000));
    let payment = must(client.transaction(&paid.txid, None)).expect("the mempool has it");
    let source = payment.input[0].previous_output;
    assert_eq!(must(client.mempool_spender(&source)), Some(paid.txid));
    assert_eq!(must(client.unspent(&source, true)), None, "the mempool spends it");
    assert_eq!(must(client.mempool_spender(&paid)), None);
    chain.mine(1);
    assert_eq!(
        must(client.mempool_spender(&source)),
        None,
        "the mempool is empty again"
    );
}

/// A scan finds the confirmed outputs of the scripts asked for, and no others.
///
/// # Panics
/// With the promise that is broken.
pub fn check_scan_finds_scripts(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let wanted = [script(5), script(6)];
    let mut paid: Vec<OutPoint> = wanted
        .iter()
        .map(|to| chain.pay(to, Amount::from_sat(60_000)))
        .collect();
    chain.pay(&script(7), Amount::from_sat(60_000));
    assert!(
        must(client.scan(&wanted)).outputs.is_empty(),
        "nothing is confirmed yet"
    );
    chain.mine(1);
    let info = must(client.chain_info());
    let scan = must(client.scan(&wanted));
    assert_eq!((scan.height, scan.best), (info.height, info.best));
    let mut found: Vec<OutPoint> = scan.outputs.iter().map(|output| output.outpoint).collect();
    assert!(
        scan.outputs
            .iter()
            .all(|output| output.height == info.height && !output.coinbase)
    );
    found.sort();
    paid.sort();
    assert_eq!(found, paid);
}

/// A transaction out of nothing is refused as such, by every way of sending it.
///
/// # Panics
/// With the promise that is broken.
pub fn check_unknown_inputs_are_refused(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    chain.mine(1);
    let tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint {
                txid: Txid::from_byte_array([0x77; 32]),
                vout: 3,
            },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
            witness: Witness::from_slice(&[[1u8; 64]]),
        }],
        output: vec![TxOut {
            value: Amount::from_sat(30_000),
            script_pubkey: script(8),
        }],
    };
    let error = client.send(&tx).expect_err("it spends nothing that exists");
    assert!(error.is_missing_inputs(), "the reason is said: {error}");
    let ClientError::Rejected { txid, .. } = error else {
        panic!("a refusal is typed: {error}")
    };
    assert_eq!(txid, tx.compute_txid());
    assert!(matches!(must(client.test_accept(&tx)), Acceptance::Refused(_)));
}

/// Sending a transaction that the node already has is no error, wherever it has it.
///
/// # Panics
/// With the promise that is broken.
pub fn check_sending_again_does_no_harm(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let paid = chain.pay(&script(9), Amount::from_sat(50_000));
    let tx = must(client.transaction(&paid.txid, None)).expect("the mempool has it");
    assert_eq!(must(client.send(&tx)), Broadcast::InMempool);
    chain.mine(1);
    assert_eq!(must(client.send(&tx)), Broadcast::AlreadyConfirmed);
}

/// After a reorganisation the old block is known, inactive, and still readable.
///
/// # Panics
/// With the promise that is broken.
pub fn check_a_replaced_block_is_not_active(client: &dyn BitcoinClient, chain: &dyn TestChain) {
    let old = chain.mine(1)[0];
    let height = must(client.header(&old)).expect("it is known").height;
    chain.replace_tip();
    let header = must(client.header(&old)).expect("it is still known");
    assert_eq!(
        (header.height, header.confirmations, header.is_active()),
        (height, -1, false)
    );
    let new = must(client.block_hash(height)).expect("another stands there");
    assert_ne!(new, old);
    assert_eq!(must(client.chain_info()).height, height + 1);
    assert_eq!(must(client.block(&old)).hash, old, "undoing needs the old block");
}

/// The mempool has a lowest rate; an estimate may be missing, but is no error.
///
/// # Panics
/// With the promise that is broken.
pub fn check_fee_answers_are_plausible(client: &dyn BitcoinClient) {
    assert!(must(client.mempool_info()).min_rate.sat_per_kwu() > 0);
    must(client.estimate_rate(6));
}
