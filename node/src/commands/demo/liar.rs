//! A member of the federation that lies: it agrees to everything and sends shares that are not its own.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use rand::rngs::OsRng;
use rand_core::RngCore;
use tacit_bridge::proposal::Proposal;
use tacit_federation::identity::IdentityKey;
use tacit_federation::message::{Answer, Request};
use tacit_federation::share::{ShareFile, Stored};
use tacit_federation::signer::{Input, Ledger, Signer};
use tacit_protocol::encoding::Decode;

use crate::federation::file::Federation;
use crate::federation::listener::{Answers, Listener};
use crate::federation::secrets::load_identity;
use crate::local::federation::LocalMember;

/// Bytes of a share: a scalar.
const SHARE: usize = 32;

/// Answers in place of an honest signer.
struct Liar(Mutex<Signer>);

impl Answers for Liar {
    fn knows(&self, _: &IdentityKey) -> bool {
        true
    }

    fn longest(&self, _: &IdentityKey) -> usize {
        Request::LONGEST
    }

    fn answer(&self, _: &IdentityKey, request: Request) -> Answer {
        match request {
            Request::Commit { proposal } => self.commit(&proposal),
            Request::Sign { packages, .. } => Answer::Shares(packages.iter().map(|_| scalar()).collect()),
            Request::Status | Request::Keygen { .. } => Answer::NotYet,
        }
    }
}

impl Liar {
    /// Real commitments, so that nothing is noticed before the shares come.
    fn commit(&self, proposal: &[u8]) -> Answer {
        let Ok(proposal) = Proposal::decode(proposal) else {
            return Answer::NotYet;
        };
        let input = Input::key_path([0; 32], None);
        let inputs = vec![input; 1 + proposal.deposits().len()];
        let mut signer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        signer
            .commit(&inputs, &mut OsRng)
            .map_or(Answer::NotYet, Answer::Commitments)
    }
}

/// A random scalar, small enough to be one.
fn scalar() -> Vec<u8> {
    let mut bytes = vec![0; SHARE];
    OsRng.fill_bytes(&mut bytes[1..]);
    bytes
}

/// Puts a liar in the place of a member.
///
/// # Errors
/// If its files cannot be opened or its address is in use.
pub(super) fn start(member: &LocalMember, passphrase: &[u8]) -> anyhow::Result<Listener> {
    let own = member.config.signer()?;
    let federation = Federation::load(&own.federation_file)?;
    let identity = load_identity(&own.identity_file)?;
    let (_, stored) = ShareFile::open(&own.share_file, passphrase)?;
    let Stored::Agreed(share) = stored else {
        bail!("the share was not agreed on");
    };
    let me = federation
        .member(share.member())
        .context("the member is not in the file")?;
    let ledger = Ledger::open(&Path::join(member.dir(), "liar.ledger"))?;
    let liar = Arc::new(Liar(Mutex::new(Signer::new(share, ledger))));
    Listener::start(&me.address, Arc::new(identity), *federation.context(), liar)
}
