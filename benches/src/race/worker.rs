//! A prover's process: it gets ready, says how many constraints there are, then proves when asked.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::time::{Duration, Instant};

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use ark_snark::SNARK;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tacit_circuits::r1cs::{Assignment, R1cs, Statement};
use tacit_prover::backend::Backend;
use tacit_prover::backend::cpu::{Cpu, Instructions};
use tacit_prover::backend::gpu::{Gpu, Selection};
use tacit_prover::{Prover, Silent};

use super::Engine;
use super::circuits::{self, Size, Transfers};
use super::snarkrs::Snarkrs;
use crate::peer::Replay;

type Peer = Groth16<Bn254>;
type PeerKey = ark_groth16::ProvingKey<Bn254>;

/// Serves one prover over standard input and output until the input ends.
///
/// # Errors
/// What the pipes say.
///
/// # Panics
/// If a key cannot be had, or a proof does not verify.
pub fn serve(engine: Engine, size: Size) -> io::Result<()> {
    let statement = Transfers::new(size);
    let (system, assignment) = statement.r1cs_and_assignment();
    let constraints = system.num_constraints();
    let (mut prove, load) = prover(engine, size, statement, system, assignment);
    prove(); // the first proof fills caches
    forget_peak();
    println!("{constraints}");
    for line in io::stdin().lines() {
        match line?.as_str() {
            "prove" => {
                let start = Instant::now();
                prove();
                println!("{}", start.elapsed().as_secs_f64() * 1000.0);
            }
            "memory" => println!("{}", peak_kib()),
            "load" => println!("{}", load.map_or(f64::NAN, |load| load.as_secs_f64() * 1000.0)),
            other => return Err(io::Error::other(format!("asked to {other:?}"))),
        }
        io::stdout().flush()?;
    }
    Ok(())
}

/// What proves once, and how long our key took to load.
fn prover(
    engine: Engine,
    size: Size,
    statement: Transfers,
    system: R1cs,
    assignment: Assignment,
) -> (Box<dyn FnMut()>, Option<Duration>) {
    let ours = |engine: Box<dyn Backend>| -> (Box<dyn FnMut()>, Option<Duration>) {
        let mut rng = StdRng::seed_from_u64(1);
        let (key, load) = circuits::key(size, &system);
        let prover = Prover::new(engine);
        let prove = Box::new(move || {
            let proof = prover.prove_statement(&key, &statement, &mut rng, &Silent);
            proof.expect("a satisfied statement");
        });
        (prove, Some(load))
    };
    let with = |instructions| -> Box<dyn Backend> {
        Box::new(Cpu::with(instructions).expect("the processor has these instructions"))
    };
    match engine {
        Engine::Tacit => ours(Box::new(Cpu::detect())),
        // Without the CPU engine behind it: a card that fails must not win unnoticed.
        Engine::TacitGpu => ours(Box::new(
            Gpu::new(Selection::Any).expect("a card, or software Vulkan"),
        )),
        Engine::TacitAdx => ours(with(Instructions::Adx)),
        Engine::TacitPortable => ours(with(Instructions::Portable)),
        Engine::ArkGroth16 => {
            let key = peer_key(size, &system);
            let mut rng = StdRng::seed_from_u64(1);
            let prove = Box::new(move || {
                let circuit = Replay::satisfied(&system, &assignment);
                Peer::prove(&key, circuit, &mut rng).expect("a satisfied statement");
            });
            (prove, None)
        }
        Engine::Snarkrs => {
            let (key, _) = circuits::key(size, &system);
            let snarkrs = Snarkrs::new(&key, &system, &assignment);
            (Box::new(move || snarkrs.prove()), None)
        }
    }
}

/// The peer's key, from its own set-up; kept in a file, since that takes minutes.
fn peer_key(size: Size, system: &R1cs) -> PeerKey {
    let path = circuits::directory().join(format!("{}-{}.ark", size.name(), hex(&system.digest()[..8])));
    if let Ok(file) = File::open(&path) {
        return PeerKey::deserialize_uncompressed_unchecked(BufReader::new(file))
            .expect("a key that this program wrote; delete it to have it made again");
    }
    let mut rng = StdRng::seed_from_u64(2);
    let (key, _) = Peer::circuit_specific_setup(Replay::shape(system), &mut rng).expect("a circuit of ours");
    let temporary = path.with_extension("tmp");
    let file = File::create(&temporary).expect("the directory of keys can be written");
    key.serialize_uncompressed(BufWriter::new(file))
        .expect("enough room on the disk");
    fs::rename(&temporary, &path).expect("both names are in one directory");
    key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Has the kernel start anew with the peak of resident memory.
fn forget_peak() {
    // Without the right to do so, the peak is that of the whole process, which is still an upper bound.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The peak of resident memory since [`forget_peak`].
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kib| kib.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0)
}
