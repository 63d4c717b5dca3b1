// Every thread raises one element to a power, product by product.

struct Parameters {
    count: u32,
    rounds: u32,
    x0: u32, x1: u32, x2: u32, x3: u32, x4: u32, x5: u32, x6: u32, x7: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read_write> values: array<vec4<u32>>;

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
    let x = Fq(p.x0, p.x1, p.x2, p.x3, p.x4, p.x5, p.x6, p.x7);
    var power = x;
    for (var round = 0u; round < p.rounds; round++) {
        power = fq_mul(power, x);
    }
    values[2u * i] = fq_lo(power);
    values[2u * i + 1u] = fq_hi(power);
}
