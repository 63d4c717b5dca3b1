// Coordinates of G2: c0 + c1*u with u^2 = -1, over the base field Fq.

struct Fe { c0: Fq, c1: Fq }

fn fe_zero() -> Fe { return Fe(fq_zero(), fq_zero()); }
fn fe_one() -> Fe { return Fe(fq_one(), fq_zero()); }
fn fe_is_zero(a: Fe) -> bool { return fq_is_zero(a.c0) & fq_is_zero(a.c1); }
fn fe_add(a: Fe, b: Fe) -> Fe { return Fe(fq_add(a.c0, b.c0), fq_add(a.c1, b.c1)); }
fn fe_sub(a: Fe, b: Fe) -> Fe { return Fe(fq_sub(a.c0, b.c0), fq_sub(a.c1, b.c1)); }
fn fe_double(a: Fe) -> Fe { return fe_add(a, a); }
fn fe_neg(a: Fe) -> Fe { return Fe(fq_neg(a.c0), fq_neg(a.c1)); }

fn fe_pack(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>) -> Fe {
    return Fe(fq_pack(a, b), fq_pack(c, d));
}

fn affine_pack(
    a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>,
    e: vec4<u32>, f: vec4<u32>, g: vec4<u32>, h: vec4<u32>,
) -> Affine {
    return Affine(fe_pack(a, b, c, d), fe_pack(e, f, g, h));
}

fn point_pack(
    a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>,
    e: vec4<u32>, f: vec4<u32>, g: vec4<u32>, h: vec4<u32>,
    i: vec4<u32>, j: vec4<u32>, k: vec4<u32>, l: vec4<u32>,
    m: vec4<u32>, n: vec4<u32>, o: vec4<u32>, p: vec4<u32>,
) -> Point {
    return Point(fe_pack(a, b, c, d), fe_pack(e, f, g, h), fe_pack(i, j, k, l), fe_pack(m, n, o, p));
}
