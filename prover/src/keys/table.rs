//! Tables of points as raw Montgomery limbs: what arithmetic uses, in memory as in the file.
//!
//! A point is x then y, each coordinate four 64-bit limbs of its Montgomery representative below the
//! modulus, little-endian; a coordinate of G2 is its rational part, then that of u. There is no
//! identity: a [`super::Query`] leaves it out. A table read from a file stays in the file, mapped into
//! memory: loading copies nothing, and processes that use one key share its memory.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;
use std::{fmt, mem};

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_ff::{BigInt, Field};
use memmap2::Mmap;

#[cfg(target_endian = "big")]
compile_error!("key files are mapped as they are, and hold little-endian limbs");

/// Four limbs, little-endian.
pub type Limbs = [u64; 4];

/// A curve over the base field or its extension.
pub trait RawCurve: SWCurveConfig<BaseField: Field<BasePrimeField = Fq>> {
    /// Limb groups of a point.
    const WORDS: usize;
}

impl RawCurve for ark_bn254::g1::Config {
    const WORDS: usize = 2;
}

impl RawCurve for ark_bn254::g2::Config {
    const WORDS: usize = 4;
}

#[derive(Clone)]
enum Storage {
    Owned(Vec<Limbs>),
    Mapped { file: Arc<Mmap>, bytes: Range<usize> },
}

/// Points of a curve, none of which is the identity.
#[derive(Clone)]
pub struct Table<C> {
    storage: Storage,
    curve: PhantomData<C>,
}

impl<C: RawCurve> Table<C> {
    /// A table of points.
    ///
    /// # Panics
    /// If one is the identity.
    #[must_use]
    pub fn new(points: &[Affine<C>]) -> Self {
        let mut limbs = Vec::with_capacity(points.len() * C::WORDS);
        for p in points {
            assert!(!p.is_zero(), "a table holds no identity");
            for coordinate in [p.x, p.y] {
                limbs.extend(coordinate.to_base_prime_field_elements().map(|c| c.0.0));
            }
        }
        Self {
            storage: Storage::Owned(limbs),
            curve: PhantomData,
        }
    }

    /// The table in these bytes of a file; `None` if they are no whole number of points, not in the
    /// file or not aligned.
    pub(super) fn mapped(file: &Arc<Mmap>, bytes: Range<usize>) -> Option<Self> {
        let limbs: &[Limbs] = bytemuck::try_cast_slice(file.get(bytes.clone())?).ok()?;
        limbs.len().is_multiple_of(C::WORDS).then(|| Self {
            storage: Storage::Mapped {
                file: Arc::clone(file),
                bytes,
            },
            curve: PhantomData,
        })
    }

    /// Bytes of a point.
    pub(super) const BYTES: usize = C::WORDS * mem::size_of::<Limbs>();

    /// The limbs of all points.
    #[must_use]
    pub fn limbs(&self) -> &[Limbs] {
        match &self.storage {
            Storage::Owned(limbs) => limbs,
            Storage::Mapped { file, bytes } => bytemuck::cast_slice(&file[bytes.clone()]),
        }
    }

    /// The bytes of all points, as in a file.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        bytemuck::cast_slice(self.limbs())
    }

    /// Number of points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.limbs().len() / C::WORDS
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.limbs().is_empty()
    }

    /// The points.
    ///
    /// Coordinates are taken as they are: whether a point is on the curve is for whoever made the
    /// table to know.
    ///
    /// # Panics
    /// Never: a point has as many limbs as its field says.
    pub fn points(&self) -> impl ExactSizeIterator<Item = Affine<C>> {
        let coordinate = |words: &[Limbs]| {
            let parts = words.iter().map(|&w| Fq::new_unchecked(BigInt::new(w)));
            C::BaseField::from_base_prime_field_elems(parts).expect("as many parts as the field has")
        };
        self.limbs().chunks_exact(C::WORDS).map(move |words| {
            let (x, y) = words.split_at(C::WORDS / 2);
            Affine::new_unchecked(coordinate(x), coordinate(y))
        })
    }
}

impl<C: RawCurve> PartialEq for Table<C> {
    fn eq(&self, other: &Self) -> bool {
        self.limbs() == other.limbs()
    }
}

impl<C: RawCurve> Eq for Table<C> {}

impl<C: RawCurve> fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} points)", self.len())
    }
}

/// A set of variables as a bitmap over `n` of them.
pub(super) fn put_index(index: &[u32], n: usize) -> Vec<u8> {
    let mut map = vec![0u8; n.div_ceil(8)];
    for &i in index {
        map[i as usize / 8] |= 1 << (i % 8);
    }
    map
}

/// Reads a bitmap over `n` variables; `None` if a bit beyond them is set.
pub(super) fn get_index(map: &[u8], n: usize) -> Option<Vec<u32>> {
    let mut index = Vec::new();
    for (at, byte) in map.iter().enumerate() {
        for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
            let variable = 8 * at + bit;
            if variable >= n {
                return None;
            }
            index.push(u32::try_from(variable).ok()?);
        }
    }
    Some(index)
}
