//! What the demo found, for people and as JSON.

use serde::Serialize;
use tacit_protocol::encryption::MemoText;

/// The record of one run.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// The chain's identifier.
    pub(super) chain_id: String,
    /// Bitcoin transactions.
    pub(super) txids: Txids,
    /// State commitments; all three agree.
    pub(super) state_roots: Roots,
    /// Number of the last batch.
    pub(super) batches: u32,
    /// Transfers in batches.
    pub(super) transfers: u32,
    /// What Alice wrote to Bob, as his wallet found it.
    pub(super) memo_read_by_bob: MemoText,
    /// Final balances in satoshi.
    pub(super) balances: Balances,
    /// Shielded supply, what the vault holds and what it lacks, in satoshi.
    pub(super) reserves: ReserveFigures,
    /// Constraints of the transfer statement.
    pub(super) transfer_constraints: usize,
    /// Constraints of `Batch<20, 8>`, per slot.
    pub(super) batch_constraints_per_slot: usize,
    /// Median time of a wallet's proof.
    pub(super) transfer_prove_ms: u64,
    /// Median time of a batch proof.
    pub(super) batch_prove_ms: u64,
    /// Median time to verify one transfer.
    pub(super) verify_ms: f64,
    /// A transfer's own bytes in a batch, header apart.
    pub(super) bytes_per_transfer_on_l1: usize,
    /// The same in virtual bytes, pushes included.
    pub(super) vbytes_per_transfer_on_l1: f64,
}

/// Bitcoin transactions of the story.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Txids {
    /// Alice's and Bob's deposits.
    pub(super) deposits: Vec<String>,
    /// The commit of the last anchor.
    pub(super) anchor_commit: String,
    /// The reveal of the last anchor.
    pub(super) anchor_reveal: String,
    /// The vault transaction that paid Bob.
    pub(super) payout: String,
}

/// State commitments by who computed them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Roots {
    /// The sequencer.
    pub(super) sequencer: String,
    /// The independent full node.
    pub(super) full_node: String,
    /// The auditor, from Bitcoin alone.
    pub(super) auditor: String,
}

/// Balances in satoshi.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Balances {
    /// Alice's.
    pub(super) alice: u64,
    /// Alice's again, from her words on an empty disk.
    pub(super) alice_restored: u64,
    /// Bob's.
    pub(super) bob: u64,
    /// The operator's fees.
    pub(super) operator: u64,
    /// What Bob got on Bitcoin.
    pub(super) bob_on_bitcoin: u64,
}

/// Proof of reserves.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReserveFigures {
    /// Shielded satoshi.
    pub(super) supply: u64,
    /// The vault's satoshi.
    pub(super) vault: u64,
    /// What the vault lacks.
    pub(super) gap: u64,
}

impl Summary {
    /// The record as a page of text.
    pub(super) fn print(&self) {
        println!("\nTacit demo");
        println!("  chain           {}", self.chain_id);
        println!("  state root      {}  (sequencer)", self.state_roots.sequencer);
        println!("                  {}  (full node)", self.state_roots.full_node);
        println!(
            "                  {}  (auditor, from Bitcoin alone)",
            self.state_roots.auditor
        );
        println!(
            "  batches         {} with {} private transfers",
            self.batches, self.transfers
        );
        println!("  memo            Bob reads {}", self.memo_read_by_bob);
        println!(
            "  balances        Alice {} sat, Bob {} sat, operator {} sat",
            self.balances.alice, self.balances.bob, self.balances.operator
        );
        println!(
            "                  Alice restored from her words: {} sat",
            self.balances.alice_restored
        );
        println!(
            "                  Bob on Bitcoin: {} sat",
            self.balances.bob_on_bitcoin
        );
        println!(
            "  reserves        vault {} sat against a supply of {} sat",
            self.reserves.vault, self.reserves.supply
        );
        println!(
            "  statements      Transfer {} constraints, Batch<20, 8> {} per slot",
            self.transfer_constraints, self.batch_constraints_per_slot
        );
        println!(
            "  times           transfer proof {} ms, batch proof {} ms, verification {:.2} ms",
            self.transfer_prove_ms, self.batch_prove_ms, self.verify_ms
        );
        println!(
            "  on Bitcoin      {} bytes = {:.1} vB per private transfer",
            self.bytes_per_transfer_on_l1, self.vbytes_per_transfer_on_l1
        );
        for deposit in &self.txids.deposits {
            println!("  deposit         {deposit}");
        }
        println!("  anchor commit   {}", self.txids.anchor_commit);
        println!("  anchor reveal   {}", self.txids.anchor_reveal);
        println!("  payout          {}", self.txids.payout);
    }
}
