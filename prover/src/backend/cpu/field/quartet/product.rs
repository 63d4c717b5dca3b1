//! Products of four lanes, instruction by instruction.
//!
//! Ten columns collect the halves of all products of two limbs. Seven are live at a time: column k is in
//! register k modulo 7. After the row of products with one limb of a factor, the lowest column is
//! cleared (Montgomery's reduction) and its carry goes to the next. The first three times that takes no
//! product: with `s = (n·p + 1)/2^51` (`shifted`), adding `low · (2^51·s − 1)`, a multiple of p, clears
//! the column by itself and adds `low · s` to the columns above. This leaves a number that is larger than
//! 2^51 times the reduced one, so the last two steps add `q·p` with `q = low · n` modulo 2^51.

use std::arch::naked_asm;

use super::Doubles;
use super::constants::Constants;

macro_rules! column {
    (0) => {
        "ymm0"
    };
    (1) => {
        "ymm1"
    };
    (2) => {
        "ymm2"
    };
    (3) => {
        "ymm3"
    };
    (4) => {
        "ymm4"
    };
    (5) => {
        "ymm5"
    };
    (6) => {
        "ymm6"
    };
    (7) => {
        "ymm0"
    };
    (8) => {
        "ymm1"
    };
    (9) => {
        "ymm2"
    };
}

/// Adds (`vfmadd231pd`) or subtracts (`vfnmadd231pd`) ymm7 times what is in memory.
macro_rules! limb {
    ($op:literal, $memory:expr, $low:tt, $high:tt) => {
        concat!(
            "vmovapd ymm10, ymm8\n",
            $op,
            " ymm10, ymm7, ",
            $memory,
            "\n",
            "vsubpd ymm11, ymm9, ymm10\n",
            "vpaddq ",
            column!($high),
            ", ",
            column!($high),
            ", ymm10\n",
            $op,
            " ymm11, ymm7, ",
            $memory,
            "\n",
            "vpaddq ",
            column!($low),
            ", ",
            column!($low),
            ", ymm11\n",
        )
    };
}

/// ymm7 times five limbs.
macro_rules! row {
    ($op:literal, $limbs:literal, $c0:tt $c1:tt $c2:tt $c3:tt $c4:tt $c5:tt) => {
        concat!(
            limb!($op, concat!("[", $limbs, "]"), $c0, $c1),
            limb!($op, concat!("[", $limbs, " + 32]"), $c1, $c2),
            limb!($op, concat!("[", $limbs, " + 64]"), $c2, $c3),
            limb!($op, concat!("[", $limbs, " + 96]"), $c3, $c4),
            limb!($op, concat!("[", $limbs, " + 128]"), $c4, $c5),
        )
    };
}

/// A limb of the first factor times the second factor.
macro_rules! multiply {
    ($op:literal, $limb:literal, $factor:literal, $($columns:tt)*) => {
        concat!("vmovapd ymm7, [", $limb, "]\n", row!($op, $factor, $($columns)*))
    };
}

/// The lowest 51 bits of a column as a number in ymm7.
macro_rules! low {
    ($column:tt) => {
        concat!(
            "vpand ymm7, ",
            column!($column),
            ", [rsi + 448]\n",                  // mask
            "vpor ymm7, ymm7, [rsi + 416]\n",   // exponent
            "vsubpd ymm7, ymm7, [rsi + 480]\n", // integer
        )
    };
}

/// The rest of a column goes to the next one.
macro_rules! carry {
    ($column:tt, $next:tt) => {
        concat!(
            "vpsrlq ",
            column!($column),
            ", ",
            column!($column),
            ", 51\n",
            "vpaddq ",
            column!($next),
            ", ",
            column!($next),
            ", ",
            column!($column),
            "\n",
        )
    };
}

/// Clears the column `$c0` with the shifted prime.
macro_rules! clear {
    ($c0:tt $c1:tt $c2:tt $c3:tt $c4:tt $c5:tt $c6:tt) => {
        concat!(
            low!($c0),
            carry!($c0, $c1),
            row!("vfmadd231pd", "rsi + 160", $c1 $c2 $c3 $c4 $c5 $c6), // shifted
        )
    };
}

/// Clears the column `$c0` with the prime.
macro_rules! reduce {
    ($c0:tt $c1:tt $c2:tt $c3:tt $c4:tt $c5:tt) => {
        concat!(
            low!($c0),
            "vmovapd ymm10, ymm8\n",
            "vfmadd231pd ymm10, ymm7, [rsi + 384]\n", // inverse
            "vsubpd ymm10, ymm8, ymm10\n",
            "vfmadd132pd ymm7, ymm10, [rsi + 384]\n",
            row!("vfmadd231pd", "rsi", $c0 $c1 $c2 $c3 $c4 $c5), // prime
            carry!($c0, $c1),
        )
    };
}

/// The initial value of a column.
macro_rules! begin {
    ($column:tt, $initial:literal) => {
        concat!("vmovdqa ", column!($column), ", [rsi + ", $initial, "]\n")
    };
}

/// A limb of the result: what is left of its column, and the carry in ymm10 from the one below.
macro_rules! finish {
    ($column:tt, $offset:literal, $result:literal, $carry:literal) => {
        concat!(
            "vpand ymm7, ",
            column!($column),
            ", [rsi + 448]\n",
            "vpor ymm7, ymm7, [rsi + 416]\n",
            $carry,
            "vpsrlq ymm10, ",
            column!($column),
            ", 51\n",
            "vsubpd ymm7, ymm7, [rsi + ",
            $offset,
            "]\n",
            "vmovapd [rdi + ",
            $result,
            "], ymm7\n",
        )
    };
}

/// All limbs of the result.
macro_rules! limbs {
    () => {
        concat!(
            finish!(5, "576", "0", ""),
            finish!(6, "608", "32", "vpaddq ymm7, ymm7, ymm10\n"),
            finish!(7, "640", "64", "vpaddq ymm7, ymm7, ymm10\n"),
            finish!(8, "672", "96", "vpaddq ymm7, ymm7, ymm10\n"),
            "vpaddq ymm7, ",
            column!(9),
            ", ymm10\n",
            "vsubpd ymm7, ymm7, [rsi + 704]\n",
            "vmovapd [rdi + 128], ymm7\n",
        )
    };
}

/// Adds a multiple of a limb of the prime to a column; the factor is in ymm7.
macro_rules! correct {
    ($column:tt, $limb:literal) => {
        concat!(
            "vmovapd ymm10, ymm11\n",
            "vfmadd231pd ymm10, ymm7, [rsi + ",
            $limb,
            "]\n",
            "vpaddq ",
            column!($column),
            ", ",
            column!($column),
            ", ymm10\n",
        )
    };
}

/// Adds the multiple of p that brings the result next to zero: its highest column tells which.
macro_rules! near_zero {
    () => {
        concat!(
            "vmovapd ymm11, [rsi + 512]\n", // lower
            "vpaddq ymm7, ",
            column!(9),
            ", ymm11\n", // the place of the multiple's own offset
            "vsubpd ymm7, ymm7, ymm11\n",
            "vmovapd ymm10, ymm11\n",
            "vfmadd231pd ymm10, ymm7, [rsi + 544]\n", // per_prime
            "vsubpd ymm7, ymm10, ymm11\n",
            correct!(5, "0"),
            correct!(6, "32"),
            correct!(7, "64"),
            correct!(8, "96"),
            correct!(9, "128"),
        )
    };
}

/// These are functions without any code of the compiler's own, so that they are never inlined: a kernel with
/// several copies of them would not fit a core's cache of instructions.
///
/// By the calling convention `to` is in rdi, `k` in rsi, `a` in rdx, `b` in rcx, `c` in r8 and `d` in r9;
/// all vector registers may be changed.
macro_rules! function {
    ($(#[$doc:meta])* $name:ident($($factor:ident),*), $($code:expr),* $(,)?) => {
        $(#[$doc])*
        ///
        /// Writes the result to `to`.
        ///
        /// # Safety
        /// The processor has AVX2 and FMA; `to` may be written, the others read.
        #[unsafe(naked)]
        pub(super) unsafe extern "sysv64" fn $name(
            to: *mut Doubles,
            k: &'static Constants,
            $($factor: &Doubles),*
        ) {
            naked_asm!($($code),*, "ret")
        }
    };
}

function! {
    /// `a·b/2^255`, up to 2.14p in magnitude; for the ranges of the factors see [`super`].
    product(a, b),
    "vmovapd ymm8, [rsi + 320]", // upper
    "vmovapd ymm9, [rsi + 352]", // both
    begin!(0, "736"), begin!(1, "768"), begin!(2, "800"), begin!(3, "832"),
    begin!(4, "864"), begin!(5, "896"), begin!(6, "928"),
    multiply!("vfmadd231pd", "rdx", "rcx", 0 1 2 3 4 5),
    clear!(0 1 2 3 4 5 6),
    begin!(7, "960"),
    multiply!("vfmadd231pd", "rdx + 32", "rcx", 1 2 3 4 5 6),
    clear!(1 2 3 4 5 6 7),
    begin!(8, "992"),
    multiply!("vfmadd231pd", "rdx + 64", "rcx", 2 3 4 5 6 7),
    clear!(2 3 4 5 6 7 8),
    begin!(9, "1024"),
    multiply!("vfmadd231pd", "rdx + 96", "rcx", 3 4 5 6 7 8),
    reduce!(3 4 5 6 7 8),
    multiply!("vfmadd231pd", "rdx + 128", "rcx", 4 5 6 7 8 9),
    reduce!(4 5 6 7 8 9),
    limbs!(),
}

macro_rules! sum_of_products {
    ($(#[$doc:meta])* $name:ident, $op:literal) => {
        function! {
            $(#[$doc])*
            $name(a, b, c, d),
            "vmovapd ymm8, [rsi + 320]",
            "vmovapd ymm9, [rsi + 352]",
            begin!(0, "1056"), begin!(1, "1088"), begin!(2, "1120"), begin!(3, "1152"),
            begin!(4, "1184"), begin!(5, "1216"), begin!(6, "1248"),
            multiply!("vfmadd231pd", "rdx", "rcx", 0 1 2 3 4 5),
            multiply!($op, "r8", "r9", 0 1 2 3 4 5),
            clear!(0 1 2 3 4 5 6),
            begin!(7, "1280"),
            multiply!("vfmadd231pd", "rdx + 32", "rcx", 1 2 3 4 5 6),
            multiply!($op, "r8 + 32", "r9", 1 2 3 4 5 6),
            clear!(1 2 3 4 5 6 7),
            begin!(8, "1312"),
            multiply!("vfmadd231pd", "rdx + 64", "rcx", 2 3 4 5 6 7),
            multiply!($op, "r8 + 64", "r9", 2 3 4 5 6 7),
            clear!(2 3 4 5 6 7 8),
            begin!(9, "1344"),
            multiply!("vfmadd231pd", "rdx + 96", "rcx", 3 4 5 6 7 8),
            multiply!($op, "r8 + 96", "r9", 3 4 5 6 7 8),
            reduce!(3 4 5 6 7 8),
            multiply!("vfmadd231pd", "rdx + 128", "rcx", 4 5 6 7 8 9),
            multiply!($op, "r8 + 128", "r9", 4 5 6 7 8 9),
            reduce!(4 5 6 7 8 9),
            near_zero!(),
            limbs!(),
        }
    };
}

sum_of_products! {
    /// `(a·b + c·d)/2^255`, up to 0.53p in magnitude. One factor of each product is a product, up to 0.7p,
    /// the other up to 2p.
    sum, "vfmadd231pd"
}
sum_of_products! {
    /// `(a·b − c·d)/2^255`, likewise.
    difference, "vfnmadd231pd"
}
