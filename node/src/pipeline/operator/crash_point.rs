//! Points at which a test may have the process aborted, to see that nothing is lost.

use crate::config::ConfigError;

/// A named point at which a test may abort the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum CrashPoint {
    /// A batch was sealed.
    Seal,
    /// A proof was stored.
    Proof,
    /// An anchor was written down, nothing sent.
    Journal,
    /// The commit was sent, the reveal not.
    Commit,
    /// A vault transaction was planned and written down, nobody has signed it.
    VaultPlanned,
    /// A vault transaction was signed and written down, nothing sent.
    VaultSigned,
    /// A vault transaction was sent.
    VaultSent,
}

impl CrashPoint {
    pub(super) fn parse(name: &str) -> Result<Self, ConfigError> {
        match name {
            "after-seal" => Ok(Self::Seal),
            "after-proof" => Ok(Self::Proof),
            "after-journal" => Ok(Self::Journal),
            "after-commit" => Ok(Self::Commit),
            "after-vault-planned" => Ok(Self::VaultPlanned),
            "after-vault-signed" => Ok(Self::VaultSigned),
            "after-vault-sent" => Ok(Self::VaultSent),
            other => Err(ConfigError::Invalid {
                field: "sequencer.crash_at",
                value: other.to_owned(),
                remedy: "use after-seal, after-proof, after-journal, after-commit, after-vault-planned, \
                         after-vault-signed or after-vault-sent",
            }),
        }
    }

    pub(super) fn reached(self, wanted: Option<Self>) {
        if wanted == Some(self) {
            tracing::error!(?self, "aborting, as the configuration of this test asks");
            std::process::abort();
        }
    }
}
