// One workgroup per window turns the sizes of buckets into their first entries, and the slices that
// each is cut into, into the first task of each bucket. Behind the last is the number of all tasks.

struct Parameters {
    buckets: u32,
    // Most entries of a slice.
    slice: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read_write> cursors: array<u32>;
@group(0) @binding(1) var<storage, read_write> tasks: array<u32>;

var<workgroup> sums: array<vec2<u32>, 256>;

fn sizes(entries: u32) -> vec2<u32> {
    return vec2<u32>(entries, (entries + p.slice - 1u) / p.slice);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let bucket = group.z * p.buckets;
    let task = group.z * (p.buckets + 1u);
    let share = (p.buckets + 255u) / 256u;
    let begin = min(local * share, p.buckets);
    let end = min(begin + share, p.buckets);

    var own = vec2<u32>(0u, 0u);
    for (var b = begin; b < end; b++) {
        own += sizes(cursors[bucket + b]);
    }
    sums[local] = own;
    workgroupBarrier();
    for (var step = 1u; step < 256u; step = step << 1u) {
        var sum = sums[local];
        if local >= step {
            sum += sums[local - step];
        }
        workgroupBarrier();
        sums[local] = sum;
        workgroupBarrier();
    }
    var before = sums[local] - own;
    for (var b = begin; b < end; b++) {
        let size = sizes(cursors[bucket + b]);
        cursors[bucket + b] = before.x;
        tasks[task + b] = before.y;
        before += size;
    }
    if local == 255u {
        tasks[task + p.buckets] = before.y;
    }
}
