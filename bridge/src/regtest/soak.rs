//! What the loops that crash again and again report: printed always, kept as JSON by `make soak`.
//!
//! `TACIT_SOAK` makes the loops longer, `TACIT_SOAK_DIR` names the folder for their reports.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Value, json};

/// The file that puts all loops together, without its extension.
const SUMMARY: &str = "summary";

/// What one loop did and found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SoakReport {
    /// Its name.
    pub name: String,
    /// How often something was to go wrong.
    pub iterations: u32,
    /// What did, and how often.
    pub faults: BTreeMap<String, u32>,
    /// Withdrawals paid.
    pub payouts: u32,
    /// Deposits swept.
    pub sweeps: u32,
    /// Vault transactions in blocks.
    pub vault_txs: u32,
    /// Withdrawals paid more than once.
    pub doubles: u32,
    /// Withdrawals never paid.
    pub lost: u32,
    /// Blocks from an exit to its payout, ascending.
    pub blocks_to_payout: Vec<u32>,
}

impl SoakReport {
    /// Faults in all.
    #[must_use]
    pub fn struck(&self) -> u32 {
        self.faults.values().sum()
    }

    /// Whether the loops are to be long.
    #[must_use]
    pub fn is_soak() -> bool {
        std::env::var_os("TACIT_SOAK").is_some()
    }

    /// Prints the report, and writes it down where `TACIT_SOAK_DIR` says.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn publish(&mut self) -> std::io::Result<()> {
        self.blocks_to_payout.sort_unstable();
        println!("{self}");
        let Some(dir) = std::env::var_os("TACIT_SOAK_DIR").map(PathBuf::from) else {
            return Ok(());
        };
        std::fs::create_dir_all(&dir)?;
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(dir.join(format!("{}.json", self.name)), text)?;
        summarise(&dir)
    }
}

/// Puts all reports of a folder into its `summary.json`, with their sums.
fn summarise(dir: &Path) -> std::io::Result<()> {
    let (mut loops, mut blocks) = (BTreeMap::new(), Vec::new());
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.file_stem().is_none_or(|stem| stem == SUMMARY) {
            continue;
        }
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        for field in ["iterations", "payouts", "sweeps", "vault_txs", "doubles", "lost"] {
            *sums.entry(field).or_default() += report[field].as_u64().unwrap_or_default();
        }
        let faults = report["faults"].as_object().into_iter().flatten();
        let struck: u64 = faults.filter_map(|(_, times)| times.as_u64()).sum();
        *sums.entry("faults").or_default() += struck;
        let waited = report["blocks_to_payout"].as_array().into_iter().flatten();
        blocks.extend(waited.filter_map(Value::as_u64));
        loops.insert(report["name"].to_string(), report);
    }
    blocks.sort_unstable();
    let median = blocks.get(blocks.len() / 2);
    let waited = json!({ "least": blocks.first(), "median": median, "most": blocks.last() });
    let summary =
        json!({ "all": sums, "blocks_to_payout": waited, "loops": loops.values().collect::<Vec<_>>() });
    let text = serde_json::to_string_pretty(&summary)?;
    std::fs::write(dir.join(SUMMARY).with_extension("json"), text)
}

impl fmt::Display for SoakReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} iterations, {} faults",
            self.name,
            self.iterations,
            self.struck()
        )?;
        for (fault, times) in &self.faults {
            writeln!(f, "  {times:>6}  {fault}")?;
        }
        writeln!(
            f,
            "  {} payouts and {} sweeps in {} vault transactions; {} paid twice, {} lost",
            self.payouts, self.sweeps, self.vault_txs, self.doubles, self.lost
        )?;
        let blocks = &self.blocks_to_payout;
        let (Some(least), Some(median), Some(most)) =
            (blocks.first(), blocks.get(blocks.len() / 2), blocks.last())
        else {
            return f.write_str("  no exit was paid");
        };
        write!(
            f,
            "  blocks from exit to payout: {least} at least, {median} in the middle, {most} at most"
        )
    }
}
