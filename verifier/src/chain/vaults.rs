//! One spend of the vault tip: sweeps, payouts, a handover, or a fault that is recorded for good.

use std::cell::RefCell;

use bitcoin::{OutPoint, Script, ScriptBuf, TxOut, XOnlyPublicKey};
use tacit_protocol::Amount;
use tacit_protocol::kv::{KvError, KvRead, Overlay};
use tacit_protocol::params::ChainParams;
use tacit_protocol::peg::vault::{Handover, VaultEffects};
use tacit_protocol::peg::{
    Epoch, EpochHash, TxInput, VaultContext, VaultTip, WithdrawalView, check_vault_tx,
};

use super::records::{Fault, Handed, Payout, Place, Swept, Tip, VaultRecord};
use super::{handover, require_tip, reserves, table};
use crate::rules::Rules;

/// The vault as the state of a follower shows it at some height.
pub struct VaultStateView<'a> {
    kv: &'a dyn KvRead,
    params: &'a ChainParams,
    height: u32,
    tip: VaultTip,
    script: ScriptBuf,
    epoch: Epoch,
    failure: RefCell<Option<KvError>>,
}

impl<'a> VaultStateView<'a> {
    /// The vault when the best block has this height.
    ///
    /// # Errors
    /// [`KvError`] if the view fails or is damaged.
    pub fn new(kv: &'a dyn KvRead, params: &'a ChainParams, height: u32) -> Result<Self, KvError> {
        let tip = require_tip(table::vault_tip(kv))?;
        let amount = Amount::from_sat(tip.txout.value.to_sat()).map_err(|e| KvError::corrupt(b"Q", e))?;
        let epoch = handover::epoch(kv)?;
        let tip = VaultTip {
            outpoint: tip.outpoint,
            amount,
        };
        Ok(Self {
            kv,
            params,
            height,
            tip,
            script: epoch.keys.script_pubkey(),
            epoch,
            failure: RefCell::new(None),
        })
    }

    fn find(&self, index: u64) -> Result<Option<WithdrawalView>, KvError> {
        Ok(table::withdrawal(self.kv, index)?.map(|w| w.view(self.params.genesis(), self.height)))
    }

    /// Notes a failure of the view, for [`Self::finish`].
    fn noted<T>(&self, found: Result<Option<T>, KvError>) -> Option<T> {
        found.unwrap_or_else(|error| {
            self.failure.borrow_mut().get_or_insert(error);
            None
        })
    }

    /// The failure of the view met by a question of [`VaultContext`], if any.
    ///
    /// # Errors
    /// That failure.
    pub fn finish(self) -> Result<(), KvError> {
        self.failure.into_inner().map_or(Ok(()), Err)
    }
}

impl VaultContext for VaultStateView<'_> {
    fn tip(&self) -> VaultTip {
        self.tip
    }

    fn vault_script(&self) -> &Script {
        &self.script
    }

    fn successor_script(&self, epoch: &EpochHash) -> Option<ScriptBuf> {
        let announced = self.noted(handover::announced_next(self.kv, &self.epoch, epoch))?;
        Some(announced.announcement.epoch.keys.script_pubkey())
    }

    fn anchor_script(&self, sequencer: &XOnlyPublicKey) -> ScriptBuf {
        let timelock = self.params.genesis().takeover_timelock;
        handover::anchor_keys(*sequencer, self.epoch.keys.federation, timelock).script_pubkey()
    }

    fn withdrawal(&self, index: u64) -> Option<WithdrawalView> {
        self.noted(self.find(index))
    }
}

/// Applies a transaction that spends the vault tip.
pub(super) fn connect(
    kv: &mut Overlay<'_>,
    rules: &Rules,
    tx: &TxInput,
    place: Place,
) -> Result<(), KvError> {
    let view = VaultStateView::new(kv, rules.params(), place.height)?;
    let outcome = check_vault_tx(tx.tx(), tx.prevouts(), &view);
    view.finish()?;
    match outcome {
        Ok(effects) => apply(kv, rules, &effects, place),
        Err(rule) => {
            record_fault(kv, tx, place, rule.to_string())?;
            Ok(())
        }
    }
}

fn apply(kv: &mut Overlay<'_>, rules: &Rules, effects: &VaultEffects, place: Place) -> Result<(), KvError> {
    let after_fault = table::fault(kv)?.is_some();
    let first = u32::try_from(table::sweep_count(kv)?).map_err(|e| KvError::corrupt(b"D", e))?;
    let epoch = handover::epoch(kv)?.number;
    for (index, deposit) in (first..).zip(&effects.swept) {
        let swept = Swept {
            outpoint: deposit.outpoint,
            script: deposit.script_pubkey.clone(),
            amount: deposit.amount,
            credit: deposit.credit,
            height: place.height,
            epoch,
            txid: place.txid,
            after_fault,
            credited: None,
        };
        table::put_swept(kv, index, &swept);
    }
    for paid in &effects.paid {
        let mut withdrawal = table::withdrawal(kv, paid.index)?
            .ok_or_else(|| KvError::corrupt(b"W", "a paid withdrawal is missing"))?;
        let outpoint = OutPoint {
            txid: place.txid,
            vout: paid.vout,
        };
        withdrawal.paid = Some(Payout {
            height: place.height,
            outpoint,
            share: paid.share,
        });
        table::put_withdrawal(kv, paid.index, &withdrawal);
    }
    reserves::after_vault(kv, effects, after_fault)?;
    let tip = effects.new_tip;
    let txout = TxOut {
        value: bitcoin::Amount::from_sat(tip.amount.to_sat()),
        script_pubkey: effects.script_pubkey.clone(),
    };
    table::put_vault_tip(
        kv,
        &Tip {
            outpoint: tip.outpoint,
            txout,
        },
    );
    let count = |n: usize| u32::try_from(n).expect("a transaction has fewer inputs and outputs");
    let (swept, paid) = (count(effects.swept.len()), count(effects.paid.len()));
    let handover = match effects.handover {
        None => Handed::Nothing,
        Some(Handover::Vault(hash)) => handover::rotate(kv, &hash, &place)?,
        Some(Handover::Anchor(sequencer)) => handover::reset(kv, rules, sequencer, &place)?,
    };
    table::append_vault(
        kv,
        &VaultRecord {
            place,
            swept,
            paid,
            amount: tip.amount,
            handover,
        },
    )
}

/// Records the first fault; the tip moves to output 0, wherever that is.
fn record_fault(kv: &mut Overlay<'_>, tx: &TxInput, place: Place, rule: String) -> Result<(), KvError> {
    let outpoint = OutPoint {
        txid: tx.txid(),
        vout: 0,
    };
    let txout = tx
        .tx()
        .output
        .first()
        .expect("a confirmed transaction has outputs")
        .clone();
    table::put_vault_tip(kv, &Tip { outpoint, txout });
    if table::fault(kv)?.is_none() {
        table::put_fault(kv, &Fault { place, rule });
    }
    Ok(())
}
