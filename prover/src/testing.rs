//! What the tests of this crate share: a small circuit, its key, a generator of randomness.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacit_circuits::r1cs::Statement;

use crate::backend::conformance::Powers;
use crate::keys::ProvingKey;
use crate::progress::Silent;
use crate::setup;

pub(crate) fn powers() -> Powers {
    Powers {
        bases: vec![2, 3, 5],
        squarings: 6,
        number: 0x8000_0000_0001_0010,
    }
}

pub(crate) fn powers_key() -> ProvingKey {
    setup::development(&powers().r1cs(), "powers", &Silent).expect("a sound key")
}

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// The raw Montgomery limbs of a point's coordinates, as in a key's table.
pub(crate) fn limbs<G: ark_ec::short_weierstrass::SWCurveConfig>(
    point: &ark_ec::short_weierstrass::Affine<G>,
) -> Vec<[u64; 4]>
where
    G::BaseField: ark_ff::Field<BasePrimeField = ark_bn254::Fq>,
{
    use ark_ff::Field;
    let (x, y) = (point.x, point.y);
    x.to_base_prime_field_elements()
        .chain(y.to_base_prime_field_elements())
        .map(|c| c.0.0)
        .collect()
}
