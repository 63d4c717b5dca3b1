//! Kernels of the multi-scalar multiplication, put together from `kernels/`.

use std::fmt::Write as _;

use ark_bn254::Fr;

use super::{Field, Group, Spelling, THREAD, loader};

impl Group {
    /// Vectors of four words in a point of `coordinates` coordinates.
    fn vectors(self, coordinates: u64) -> u64 {
        2 * self.degree() * coordinates
    }

    fn point_loader(self, binding: &str) -> String {
        loader(binding, "Point", self.vectors(4))
    }

    /// A function that writes points into a binding: `fn store_<binding>(i: u32, p: Point)`.
    fn point_storer(self, binding: &str) -> String {
        let (prefix, parts): (_, &[&str]) = match self {
            Self::G1 => ("fe", &[""]),
            Self::G2 => ("fq", &[".c0", ".c1"]),
        };
        let mut text = format!("fn store_{binding}(i: u32, q: Point) {{\n");
        let elements = ["x", "y", "zz", "zzz"]
            .iter()
            .flat_map(|coordinate| parts.iter().map(move |part| format!("q.{coordinate}{part}")));
        let vectors = self.vectors(4);
        for (k, element) in elements.enumerate() {
            for (half, place) in [("lo", 2 * k), ("hi", 2 * k + 1)] {
                let _ = writeln!(
                    text,
                    "    {binding}[{vectors}u * i + {place}u] = {prefix}_{half}({element});"
                );
            }
        }
        text + "}\n"
    }
}

fn digits(spelling: Spelling, kernel: &str) -> String {
    let field = Field::of::<Fr>("fr", spelling).text();
    field + THREAD + &loader("scalars", "Fr", 2) + include_str!("../kernels/digits.wgsl") + kernel
}

/// Counts the digits of every bucket.
pub(in super::super) fn count(spelling: Spelling) -> String {
    digits(spelling, include_str!("../kernels/count.wgsl"))
}

/// Sorts the digits by bucket.
pub(in super::super) fn scatter(spelling: Spelling) -> String {
    digits(spelling, include_str!("../kernels/scatter.wgsl"))
}

/// Turns counts into places.
pub(in super::super) fn scan(_: Spelling) -> String {
    include_str!("../kernels/scan.wgsl").to_owned()
}

/// Sums up slices of buckets over bases in `shards` buffers of `2^log_shard` each.
pub(in super::super) fn accumulate(
    spelling: Spelling,
    group: Group,
    shards: usize,
    log_shard: u32,
) -> String {
    let mut text = group.arithmetic(spelling, true);
    let mut select = "fn load_base(i: u32) -> Affine {\n".to_owned();
    let at = if shards == 1 {
        "i".to_owned()
    } else {
        format!("i & {}u", (1u64 << log_shard) - 1)
    };
    for shard in 0..shards {
        let binding = 4 + shard;
        let _ = writeln!(
            text,
            "@group(0) @binding({binding}) var<storage, read> bases{shard}: array<vec4<u32>>;"
        );
        text += &loader(&format!("bases{shard}"), "Affine", group.vectors(2));
        if shard + 1 < shards {
            let next = shard + 1;
            let _ = writeln!(
                select,
                "    if i < {}u {{ return load_bases{shard}({at}); }}",
                (next as u64) << log_shard
            );
        } else {
            let _ = writeln!(select, "    return load_bases{shard}({at});");
        }
    }
    text += &(select + "}\n");
    text += &group.point_storer("partials");
    text + include_str!("../kernels/tasks.wgsl") + include_str!("../kernels/accumulate.wgsl")
}

/// Adds up the slices of fat buckets.
pub(in super::super) fn fat(spelling: Spelling, group: Group) -> String {
    group.arithmetic(spelling, false)
        + &group.point_loader("partials")
        + &group.point_storer("partials")
        + include_str!("../kernels/tasks.wgsl")
        + include_str!("../kernels/fat.wgsl")
}

/// Sums up chunks of buckets.
pub(in super::super) fn chunks(spelling: Spelling, group: Group) -> String {
    group.arithmetic(spelling, false)
        + &group.point_loader("partials")
        + &group.point_storer("chunks")
        + include_str!("../kernels/chunks.wgsl")
}

/// Weighs the chunks.
pub(in super::super) fn weigh(spelling: Spelling, group: Group) -> String {
    group.arithmetic(spelling, false)
        + &group.point_loader("chunks")
        + &group.point_storer("shares")
        + include_str!("../kernels/weigh.wgsl")
}

/// Adds up the chunks of a window.
pub(in super::super) fn fold(spelling: Spelling, group: Group) -> String {
    group.arithmetic(spelling, false)
        + &group.point_loader("shares")
        + &group.point_storer("shares")
        + include_str!("../kernels/fold.wgsl")
}
