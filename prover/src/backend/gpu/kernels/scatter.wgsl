// Every digit to its bucket: the number of the base, and the top bit where it is subtracted.
// Cursors start at the first entry of their buckets and end at the first of the next.

@group(0) @binding(3) var<storage, read_write> entries: array<u32>;

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
        let signed = digit(p.first + w);
        let magnitude = signed & 0x7fffffffu;
        if magnitude != 0u {
            let at = atomicAdd(&cursors[w * half + magnitude - 1u], 1u);
            entries[w * p.count + at] = i | (signed & 0x80000000u);
        }
    }
}
