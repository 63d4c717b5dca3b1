//! Kernels of the number-theoretic transform: a few stages at a time in registers.
//!
//! Values become coefficients by decimation in frequency, from natural to bit-reversed order;
//! coefficients become values on the coset by decimation in time, from bit-reversed to natural. No
//! pass only permutes, and the coset's shift is folded into the first load of the second transform.
//!
//! There is one table of roots: `ω^i` for `i` up to `n`, ω of order `2n`. It holds the roots of every
//! smaller power of two, the coset's shifts, and, because `ω^n = −1`, the inverses with their signs
//! turned: `(a − b)·ω^{−e} = (b − a)·ω^{n−e}`.

use std::fmt::Write as _;

use ark_bn254::Fr;

use super::{Field, Spelling, THREAD, loader};

/// Which way a pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Direction {
    /// From values to coefficients, unscaled.
    Inverse,
    /// From coefficients to values.
    Forward,
    /// The first pass from coefficients to values on the coset.
    Shifted,
}

impl Direction {
    /// Tells the kernels apart.
    pub(in super::super) fn variant(self) -> &'static str {
        match self {
            Self::Inverse => "inverse",
            Self::Forward => "forward",
            Self::Shifted => "shifted",
        }
    }
}

const HEAD: &str = "
struct Parameters {
    // Logarithm of the domain's size, and of the blocks that this pass works on.
    log_size: u32,
    log_block: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> roots: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> values: array<vec4<u32>>;

fn store_values(i: u32, a: Fr) {
    values[2u * i] = fr_lo(a);
    values[2u * i + 1u] = fr_hi(a);
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = thread(group, groups, local);
";

/// The kernel that does `stages` stages at once: one thread transforms `2^stages` values.
pub(in super::super) fn pass(spelling: Spelling, direction: Direction, stages: u32) -> String {
    let mut text = Field::of::<Fr>("fr", spelling).text();
    text += THREAD;
    text += &loader("roots", "Fr", 2);
    text += &loader("values", "Fr", 2);
    text += HEAD;
    let values = 1u32 << stages;
    let mut line = |line: String| {
        let _ = writeln!(text, "    {line}");
    };
    line(format!(
        "if number >= (1u << (p.log_size - {stages}u)) {{ return; }}"
    ));
    line(format!("let log_stride = p.log_block - {stages}u;"));
    line("let offset = number & ((1u << log_stride) - 1u);".to_owned());
    line("let first = ((number >> log_stride) << p.log_block) + offset;".to_owned());
    for k in 0..values {
        line(format!("let at{k} = first + ({k}u << log_stride);"));
        line(match direction {
            Direction::Inverse | Direction::Forward => format!("var x{k} = load_values(at{k});"),
            Direction::Shifted => format!(
                "var x{k} = fr_mul(load_values(at{k}), load_roots(reverseBits(at{k}) >> (32u - p.log_size)));"
            ),
        });
    }
    match direction {
        Direction::Inverse => (0..stages).for_each(|s| stage(&mut line, direction, stages, s)),
        Direction::Forward | Direction::Shifted => {
            (0..stages)
                .rev()
                .for_each(|s| stage(&mut line, direction, stages, s));
        }
    }
    for k in 0..values {
        line(format!("store_values(at{k}, x{k});"));
    }
    text + "}\n"
}

/// The stage whose blocks are `2^s` times smaller than the pass's.
fn stage(line: &mut impl FnMut(String), direction: Direction, stages: u32, s: u32) {
    let distance = 1u32 << (stages - 1 - s);
    // The root of a block of size b at place j is ω^(j·2n/b).
    let shift = format!("(p.log_size + {}u - p.log_block)", s + 1);
    for place in 0..distance {
        let exponent = format!("(offset + ({place}u << log_stride)) << {shift}");
        line(match direction {
            Direction::Inverse => {
                format!("let w{s}_{place} = load_roots((1u << p.log_size) - ({exponent}));")
            }
            Direction::Forward | Direction::Shifted => format!("let w{s}_{place} = load_roots({exponent});"),
        });
    }
    for low in (0..1u32 << stages).filter(|k| k & distance == 0) {
        let (high, place) = (low + distance, low % distance);
        line(match direction {
            Direction::Inverse => format!("let d{s}_{low} = fr_mul(fr_sub(x{high}, x{low}), w{s}_{place});"),
            Direction::Forward | Direction::Shifted => {
                format!("let d{s}_{low} = fr_mul(x{high}, w{s}_{place});")
            }
        });
        match direction {
            Direction::Inverse => {
                line(format!("x{low} = fr_add(x{low}, x{high});"));
                line(format!("x{high} = d{s}_{low};"));
            }
            Direction::Forward | Direction::Shifted => {
                line(format!("x{high} = fr_sub(x{low}, d{s}_{low});"));
                line(format!("x{low} = fr_add(x{low}, d{s}_{low});"));
            }
        }
    }
}

/// The kernel of `A·B − C`, value by value, that makes up for both transforms being unscaled.
pub(in super::super) fn combine(spelling: Spelling) -> String {
    let mut text = Field::of::<Fr>("fr", spelling).text();
    text += THREAD;
    for binding in ["a", "b", "c"] {
        text += &loader(binding, "Fr", 2);
    }
    text + include_str!("../kernels/combine.wgsl")
}
