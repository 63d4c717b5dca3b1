//! The sender's side: from amounts and a recipient to two notes and their ciphertexts.

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::{EncryptedOutputs, MemoKey, Role, Rseed, Salt};
use super::{apply_stream, change_key, derive_esk, derive_rseed, payment_key};
use crate::address::Address;
use crate::amount::Amount;
use crate::keys::FullViewingKey;
use crate::note::{Commitment, Note, Nullifier};

/// Which of the two outputs stands first; drawn at random per transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputOrder {
    /// Output 0 is the payment.
    PaymentFirst,
    /// Output 0 is the change.
    ChangeFirst,
}

impl OutputOrder {
    /// The order a random bit stands for.
    #[must_use]
    pub fn from_bit(change_first: bool) -> Self {
        if change_first {
            Self::ChangeFirst
        } else {
            Self::PaymentFirst
        }
    }

    /// Puts a pair in this order.
    #[must_use]
    pub fn arrange<T>(self, payment: T, change: T) -> [T; 2] {
        match self {
            Self::PaymentFirst => [payment, change],
            Self::ChangeFirst => [change, payment],
        }
    }
}

/// The secrets of a transfer's outputs, all derived from `(ovk, nf0, salt)`. A signer rebuilds them
/// from the same inputs and compares before it signs.
#[derive(Clone)]
pub struct OutputSecrets {
    payment: Note,
    change: Note,
    recipient: Address,
    rseed: Rseed,
    salt: Salt,
    ovk: [u8; 32],
}

/// Outputs in their final order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The notes.
    pub notes: [Note; 2],
    /// Their commitments.
    pub cm: [Commitment; 2],
    /// The ephemeral key and the ciphertexts.
    pub outputs: EncryptedOutputs,
    /// Encrypts the transfer's memo, if it is to have one.
    pub memo_key: MemoKey,
}

impl OutputSecrets {
    /// Derives the payment of `amount` to `recipient` and the change back to the account. `salt`
    /// must be fresh for every attempt with the same first nullifier.
    #[must_use]
    pub fn derive(
        sender: &FullViewingKey,
        nf0: &Nullifier,
        salt: Salt,
        (amount, recipient): (Amount, &Address),
        change: Amount,
    ) -> Self {
        let rseed = derive_rseed(sender.ovk(), nf0, &salt, Role::Payment);
        let rseed_change = derive_rseed(sender.ovk(), nf0, &salt, Role::Change);
        let d = sender.incoming().internal_diversifier();
        let pk_d = sender.incoming().pk_d(&d);
        Self {
            payment: Note::payment(amount, recipient, &rseed),
            change: Note::from_rseed(change, d, pk_d, &rseed_change),
            recipient: *recipient,
            rseed,
            salt,
            ovk: *sender.ovk(),
        }
    }

    /// The payment note.
    #[must_use]
    pub fn payment(&self) -> &Note {
        &self.payment
    }

    /// The change note.
    #[must_use]
    pub fn change(&self) -> &Note {
        &self.change
    }

    /// The seed of the payment; with the recipient's address it proves the payment to anyone, see
    /// [`super::open_disclosed`].
    #[must_use]
    pub fn payment_rseed(&self) -> &Rseed {
        &self.rseed
    }

    /// Encrypts both outputs for the given order.
    ///
    /// # Panics
    /// Never in practice: the ephemeral secret is zero with probability 2^-252.
    #[must_use]
    pub fn seal(&self, order: OutputOrder) -> Sealed {
        let notes = order.arrange(self.payment.clone(), self.change.clone());
        let cm = order.arrange(self.payment.commitment(), self.change.commitment());
        let mut esk = derive_esk(&self.rseed);
        let epk = (self.recipient.d().g_d() * esk).compress().0;
        let shared = self.recipient.p_d_point() * esk;
        esk.zeroize();

        let mut plain = [0; 32];
        plain[..8].copy_from_slice(&self.payment.v.to_sat().to_le_bytes());
        plain[8..16].copy_from_slice(self.recipient.d().as_bytes());
        plain[16..].copy_from_slice(&self.rseed);
        let ct_pay = apply_stream(&payment_key(&shared, &epk, &cm), plain);

        let mut plain = [0; 16];
        plain[..8].copy_from_slice(&self.change.v.to_sat().to_le_bytes());
        plain[8..].copy_from_slice(&self.salt);
        let ct_change = apply_stream(&change_key(&self.ovk, &epk, &cm), plain);

        let outputs = EncryptedOutputs::new(epk, ct_pay, ct_change)
            .expect("a non-zero multiple of a hash to the group is not the identity");
        Sealed {
            notes,
            cm,
            outputs,
            memo_key: MemoKey::derive(&self.rseed, &epk, &cm),
        }
    }
}

impl Zeroize for OutputSecrets {
    fn zeroize(&mut self) {
        self.payment.zeroize();
        self.change.zeroize();
        self.rseed.zeroize();
        self.salt.zeroize();
        self.ovk.zeroize();
    }
}

impl Drop for OutputSecrets {
    fn drop(&mut self) {
        self.zeroize();
    }
}

impl ZeroizeOnDrop for OutputSecrets {}
