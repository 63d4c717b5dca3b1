//! The coordinator of a signing round.
//!
//! It asks all members for commitments, makes packages of the first `t` that answer, and asks those for
//! their shares. Whoever refuses, sends nonsense, lies, or is late is excluded with the reason, and the
//! round begins again with the others and fresh nonces: every failed attempt excludes somebody, so there
//! are at most `n − t + 1`. A coordinator needs nobody's trust: members sign what they agreed to
//! themselves. It can keep a signature back, or say that there is none: who gave a share has to reckon
//! with the transaction.
//!
//! A session does nothing by itself: [`Session::todo`] says what to ask whom, and the caller brings
//! answers and the end of its patience, each with the [`Step`] that it belongs to: what arrives late, or
//! twice, is about a step that is over and is ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bitcoin::secp256k1::{Message as Digest, Secp256k1, schnorr};
use frost_secp256k1_tr::round1::SigningCommitments;
use frost_secp256k1_tr::round2::SignatureShare;
use frost_secp256k1_tr::{Identifier, SigningPackage};

use crate::roster::MemberId;
use crate::share::GroupKey;
use crate::signer::{Input, aggregate_under};
use crate::wire::Message;

/// Why a member is not asked again in this session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It did not answer in time.
    Late,
    /// It said no, for this reason.
    Refused(String),
    /// It sent bytes that are no answer.
    Garbage,
    /// Its share does not belong to its key and commitments.
    BadShare,
}

impl Exclusion {
    /// Whether no honest member, reachable or not, can have come to this.
    #[must_use]
    pub fn is_misbehaviour(&self) -> bool {
        matches!(self, Self::Garbage | Self::BadShare)
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("did not answer in time"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::Garbage => f.write_str("sent bytes that are no answer"),
            Self::BadShare => f.write_str("sent a share that is not its own"),
        }
    }
}

/// A step of a session: questions and their answers belong to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(u32);

/// What a session waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Todo {
    /// Ask these members for commitments.
    Commit {
        /// To be named with the answers.
        step: Step,
        /// The members.
        members: BTreeSet<MemberId>,
    },
    /// Ask these members for shares of these packages, one per input.
    Sign {
        /// To be named with the answers.
        step: Step,
        /// The members.
        members: BTreeSet<MemberId>,
        /// The packages.
        packages: Vec<Vec<u8>>,
    },
    /// The signatures are there, one per input.
    Done(Vec<schnorr::Signature>),
    /// Too few members are left; [`Session::excluded`] says why.
    Failed,
}

enum Phase {
    Committing(BTreeMap<MemberId, Vec<SigningCommitments>>),
    Signing {
        packages: Vec<SigningPackage>,
        /// `None` while the member has not answered.
        shares: BTreeMap<MemberId, Option<Vec<SignatureShare>>>,
    },
    Done(Vec<schnorr::Signature>),
    Failed,
}

/// A signing round.
pub struct Session {
    group: GroupKey,
    inputs: Vec<Input>,
    excluded: BTreeMap<MemberId, Exclusion>,
    attempts: u32,
    step: Step,
    phase: Phase,
}

/// Longest reason of a refusal that is kept, in characters: members write them.
const LONGEST_REASON: usize = 300;

impl Session {
    /// A round for the inputs of one transaction, without members that earlier rounds found unfit.
    #[must_use]
    pub fn new(group: GroupKey, inputs: Vec<Input>, excluded: BTreeMap<MemberId, Exclusion>) -> Self {
        let mut session = Self {
            group,
            phase: if inputs.is_empty() {
                Phase::Done(Vec::new())
            } else {
                Phase::Committing(BTreeMap::new())
            },
            inputs,
            excluded,
            attempts: 1,
            step: Step(0),
        };
        session.fail_if_too_few();
        session
    }

    /// What there is to sign.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Who is not asked again, and why.
    #[must_use]
    pub fn excluded(&self) -> &BTreeMap<MemberId, Exclusion> {
        &self.excluded
    }

    /// How often it began.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// What to do next.
    #[must_use]
    pub fn todo(&self) -> Todo {
        match &self.phase {
            Phase::Committing(answers) => Todo::Commit {
                step: self.step,
                members: self
                    .left()
                    .filter(|member| !answers.contains_key(member))
                    .collect(),
            },
            Phase::Signing { packages, shares } => Todo::Sign {
                step: self.step,
                members: shares
                    .iter()
                    .filter(|(_, share)| share.is_none())
                    .map(|(&member, _)| member)
                    .collect(),
                packages: packages.iter().map(Message::encode).collect(),
            },
            Phase::Done(signatures) => Todo::Done(signatures.clone()),
            Phase::Failed => Todo::Failed,
        }
    }

    /// A member's commitments, or its reason not to give any. Ignored if it was not asked in this step.
    pub fn committed(&mut self, step: Step, from: MemberId, answer: Result<Vec<Vec<u8>>, String>) {
        let asked = step == self.step && self.left().any(|member| member == from);
        let Phase::Committing(answers) = &mut self.phase else {
            return;
        };
        if !asked || answers.contains_key(&from) {
            return;
        }
        match decode_each(answer, self.inputs.len()) {
            Ok(commitments) => {
                answers.insert(from, commitments);
                if answers.len() == usize::from(self.group.roster().threshold()) {
                    self.begin_signing();
                }
            }
            Err(why) => {
                self.excluded.insert(from, why);
                self.fail_if_too_few();
            }
        }
    }

    /// A member's shares, or its reason not to give any. Ignored if it was not asked in this step.
    pub fn signed(&mut self, step: Step, from: MemberId, answer: Result<Vec<Vec<u8>>, String>) {
        if step != self.step {
            return;
        }
        let Phase::Signing { shares, .. } = &mut self.phase else {
            return;
        };
        let Some(place @ None) = shares.get_mut(&from) else {
            return;
        };
        match decode_each(answer, self.inputs.len()) {
            Ok(answer) => {
                *place = Some(answer);
                if shares.values().all(Option::is_some) {
                    self.aggregate();
                }
            }
            Err(why) => self.again_without([(from, why)]),
        }
    }

    /// Whether answers to this step are still waited for.
    #[must_use]
    pub fn is_at(&self, step: Step) -> bool {
        let open = match self.phase {
            Phase::Committing(_) | Phase::Signing { .. } => true,
            Phase::Done(_) | Phase::Failed => false,
        };
        open && step == self.step
    }

    /// This member will not answer: its connection failed. Ignored if it was not asked in this step.
    pub fn lost(&mut self, step: Step, from: MemberId) {
        match self.todo() {
            Todo::Commit { step: at, members } if at == step && members.contains(&from) => {
                self.excluded.insert(from, Exclusion::Late);
                self.fail_if_too_few();
            }
            Todo::Sign {
                step: at, members, ..
            } if at == step && members.contains(&from) => {
                self.again_without([(from, Exclusion::Late)]);
            }
            Todo::Commit { .. } | Todo::Sign { .. } | Todo::Done(_) | Todo::Failed => {}
        }
    }

    /// Whoever was asked in this step and has not answered is late, and is not waited for any longer. With
    /// fewer than `t` answers to the first question the session fails: nobody else is left to ask.
    pub fn give_up_waiting(&mut self, step: Step) {
        if step != self.step {
            return;
        }
        match self.todo() {
            Todo::Commit { members, .. } => {
                let late = members.into_iter().map(|member| (member, Exclusion::Late));
                self.excluded.extend(late);
                self.fail_if_too_few();
            }
            Todo::Sign { members, .. } => {
                self.again_without(members.into_iter().map(|member| (member, Exclusion::Late)));
            }
            Todo::Done(_) | Todo::Failed => {}
        }
    }

    fn left(&self) -> impl Iterator<Item = MemberId> + '_ {
        let members = self.group.roster().members();
        members.filter(|member| !self.excluded.contains_key(member))
    }

    fn fail_if_too_few(&mut self) {
        let threshold = usize::from(self.group.roster().threshold());
        if !matches!(self.phase, Phase::Done(_)) && self.left().count() < threshold {
            self.phase = Phase::Failed;
        }
    }

    fn again_without(&mut self, culprits: impl IntoIterator<Item = (MemberId, Exclusion)>) {
        self.excluded.extend(culprits);
        self.enter(Phase::Committing(BTreeMap::new()));
        self.fail_if_too_few();
        if !matches!(self.phase, Phase::Failed) {
            self.attempts += 1;
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.step.0 += 1;
    }

    fn begin_signing(&mut self) {
        let Phase::Committing(answers) = &self.phase else {
            return;
        };
        let packages = self.inputs.iter().enumerate().map(|(i, input)| {
            let commitments: BTreeMap<Identifier, SigningCommitments> = answers
                .iter()
                .map(|(member, commitments)| (member.identifier(), commitments[i]))
                .collect();
            SigningPackage::new(commitments, &input.sighash)
        });
        let signing = Phase::Signing {
            packages: packages.collect(),
            shares: answers.keys().map(|&member| (member, None)).collect(),
        };
        self.enter(signing);
    }

    /// Puts the shares together and verifies every signature as Bitcoin does.
    fn aggregate(&mut self) {
        let Phase::Signing { packages, shares } = &self.phase else {
            return;
        };
        let secp = Secp256k1::verification_only();
        let mut signatures = Vec::with_capacity(self.inputs.len());
        let mut culprits = BTreeSet::new();
        for (i, (input, package)) in self.inputs.iter().zip(packages).enumerate() {
            let shares: BTreeMap<Identifier, SignatureShare> = shares
                .iter()
                .filter_map(|(member, shares)| Some((member.identifier(), shares.as_ref()?[i])))
                .collect();
            match aggregate_under(&input.tweak, package, &shares, self.group.public()) {
                Ok(signature) => signatures.extend(
                    signature
                        .serialize()
                        .ok()
                        .and_then(|bytes| schnorr::Signature::from_slice(&bytes).ok())
                        .filter(|signature| {
                            let key = self.group.key_under(&secp, &input.tweak);
                            secp.verify_schnorr(signature, &Digest::from_digest(input.sighash), &key)
                                .is_ok()
                        }),
                ),
                Err(error) => {
                    let named = error.culprits();
                    culprits.extend(named.iter().filter_map(|c| self.group.roster().member(c)));
                }
            }
        }
        if signatures.len() == self.inputs.len() {
            self.enter(Phase::Done(signatures));
            return;
        }
        if culprits.is_empty() {
            // No share is wrong by itself and yet a signature is: that cannot happen, and must not loop.
            culprits.extend(shares.keys());
        }
        self.again_without(culprits.into_iter().map(|member| (member, Exclusion::BadShare)));
    }
}

fn decode_each<T: Message>(answer: Result<Vec<Vec<u8>>, String>, count: usize) -> Result<Vec<T>, Exclusion> {
    let shorten = |reason: String| Exclusion::Refused(reason.chars().take(LONGEST_REASON).collect());
    let answer = answer.map_err(shorten)?;
    if answer.len() != count {
        return Err(Exclusion::Garbage);
    }
    answer
        .iter()
        .map(|bytes| T::decode(bytes).map_err(|_| Exclusion::Garbage))
        .collect()
}

#[cfg(test)]
mod tests;
