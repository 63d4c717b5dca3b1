//! Checks and times the GPU engine: products, sums, transforms, whole proofs. `make bench-gpu`.
//!
//! Every result is checked before it counts. Small sizes come first, and nothing is begun that the
//! time left does not allow, so that a run always ends with what it got. Writes a table to the
//! terminal and all of it as JSON. Specification: `docs/spec/gpu.md`.
//!
//! ```text
//! bench_gpu [--adapter NAME] [--seconds N] [--most LOG2] [--out FILE.json]
//! ```

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ark_ff::UniformRand;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};
use tacit_circuits::r1cs::Statement;
use tacit_protocol::F;
use tacit_prover::backend::conformance::Powers;
use tacit_prover::backend::cpu::Cpu;
use tacit_prover::backend::gpu::measure::{Group, Measured, Terms};
use tacit_prover::backend::gpu::{Gpu, Kind, Options, Selection, StageTime, Tuning, Words};
use tacit_prover::{Backend, Prover, Silent, setup};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How often each piece of work is timed.
const RUNS: u32 = 5;

/// 32-bit products of limbs in one product of field elements: the unit of the arithmetic limit.
const PRODUCTS_PER_ENTRY: f64 = 10.0;

struct Arguments {
    selection: Selection,
    seconds: u64,
    most: Option<u32>,
    out: PathBuf,
}

impl Arguments {
    fn read() -> Outcome<Self> {
        let mut read = Self {
            selection: Selection::Any,
            seconds: 420,
            most: None,
            out: PathBuf::from("benches/results/gpu.json"),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let value = words.next().ok_or_else(|| format!("{word} needs a value"))?;
            match word.as_str() {
                "--adapter" => read.selection = Selection::Named(value),
                "--seconds" => read.seconds = value.parse()?,
                "--most" => read.most = Some(value.parse()?),
                "--out" => read.out = value.into(),
                _ => return Err(format!("unknown option {word}").into()),
            }
        }
        Ok(read)
    }
}

/// The time there is, and what was found.
struct Bench {
    gpu: Gpu,
    start: Instant,
    seconds: u64,
    rows: Vec<Value>,
}

fn main() -> Outcome<()> {
    let arguments = Arguments::read()?;
    let start = Instant::now();
    let options = Options {
        timed: true,
        ..Options::on(arguments.selection.clone())
    };
    let gpu = Gpu::with(&options)?;
    println!("{}", gpu.adapter());
    println!(
        "ready after {:.1} s, self-test passed, checks {}",
        start.elapsed().as_secs_f64(),
        on_off(!gpu.is_unchecked())
    );
    let software = gpu.adapter().kind == Kind::Software;
    let most = arguments.most.unwrap_or(if software { 10 } else { 22 });
    let mut bench = Bench {
        gpu,
        start,
        seconds: arguments.seconds,
        rows: Vec::new(),
    };
    let products = bench.products(&options, software)?;
    bench.sweep(most.min(20))?;
    bench.sums(Group::G1, most, products)?;
    bench.sums(Group::G2, most.saturating_sub(2), products)?;
    bench.transforms(most)?;
    bench.proofs(most.min(20))?;
    bench.write(&arguments)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn stages(times: &[StageTime]) -> Vec<Value> {
    times
        .iter()
        .map(|t| json!({ "stage": t.stage, "ms": millis(t.time) }))
        .collect()
}

fn row(what: &str, size: usize, measured: &Measured) -> Value {
    json!({
        "what": what,
        "size": size,
        "median_ms": millis(measured.median()),
        "min_ms": millis(measured.best()),
        "stages": stages(&measured.stages),
    })
}

impl Bench {
    /// Whether there is time for something that takes about this long.
    fn has_time_for(&self, seconds: u64) -> bool {
        self.start.elapsed().as_secs() + seconds <= self.seconds
    }

    fn add(&mut self, what: &str, size: usize, measured: &Measured, extra: &str) {
        println!(
            "{what:<24} {size:>9} {:>10.2} ms {:>10.2} ms  {extra}",
            millis(measured.median()),
            millis(measured.best()),
        );
        for StageTime { stage, time } in &measured.stages {
            println!("    {stage:<30} {:>10.3} ms", millis(*time));
        }
        self.rows.push(row(what, size, measured));
    }

    /// The limit of the arithmetic with the words in use, and with the others beside it.
    fn products(&mut self, options: &Options, software: bool) -> Outcome<f64> {
        let (threads, rounds) = if software { (1 << 10, 64) } else { (1 << 19, 2048) };
        let rate = self.gpu.measure_products(threads, rounds, RUNS)?;
        println!("products, {:?}: {:.3} G/s", self.gpu.words(), rate * 1e-9);
        self.rows.push(
            json!({ "what": "products", "words": format!("{:?}", self.gpu.words()), "per_second": rate }),
        );
        if self.gpu.words() == Words::U64 {
            let narrow = Gpu::with(&Options {
                words: Words::U32,
                ..options.clone()
            })?;
            let rate = narrow.measure_products(threads, rounds, RUNS)?;
            println!("products, U32: {:.3} G/s", rate * 1e-9);
            self.rows
                .push(json!({ "what": "products", "words": "U32", "per_second": rate }));
        }
        Ok(rate)
    }

    /// Widths of the window, and lengths of a slice.
    fn sweep(&mut self, log_size: u32) -> Outcome<()> {
        let count = 1usize << log_size;
        let terms = Terms::new(Group::G1, count);
        let widths = if log_size < 12 { 6..=8 } else { 11..=16 };
        for width in widths {
            for slice in [32, 64, 128] {
                if !self.has_time_for(5) {
                    return Ok(());
                }
                let tuning = Tuning {
                    width: Some(width),
                    slice,
                    ..Tuning::default()
                };
                let measured = self.gpu.measure_sum(&terms, count, tuning, 3)?;
                self.add(&format!("sum G1, width {width}, {slice}"), count, &measured, "");
            }
        }
        Ok(())
    }

    fn sums(&mut self, group: Group, most: u32, products: f64) -> Outcome<()> {
        let least = most.saturating_sub(6).max(6);
        let terms = Terms::new(group, 1 << most);
        for log_size in (least..=most).step_by(2) {
            if !self.has_time_for(10) {
                return Ok(());
            }
            let count = 1usize << log_size;
            let measured = self.gpu.measure_sum(&terms, count, Tuning::default(), RUNS)?;
            // What the products of the buckets alone would take.
            let width = f64::from(Tuning::default().width_for(count));
            let factor = if group == Group::G1 { 1.0 } else { 2.8 };
            let limit = count as f64 * PRODUCTS_PER_ENTRY * factor * (255.0 / width).ceil() / products;
            let share = 100.0 * limit / measured.best().as_secs_f64();
            let extra = format!("{share:.0} % of the arithmetic limit");
            self.add(&format!("sum {group:?}"), count, &measured, &extra);
        }
        Ok(())
    }

    fn transforms(&mut self, most: u32) -> Outcome<()> {
        for log_size in (most.saturating_sub(6).max(4)..=most).step_by(2) {
            if !self.has_time_for(20) {
                return Ok(());
            }
            let measured = self.gpu.measure_transforms(1 << log_size, RUNS)?;
            self.add("six transforms", 1 << log_size, &measured, "");
        }
        Ok(())
    }

    /// Whole proofs, beside the CPU engine, on the same statement and key.
    fn proofs(&mut self, most: u32) -> Outcome<()> {
        let cpu = Prover::new(Box::new(Cpu::detect()));
        for log_size in (most.saturating_sub(4).max(8)..=most).step_by(2) {
            // The set-up dominates: about 60 µs a constraint on one core.
            let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
            if !self.has_time_for((60 << log_size) / 1_000_000 / cores.min(8) + 10) {
                return Ok(());
            }
            let statement = Powers {
                bases: vec![3, 5, 7],
                squarings: ((1usize << log_size) - 80) / 3,
                number: 0xa5a5_0000_0000_0001,
            };
            let key = setup::development(&statement.r1cs(), "bench-gpu", &Silent)?;
            let assignment = statement.assignment();
            let constraints = assignment.az.len();
            self.gpu.load(&key)?;
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let gpu = &self.gpu;
            let measured = Measured::of(RUNS, || -> Outcome<_> {
                let blinding = tacit_prover::Blinding {
                    r: F::rand(&mut rng),
                    s: F::rand(&mut rng),
                };
                let proof = gpu.prove(&key, &assignment, blinding, &Silent)?;
                tacit_verifier::groth16::verify(key.verifier(), assignment.public_inputs(), &proof)?;
                Ok(gpu.stage_times())
            })?;
            self.add("proof, gpu", constraints, &measured, "verification included");
            let mut rng = ChaCha20Rng::seed_from_u64(1);
            let measured = Measured::of(2, || -> Outcome<_> {
                cpu.prove(&key, &assignment, &mut rng, &Silent)?;
                Ok(Vec::new())
            })?;
            self.add("proof, cpu", constraints, &measured, "verification included");
        }
        Ok(())
    }

    fn write(self, arguments: &Arguments) -> Outcome<()> {
        let adapter = self.gpu.adapter();
        let all = json!({
            "adapter": adapter.name,
            "kind": adapter.kind.to_string(),
            "driver": adapter.driver,
            "words": format!("{:?}", self.gpu.words()),
            "unchecked": self.gpu.is_unchecked(),
            "rows": self.rows,
        });
        if let Some(folder) = arguments.out.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&arguments.out, serde_json::to_string_pretty(&all)? + "\n")?;
        println!(
            "{:.0} s; written to {}",
            self.start.elapsed().as_secs_f64(),
            arguments.out.display()
        );
        Ok(())
    }
}
