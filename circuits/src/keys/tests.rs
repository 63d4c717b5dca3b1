//! Keys agree with the native derivation and always lie in the prime-order group.

use ark_ec::AffineRepr;
use ark_ed_on_bn254::Fr as Scalar;
use ark_ff::{AdditiveGroup, Field};
use tacit_protocol::F;
use tacit_protocol::hash as native;

use super::*;

/// The eight points whose order divides 8, from one of order 8.
fn torsion() -> Vec<EdwardsAffine> {
    // Some point of the curve times the prime order has an order that divides the cofactor.
    let generator = (1u64..)
        .filter_map(|y| EdwardsAffine::get_point_from_y_unchecked(F::from(y), false))
        .map(|p| {
            p.mul_bigint(<Scalar as ark_ff::PrimeField>::MODULUS)
                .into_affine()
        })
        .find(|p| !p.mul_bigint([4u64]).into_affine().is_zero())
        .expect("one point in two has a component of order 8");
    (0u64..8)
        .map(|k| generator.mul_bigint([k]).into_affine())
        .collect()
}

#[test]
fn a_component_of_small_order_in_the_witness_does_not_reach_ak() {
    let ak = (EdwardsAffine::generator() * Scalar::from(123_456_789u64)).into_affine();
    let points = torsion();
    assert_eq!(points.iter().collect::<std::collections::HashSet<_>>().len(), 8);
    for t in points {
        assert!(t.is_on_curve());
        let mut cs = Cs::recorder();
        let key = SpendAuthority::alloc(&mut cs, &(eighth(&ak) + t).into_affine());
        assert_eq!(key.ak.value(), ak);
        // A torsion component in the key itself is lost: the statement speaks of another key.
        let key = SpendAuthority::alloc(&mut cs, &eighth(&(ak + t).into_affine()));
        assert!(key.ak.value().is_in_correct_subgroup_assuming_on_curve());
    }
}

#[test]
fn owner_and_address_keys_agree_with_the_native_hashes() {
    let ak = (EdwardsAffine::generator() * Scalar::from(5u64)).into_affine();
    let (nk, d) = (F::from(11u64), F::ONE.double());
    let mut cs = Cs::assigner();
    let key = SpendAuthority::alloc(&mut cs, &eighth(&ak));
    let (nk_var, d_var) = (cs.alloc(nk), cs.alloc(d));
    let ok = owner(&mut cs, &key.ak, &nk_var);
    assert_eq!(ok.value(), native::hash(Tag::Own, &[ak.x, ak.y, nk]));
    assert_eq!(
        pk_d(&mut cs, &ok, &d_var).value(),
        native::hash(Tag::Addr, &[ok.value(), d])
    );
}
