// How many digits fall into every bucket.

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
    read_scalar(i);
    let half = 1u << (p.width - 1u);
    for (var w = 0u; w < p.windows; w++) {
        let magnitude = digit(p.first + w) & 0x7fffffffu;
        if magnitude != 0u {
            atomicAdd(&cursors[w * half + magnitude - 1u], 1u);
        }
    }
}
