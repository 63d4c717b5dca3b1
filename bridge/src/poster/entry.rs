//! What is written down about an envelope on its way: every version of it that may be mined.
//!
//! Each commit spends the coins of the first one, and each reveal its commit's output, so that of all of them one
//! pair can be mined. The envelope itself is in the reveals.

use bitcoin::{OutPoint, Script, Transaction, Txid};
use tacit_protocol::encoding::{DecodeError, Reader};
use tacit_protocol::envelope::{Envelope, read_envelope};
use tacit_protocol::peg::anchor::AnchorPlanError;
use tacit_protocol::peg::forced::{PostPlan, RevealPlan, plan_post, plan_reveal};
use tacit_protocol::peg::{Coin, FeeRate};

use crate::coins::CoinBook;
use crate::journal::{JournalError, put_coins, put_transaction, read_coins, read_transaction};
use crate::keys::SigningKey;

/// Version of the entry's layout.
const LAYOUT: u8 = 1;

/// A commit with its reveals, all signed, the latest last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) commit: Transaction,
    /// Each with its rate; there is one at least.
    pub(super) reveals: Vec<(FeeRate, Transaction)>,
}

impl Version {
    /// The output that the reveals spend.
    pub(super) fn committed(&self) -> OutPoint {
        OutPoint {
            txid: self.commit.compute_txid(),
            vout: 0,
        }
    }

    pub(super) fn commit_inputs(&self) -> impl Iterator<Item = OutPoint> + '_ {
        self.commit.input.iter().map(|input| input.previous_output)
    }

    /// The rate that the latest reveal pays.
    pub(super) fn paid(&self) -> FeeRate {
        self.reveals.last().map_or(FeeRate::default(), |(rate, _)| *rate)
    }

    pub(super) fn reveal(&self) -> Txid {
        let last = self.reveals.last();
        last.map_or_else(|| self.commit.compute_txid(), |(_, tx)| tx.compute_txid())
    }
}

/// An envelope on its way; the latest version last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The coins of the first commit, which every other one spends too.
    pub(super) coins: Vec<Coin>,
    pub(super) versions: Vec<Version>,
}

impl Entry {
    /// The first version.
    pub(super) fn plan(
        key: &SigningKey,
        envelope: &Envelope,
        rate: FeeRate,
        coins: &CoinBook,
    ) -> Result<Self, AnchorPlanError> {
        let (pool, rates) = (coins.spendable(), (rate, rate));
        let (version, coins) = plan_version(key, envelope, (&[], &pool), rates, coins.script())?;
        let versions = vec![version];
        Ok(Self { coins, versions })
    }

    /// With another commit, which replaces those before.
    pub(super) fn raise_commit(
        &mut self,
        key: &SigningKey,
        (rate, own): (FeeRate, &[u8]),
        coins: &CoinBook,
    ) -> Result<(), AnchorPlanError> {
        let Some(envelope) = self.envelope() else {
            return Ok(());
        };
        // A node replaces two transactions by two only if the second pays better than the first.
        let less = rate.sat_per_kwu().saturating_sub(rate.sat_per_kwu() / 20 + 10);
        let rates = (FeeRate::from_sat_per_kwu(less), rate);
        let pool = (&self.coins[..], &coins.spendable_by(own)[..]);
        let (version, _) = plan_version(key, &envelope, pool, rates, coins.script())?;
        self.versions.push(version);
        Ok(())
    }

    /// With another reveal of this version, whose commit is in a block.
    pub(super) fn raise_reveal(
        &mut self,
        at: usize,
        key: &SigningKey,
        (rate, own): (FeeRate, &[u8]),
        coins: &CoinBook,
    ) -> Result<(), AnchorPlanError> {
        let Some(envelope) = self.envelope() else {
            return Ok(());
        };
        let version = &mut self.versions[at];
        let planned = plan_reveal(&RevealPlan {
            envelope: &envelope,
            committed: &version.commit.output[0],
            outpoint: version.committed(),
            coins: &coins.spendable_by(own),
            rate,
            change_script: coins.script(),
        })?;
        let sign = |input| match input {
            0 => key.sign_plain(&planned.sighash(input)),
            _ => key.sign_key_path(&planned.sighash(input), None),
        };
        let signatures: Vec<_> = (0..planned.tx().input.len()).map(sign).collect();
        version.reveals.push((rate, planned.finalise(&signatures)));
        Ok(())
    }

    /// What is posted, as a reveal has it.
    fn envelope(&self) -> Option<Envelope> {
        let (_, reveal) = self.versions.first()?.reveals.first()?;
        let script = reveal.input.first()?.witness.nth(1)?;
        read_envelope(Script::from_bytes(script)).ok().flatten()
    }

    /// All of the operator's coins that any version spends.
    pub(super) fn operator_inputs(&self) -> impl Iterator<Item = OutPoint> + '_ {
        self.versions.iter().flat_map(|version| {
            let reveals = version.reveals.iter();
            let added = reveals.flat_map(|(_, tx)| tx.input.iter().skip(1));
            version
                .commit_inputs()
                .chain(added.map(|input| input.previous_output))
        })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![LAYOUT];
        put_coins(&mut out, &self.coins);
        put_count(&mut out, self.versions.len());
        for version in &self.versions {
            put_transaction(&mut out, &version.commit);
            put_count(&mut out, version.reveals.len());
            for (rate, reveal) in &version.reveals {
                out.extend_from_slice(&rate.sat_per_kwu().to_le_bytes());
                put_transaction(&mut out, reveal);
            }
        }
        out
    }

    pub(super) fn decode(key: &[u8], bytes: &[u8]) -> Result<Self, JournalError> {
        Self::read(bytes).map_err(|error| JournalError::corrupt(key, &error))
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let reader = &mut reader;
        if reader.u8()? != LAYOUT {
            return Err(DecodeError::Unknown("layout of an envelope's entry"));
        }
        let coins = read_coins(reader)?;
        let mut versions = Vec::new();
        for _ in 0..reader.u32()? {
            let commit = read_transaction(reader)?;
            let mut reveals = Vec::new();
            for _ in 0..reader.u32()? {
                let rate = FeeRate::from_sat_per_kwu(reader.u32()?);
                reveals.push((rate, read_transaction(reader)?));
            }
            let version = Version { commit, reveals };
            if version.reveals.is_empty() || version.commit.output.is_empty() {
                return Err(DecodeError::OutOfRange("parts of a version"));
            }
            versions.push(version);
        }
        reader.clone().finish()?;
        let entry = Self { coins, versions };
        if entry.envelope().is_none() {
            return Err(DecodeError::Unknown("envelope"));
        }
        Ok(entry)
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).expect("rates rise by a quarter, so versions are few");
    out.extend_from_slice(&count.to_le_bytes());
}

/// A signed version that spends the first of these coins whatever it costs, with what its commit spends.
fn plan_version(
    key: &SigningKey,
    envelope: &Envelope,
    (spend, pool): (&[Coin], &[Coin]),
    (rate, reveal_rate): (FeeRate, FeeRate),
    change_script: &Script,
) -> Result<(Version, Vec<Coin>), AnchorPlanError> {
    let post = plan_post(&PostPlan {
        envelope,
        key: key.public_key(),
        spend,
        coins: pool,
        rate,
        reveal_rate,
        change_script,
    })?;
    let inputs = post.commit().input.iter().zip(post.commit_prevouts());
    let coins = inputs.map(|(input, prevout)| Coin {
        outpoint: input.previous_output,
        txout: prevout.clone(),
    });
    let coins = coins.collect();
    let signatures: Vec<_> = (0..post.commit().input.len())
        .map(|input| key.sign_key_path(&post.commit_sighash(input), None))
        .collect();
    let [commit, reveal] = post.finalise(&signatures, &key.sign_plain(&post.reveal_sighash()));
    let reveals = vec![(reveal_rate, reveal)];
    Ok((Version { commit, reveals }, coins))
}
