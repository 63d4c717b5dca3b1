// One thread sums up one slice of a bucket: affine bases into a point.

struct Parameters {
    // Bases, and entries of a window.
    count: u32,
    buckets: u32,
    // Most tasks of a window.
    most: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> entries: array<u32>;
@group(0) @binding(1) var<storage, read> cursors: array<u32>;
@group(0) @binding(2) var<storage, read> tasks: array<u32>;
@group(0) @binding(3) var<storage, read_write> partials: array<vec4<u32>>;

fn term(entry: u32) -> Affine {
    var base = load_base(entry & 0x7fffffffu);
    if entry >= 0x80000000u {
        base.y = fe_neg(base.y);
    }
    return base;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let number = thread(group, groups, local);
    let window = group.z;
    if number >= tasks[window * (p.buckets + 1u) + p.buckets] {
        return;
    }
    let task = find(window, number);
    // Behind the scatter, a bucket begins where the cursor of the one before it stands.
    let cursor = window * p.buckets + task.bucket;
    var begin = 0u;
    if task.bucket > 0u {
        begin = cursors[cursor - 1u];
    }
    let size = cursors[cursor] - begin;
    // Slices of a bucket differ by one entry at most.
    let share = size / task.slices;
    let longer = size % task.slices;
    begin += window * p.count + task.slice * share + min(task.slice, longer);
    let end = begin + share + u32(task.slice < longer);

    var sum = point_of(term(entries[begin]));
    for (var at = begin + 1u; at < end; at++) {
        sum = point_add_affine(sum, term(entries[at]));
    }
    store_partials(window * p.most + number, sum);
}
