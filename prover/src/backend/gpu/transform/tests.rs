//! Transforms on the device against the reference's.

use ark_ff::UniformRand;
use tacit_circuits::r1cs::Assignment;

use super::super::testing;
use super::*;
use crate::backend::reference::qap;
use crate::progress::Silent;

#[test]
fn passes_cover_every_stage_once() {
    for log_size in 0..28 {
        assert_eq!(passes(log_size).iter().sum::<u32>(), log_size);
    }
}

#[test]
fn odd_values_on_the_device_are_the_references() {
    let device = testing::device();
    let mut rng = crate::testing::rng(10);
    let mut random = |n: usize| -> Vec<Fr> { (0..n).map(|_| Fr::rand(&mut rng)).collect() };
    for log_size in [0, 1, 2, 3, 4, 6, 10] {
        let size = 1 << log_size;
        let rows = size - size / 4 - usize::from(size < 4);
        let assignment = Assignment {
            public: random(size / 8),
            witness: vec![],
            az: random(rows),
            bz: random(rows),
            cz: random(rows),
        };
        let domain = Domain::new(device, size).expect("memory");
        let products = [&assignment.az, &assignment.bz, &assignment.cz].map(Vec::as_slice);
        domain
            .upload(device, products, &assignment.public)
            .expect("memory");
        let mut job = Job::new(device);
        domain.odd_values(&mut job).expect("kernels compile");
        job.read(Slice::of(domain.values(), domain.bytes()));
        let (bytes, _) = job
            .submit()
            .and_then(|pending| pending.finish())
            .expect("a sound device");
        let found: Vec<Fr> = bytes.chunks_exact(32).map(memory::field_of).collect();
        assert_eq!(
            found,
            qap::odd_values(&assignment, size, &Silent),
            "2^{log_size} points"
        );
    }
}
