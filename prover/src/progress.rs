//! How long work tells its caller where it stands.
//!
//! The library draws nothing: whoever calls passes a [`Progress`], the binary draws bars.

use std::fmt;

/// A stage of set-up or proving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Another process holds the key directory; counted in one step.
    WaitForLock,
    /// A key file is read and its hash checked; counted in sections.
    ReadKey,
    /// A key file is written; counted in sections.
    WriteKey,
    /// The constraint system is recorded; counted in one step.
    Synthesise,
    /// The set-up evaluates the circuit's polynomials; counted in combinations.
    EvaluateCircuit,
    /// The set-up computes the key's points; counted in points.
    ComputePoints,
    /// A proof's transforms; counted in polynomials.
    Transform,
    /// A proof's multi-scalar multiplications; counted in points.
    Multiply,
    /// A proof is verified before it leaves; counted in one step.
    SelfVerify,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WaitForLock => "waiting for another process",
            Self::ReadKey => "reading key",
            Self::WriteKey => "writing key",
            Self::Synthesise => "building circuit",
            Self::EvaluateCircuit => "evaluating circuit",
            Self::ComputePoints => "computing key",
            Self::Transform => "transforming",
            Self::Multiply => "proving",
            Self::SelfVerify => "checking proof",
        })
    }
}

/// Receives the progress of one piece of work. Calls may come from several threads.
pub trait Progress: Send + Sync {
    /// A stage begins; it has `total` steps. The stage before it is over.
    fn begin(&self, stage: Stage, total: u64);

    /// `steps` more steps of the current stage are done.
    fn advance(&self, steps: u64);
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _stage: Stage, _total: u64) {}

    fn advance(&self, _steps: u64) {}
}
