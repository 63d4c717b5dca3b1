//! The receiver's side: finding payments and change, and showing payments made.
//!
//! Order of the checks on a payment: the amount (a cheap filter that all but one in 2^13 strangers'
//! outputs fail), the commitment, then `epk = esk·g_d`. The last one stops a sender from using the
//! ephemeral key of one of our addresses with the diversifier of another to learn that both are
//! ours. None of the functions allocates; one scalar multiplication dominates.

use super::{EncryptedOutputs, MemoKey, Role, Rseed, Salt};
use super::{apply_stream, change_key, derive_esk, derive_rseed, payment_key};
use crate::address::{Address, Diversifier};
use crate::amount::Amount;
use crate::keys::{FullViewingKey, IncomingViewingKey};
use crate::note::{Commitment, Note, Nullifier};

/// A payment found in a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentReceived {
    /// The note. An amount of zero is the padding of a transfer that pays nobody.
    pub note: Note,
    /// The output it stands in, 0 or 1.
    pub index: u8,
    /// Whether the other output holds the very same note. Both are spendable, at their positions.
    pub twice: bool,
    /// Opens the transfer's memo, if it has one.
    pub memo_key: MemoKey,
}

/// Change found in a transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeReceived {
    /// The note.
    pub note: Note,
    /// The output it stands in, 0 or 1.
    pub index: u8,
    /// The salt of the transfer, from which its payment can be recovered ([`recover_sent`]).
    pub salt: Salt,
    /// Opens the transfer's memo, if it has one, whoever was paid.
    pub memo_key: MemoKey,
}

/// Where `note` stands among two outputs: its first place and whether it is in both.
fn locate(note: &Note, cm: &[Commitment; 2]) -> Option<(u8, bool)> {
    let own = note.commitment();
    match (own == cm[0], own == cm[1]) {
        (true, twice) => Some((0, twice)),
        (false, true) => Some((1, false)),
        (false, false) => None,
    }
}

fn amount_of(bytes: &[u8]) -> Option<Amount> {
    let sats = u64::from_le_bytes(bytes.try_into().expect("callers pass eight bytes"));
    Amount::from_sat(sats).ok()
}

impl IncomingViewingKey {
    /// The payment to this account among the outputs of a transfer, if there is one.
    ///
    /// # Panics
    /// Never: lengths are fixed and `epk` was checked when the outputs were made.
    #[must_use]
    pub fn try_payment(&self, outputs: &EncryptedOutputs, cm: &[Commitment; 2]) -> Option<PaymentReceived> {
        let shared = outputs.epk_point() * self.ivk();
        let plain = apply_stream(&payment_key(&shared, &outputs.epk, cm), outputs.ct_pay);
        let v = amount_of(&plain[..8])?;
        let d = Diversifier::new(plain[8..16].try_into().expect("eight bytes"));
        let rseed: Rseed = plain[16..].try_into().expect("sixteen bytes");
        let note = Note::from_rseed(v, d, self.pk_d(&d), &rseed);
        let (index, twice) = locate(&note, cm)?;
        let epk = (d.g_d() * derive_esk(&rseed)).compress();
        (epk.0 == outputs.epk).then(|| PaymentReceived {
            note,
            index,
            twice,
            memo_key: MemoKey::derive(&rseed, &outputs.epk, cm),
        })
    }
}

impl FullViewingKey {
    /// The change of a transfer this account made, if it is one. It is to be tried on every
    /// transfer, because the first nullifier may be a dummy's.
    ///
    /// # Panics
    /// Never: lengths are fixed.
    #[must_use]
    pub fn try_change(
        &self,
        outputs: &EncryptedOutputs,
        nf0: &Nullifier,
        cm: &[Commitment; 2],
    ) -> Option<ChangeReceived> {
        let plain = apply_stream(&change_key(self.ovk(), &outputs.epk, cm), outputs.ct_change);
        let v = amount_of(&plain[..8])?;
        let salt: Salt = plain[8..].try_into().expect("eight bytes");
        let rseed = derive_rseed(self.ovk(), nf0, &salt, Role::Change);
        let d = self.incoming().internal_diversifier();
        let note = Note::from_rseed(v, d, self.incoming().pk_d(&d), &rseed);
        let (index, _) = locate(&note, cm)?;
        let rseed = derive_rseed(self.ovk(), nf0, &salt, Role::Payment);
        Some(ChangeReceived {
            note,
            index,
            salt,
            memo_key: MemoKey::derive(&rseed, &outputs.epk, cm),
        })
    }
}

/// Rebuilds the payment of a transfer this account made to a known `address`; the salt comes from
/// the change ([`FullViewingKey::try_change`]). Also returns the seed to disclose
/// ([`open_disclosed`]).
#[must_use]
pub fn recover_sent(
    ovk: &[u8; 32],
    nf0: &Nullifier,
    salt: &Salt,
    outputs: &EncryptedOutputs,
    cm: &[Commitment; 2],
    address: &Address,
) -> Option<(PaymentReceived, Rseed)> {
    let rseed = derive_rseed(ovk, nf0, salt, Role::Payment);
    open_disclosed(&rseed, outputs, cm, address).map(|payment| (payment, rseed))
}

/// What anyone can check who was told the seed of a payment and the address: that this transfer
/// pays this amount to this address.
///
/// # Panics
/// Never: lengths are fixed.
#[must_use]
pub fn open_disclosed(
    rseed: &Rseed,
    outputs: &EncryptedOutputs,
    cm: &[Commitment; 2],
    address: &Address,
) -> Option<PaymentReceived> {
    let esk = derive_esk(rseed);
    if (address.d().g_d() * esk).compress().0 != outputs.epk {
        return None;
    }
    let shared = address.p_d_point() * esk;
    let plain = apply_stream(&payment_key(&shared, &outputs.epk, cm), outputs.ct_pay);
    if plain[8..16] != address.d().as_bytes()[..] || plain[16..] != rseed[..] {
        return None;
    }
    let note = Note::payment(amount_of(&plain[..8])?, address, rseed);
    let (index, twice) = locate(&note, cm)?;
    Some(PaymentReceived {
        note,
        index,
        twice,
        memo_key: MemoKey::derive(rseed, &outputs.epk, cm),
    })
}
