//! `tacit federation join`: one member's part in the key generation, from the first commitments to the
//! agreed share on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use indicatif::ProgressBar;
use rand::rngs::OsRng;
use tacit_federation::keygen::Agreement;
use tacit_federation::roster::MemberId;
use tacit_federation::share::KeyShare;
use tacit_federation::share::{ShareFile, Stored};
use tacit_secrets::cipher::KdfParams;

use super::JoinArgs;
use crate::commands::wallet::secrets;
use crate::config::SignerConfig;
use crate::federation::coordinator::Network;
use crate::federation::file::Federation;
use crate::federation::keygen::{Hall, Join, Watch};
use crate::federation::listener::Listener;
use crate::federation::secrets::load_identity;
use crate::progress::bar;

/// Longest wait for one answer of another member.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shows the rounds and who is missing.
struct Progress {
    bar: ProgressBar,
    last: Mutex<String>,
}

impl Watch for Progress {
    fn round(&self, number: u32, what: &str) {
        self.bar.set_position(u64::from(number) - 1);
        self.say(format!("round {number}: {what}"));
    }

    fn missing(&self, names: &[String]) {
        self.say(format!("waiting for {}", names.join(", ")));
    }
}

impl Progress {
    /// On a terminal beside the bar; elsewhere as a line, once.
    fn say(&self, text: String) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == text {
            return;
        }
        if self.bar.is_hidden() {
            eprintln!("{text}");
        }
        self.bar.set_message(text.clone());
        *last = text;
    }
}

/// Takes part in the key generation, or in its last round if a share waits.
pub(super) fn join(args: &JoinArgs, own: &SignerConfig) -> anyhow::Result<ExitCode> {
    let federation = Federation::load(&own.federation_file)?;
    let identity = load_identity(&own.identity_file)?;
    let me = federation.member_of(&identity.public()).with_context(|| {
        format!(
            "{} is the identity {}, which is not in {}",
            own.identity_file.display(),
            identity.public(),
            own.federation_file.display()
        )
    })?;
    let (me, address) = (me.id, own.listen.clone().unwrap_or_else(|| me.address.clone()));
    eprintln!("federation {}", federation.fingerprint());
    let waiting = match stored(args, own)? {
        None => None,
        Some((file, Stored::Waiting(agreement))) => Some((file, agreement)),
        Some((file, Stored::Agreed(share))) => {
            eprintln!("this member has its share already");
            return finish(args, &file, &share);
        }
    };
    if let Some(hash) = &args.agree {
        let (file, agreement) = waiting.context("no share waits here; run `join` without --agree")?;
        let share = agree_by_hand(agreement, hash)?;
        return finish(args, &file, &share);
    }

    let (hall, identity) = (Arc::new(Hall::new(federation.clone(), me)), Arc::new(identity));
    let context = *federation.context();
    let _listener = Listener::start(&address, Arc::clone(&identity), context, Arc::clone(&hall) as _)?;
    let network = Network {
        own: identity,
        context,
        patience: PATIENCE,
    };
    let progress = Progress {
        bar: bar("generating the key", 3),
        last: Mutex::default(),
    };
    let join = Join {
        hall: &hall,
        ask: &network,
        watch: &progress,
        deadline: Instant::now() + Duration::from_secs(60 * args.wait),
    };
    let (file, agreement) = match waiting {
        Some(waiting) => waiting,
        None => generate(own, &join)?,
    };
    let hash = hex::encode(agreement.transcript());
    let agreed = join.agree(agreement);
    progress.bar.finish_and_clear();
    let share = agreed.with_context(|| {
        format!(
            "the share is kept in {} and waits; this member saw {hash}",
            file.path().display()
        )
    })?;
    finish(args, &file, &share)
}

/// What the share's file holds, if there is one; with `--anew` a share that waits is moved aside.
fn stored(args: &JoinArgs, own: &SignerConfig) -> anyhow::Result<Option<(ShareFile, Stored)>> {
    if !own.share_file.exists() {
        return Ok(None);
    }
    let passphrase = secrets::passphrase(own.passphrase_file.as_deref())?;
    let (file, stored) = ShareFile::open(&own.share_file, &passphrase)?;
    match stored {
        Stored::Waiting(_) if args.anew => {}
        Stored::Agreed(_) if args.anew => bail!(
            "{} holds a share that all members agreed on; a new federation needs a new file",
            own.share_file.display()
        ),
        Stored::Waiting(_) | Stored::Agreed(_) => return Ok(Some((file, stored))),
    }
    drop(file);
    let aside = aside(&own.share_file)?;
    fs::rename(&own.share_file, &aside)
        .with_context(|| format!("cannot move {} aside", own.share_file.display()))?;
    eprintln!("the share that waited is now {}", aside.display());
    Ok(None)
}

/// A name that is free.
fn aside(path: &Path) -> anyhow::Result<PathBuf> {
    (1..1_000)
        .map(|number| path.with_extension(format!("old{number}")))
        .find(|candidate| !candidate.exists())
        .ok_or_else(|| anyhow!("too many old shares beside {}", path.display()))
}

fn generate(own: &SignerConfig, join: &Join<'_>) -> anyhow::Result<(ShareFile, Agreement)> {
    let passphrase = secrets::new_passphrase(own.passphrase_file.as_deref())?;
    let mut file = None;
    let agreement = join.generate(|agreement| {
        let kdf = KdfParams::default();
        let made = ShareFile::create(&own.share_file, agreement, &passphrase, kdf, &mut OsRng)?;
        file = Some(made);
        Ok(())
    })?;
    let file = file.context("the share was not stored")?;
    Ok((file, agreement))
}

/// Ends a generation in which all others have ended, by the hash that people compared.
fn agree_by_hand(agreement: Agreement, hash: &str) -> anyhow::Result<KeyShare> {
    let mut theirs = [0; 32];
    hex::decode_to_slice(hash.trim(), &mut theirs)
        .map_err(|_| anyhow!("--agree takes the 64 hexadecimal digits that the other members show"))?;
    let own = agreement.transcript();
    ensure!(
        own == theirs,
        "this member saw {}: somebody told members different things; this key must not be used",
        hex::encode(own)
    );
    let others: BTreeMap<MemberId, [u8; 32]> = agreement.others().map(|member| (member, theirs)).collect();
    agreement
        .received(&others)
        .map_err(|failed| anyhow!(failed.error))
}

/// Stores the agreed share and writes the public key.
fn finish(args: &JoinArgs, file: &ShareFile, share: &KeyShare) -> anyhow::Result<ExitCode> {
    file.replace(share, &mut OsRng)?;
    write_group(&args.group_out, &share.group().to_bytes())?;
    println!("{}", share.group().internal_key());
    eprintln!(
        "{} of {} members hold the key above. Your share is {}: back the file up, with its passphrase \
         elsewhere. The public key is also in {}.",
        share.roster().threshold(),
        share.roster().size(),
        file.path().display(),
        args.group_out.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes the public key, and never over another one.
fn write_group(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    match fs::read(path) {
        Ok(there) if there == bytes => return Ok(()),
        Ok(_) => bail!(
            "{} is another federation's key; pass --group-out FILE and run this again",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    fs::write(path, bytes).with_context(|| {
        format!(
            "cannot write {}; run this again, the share is safe",
            path.display()
        )
    })
}
