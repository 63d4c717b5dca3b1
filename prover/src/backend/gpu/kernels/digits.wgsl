// What the two passes over scalars share. The scalar plus 2^(width-1) in every window has, as its
// plain digits, the signed digits plus 2^(width-1) each: no carry runs between windows, and any digit
// can be read alone. Signed digits lie between -2^(width-1) and 2^(width-1) - 1.

struct Parameters {
    count: u32,
    width: u32,
    // The windows of this pass.
    first: u32,
    windows: u32,
    // 2^(width-1) in every window.
    bias0: u32, bias1: u32, bias2: u32, bias3: u32, bias4: u32,
    bias5: u32, bias6: u32, bias7: u32, bias8: u32,
}
var<immediate> p: Parameters;

@group(0) @binding(0) var<storage, read> scalars: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read_write> cursors: array<atomic<u32>>;

var<private> raised: array<u32, 10>;
var<private> carried: u32;

fn raise(at: u32, limb: u32, bias: u32) {
    let sum = limb + bias;
    let out = sum + carried;
    carried = u32(sum < limb) | u32(out < sum);
    raised[at] = out;
}

fn read_scalar(i: u32) {
    let s = fr_canonical(load_scalars(index[i]));
    carried = 0u;
    raise(0u, s.l0, p.bias0);
    raise(1u, s.l1, p.bias1);
    raise(2u, s.l2, p.bias2);
    raise(3u, s.l3, p.bias3);
    raise(4u, s.l4, p.bias4);
    raise(5u, s.l5, p.bias5);
    raise(6u, s.l6, p.bias6);
    raise(7u, s.l7, p.bias7);
    raise(8u, 0u, p.bias8);
    raised[9] = 0u;
}

// The digit of a window: magnitude, and the top bit where it is negative.
fn digit(window: u32) -> u32 {
    let bit = window * p.width;
    let limb = bit >> 5u;
    let shift = bit & 31u;
    // Two shifts, so that none is by 32.
    let bits = (raised[limb] >> shift) | ((raised[limb + 1u] << 1u) << (31u - shift));
    let plain = bits & ((1u << p.width) - 1u);
    let half = 1u << (p.width - 1u);
    return select((half - plain) | 0x80000000u, plain - half, plain >= half);
}
