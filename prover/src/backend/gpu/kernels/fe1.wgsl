// Coordinates of G1: elements of the base field, which goes by the name Fe here.

fn affine_pack(a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>) -> Affine {
    return Affine(fe_pack(a, b), fe_pack(c, d));
}

fn point_pack(
    a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32>,
    e: vec4<u32>, f: vec4<u32>, g: vec4<u32>, h: vec4<u32>,
) -> Point {
    return Point(fe_pack(a, b), fe_pack(c, d), fe_pack(e, f), fe_pack(g, h));
}
