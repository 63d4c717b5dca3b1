//! One spend of the anchor tip: classify, decode, verify, apply; all or nothing.

use bitcoin::TxOut;
use tacit_protocol::batch::Payload;
use tacit_protocol::encoding::Decode;
use tacit_protocol::kv::{Delta, Overlay};
use tacit_protocol::ledger::{self, LedgerError};
use tacit_protocol::peg::{AnchorOutcome, TxInput, classify_anchor_spend};

use super::records::{AnchorRecord, Place, Tip, Verdict};
use super::{ChainError, due_until, handover, require_head, table};
use crate::batch::{self, BatchError};
use crate::rules::Rules;

/// Applies a transaction that spends the anchor tip.
pub(super) fn connect(
    kv: &mut Overlay<'_>,
    rules: &Rules,
    tx: &TxInput,
    place: &Place,
) -> Result<(), ChainError> {
    let head = require_head(kv)?;
    let timelock = rules.params().genesis().takeover_timelock;
    let expected = head.next_keys(timelock).script_pubkey();
    let prevouts: &[TxOut] = tx.prevouts();
    let Some(spend) = classify_anchor_spend(tx.tx(), prevouts, head.tip.outpoint, &expected) else {
        return Ok(());
    };
    let next = head.spent(
        Tip {
            outpoint: spend.tip.outpoint,
            txout: spend.tip.txout,
        },
        &expected,
        handover::epoch(kv)?.keys.federation,
    );
    table::put_anchor_head(kv, &next);
    let verdict = match spend.outcome {
        AnchorOutcome::Empty(reason) => Verdict::Empty(reason.to_string()),
        AnchorOutcome::Payload(bytes) => match judge(kv, rules, &bytes, place)? {
            Ok((delta, verdict)) => {
                kv.apply(&delta);
                verdict
            }
            Err(rule) => Verdict::Invalid(rule),
        },
    };
    let place = place.clone();
    table::append_anchor(kv, &AnchorRecord { place, verdict })?;
    Ok(())
}

/// Verifies a payload on a scratch overlay. The outer error is the view's; the inner one is the
/// first rule that the payload breaks.
fn judge(
    kv: &Overlay<'_>,
    rules: &Rules,
    bytes: &[u8],
    place: &Place,
) -> Result<Result<(Delta, Verdict), String>, ChainError> {
    let payload = match Payload::decode(bytes) {
        Ok(payload) => payload,
        Err(error) => return Ok(Err(format!("payload: {error}"))),
    };
    let first = ledger::tip(kv)?.batch + 1;
    // This spend is not on record yet: the tip is the one that it spends.
    let due = due_until(kv, rules.params())?;
    let mut scratch = Overlay::new(kv);
    let mut count = 0;
    for batch in payload.into_batches() {
        match batch::verify(rules, &mut scratch, batch, place, due) {
            Ok(_) => count += 1,
            Err(BatchError::Kv(error) | BatchError::Ledger(LedgerError::Kv(error))) => {
                return Err(error.into());
            }
            Err(rule) => return Ok(Err(format!("batch {}: {rule}", first + count))),
        }
    }
    Ok(Ok((scratch.into_delta(), Verdict::Applied { first, count })))
}
