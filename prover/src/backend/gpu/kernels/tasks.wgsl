// Tasks of a window are numbered bucket by bucket; `tasks` has the first of every bucket, and behind
// the last bucket their number.

struct Task {
    bucket: u32,
    // Which slice of the bucket it is, and how many there are.
    slice: u32,
    slices: u32,
}

// The task of this number, which has to be below the number of tasks: the last bucket whose first
// task is not behind it. Empty buckets share their number with the next, and are never the last.
fn find(window: u32, task: u32) -> Task {
    let base = window * (p.buckets + 1u);
    var low = 0u;
    var high = p.buckets;
    while high - low > 1u {
        let middle = (low + high) >> 1u;
        if tasks[base + middle] <= task {
            low = middle;
        } else {
            high = middle;
        }
    }
    let first = tasks[base + low];
    return Task(low, task - first, tasks[base + low + 1u] - first);
}
