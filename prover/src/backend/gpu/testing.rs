//! What the tests of the GPU engine share: a device in software, opened once per process.

use std::sync::OnceLock;

use super::adapter::Selection;
use super::device::Device;
use super::wgsl::{Spelling, Words};

/// A device on software Vulkan. `make setup` installs the driver; without one the tests fail.
pub(super) fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| {
        Device::open(&Selection::Software, Words::U64, None).expect("software Vulkan is installed")
    })
}

/// One whose kernels are spelled in a certain way.
pub(super) fn device_with(spelling: Spelling) -> Device {
    Device::open(&Selection::Software, spelling.words, Some(spelling.unrolled))
        .expect("software Vulkan is installed")
}
