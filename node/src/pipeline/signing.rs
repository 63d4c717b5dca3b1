//! Who signs: the sequencer's way to signatures, and the desk of a member of the federation.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tacit_bridge::client::BitcoinClient;
use tacit_bridge::journal::Journal;
use tacit_bridge::keys::SigningKey;
use tacit_bridge::signer::judge::{CapAmount, Judge, OutflowCap, SignerView, SigningPolicy};
use tacit_bridge::signer::{JointSigner, LocalSigner, VaultSigner};
use tacit_bridge::vault::VaultView;
use tacit_bridge::watcher::Watcher;
use tacit_federation::share::{GroupKey, KeyShare, ShareFile};
use tacit_federation::signer::{Ledger, Signer};
use tacit_protocol::Amount;
use tacit_protocol::kv::KvRead;
use tacit_protocol::params::Genesis;
use tacit_protocol::peg::FeeRate;
use tacit_protocol::peg::vault::VaultKeys;
use tacit_sequencer::Store;
use tacit_verifier::Rules;
use tacit_verifier::chain::table;

use super::journal::StoreJournal;
use super::view::{StateView, StoreTenures};
use super::wait;
use crate::config::{Config, ConfigError, SequencerConfig, SignerConfig};
use crate::federation::consent::{Consents, Given};
use crate::federation::coordinator::{FederationSigner, Network, PATIENCE};
use crate::federation::file::Federation;
use crate::federation::listener::Listener;
use crate::federation::member::{self, Pace, Pause, SignerDesk};
use crate::federation::secrets;
use crate::service::Following;

/// Time between two looks at the members.
const LOOK: Duration = Duration::from_secs(5);

/// The sequencer's way to signatures.
pub(super) struct Signing {
    pub(super) signer: Arc<dyn VaultSigner>,
    /// The federations that it coordinates; none if one local key signs.
    pub(super) federations: Vec<Arc<FederationSigner>>,
}

impl Signing {
    /// Opens what the configuration names: one local key, or federations.
    ///
    /// # Errors
    /// Missing, damaged or foreign keys; both ways or none.
    pub(super) fn open(
        own: &SequencerConfig,
        (genesis, store): (&Genesis, &dyn KvRead),
        view: Arc<StateView>,
        ceiling: FeeRate,
    ) -> anyhow::Result<Self> {
        match (&own.federation_key_file, &own.federation_file) {
            (Some(file), None) if own.more_federations.is_empty() => {
                let key = SigningKey::load(file)?;
                ensure!(
                    key.public_key() == genesis.federation_key,
                    "{} is not the federation key of this chain",
                    file.display()
                );
                let view = view as Arc<dyn VaultView>;
                let signer = LocalSigner::new(genesis.network, key, view, ceiling)?;
                Ok(Self {
                    signer: Arc::new(signer),
                    federations: Vec::new(),
                })
            }
            (None, Some(file)) => Self::of_federations(own, file, store),
            (None, None) | (Some(_), None | Some(_)) => Err(ConfigError::Missing {
                field: "sequencer.federation_file",
                remedy: "set it with group_file and identity_file, or else federation_key_file alone: one \
                         local key, for test networks",
            }
            .into()),
        }
    }

    fn of_federations(own: &SequencerConfig, first: &Path, store: &dyn KvRead) -> anyhow::Result<Self> {
        let group_file = own
            .group_file
            .as_ref()
            .ok_or_else(|| missing("sequencer.group_file"))?;
        let more = own.more_federations.iter();
        let files = more.map(|files| (files.federation_file.as_path(), files.group_file.as_path()));
        let mut federations = Vec::new();
        for (file, group_file) in std::iter::once((first, group_file.as_path())).chain(files) {
            federations.push(open_federation(own, file, group_file, store)?);
        }
        let signers = federations
            .iter()
            .map(|each| Arc::clone(each) as Arc<dyn VaultSigner>);
        Ok(Self {
            signer: Arc::new(JointSigner::new(signers.collect())),
            federations,
        })
    }
}

fn missing(field: &'static str) -> ConfigError {
    ConfigError::Missing {
        field,
        remedy: "a sequencer needs it to ask the federation for signatures",
    }
}

fn open_federation(
    own: &SequencerConfig,
    file: &Path,
    group_file: &Path,
    store: &dyn KvRead,
) -> anyhow::Result<Arc<FederationSigner>> {
    let identity_file = own.identity_file.as_ref();
    let identity_file = identity_file.ok_or_else(|| missing("sequencer.identity_file"))?;
    let federation = Federation::load(file)?;
    let group = secrets::load_group(group_file)?;
    check_group(&group, &federation, store).with_context(|| file.display().to_string())?;
    let identity = secrets::load_identity(identity_file)?;
    ensure!(
        federation.is_coordinator(&identity.public()),
        "{} is the identity {}, which is no coordinator of {}: add it to `coordinators` there, and give the \
         signers the new file",
        identity_file.display(),
        identity.public(),
        file.display()
    );
    let network = Network {
        own: Arc::new(identity),
        context: *federation.context(),
        patience: PATIENCE,
    };
    let signer = FederationSigner::new(group, Arc::new(federation), Arc::new(network), PATIENCE)?;
    Ok(Arc::new(signer))
}

/// Whose vault it is, from where a federation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// The federation's.
    InOffice,
    /// Another's, which it was handed over to.
    Former,
    /// Another's, as far as this node has followed the chain.
    NotYet,
}

/// The key and the file belong together; says where this federation stands.
fn check_group(group: &GroupKey, federation: &Federation, store: &dyn KvRead) -> anyhow::Result<()> {
    let keys = federation.vault_keys(group)?;
    let key = keys.federation;
    match standing(&keys, store)? {
        Standing::InOffice => tracing::info!(%key, "federation in office"),
        Standing::Former => tracing::info!(%key, "federation that handed the vault over"),
        Standing::NotYet => tracing::warn!(
            %key,
            "federation not in office yet: it signs its own epoch, and the vault once that is handed over to it"
        ),
    }
    Ok(())
}

fn standing(keys: &VaultKeys, store: &dyn KvRead) -> anyhow::Result<Standing> {
    let epochs = table::epochs(store, 0, usize::MAX)?;
    let mut found = epochs.iter().rev().map(|(_, record)| &record.epoch.keys);
    match found.position(|known| known.federation == keys.federation) {
        None => Ok(Standing::NotYet),
        Some(back) => {
            let (_, record) = &epochs[epochs.len() - 1 - back];
            ensure!(
                record.epoch.keys == *keys,
                "the backup or recovery keys of the federation file are not those of the vault of epoch {}, \
                 which has this federation's key {}",
                record.epoch.number,
                keys.federation
            );
            Ok(if back == 0 {
                Standing::InOffice
            } else {
                Standing::Former
            })
        }
    }
}

/// Looks after the members until the node stops.
pub(super) fn look_after(federations: &[Arc<FederationSigner>], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        federations.iter().for_each(|federation| federation.poll());
        wait(LOOK, stop);
    }
}

/// What a member of the federation is opened from.
pub(super) struct Member {
    pub(super) client: Arc<dyn BitcoinClient>,
    pub(super) store: Arc<dyn Store>,
    pub(super) rules: Arc<Rules>,
    pub(super) following: Arc<RwLock<Following>>,
}

impl Member {
    /// Opens share, ledger and socket.
    ///
    /// # Errors
    /// Missing, damaged or foreign files; a share that was never agreed on; an address in use.
    pub(super) fn listen(self, config: &Config) -> anyhow::Result<Listener> {
        let own = config.signer()?;
        let federation = Federation::load(&own.federation_file)?;
        let identity = secrets::load_identity(&own.identity_file)?;
        let (file, share) = secrets::open_share(own)?;
        check_group(share.group(), &federation, &*self.store)?;
        let me = federation
            .member(share.member())
            .context("the share's member is not in the file")?;
        ensure!(
            me.identity == identity.public(),
            "{} is not the identity of {}, whose share this is",
            own.identity_file.display(),
            me.name
        );
        let (name, number) = (me.name.clone(), me.id.number());
        let address = own.listen.clone().unwrap_or_else(|| me.address.clone());
        let context = *federation.context();
        let desk = self.desk(config, own, federation, (file, share))?;
        let listener = Listener::start(&address, Arc::new(identity), context, Arc::new(desk))?;
        tracing::info!(member = number, name, address = %listener.address(), "ready to sign");
        Ok(listener)
    }

    fn desk(
        self,
        config: &Config,
        own: &SignerConfig,
        federation: Federation,
        (file, share): (ShareFile, KeyShare),
    ) -> anyhow::Result<SignerDesk> {
        let genesis = self.rules.params().genesis();
        let journal: Arc<dyn Journal> = Arc::new(StoreJournal(Arc::clone(&self.store)));
        let watcher = Arc::new(Watcher::new(
            Arc::clone(&self.client),
            Arc::clone(&journal),
            Arc::new(StoreTenures(Arc::clone(&self.store))),
            genesis,
        ));
        let view = StateView::new(
            Arc::clone(&self.client),
            Arc::clone(&self.store),
            Arc::clone(&self.rules),
            watcher,
        )?;
        let consents = Consents::of(&config.data_dir, *federation.context());
        show(&consents);
        let ledger = config.data_dir.join("nonces.ledger");
        let ledger = Ledger::open(&ledger).with_context(|| format!("cannot open {}", ledger.display()))?;
        Ok(SignerDesk {
            chain: self.rules.params().chain_id(),
            federation: Arc::new(federation),
            judge: Judge::new(Arc::new(view) as Arc<dyn SignerView>, policy(own)?),
            signer: Mutex::new(Signer::new(share, ledger)),
            following: self.following,
            store: self.store,
            pause: Pause::of(&config.data_dir),
            consents,
            patience: member::PATIENCE,
            judging: Mutex::default(),
            pace: Mutex::new(Pace::new(Instant::now())),
            share: Some(file),
            signed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        })
    }
}

/// Says at the start what the operator allows in advance, so that nobody is surprised by it later.
fn show(consents: &Consents) {
    for found in consents.list().unwrap_or_else(|error| vec![Err(error)]) {
        match found {
            Ok(Given { consent, until }) => tracing::info!(%consent, until, "allowed by its operator"),
            Err(error) => tracing::warn!(%error, "a consent that allows nothing"),
        }
    }
}

fn policy(own: &SignerConfig) -> anyhow::Result<SigningPolicy> {
    let invalid = |field, value: u64, remedy| ConfigError::Invalid {
        field,
        value: value.to_string(),
        remedy,
    };
    let ceiling = FeeRate::from_sat_per_vb(own.fee_ceiling).ok_or_else(|| {
        let value = u64::from(own.fee_ceiling);
        invalid(
            "signer.fee_ceiling",
            value,
            "use satoshi per virtual byte, below 17 million",
        )
    })?;
    let amount = match own.outflow_cap {
        None => CapAmount::Share,
        Some(sats) => CapAmount::Fixed(
            Amount::from_sat(sats)
                .map_err(|_| invalid("signer.outflow_cap", sats, "use at most 21e14 satoshi"))?,
        ),
    };
    let blocks = own.outflow_blocks;
    Ok(SigningPolicy {
        ceiling,
        outflow: Some(OutflowCap { amount, blocks }),
    })
}

#[cfg(test)]
mod tests;
