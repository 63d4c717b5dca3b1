//! Progress bars on standard error; silent where it is no terminal.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tacit_prover::{Progress, Stage};

/// A bar per stage, one at a time, each named after the work it belongs to.
#[derive(Debug)]
pub struct Bars {
    what: String,
    current: Mutex<Option<ProgressBar>>,
}

impl Bars {
    /// Bars for a piece of work.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            current: Mutex::new(None),
        }
    }
}

/// A bar of `total` steps.
///
/// # Panics
/// Never: the template is a constant that parses.
#[must_use]
pub fn bar(what: &str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:24} [{bar:32}] {pos}/{len} {elapsed_precise} {msg}")
        .expect("a constant template")
        .progress_chars("=> ");
    let bar = ProgressBar::new(total)
        .with_style(style)
        .with_prefix(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

impl Progress for Bars {
    fn begin(&self, stage: Stage, total: u64) {
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(old) = current.take() {
            old.finish_and_clear();
        }
        *current = Some(bar(&format!("{}: {stage}", self.what), total));
    }

    fn advance(&self, steps: u64) {
        let current = self
            .current
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = current.as_ref() {
            bar.inc(steps);
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let current = self
            .current
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = current.take() {
            bar.finish_and_clear();
        }
    }
}
