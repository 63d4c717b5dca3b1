//! Every operation of the generated fields, on the device, against `ark-ff`.

use ark_bn254::{Fq, Fq2, FqConfig, FrConfig, g2};
use ark_ff::{BigInt, Fp, MontBackend, MontConfig, UniformRand};

use super::super::job::{Job, Slice};
use super::super::memory::DeviceCurve;
use super::super::{memory, testing};
use super::*;

type Prime<P> = Fp<MontBackend<P, 4>, 4>;

/// Raw limbs of operands below twice the modulus: every pair of edges, and random ones. Each value
/// occurs as its least residue and with the modulus added.
fn pairs<P: MontConfig<4>>() -> Vec<[BigInt<4>; 2]> {
    let least = [0, 1, 2].map(|x| Prime::<P>::from(x).0);
    let top = -Prime::<P>::from(1u64);
    let ends = [BigInt::from(1u64), Prime::<P>::MODULUS, top.0];
    let mut rng = crate::testing::rng(7);
    let random = [(); 5].map(|()| Prime::<P>::rand(&mut rng).0);
    let mut values: Vec<_> = least.into_iter().chain(ends).chain(random).collect();
    for i in 0..values.len() {
        let mut raised = values[i];
        raised.add_with_carry(&Prime::<P>::MODULUS);
        values.push(raised);
    }
    let mut double = Prime::<P>::MODULUS;
    double.mul2();
    values.retain(|value| *value < double);
    values
        .iter()
        .flat_map(|&a| values.iter().map(move |&b| [a, b]))
        .collect()
}

/// A kernel that computes all operations of a field of type `X` with functions `x_…`.
fn kernel(arithmetic: &str) -> String {
    let operations = [
        "x_add(a, b)",
        "x_sub(a, b)",
        "x_mul(a, b)",
        "x_sqr(a)",
        "x_double(a)",
        "x_neg(a)",
    ];
    let mut text = arithmetic.to_owned();
    text += THREAD;
    text += &loader("a", "X", 2);
    text += "
@group(0) @binding(0) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> results: array<vec4<u32>>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) g: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = thread(g, n, local);
    if i >= p.count { return; }
    let a = load_a(2u * i);
    let b = load_a(2u * i + 1u);
    let at = 16u * i;
";
    for (k, operation) in operations.iter().enumerate() {
        text += &format!("    let r{k} = {operation};\n");
        text += &format!(
            "    results[at + {}u] = x_lo(r{k}); results[at + {}u] = x_hi(r{k});\n",
            2 * k,
            2 * k + 1
        );
    }
    text += "    let c = x_canonical(a);
    results[at + 12u] = x_lo(c); results[at + 13u] = x_hi(c);
    results[at + 14u] = vec4<u32>(u32(x_is_zero(x_sub(a, b))), u32(x_is_zero(a)), 0u, 0u);
}
struct Parameters { count: u32 }
var<immediate> p: Parameters;
";
    text
}

fn check<P: MontConfig<4>>(words: Words, unrolled: bool) {
    let spelling = Spelling { words, unrolled };
    let device = testing::device_with(spelling);
    let pairs = pairs::<P>();
    let bytes = |limbs: &BigInt<4>| -> [u8; 32] { limbs.to_bytes_le().try_into().expect("four limbs") };
    let flat: Vec<_> = pairs.iter().flatten().copied().collect();
    let operands = device.buffer("operands", 32 * flat.len() as u64).expect("memory");
    memory::upload(&device, &operands, 0, &flat, bytes).expect("memory");
    let results = device
        .buffer("results", 256 * pairs.len() as u64)
        .expect("memory");
    let text = kernel(&Field::of::<Prime<P>>("x", spelling).text());
    let kernel = device.kernel("operations", "", |_| text).expect("it compiles");
    let mut job = Job::new(&device);
    job.stage("operations", &[]);
    let count = u32::try_from(pairs.len()).expect("a few");
    job.dispatch(
        &kernel,
        &[&operands, &results].map(Slice::whole),
        &[count],
        pairs.len() as u64,
        1,
    );
    job.read(Slice::whole(&results));
    let (found, _) = job
        .submit()
        .and_then(|pending| pending.finish())
        .expect("a sound device");

    for (row, [a, b]) in found.chunks_exact(256).zip(&pairs) {
        let [a, b] = [a, b].map(|limbs| memory::field_of::<P>(&bytes(limbs)));
        let raw = |k: usize| &row[32 * k..32 * (k + 1)];
        let expected = [a + b, a - b, a * b, a * a, a + a, -a];
        for (k, expected) in expected.into_iter().enumerate() {
            let limbs = BigInt::<4>::from_bits_le(&bits(raw(k)));
            let mut double = Prime::<P>::MODULUS;
            double.mul2();
            assert!(
                limbs < double,
                "operation {k} of {a} and {b} is below twice the modulus"
            );
            assert_eq!(
                memory::field_of::<P>(raw(k)),
                expected,
                "operation {k} of {a} and {b}"
            );
        }
        assert_eq!(raw(6), bytes(&a.into_bigint()), "the integer of {a}");
        let flags: Vec<_> = memory::words(raw(7)).take(2).collect();
        assert_eq!(flags, [u32::from(a == b), u32::from(a == Prime::<P>::from(0u64))]);
    }
}

fn bits(bytes: &[u8]) -> Vec<bool> {
    bytes
        .iter()
        .flat_map(|byte| (0..8).map(move |k| byte >> k & 1 == 1))
        .collect()
}

#[test]
fn scalar_field_on_the_device_agrees_with_arkworks() {
    check::<FrConfig>(Words::U64, true);
    check::<FrConfig>(Words::U32, false);
}

#[test]
fn base_field_on_the_device_agrees_with_arkworks() {
    check::<FqConfig>(Words::U64, false);
    check::<FqConfig>(Words::U32, true);
}

/// A kernel that multiplies and squares in the extension.
fn extension_kernel(unrolled: bool) -> String {
    let spelling = Spelling {
        words: Words::U64,
        unrolled,
    };
    let store = |at: u32, value: &str| {
        let parts = ["lo", "hi"].map(|half| ["c0", "c1"].map(|part| (part, half)));
        let mut lines = String::new();
        for (part, half) in parts.into_iter().flatten() {
            let place = at + 2 * u32::from(part == "c1") + u32::from(half == "hi");
            lines += &format!("    results[8u * i + {place}u] = fq_{half}({value}.{part});\n");
        }
        lines
    };
    Group::G2.arithmetic(spelling, unrolled)
        + &loader("a", "Fe", 4)
        + "
@group(0) @binding(0) var<storage, read> a: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> results: array<vec4<u32>>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) g: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
    let i = thread(g, n, local);
    if i >= p.count { return; }
    let product = fe_mul(load_a(2u * i), load_a(2u * i + 1u));
    let square = fe_sqr(load_a(2u * i));
" + &store(0, "product")
        + &store(4, "square")
        + "}
struct Parameters { count: u32 }
var<immediate> p: Parameters;
"
}

#[test]
fn extension_field_on_the_device_agrees_with_arkworks() {
    let mut rng = crate::testing::rng(8);
    let edges = [
        Fq2::from(0u64),
        Fq2::from(1u64),
        -Fq2::from(1u64),
        Fq2::new(Fq::from(0u64), -Fq::from(1u64)),
    ];
    let mut values: Vec<_> = edges
        .iter()
        .flat_map(|&a| edges.map(|b| [a, b]))
        .flatten()
        .collect();
    values.extend((0..32).map(|_| Fq2::rand(&mut rng)));
    let bytes = |x: &Fq2| -> [u8; 64] {
        let parts = [x.c0, x.c1].map(|part| memory::field_bytes(&part));
        parts.concat().try_into().expect("two elements")
    };
    for unrolled in [false, true] {
        let device = testing::device();
        let operands = device
            .buffer("operands", 64 * values.len() as u64)
            .expect("memory");
        memory::upload(device, &operands, 0, &values, bytes).expect("memory");
        let results = device
            .buffer("results", 64 * values.len() as u64)
            .expect("memory");
        let variant = if unrolled { "straight" } else { "loop" };
        let kernel = device
            .kernel("extension", variant, |_| extension_kernel(unrolled))
            .expect("it compiles");
        let mut job = Job::new(device);
        job.stage("operations", &[]);
        let count = values.len() / 2;
        let bindings = [&operands, &results].map(Slice::whole);
        job.dispatch(
            &kernel,
            &bindings,
            &[u32::try_from(count).expect("a few")],
            count as u64,
            1,
        );
        job.read(Slice::whole(&results));
        let (found, _) = job
            .submit()
            .and_then(|pending| pending.finish())
            .expect("a sound device");
        for (row, pair) in found.chunks_exact(128).zip(values.chunks_exact(2)) {
            let (product, square) = row.split_at(64);
            assert_eq!(g2::Config::coordinate(product), pair[0] * pair[1], "{variant}");
            assert_eq!(g2::Config::coordinate(square), pair[0] * pair[0], "{variant}");
        }
    }
}
