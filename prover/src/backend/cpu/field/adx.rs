//! One lane on x86-64 with BMI2 and ADX: two carry chains run through a product at once.
//!
//! `mulx` multiplies without touching the flags, `adcx` and `adox` add with one carry flag each, so
//! the low and the high halves of a row's products are added in two independent chains. Only the
//! product differs from [`super::portable`].

#![allow(unsafe_code, reason = "instructions that Rust has no safe name for")]

use std::arch::asm;

use super::inverse::inverse;
use super::portable::{Word, is_zero, sub, sum};
use super::{Lanes, Limbs, Modulus};

/// Whether this processor has the instructions.
pub(in super::super) fn is_available() -> bool {
    is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx")
}

/// What a product reads from memory: the prime and −p⁻¹ modulo 2^64.
#[repr(C)]
struct Constants {
    p: Limbs,
    inverse: u64,
}

trait HasConstants {
    const CONSTANTS: &'static Constants;
}

impl<M: Modulus> HasConstants for M {
    const CONSTANTS: &'static Constants = &Constants {
        p: M::P,
        inverse: M::INVERSE,
    };
}

/// Montgomery's product, below 2p, as in [`super::portable::product`].
///
/// Only for processors that have the instructions ([`is_available`]).
#[inline(always)]
fn product<M: Modulus>(a: &Limbs, b: &Limbs) -> Limbs {
    let (t0, t1, t2, t3): (u64, u64, u64, u64);
    // One step for each limb of `b`: add `a · limb`, then the multiple m·p that clears the lowest
    // limb, then shift down by a limb. `{top}` is the fifth limb; it cannot overflow, because the
    // sum stays below 2^64 · 4p, and 4p is below 2^256.
    macro_rules! reduce {
        () => {
            concat!(
                "mov rdx, {t0}\n",
                "imul rdx, [{k} + 32]\n",
                "xor {lo:e}, {lo:e}\n", // clears both carry flags
                "mulx {hi}, {lo}, [{k}]\n",
                "adcx {lo}, {t0}\n", // zero, with the carry we are after
                "mov {t0}, {hi}\n",
                "adcx {t0}, {t1}\n",
                "mulx {t1}, {lo}, [{k} + 8]\n",
                "adox {t0}, {lo}\n",
                "adcx {t1}, {t2}\n",
                "mulx {t2}, {lo}, [{k} + 16]\n",
                "adox {t1}, {lo}\n",
                "adcx {t2}, {t3}\n",
                "mulx {t3}, {lo}, [{k} + 24]\n",
                "adox {t2}, {lo}\n",
                "mov {lo:e}, 0\n",
                "adcx {t3}, {lo}\n",
                "adox {t3}, {top}\n",
            )
        };
    }
    macro_rules! row {
        ($limb:literal) => {
            concat!(
                "mov rdx, [{b} + ",
                $limb,
                "]\n",
                "xor {lo:e}, {lo:e}\n",
                "mulx {hi}, {lo}, [{a}]\n",
                "adox {t0}, {lo}\n",
                "adcx {t1}, {hi}\n",
                "mulx {hi}, {lo}, [{a} + 8]\n",
                "adox {t1}, {lo}\n",
                "adcx {t2}, {hi}\n",
                "mulx {hi}, {lo}, [{a} + 16]\n",
                "adox {t2}, {lo}\n",
                "adcx {t3}, {hi}\n",
                "mulx {top}, {lo}, [{a} + 24]\n",
                "adox {t3}, {lo}\n",
                "mov {lo:e}, 0\n",
                "adcx {top}, {lo}\n",
                "adox {top}, {lo}\n",
            )
        };
    }
    // SAFETY: the instructions exist, because this engine is chosen only where `is_available` says
    // so; memory is only read, within `a` and `b` (32 bytes each) and the constants (40 bytes); the
    // registers written are all declared, and the flags are clobbered by default.
    unsafe {
        asm!(
            "mov rdx, [{b}]",
            "mulx {t1}, {t0}, [{a}]",
            "mulx {t2}, {lo}, [{a} + 8]",
            "add {t1}, {lo}",
            "mulx {t3}, {lo}, [{a} + 16]",
            "adc {t2}, {lo}",
            "mulx {top}, {lo}, [{a} + 24]",
            "adc {t3}, {lo}",
            "adc {top}, 0",
            reduce!(),
            row!("8"),
            reduce!(),
            row!("16"),
            reduce!(),
            row!("24"),
            reduce!(),
            a = in(reg) a.as_ptr(),
            b = in(reg) b.as_ptr(),
            k = in(reg) std::ptr::from_ref(M::CONSTANTS),
            t0 = out(reg) t0,
            t1 = out(reg) t1,
            t2 = out(reg) t2,
            t3 = out(reg) t3,
            top = out(reg) _,
            lo = out(reg) _,
            hi = out(reg) _,
            out("rdx") _,
            options(pure, readonly, nostack),
        );
    }
    [t0, t1, t2, t3]
}

/// One lane with BMI2 and ADX.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Adx<M>(Word<M>);

impl<M: Modulus> Lanes for Adx<M> {
    type Element = Word<M>;
    type Single = Self;
    const N: usize = 1;

    #[inline(always)]
    fn gather<'a>(at: impl Fn(usize) -> &'a Word<M>) -> Self {
        Self(*at(0))
    }

    #[inline(always)]
    fn scatter(self, mut to: impl FnMut(usize, Word<M>)) {
        to(0, self.0);
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(Word::new(sum::<M>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(Word::new(sub::<M>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Self(Word::new(product::<M>(&self.0.0, &other.0.0)))
    }

    #[inline(always)]
    fn zeros(self) -> u32 {
        u32::from(is_zero::<M>(&self.0.0))
    }

    fn inverse(self) -> Self {
        Self(Word::new(inverse::<M>(&self.0.0, product::<M>)))
    }
}
