//! What goes wrong around a rollup, made to go wrong on real Bitcoin nodes; every test ends with the five checks.
//!
//! * [`junk`]: anchors that say nothing, or nonsense, many in a row. [`blocks`]: blocks that are hard to read.
//! * [`writers`]: two sequencers with one key, and one from an old backup.
//! * [`deposits`]: deposits that are undone, moved, or taken back. [`bitcoind`]: a bitcoind that fails in every way.
//! * [`provers`]: a prover that makes no proof, or a wrong one. [`storm`]: rates a thousand times what they were.
//! * [`payouts`]: old versions and fat children of payouts. [`dust`]: money that is not worth its fees.
//! * [`loops`]: a sequencer killed at every point of the money's path, again and again.
//!
//! Which fault is tested where is in `docs/spec/faults.md`.

mod bitcoind;
mod blocks;
mod deposits;
mod dust;
mod junk;
mod loops;
mod payouts;
mod provers;
mod storm;
mod writers;
