//! The configuration as TOML with an explanation above every field.

use super::Config;

/// Explanation of every field, by its path. A test holds the table to the structures.
pub(super) const EXPLANATIONS: &[(&str, &str)] = &[
    ("chain", "The chain's parameters, chain.json."),
    ("data_dir", "Where this process keeps its database."),
    ("keys_dir", "Where proving keys are kept; they can be made again."),
    (
        "backend",
        "What makes proofs: cpu, gpu, or auto (a card if there is one); --backend goes before it.",
    ),
    ("poll_ms", "Milliseconds between two looks at bitcoind."),
    (
        "metrics_listen",
        "Address to serve metrics at, for Prometheus. Keep it on loopback or a private network.",
    ),
    ("bitcoind.url", "URL of bitcoind's JSON-RPC."),
    (
        "bitcoind.cookie_file",
        "Its cookie file; used unless `user` is set.",
    ),
    ("bitcoind.user", "User of its JSON-RPC."),
    (
        "bitcoind.password",
        "Password of that user; better in the environment, TACIT_BITCOIND_PASSWORD.",
    ),
    (
        "rpc.listen",
        "Address to listen on, HTTP and WebSocket. No encryption: keep it on loopback or behind a proxy.",
    ),
    ("rpc.max_request_bytes", "Largest request in bytes."),
    ("rpc.max_response_bytes", "Largest answer in bytes."),
    ("rpc.max_connections", "Connections at once."),
    (
        "rpc.max_connections_per_address",
        "Connections at once from one address; behind a proxy, which is one address, as many as there are.",
    ),
    ("rpc.max_batch", "Calls in one JSON-RPC batch."),
    ("rpc.max_subscriptions", "Subscriptions of one connection."),
    (
        "rpc.sequencer_url",
        "For a full node: the sequencer that transfers and deposits are passed on to.",
    ),
    (
        "sequencer.anchor_key_file",
        "Secret key of the anchor chain, 64 hex digits, mode 0600; also signs receipts.",
    ),
    (
        "sequencer.federation_key_file",
        "Secret key of the vault, mode 0600. A single local signer: INSECURE for other people's money. \
         Without it the federation of the next three fields signs.",
    ),
    (
        "sequencer.federation_file",
        "The federation file: who the signers are.",
    ),
    (
        "sequencer.group_file",
        "The federation's public key, as `tacit federation join` wrote it.",
    ),
    (
        "sequencer.identity_file",
        "Secret of this sequencer's identity among the signers, mode 0600.",
    ),
    (
        "sequencer.operator_key_file",
        "Secret key of the operator's own coins, which pay miners; mode 0600.",
    ),
    (
        "sequencer.fee_key",
        "Public key that fee notes are paid to; `tacit wallet fee-key` prints a wallet's.",
    ),
    (
        "sequencer.seal_after_ms",
        "Milliseconds from the first waiting transfer to sealing a batch that is not full.",
    ),
    ("sequencer.mempool_transfers", "Transfers the mempool holds."),
    (
        "sequencer.fee_floor",
        "Lowest fee code accepted, an index into the chain's fee table.",
    ),
    (
        "sequencer.more_federations",
        "Federations before and after that one, each a table [[sequencer.more_federations]] with its \
         federation_file and group_file. `tacit federation reshare` checks one and prints the lines. Where the \
         federation in office lost its key, backup_voices lists what `tacit federation vouch` wrote.",
    ),
    (
        "signer.federation_file",
        "The federation file: who the members are.",
    ),
    (
        "signer.identity_file",
        "Secret of this member's identity on connections, mode 0600.",
    ),
    ("signer.share_file", "This member's share of the key, encrypted."),
    (
        "signer.passphrase_file",
        "A file with the passphrase of the share, mode 0600; else TACIT_PASSPHRASE, else it is asked for.",
    ),
    (
        "signer.listen",
        "Address to listen on, if not the one that the federation file tells the others.",
    ),
    (
        "signer.fee_ceiling",
        "Highest fee rate that is signed, in satoshi per virtual byte.",
    ),
    (
        "signer.outflow_cap",
        "Satoshi that may leave the vault within `outflow_blocks`; payouts above it are delayed. Without it a \
         quarter of what the vault held, and always 0.1 BTC; 2100000000000000 is no limit.",
    ),
    ("signer.outflow_blocks", "Blocks over which `outflow_cap` counts."),
];

impl Config {
    /// The effective configuration with an explanation above every field. Passwords are left out;
    /// fields without a value are shown commented out.
    ///
    /// # Panics
    /// Never: every field has a TOML form.
    #[must_use]
    pub fn to_annotated_toml(&self) -> String {
        let mut shown = self.clone();
        shown.bitcoind.password = None;
        let plain = toml::to_string(&shown).expect("every field has a TOML form");
        let mut out = String::from("# Configuration of tacit. Remove what you do not change.\n");
        let mut section = String::new();
        let mut seen = Vec::new();
        for line in plain.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
                push_missing(&mut out, &section, &seen);
                name.clone_into(&mut section);
            } else if let Some((key, _)) = line.split_once(" = ") {
                let path = join(&section, key);
                if let Some((_, text)) = EXPLANATIONS.iter().find(|(p, _)| *p == path) {
                    out.push_str(&format!("\n# {text}\n"));
                }
                seen.push(path);
            }
            if !line.is_empty() {
                out.push_str(line);
                out.push('\n');
            }
        }
        push_missing(&mut out, &section, &seen);
        for (name, missing) in [
            ("sequencer", self.sequencer.is_none()),
            ("signer", self.signer.is_none()),
        ] {
            if missing {
                out.push_str(&format!("\n# [{name}]\n"));
                push_missing(&mut out, name, &seen);
            }
        }
        out
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

/// The fields of `section` that have no value, commented out.
fn push_missing(out: &mut String, section: &str, seen: &[String]) {
    for (path, text) in EXPLANATIONS {
        let (of, key) = path.rsplit_once('.').unwrap_or(("", path));
        if of == section && !seen.iter().any(|s| s == path) {
            out.push_str(&format!("\n# {text}\n# {key} =\n"));
        }
    }
}
