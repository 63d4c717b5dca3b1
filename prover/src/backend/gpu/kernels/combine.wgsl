// A*B - C on the odd coset. Each of the three is n times too large.

struct Parameters {
    count: u32,
    // 1/n.
    s0: u32, s1: u32, s2: u32, s3: u32, s4: u32, s5: u32, s6: u32, s7: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> c: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> values: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = thread(group, groups, local);
    if i >= p.count {
        return;
    }
    let scale = Fr(p.s0, p.s1, p.s2, p.s3, p.s4, p.s5, p.s6, p.s7);
    let product = fr_mul(fr_mul(load_a(i), load_b(i)), scale);
    let value = fr_mul(fr_sub(product, load_c(i)), scale);
    values[2u * i] = fr_lo(value);
    values[2u * i + 1u] = fr_hi(value);
}
