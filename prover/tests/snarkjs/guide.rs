//! Runs `docs/ceremony.md`: every command of its blocks marked with `bash`, in order.

use tacit_circuits::r1cs::R1cs;
use tacit_prover::interop::zkey::{self, Imported, Pin};
use tacit_prover::interop::{json, r1cs};
use tacit_prover::{CircuitId, Silent};

use crate::tool::Tool;

/// The commands of the guide, in order.
fn commands() -> Vec<&'static str> {
    let guide = include_str!("../../../docs/ceremony.md");
    let blocks = guide.split("```bash\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().expect("a block has an end"));
    blocks.flat_map(str::lines).collect()
}

/// Follows the guide for a circuit of our own. The program `tacit` needs far more than this crate, so
/// its commands are carried out by the functions that it calls.
pub(crate) fn follow(tool: &Tool, circuit: &CircuitId, system: &R1cs) -> Imported {
    let mut imported = None;
    for line in commands() {
        if !line.starts_with("tacit ") {
            tool.run(line);
            continue;
        }
        // The shell says what the arguments are.
        let arguments = tool.run(&format!("tacit() {{ printf '%s\\n' \"$@\"; }}; {line}"));
        let arguments: Vec<&str> = arguments.lines().collect();
        match arguments[..] {
            ["keys", "export-r1cs", _, file] => {
                let mut bytes = Vec::new();
                r1cs::write(system, &mut bytes).expect("memory");
                tool.write(file, bytes);
            }
            ["keys", "import-zkey", _, file, "--sha256", hash] => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(hash, &mut sha256).expect("a hash in hexadecimal");
                let circuit = circuit.clone();
                let pin = Pin { circuit, sha256 };
                let outcome = zkey::import_file(&tool.path(file), &pin, system, &Silent);
                imported = Some(outcome.expect("the ceremony's key"));
            }
            ["keys", "export-vk", _, file] => {
                let key = &imported.as_ref().expect("the guide imports first").key;
                tool.write(file, json::verifying_key(key.verifying_key()));
            }
            _ => panic!("the guide has a command that this test does not know: {line}"),
        }
    }
    imported.expect("the guide imports a key")
}
