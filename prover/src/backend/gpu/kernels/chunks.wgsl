// One thread per chunk of neighbouring buckets: the sum of the buckets, and their sum weighted by
// their place in the chunk (1, 2, …), both by running sums from the top.

struct Parameters {
    buckets: u32,
    most: u32,
    // Buckets of a chunk.
    chunk: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> tasks: array<u32>;
@group(0) @binding(1) var<storage, read> partials: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> chunks: array<vec4<u32>>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = thread(group, groups, local);
    let window = group.z;
    let all = p.buckets / p.chunk;
    if number >= all {
        return;
    }
    var running = point_identity();
    var weighted = point_identity();
    for (var b = p.chunk; b > 0u; b--) {
        let task = window * (p.buckets + 1u) + number * p.chunk + b - 1u;
        let first = tasks[task];
        var slices = tasks[task + 1u] - first;
        // Of a fat bucket the first has all.
        if slices > 8u {
            slices = 1u;
        }
        // One addition in the text for both sums: kernels of this kind are long enough.
        for (var k = 0u; k <= slices; k++) {
            let last = k == slices;
            var left = running;
            var right = running;
            if last {
                left = weighted;
            } else {
                right = load_partials(window * p.most + first + k);
            }
            let sum = point_add(left, right);
            if last {
                weighted = sum;
            } else {
                running = sum;
            }
        }
    }
    let at = 2u * (window * all + number);
    store_chunks(at, running);
    store_chunks(at + 1u, weighted);
}
