// Every eighth share takes up the seven behind it; steps of 1, 8, 64, … leave a window's sum in its
// first share.

struct Parameters {
    // Shares of a window.
    chunks: u32,
    // 1, 8, 64, …
    step: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read_write> shares: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let first = thread(group, groups, local) * 8u * p.step;
    if first >= p.chunks {
        return;
    }
    let at = group.z * p.chunks + first;
    var sum = load_shares(at);
    for (var k = 1u; k < 8u; k++) {
        if first + k * p.step < p.chunks {
            sum = point_add(sum, load_shares(at + k * p.step));
        }
    }
    store_shares(at, sum);
}
