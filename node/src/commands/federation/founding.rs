//! Identities, cards, and the federation file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use bitcoin::XOnlyPublicKey;
use rand::rngs::OsRng;
use tacit_bridge::keys::SigningKey;
use tacit_secrets::cipher::KdfParams;

use super::{BackupKeyArgs, IdentityArgs, InitArgs};
use crate::commands::wallet::secrets;
use crate::federation::file::{Card, Federation, FileText, Recovery};
use crate::federation::secrets::load_or_create_identity;

/// Makes an identity and prints it, as a card if it is a member's.
pub(super) fn identity(args: &IdentityArgs) -> anyhow::Result<ExitCode> {
    let identity = load_or_create_identity(&args.identity_file)?;
    let (Some(name), Some(address)) = (&args.name, &args.address) else {
        println!("{}", identity.public());
        return Ok(ExitCode::SUCCESS);
    };
    let backup_key = match (&args.backup_key, &args.backup_key_file) {
        (Some(key), _) => key
            .parse::<XOnlyPublicKey>()
            .with_context(|| format!("--backup-key {key} is no key: 64 hexadecimal digits"))?,
        (None, Some(file)) => open_backup_key(file, args.passphrase_file.as_deref())?.public_key(),
        (None, None) => bail!("a member needs --backup-key, or --backup-key-file to make one"),
    };
    let card = Card {
        name: name.clone(),
        address: address.clone(),
        identity: identity.public().to_string(),
        backup_key: backup_key.to_string(),
    };
    print!("{}", toml::to_string(&card)?);
    eprintln!(
        "Give this card to whoever writes the federation file. Back up what is secret; a backup key does not \
         belong on this machine."
    );
    Ok(ExitCode::SUCCESS)
}

/// Makes a backup key, or opens the one that is there, and prints its public part.
pub(super) fn backup_key(args: &BackupKeyArgs) -> anyhow::Result<ExitCode> {
    let key = open_backup_key(&args.file, args.passphrase_file.as_deref())?;
    println!("{}", key.public_key());
    eprintln!(
        "Give the key above to `tacit federation identity --backup-key`. Copy {} to a second place, and keep its \
         passphrase elsewhere: it is needed when all else is lost.",
        args.file.display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Reads a backup key, or makes it if there is none; encrypted either way.
fn open_backup_key(file: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<SigningKey> {
    if file.symlink_metadata().is_ok() {
        let passphrase = secrets::passphrase(passphrase_file)?;
        return Ok(SigningKey::unseal(file, &passphrase)?);
    }
    let passphrase = secrets::new_passphrase(passphrase_file)?;
    let key = SigningKey::generate(&mut OsRng);
    key.seal(file, &passphrase, KdfParams::default(), &mut OsRng)?;
    Ok(key)
}

/// Writes the federation file.
pub(super) fn init(args: &InitArgs) -> anyhow::Result<ExitCode> {
    let mut members = Vec::new();
    for path in &args.cards {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let card: Card = toml::from_str(&text).with_context(|| {
            format!(
                "{} is no card; `tacit federation identity` prints one",
                path.display()
            )
        })?;
        members.push(card);
    }
    let recovery = args.recovery_threshold.map(|threshold| Recovery {
        threshold,
        timelock: args.recovery_timelock,
        keys: args.recovery_key.clone(),
    });
    let text = FileText {
        threshold: args.threshold,
        backup_timelock: args.backup_timelock,
        coordinators: args.coordinator.clone(),
        recovery,
        members,
    };
    let federation = Federation::new(text.clone())?;
    if federation.recovery().is_none() {
        eprintln!(
            "warning: no recovery keys; if more than {} members are lost for good, the money is too",
            federation.roster().size() - federation.roster().threshold()
        );
    }
    let file = OpenOptions::new().write(true).create_new(true).open(&args.out);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => bail!(
            "{} exists; a new federation needs a new file: pass --out FILE",
            args.out.display()
        ),
        Err(error) => return Err(error).with_context(|| format!("cannot write {}", args.out.display())),
    };
    file.write_all(toml::to_string(&text)?.as_bytes())?;
    file.sync_all()?;
    println!("{}", federation.fingerprint());
    eprintln!("Every member must have this very file: compare the fingerprint above by telephone.");
    Ok(ExitCode::SUCCESS)
}
