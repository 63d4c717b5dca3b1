//! The bridge against Bitcoin Core itself, in regtest with the standard relay policy.
//!
//! `BITCOIND_EXE` names the program (`. scripts/env.sh`); without it every test fails and says so.

#[cfg(test)]
mod real {
    mod anchor;
    mod audit;
    mod client;
    mod crash;
    mod deposit;
    mod dust;
    mod follower;
    mod leaves;
    mod operated;
    mod pinning;
    mod poster;
    mod rescue;
    mod setting;
    mod spend;
    mod storm;
    mod vault;
}
