//! Processes of a deployment that end and come back, by themselves or by `kill -9`.

use std::time::Duration;

use anyhow::{Context, bail, ensure};

use super::Setting;

/// Time that a doomed process gets between two blocks.
const BETWEEN: Duration = Duration::from_millis(700);
/// The same with signers, who sign only what was judged at the block where they all are.
const BETWEEN_ROUNDS: Duration = Duration::from_secs(4);
/// Looks at a process that may never come to its point.
const LOOKS: u32 = 300;

impl Setting {
    /// Kills a signer at once.
    pub(crate) fn kill_signer(&mut self, number: usize) {
        if let Some(mut signer) = self.signers.remove(&number) {
            signer.kill();
        }
    }

    /// Starts a signer that does not run.
    pub(crate) fn start_signer(&mut self, number: usize) -> anyhow::Result<()> {
        let signer = self.ground.chain.start_signer(number)?;
        self.signers.insert(number, signer);
        self.settle_signers()
    }

    /// Starts the sequencer again, to abort at a point if one is given. It must not run.
    pub(crate) fn restart_sequencer(&mut self, crash_at: Option<&str>) -> anyhow::Result<()> {
        let own = self
            .sequencer_config
            .sequencer
            .as_mut()
            .context("a sequencer's configuration")?;
        own.crash_at = crash_at.map(str::to_owned);
        self.restart_with(&[])
    }

    /// Starts the sequencer again with these arguments. It must not run.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        let chain = &self.ground.chain;
        self.sequencer = chain.start_with("sequencer", &self.sequencer_config, arguments)?;
        self.desk = self.sequencer.client()?;
        self.settle()
    }

    /// Ends the full node and starts it again with these arguments.
    pub(crate) fn restart_node(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        self.node.kill();
        self.node = self
            .ground
            .chain
            .start_with("node", &self.node_config, arguments)?;
        self.api = self.node.client()?;
        Ok(())
    }

    /// Time between two blocks that is long enough for all that a block leads to.
    pub(crate) fn pace(&self) -> Duration {
        match self.signers.is_empty() {
            true => BETWEEN,
            false => BETWEEN_ROUNDS,
        }
    }

    /// Kills the sequencer and starts it again to end at this point, and mines until it did or until there is
    /// nothing left to end. Returns whether it ended there.
    pub(crate) fn strike(
        &mut self,
        point: &str,
        done: &dyn Fn(&Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<bool> {
        self.sequencer.kill();
        // It may end before it has settled, or before it answers at all.
        if let Err(error) = self.restart_sequencer(Some(point)) {
            let text = format!("{error:#}");
            let ended = text.contains("the node ended") || self.sequencer.wait(BETWEEN).is_ok();
            ensure!(ended, "{point}: {text}");
            return Ok(true);
        }
        let pace = self.pace();
        for _ in 0..LOOKS {
            if let Ok(status) = self.sequencer.wait(pace) {
                ensure!(!status.success(), "{point}: it ended by itself");
                return Ok(true);
            }
            if done(self)? {
                return Ok(false);
            }
            self.mine(1)?;
        }
        bail!("{point}: neither reached nor done")
    }
}
