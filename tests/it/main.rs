//! Integration tests in named tiers, against real processes wherever that is what matters.
//!
//! * [`architecture`]: who may depend on whom. [`pinned`]: circuits and verifier agree on their keys.
//! * [`story`]: the main job end to end. [`spends`]: double spends and replays. [`rpc`]: bad requests.
//! * [`crash`]: a sequencer killed at every point. [`full_disk`]: one without room to write. [`reorg`]: Bitcoin changes its mind.
//! * [`faults`]: all that goes wrong around a deployment, each with the five checks in the end.
//! * [`federation`]: signers that are dead, paused or restarted, and a coordinator that lies to them.
//! * [`forced`]: a sequencer that refuses somebody, and is made to pay him out.
//! * [`takeover`]: a sequencer that is gone for good, and another one in its place.
//! * [`reshare`]: a federation that hands over to the next one. [`lost_key`]: one that cannot sign any more.
//! * [`raise`]: a withdrawal that miners became too dear for, and its owner's raise of the limit.
//! * [`malice`]: a sequencer that lies on Bitcoin, and a federation that steals.
//!
//! The tiers that run a deployment need a bitcoind (`BITCOIND_EXE`) and the `tacit` binary beside
//! this one's folder; `make test` provides both. Each deployment is [`setting::Setting`].

mod architecture;
mod crash;
mod faults;
mod federation;
mod forced;
mod full_disk;
mod lost_key;
mod malice;
mod people;
mod pinned;
mod raise;
mod reorg;
mod rescue;
mod reshare;
mod rpc;
mod setting;
mod spends;
mod story;
mod takeover;
