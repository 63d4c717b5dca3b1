//! What is measured is right, and is measured as often as asked.

use super::super::{Options, Selection};
use super::*;

#[test]
fn measurements_are_checked_and_counted() {
    let options = Options {
        timed: true,
        ..Options::on(Selection::Software)
    };
    let gpu = Gpu::with(&options).expect("software Vulkan is installed");
    let terms = Terms::new(Group::G1, 70);
    let sum = gpu
        .measure_sum(&terms, 65, Tuning::default(), 2)
        .expect("a sound device");
    assert_eq!(sum.runs.len(), 2);
    assert!(sum.best() <= sum.median());
    assert_eq!(sum.stages.is_empty(), !gpu.adapter().timestamps);
    gpu.measure_transforms(32, 1).expect("a sound device");
    assert!(gpu.measure_products(64, 10, 1).expect("a sound device") > 0.0);
}
