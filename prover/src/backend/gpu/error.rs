//! Why the GPU engine cannot be had, or cannot go on: one variant per cause, each with its remedy.
//!
//! Specification: `docs/spec/gpu.md`.

use thiserror::Error;

/// Why the GPU engine cannot be had, or cannot go on.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum GpuError {
    /// No driver offers an adapter.
    #[error(
        "there is no GPU adapter: no Vulkan driver offers one (install the card's own driver, or \
         mesa-vulkan-drivers for one in software)"
    )]
    NoAdapter,
    /// There are adapters, but not the one asked for.
    #[error("there is no {wanted}; there are: {offered}")]
    NoSuchAdapter {
        /// What was asked for.
        wanted: String,
        /// The names of those there are.
        offered: String,
    },
    /// A limit of the adapter is below what the engine or a key needs.
    #[error("adapter {adapter} is too small: {limit} has to be at least {needed}, it offers {offered}")]
    TooSmall {
        /// The adapter's name.
        adapter: String,
        /// The limit, as WebGPU names it.
        limit: &'static str,
        /// What is needed, in the limit's own unit.
        needed: u64,
        /// What there is.
        offered: u64,
    },
    /// The adapter lacks a feature without which nothing works.
    #[error("adapter {adapter} is too small: it lacks {feature}")]
    MissingFeature {
        /// The adapter's name.
        adapter: String,
        /// The feature.
        feature: &'static str,
    },
    /// The driver opens no device on the adapter.
    #[error("adapter {adapter} cannot be opened: {reason}")]
    Open {
        /// The adapter's name.
        adapter: String,
        /// The driver's words.
        reason: String,
    },
    /// The device has no memory left.
    #[error("the device is out of memory ({during})")]
    OutOfMemory {
        /// What was asked of it.
        during: String,
    },
    /// The device went away: unplugged, reset or hung. A new engine has to be made.
    #[error("the device was lost: {reason}")]
    Lost {
        /// The driver's words.
        reason: String,
    },
    /// The device refused a command, or did not finish it in time.
    #[error("the device failed ({during}): {reason}")]
    Failed {
        /// What was asked of it.
        during: String,
        /// The driver's words.
        reason: String,
    },
    /// The device's arithmetic is wrong.
    #[error("the device computes {what} wrongly; it is not used")]
    SelfTest {
        /// What came out wrong.
        what: &'static str,
    },
}
