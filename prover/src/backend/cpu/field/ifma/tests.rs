//! Each instruction gives what its emulation gives, on processors that have them: `make test-ifma`.

use proptest::prelude::*;

use super::super::emulated::Emulated;
use super::*;

/// What every operation gives, as numbers. Operands of the multiplications may have any bits above
/// the 52 that count; `sum`, to which they add, leaves room for that.
fn results<V: Vector>(a: [u64; 8], b: [u64; 8], sum: [u64; 8], lanes: [u64; 8]) -> Vec<[u64; 8]> {
    let (x, y, sum) = (V::load(a), V::load(b), V::load(sum));
    let vectors = [
        x,
        V::splat(a[3]),
        x.pick(lanes, y),
        x.add(y),
        x.sub(y),
        x.and(y),
        x.or(y),
        x.xor(y),
        x.left::<4>(),
        x.left::<36>(),
        x.left::<52>(),
        x.right::<16>(),
        x.right::<28>(),
        x.right::<52>(),
        x.right_signed::<52>(),
        x.right_signed::<63>(),
        sum.add_low(x, y),
        sum.add_high(x, y),
    ];
    let zeros = [x, x.xor(y), x.sub(x)].map(|v| [u64::from(v.zeros()); 8]);
    vectors.into_iter().map(V::store).chain(zeros).collect()
}

/// Eight numbers, edges of limbs and words among them.
fn numbers() -> impl Strategy<Value = [u64; 8]> {
    let edges = [0, 1, (1 << 52) - 1, 1 << 52, 1 << 63, u64::MAX];
    proptest::array::uniform8(prop_oneof![
        proptest::sample::select(edges.to_vec()),
        any::<u64>(),
    ])
}

proptest! {
    #[test]
    fn every_vector_instruction_gives_what_its_emulation_gives(
        a in numbers(), b in numbers(), sum in numbers(), equal in any::<u8>(),
        lanes in proptest::array::uniform8(0..16u64),
    ) {
        if is_available() {
            // Some lanes equal, so that there are zeros to count.
            let b = std::array::from_fn(|i| if equal >> i & 1 == 1 { a[i] } else { b[i] });
            let sum = sum.map(|x| x >> 1);
            prop_assert_eq!(
                results::<Avx512>(a, b, sum, lanes),
                results::<Emulated>(a, b, sum, lanes)
            );
        }
    }
}
