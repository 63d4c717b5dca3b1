//! The self-test passes on a sound device, with and without checks.

use super::super::testing;
use super::*;

#[test]
fn sound_device_passes_the_self_test_with_and_without_checks() {
    let device = testing::device();
    run(device, Tuning::default()).expect("a sound device");
    // Without checks, what takes longest to compile is left out: it is compiled the same way.
    device.trust(true);
    transforms(device, 1 << 3).expect("a sound device");
    sums::<g1::Config>(device, cut_up(Tuning::default()), "sums in G1").expect("a sound device");
    device.trust(false);
}
