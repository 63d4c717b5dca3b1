//! The reader is exact.

use super::*;
use ark_ff::{BigInteger, PrimeField};

#[test]
fn field_elements_at_or_above_the_modulus_are_rejected() {
    let modulus: [u8; 32] = F::MODULUS.to_bytes_le().try_into().expect("32 bytes");
    assert_eq!(Reader::new(&modulus).field(), Err(DecodeError::NonCanonicalField));
    assert_eq!(
        Reader::new(&[0xff; 32]).field(),
        Err(DecodeError::NonCanonicalField)
    );
    let largest = -F::from(1u64);
    assert_eq!(
        Reader::new(&crate::field::to_bytes(&largest)).field(),
        Ok(largest)
    );
}

#[test]
fn short_and_long_inputs_are_rejected() {
    assert_eq!(
        Reader::new(&[0; 3]).u32(),
        Err(DecodeError::UnexpectedEnd { needed: 1 })
    );
    let mut reader = Reader::new(&[1, 2]);
    assert_eq!(reader.u8(), Ok(1));
    assert_eq!(reader.finish(), Err(DecodeError::TrailingBytes(1)));
}

#[test]
fn claimed_length_beyond_the_input_is_an_error_not_an_allocation() {
    assert_eq!(
        Reader::new(&[255, 1, 2]).short_bytes(),
        Err(DecodeError::UnexpectedEnd { needed: 253 })
    );
}

#[test]
fn low_bits_and_powers_agree() {
    let x = -F::from(1u64);
    assert_eq!(
        crate::field::low(&x, 160) + crate::field::pow2(160) - F::from(1u64),
        {
            // −1 mod r has low 160 bits r − 1 mod 2^160; recompute through the big integer.
            let mut limbs = x.into_bigint().0;
            limbs[2] &= (1 << 32) - 1;
            limbs[3] = 0;
            F::from_bigint(ark_ff::BigInt::new(limbs)).expect("small") + crate::field::pow2(160)
                - F::from(1u64)
        }
    );
}
