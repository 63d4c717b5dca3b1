//! The engine passes the conformance checks on software Vulkan.

use super::*;
use crate::backend::conformance;

fn gpu() -> Gpu {
    Gpu::new(Selection::Software).expect("software Vulkan is installed")
}

#[test]
fn proofs_made_on_the_device_conform() {
    let gpu = gpu();
    conformance::check_proofs_verify(&gpu);
    conformance::check_proofs_equal_the_reference(&gpu);
}
