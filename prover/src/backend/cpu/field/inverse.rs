//! Inverses by division steps (Bernstein and Yang, "Fast constant-time gcd computation and modular
//! inversion", 2019), 62 of them at a time.
//!
//! The greatest common divisor of the prime `f` and the element `g` is found by steps that look at the
//! lowest bits only: if `g` is even it is halved, else `(f, g)` becomes `(g, (g − f)/2)` or
//! `(f, (g + f)/2)`, whichever keeps both small. What 62 steps do depends on the lowest 64 bits alone and
//! is a matrix of small numbers; it is applied to the whole of `f` and `g`, and modulo the prime to `d` and
//! `e`, for which `d·x ≡ f` and `e·x ≡ g` hold throughout. In the end `g = 0`, `f = ±1` and `d = ±x⁻¹`.
//!
//! The time depends on the element.

use super::{Element, Lanes, Limbs, MOST_LANES, Modulus};

/// Steps per matrix, and bits per limb.
const STEPS: u32 = 62;
const MASK: u64 = (1 << STEPS) - 1;

/// Five limbs of 62 bits; the last has the sign.
type Signed = [i64; 5];

/// `2^62` times what 62 steps do: `f' = (u·f + v·g)/2^62`, `g' = (q·f + r·g)/2^62`.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

const fn signed(x: &Limbs) -> Signed {
    [
        (x[0] & MASK).cast_signed(),
        ((x[0] >> 62 | x[1] << 2) & MASK).cast_signed(),
        ((x[1] >> 60 | x[2] << 4) & MASK).cast_signed(),
        ((x[2] >> 58 | x[3] << 6) & MASK).cast_signed(),
        (x[3] >> 56).cast_signed(),
    ]
}

/// Brings all limbs but the last between 0 and 2^62.
fn carry(x: &mut Signed) {
    for i in 0..4 {
        x[i + 1] += x[i] >> STEPS;
        x[i] &= MASK.cast_signed();
    }
}

/// The four limbs of a number that is not negative, whose limbs may be.
fn limbs(x: &Signed) -> Limbs {
    let mut x = *x;
    carry(&mut x);
    let x = x.map(i64::cast_unsigned);
    [
        x[0] | x[1] << 62,
        x[1] >> 2 | x[2] << 60,
        x[2] >> 4 | x[3] << 58,
        x[3] >> 6 | x[4] << 56,
    ]
}

/// Takes 62 steps with the lowest bits of `f`, which is odd, and `g`. `eta` counts by how much `f` is
/// ahead of `g`: while it is negative, `g` takes the place of `f` at its next odd value.
fn steps(eta: &mut i64, f: u64, g: u64) -> Matrix {
    let (mut f, mut g, mut left) = (f, g, STEPS);
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    loop {
        let zeros = (g | u64::MAX << left).trailing_zeros();
        g >>= zeros;
        (u, v) = (u << zeros, v << zeros);
        *eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            let [u, v, q, r] = [u, v, q, r].map(u64::cast_signed);
            return Matrix { u, v, q, r };
        }
        if *eta < 0 {
            *eta = -*eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // As many low bits of g as may be cleared before f has to be exchanged: g += w·f with
        // w = −g/f. An odd f is its own inverse modulo 8, and f·(2 − f²) is better: modulo 64.
        let bits = u32::try_from(*eta + 1)
            .map_or(left, |ahead| ahead.min(left))
            .min(6);
        let negated_inverse = f.wrapping_mul(f.wrapping_mul(f).wrapping_sub(2));
        let w = negated_inverse.wrapping_mul(g) & ((1 << bits) - 1);
        g = g.wrapping_add(f.wrapping_mul(w));
        q = q.wrapping_add(u.wrapping_mul(w));
        r = r.wrapping_add(v.wrapping_mul(w));
    }
}

fn product(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

#[allow(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn low(x: i128) -> u64 {
    x as u64 & MASK
}

/// `((u·f + v·g)/2^62, (q·f + r·g)/2^62)`, both exact.
fn advance(f: &mut Signed, g: &mut Signed, m: &Matrix) {
    let mut a = product(m.u, f[0]) + product(m.v, g[0]);
    let mut b = product(m.q, f[0]) + product(m.r, g[0]);
    for i in 1..5 {
        a = (a >> STEPS) + product(m.u, f[i]) + product(m.v, g[i]);
        b = (b >> STEPS) + product(m.q, f[i]) + product(m.r, g[i]);
        (f[i - 1], g[i - 1]) = (low(a).cast_signed(), low(b).cast_signed());
    }
    (f[4], g[4]) = (top(a), top(b));
}

fn top(x: i128) -> i64 {
    i64::try_from(x >> STEPS).expect("numbers of 257 bits have five limbs")
}

/// The same for `d` and `e` modulo p, both between −2p and p: multiples of p make the divisions exact.
fn advance_modulo<M: Modulus>(d: &mut Signed, e: &mut Signed, m: &Matrix) {
    let p = const { signed(&M::P) };
    let inverse = M::INVERSE.wrapping_neg(); // of p, modulo 2^64 and so modulo 2^62
    // One p for each that is negative makes both smaller than p in magnitude; so much less than 2^62
    // times p as divides by 2^62 then leaves the results in their range, because |u| + |v| and
    // |q| + |r| are at most 2^62.
    let (negative_d, negative_e) = (d[4] >> 63, e[4] >> 63);
    let multiple = |x: i64, y: i64, lowest: i128| {
        let base = (x & negative_d) + (y & negative_e);
        let sum = lowest + product(p[0], base);
        base - (low(sum).wrapping_mul(inverse) & MASK).cast_signed()
    };
    let mut a = product(m.u, d[0]) + product(m.v, e[0]);
    let mut b = product(m.q, d[0]) + product(m.r, e[0]);
    let (of_a, of_b) = (multiple(m.u, m.v, a), multiple(m.q, m.r, b));
    a += product(p[0], of_a);
    b += product(p[0], of_b);
    for i in 1..5 {
        a = (a >> STEPS) + product(m.u, d[i]) + product(m.v, e[i]) + product(p[i], of_a);
        b = (b >> STEPS) + product(m.q, d[i]) + product(m.r, e[i]) + product(p[i], of_b);
        (d[i - 1], e[i - 1]) = (low(a).cast_signed(), low(b).cast_signed());
    }
    (d[4], e[4]) = (top(a), top(b));
}

/// The inverse of a Montgomery representative below 2p, likewise below 2p; zero for zero. `multiply` is
/// Montgomery's product.
pub(super) fn inverse<M: Modulus>(x: &Limbs, multiply: impl Fn(&Limbs, &Limbs) -> Limbs) -> Limbs {
    let (mut f, mut g) = (signed(&M::P), signed(&M::reduce(*x)));
    let (mut d, mut e) = ([0; 5], [1, 0, 0, 0, 0]);
    let mut eta = -1;
    while g != [0; 5] {
        let lowest = |x: &Signed| (x[0] | x[1] << STEPS).cast_unsigned();
        let matrix = steps(&mut eta, lowest(&f), lowest(&g));
        advance_modulo::<M>(&mut d, &mut e, &matrix);
        advance(&mut f, &mut g, &matrix);
    }
    // f is 1 or −1, or p where x is zero and d with it. From −2p..p to 0..p in two steps.
    let add_prime = |x: &mut Signed| {
        if x[4] < 0 {
            for (x, p) in x.iter_mut().zip(const { signed(&M::P) }) {
                *x += p;
            }
        }
    };
    add_prime(&mut d);
    if f[4] < 0 {
        d = d.map(|limb| -limb);
    }
    let mut carried = d;
    carry(&mut carried);
    add_prime(&mut carried);
    // x stands for x/R, so this is the inverse over R; twice R² and twice a division by R mend that.
    let r2 = M::R_SQUARED;
    multiply(&multiply(&limbs(&carried), &r2), &r2)
}

/// The inverses of all lanes with one inversion; zero for zero.
#[inline(always)]
pub(super) fn each_lane<L: Lanes>(x: L) -> L {
    let (mut elements, mut before) = ([L::Element::ZERO; MOST_LANES], [L::Element::ZERO; MOST_LANES]);
    x.scatter(|i, element| elements[i] = element);
    inverses::<L::Single>(&mut elements[..L::N], &mut before[..L::N]);
    L::gather(|i| &elements[i])
}

/// Montgomery's trick, in place.
#[inline(never)]
fn inverses<S: Lanes>(elements: &mut [S::Element], before: &mut [S::Element]) {
    let mut product = S::one();
    for (element, before) in elements.iter().zip(before.iter_mut()) {
        *before = product.first();
        let x = S::splat(*element);
        if x.zeros() == 0 {
            product = product.mul(x);
        }
    }
    let mut inverse = product.inverse();
    for (element, before) in elements.iter_mut().zip(before.iter()).rev() {
        let x = S::splat(*element);
        if x.zeros() == 0 {
            *element = inverse.mul(S::splat(*before)).first();
            inverse = inverse.mul(x);
        }
    }
}
