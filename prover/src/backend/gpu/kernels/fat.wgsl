// Buckets of more than eight slices: every eighth partial sum takes up the seven behind it, then
// every 64th the seven multiples of eight behind it, and so on until the first has all.

struct Parameters {
    buckets: u32,
    most: u32,
    // 1, 8, 64, …
    step: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> tasks: array<u32>;
@group(0) @binding(1) var<storage, read_write> partials: array<vec4<u32>>;

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
    if task.slices <= 8u || task.slice % (8u * p.step) != 0u || task.slice + p.step >= task.slices {
        return;
    }
    let at = window * p.most + number;
    var sum = load_partials(at);
    for (var k = 1u; k < 8u; k++) {
        if task.slice + k * p.step < task.slices {
            sum = point_add(sum, load_partials(at + k * p.step));
        }
    }
    store_partials(at, sum);
}
