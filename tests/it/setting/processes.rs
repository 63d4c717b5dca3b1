//! Processes of a deployment that end and come back, by themselves or by `kill -9`.

use anyhow::Context;

use super::Setting;

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
}
