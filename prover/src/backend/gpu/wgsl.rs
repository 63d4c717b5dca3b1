//! The text of the kernels: field arithmetic is generated, the rest is written by hand.
//!
//! WGSL has no 32 × 32 → 64-bit product, no carries, and loops over limbs cost a multiple of straight
//! code. So [`Field`] writes every operation out, limb by limb, in one of two spellings ([`Words`]).
//! Curve formulas and kernels are the files in `kernels/`, over whatever field stands before them.
//!
//! Field elements are Montgomery residues of 8 limbs of 32 bits, in memory just as `ark-ff` keeps
//! them on a little-endian machine, and *below twice the modulus* in registers and between kernels:
//! a product then needs no final subtraction. Why that is sound is said at [`Field::mul`].
//! Specification: `docs/spec/gpu.md`.

use ark_ff::{BigInteger, PrimeField};

mod field;
pub(super) mod msm;
pub(super) mod transform;

/// How kernels multiply limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Words {
    /// With 32-bit integers, products put together from halves.
    U32,
    /// With 64-bit integers, where the adapter has them.
    U64,
}

/// How kernels are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spelling {
    /// What they compute with.
    pub(super) words: Words,
    /// Whether products are written out in full: fast, and long. In software the loop serves as well,
    /// and the compiler is done in an eighth of the time.
    pub(super) unrolled: bool,
}

/// Limbs of a field element.
pub(super) const LIMBS: usize = 8;

/// Bytes of a field element.
pub(super) const FIELD_BYTES: u64 = 32;

/// Writes the arithmetic of a prime field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// Prefix of the functions, in lower case; the type has it capitalised.
    name: &'static str,
    spelling: Spelling,
    modulus: [u32; LIMBS],
    /// Twice the modulus.
    double: [u32; LIMBS],
    /// 2^256 modulo the modulus: the residue of one.
    one: [u32; LIMBS],
    /// `−modulus⁻¹` modulo 2^32.
    inverse: u32,
}

impl Field {
    /// The field `F`; its functions start with `name`.
    ///
    /// # Panics
    /// If the field has not the size that the bounds of the arithmetic rest on: [`Field::mul`].
    pub(super) fn of<F: PrimeField>(name: &'static str, spelling: Spelling) -> Self {
        assert!(
            F::MODULUS_BIT_SIZE == 254,
            "four times the modulus is below 2^256"
        );
        let modulus = limbs(F::MODULUS);
        let mut double = F::MODULUS;
        double.mul2();
        let one = F::from(2u64).pow([256]).into_bigint();
        // Newton's iteration doubles the correct low bits; odd numbers are right in three.
        let mut inverse = modulus[0];
        for _ in 0..4 {
            inverse = inverse.wrapping_mul(2u32.wrapping_sub(modulus[0].wrapping_mul(inverse)));
        }
        Self {
            name,
            spelling,
            modulus,
            double: limbs(double),
            one: limbs(one),
            inverse: inverse.wrapping_neg(),
        }
    }

    /// The name of the type.
    fn ty(&self) -> String {
        let (first, rest) = self.name.split_at(1);
        first.to_uppercase() + rest
    }
}

/// The 32-bit limbs of a big integer, least significant first.
fn limbs(big: impl BigInteger) -> [u32; LIMBS] {
    let bytes = big.to_bytes_le();
    std::array::from_fn(|i| {
        let limb = bytes[4 * i..4 * i + 4].try_into().expect("four bytes");
        u32::from_le_bytes(limb)
    })
}

/// The elements of which a curve's coordinates are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// Coordinates in the base field.
    G1,
    /// Coordinates in its quadratic extension.
    G2,
}

impl Group {
    /// Base field elements in a coordinate.
    pub(super) fn degree(self) -> u64 {
        match self {
            Self::G1 => 1,
            Self::G2 => 2,
        }
    }

    /// Bytes of an affine point.
    pub(super) fn affine_bytes(self) -> u64 {
        2 * FIELD_BYTES * self.degree()
    }

    /// Bytes of a point in extended Jacobian coordinates.
    pub(super) fn point_bytes(self) -> u64 {
        4 * FIELD_BYTES * self.degree()
    }

    /// Tells kernels of the groups apart.
    pub(super) fn variant(self) -> &'static str {
        match self {
            Self::G1 => "G1",
            Self::G2 => "G2",
        }
    }

    /// The stage in which its buckets are filled.
    pub(super) fn stage(self) -> &'static str {
        match self {
            Self::G1 => "buckets in G1",
            Self::G2 => "buckets in G2",
        }
    }

    /// The arithmetic of the curve: the field of its coordinates as `Fe`, and its points. `hot` is the
    /// kernel in which nearly all of the time is spent.
    pub(super) fn arithmetic(self, spelling: Spelling, hot: bool) -> String {
        let field = match self {
            Self::G1 => Field::of::<ark_bn254::Fq>("fe", spelling).text() + include_str!("kernels/fe1.wgsl"),
            Self::G2 => {
                let products = if hot && spelling.unrolled {
                    include_str!("kernels/fe2_straight.wgsl")
                } else {
                    include_str!("kernels/fe2_loop.wgsl")
                };
                let base = Field::of::<ark_bn254::Fq>("fq", spelling).text();
                base + include_str!("kernels/fe2.wgsl") + products
            }
        };
        field + include_str!("kernels/curve.wgsl") + THREAD
    }
}

/// Number of the thread, over both dimensions of workgroups.
pub(super) const THREAD: &str = "
fn thread(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * 64u + local;
}
";

/// A function that reads the elements of a binding: `fn load_<binding>(i: u32) -> <ty>`.
pub(super) fn loader(binding: &str, ty: &str, vectors: u64) -> String {
    let parts: Vec<_> = (0..vectors)
        .map(|k| format!("{binding}[{vectors}u * i + {k}u]"))
        .collect();
    let name = ty.to_lowercase();
    let parts = parts.join(", ");
    format!("fn load_{binding}(i: u32) -> {ty} {{ return {name}_pack({parts}); }}\n")
}

/// A kernel that does nothing but multiply.
pub(super) fn products(spelling: Spelling) -> String {
    Field::of::<ark_bn254::Fq>("fq", spelling).text() + THREAD + include_str!("kernels/products.wgsl")
}

#[cfg(test)]
mod tests;
