// A chunk's share of its window: the weighted sum, plus the plain sum once per bucket below the chunk.

struct Parameters {
    // Chunks of a window.
    chunks: u32,
    // Buckets of a chunk.
    chunk: u32,
    // Bits of the largest weight.
    bits: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> chunks: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> shares: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = thread(group, groups, local);
    if number >= p.chunks {
        return;
    }
    let at = group.z * p.chunks + number;
    let weight = number * p.chunk;
    // Double, add where the bit is set, and at last the weighted sum: one addition in the text,
    // which doubles when both sides are equal.
    var sum = point_identity();
    for (var step = 0u; step <= 2u * p.bits; step++) {
        var right = sum;
        if step == 2u * p.bits {
            right = load_chunks(2u * at + 1u);
        } else if (step & 1u) == 1u {
            if ((weight >> (p.bits - 1u - (step >> 1u))) & 1u) == 0u {
                continue;
            }
            right = load_chunks(2u * at);
        }
        sum = point_add(sum, right);
    }
    store_shares(at, sum);
}
