//! The fee of an envelope that waits is raised, and whichever version is mined, the envelope is posted once.

use super::*;

/// The coins that a commit spends.
fn inputs(version: &Version) -> Vec<OutPoint> {
    version.commit_inputs().collect()
}

fn in_mempool(world: &World, txid: Txid) -> bool {
    world.chain.mempool_entry(&txid).unwrap().is_some()
}

/// Versions at these rates, after a first one at 1,000 sat/kWU.
fn raised(rates: &[u32]) -> World {
    let mut world = World::new();
    post(&mut world);
    for rate in rates {
        let report = tend(&mut world, &at(*rate)).unwrap();
        assert_eq!(report.stuck, None);
    }
    assert_eq!(entry(&world).versions.len(), 1 + rates.len());
    world
}

/// How many confirmed transactions hold the envelope.
fn posted(world: &World) -> usize {
    let height = world.chain.chain_info().unwrap().height;
    let holds = |tx: &Transaction| {
        let script = tx.input.first().and_then(|input| input.witness.nth(1));
        let script = script.map(|bytes| ScriptBuf::from_bytes(bytes.to_vec()));
        script.is_some_and(|script| read_envelope(&script).is_ok_and(|found| found.is_some()))
    };
    let blocks = (1..=height).map(|height| {
        let hash = world.chain.block_hash(height).unwrap().unwrap();
        world.chain.block(&hash).unwrap()
    });
    blocks
        .flat_map(|block| block.txs)
        .filter(|tx| holds(tx.tx()))
        .count()
}

#[test]
fn when_rates_rise_another_commit_spends_the_same_coins_and_its_reveal_pays_more() {
    let mut world = World::new();
    let first = post(&mut world);
    for below in [900, 1_000, 1_374] {
        assert_eq!(tend(&mut world, &at(below)), Some(first.clone()), "no good step");
    }
    let second = tend(&mut world, &at(1_375)).unwrap();
    assert!(second.reveal != first.reveal && second.stuck.is_none());
    assert!(in_mempool(&world, second.reveal) && !in_mempool(&world, first.reveal));
    let known = entry(&world);
    let [old, new] = &known.versions[..] else {
        panic!("two versions: {known:?}")
    };
    assert_eq!(inputs(old), inputs(new));
    assert!(!in_mempool(&world, old.commit.compute_txid()));
    let entry_of = |version: &Version| world.chain.mempool_entry(&version.commit.compute_txid());
    let family = entry_of(new).unwrap().unwrap();
    let paid = family.family_fee.to_sat() * 1_000 / (family.family_vsize * 4);
    assert!((1_290..1_390).contains(&paid), "{paid} sat/kWU together");
    assert_eq!(tend(&mut world, &at(1_375)), Some(second.clone()), "once");
    world.chain.mine(1);
    world.follow();
    assert_eq!(tend(&mut world, &at(50_000)), Some(second), "in a block");
    assert_eq!(posted(&world), 1);
}

#[test]
fn at_a_low_rate_a_step_is_what_a_node_wants_for_a_replacement() {
    let mut world = World::new();
    let first = post_at(&mut world, &at(250));
    assert_eq!(tend(&mut world, &at(624)), Some(first.clone()));
    assert_ne!(tend(&mut world, &at(625)), Some(first));
}

#[test]
fn once_the_commit_is_in_a_block_another_reveal_pays_more() {
    let mut world = raised(&[2_000]);
    let version = entry(&world).versions[1].clone();
    world.chain.evict();
    world.chain.send(&version.commit).unwrap();
    world.chain.mine(1);
    world.follow();
    let same = tend(&mut world, &at(2_000)).unwrap();
    assert_eq!(same.reveal, version.reveal(), "it was sent again");
    let report = tend(&mut world, &at(4_000)).unwrap();
    assert!(report.reveal != same.reveal && report.stuck.is_none());
    assert!(in_mempool(&world, report.reveal) && !in_mempool(&world, same.reveal));
    let known = entry(&world);
    assert_eq!((known.versions.len(), known.versions[1].reveals.len()), (2, 2));
    let extra = known.operator_inputs().last().unwrap();
    let free = world.coins.spendable();
    assert!(free.iter().all(|coin| coin.outpoint != extra), "it is reserved");
    // Whichever reveal a miner takes is recognised.
    world.chain.evict();
    let (_, older) = &known.versions[1].reveals[0];
    world.chain.send(older).unwrap();
    world.chain.mine(1);
    world.follow();
    assert_eq!(
        tend(&mut world, &at(9_000)).map(|report| report.reveal),
        Some(same.reveal)
    );
    assert_eq!(posted(&world), 1);
}

#[test]
fn whichever_version_is_mined_the_envelope_is_posted_once() {
    for mined in 0..4 {
        let mut world = raised(&[2_000, 4_000, 1_200_000]);
        let versions = entry(&world).versions;
        assert!(inputs(&versions[3]).len() > 1, "it takes more coins");
        world.chain.evict();
        world.chain.send(&versions[mined].commit).unwrap();
        world.chain.mine(1);
        world.follow();
        for version in versions.iter().filter(|version| **version != versions[mined]) {
            assert!(
                world.chain.send(&version.commit).is_err(),
                "only one of them can be"
            );
        }
        let report = tend(&mut world, &at(1_200_000)).unwrap();
        assert_eq!(report.stuck, None);
        world.chain.mine(1);
        world.follow();
        assert_eq!(tend(&mut world, &at(1_200_000)), Some(report.clone()));
        assert!(
            entry(&world).versions[mined]
                .reveals
                .iter()
                .any(|(_, tx)| tx.compute_txid() == report.reveal)
        );
        assert_eq!(posted(&world), 1);
    }
}

#[test]
fn all_versions_survive_a_restart_and_the_latest_is_sent() {
    let mut world = raised(&[2_000, 1_200_000]);
    let versions = entry(&world).versions;
    // Stopped after it was written down: the node still has the one before.
    world.chain.evict();
    for tx in [&versions[1].commit, &versions[1].reveals[0].1] {
        world.chain.send(tx).unwrap();
    }
    world.coins = CoinBook::scan(world.chain.as_ref(), operator().output_script()).unwrap();
    poster(&world).resume(&mut world.coins).unwrap();
    let free: Vec<OutPoint> = world.coins.spendable().iter().map(|coin| coin.outpoint).collect();
    assert!(inputs(&versions[2]).iter().all(|coin| !free.contains(coin)));
    let report = tend(&mut world, &at(2_000)).unwrap();
    assert_eq!((report.reveal, report.stuck), (versions[2].reveal(), None));
    assert!(in_mempool(&world, versions[2].reveal()) && !in_mempool(&world, versions[1].reveal()));
    assert_eq!(entry(&world).versions, versions);
}

#[test]
fn a_later_version_whose_coin_vanished_leaves_the_earlier_one() {
    let mut world = raised(&[1_200_000]);
    let versions = entry(&world).versions;
    let first = inputs(&versions[0]);
    let added = inputs(&versions[1])
        .into_iter()
        .find(|coin| !first.contains(coin));
    world.chain.evict();
    world.chain.forget(&added.unwrap());
    let report = tend(&mut world, &at(1_000)).unwrap();
    assert_eq!((report.reveal, report.stuck), (versions[0].reveal(), None));
    world.coins = CoinBook::scan(world.chain.as_ref(), operator().output_script()).unwrap();
    poster(&world).resume(&mut world.coins).unwrap();
    let report = tend(&mut world, &at(2_000)).unwrap();
    assert!(in_mempool(&world, report.reveal), "and can be raised in its turn");
    assert_eq!(inputs(&entry(&world).versions[2]), first);
    // Without the first coin there is nothing left that can be mined.
    world.chain.evict();
    world.chain.forget(&first[0]);
    assert_eq!(tend(&mut world, &at(2_000)), None);
    assert_eq!(world.journal.get(&key(&ID)), Ok(None));
}

#[test]
fn the_ceiling_is_said_while_it_holds_the_fee_down() {
    let mut world = World::new();
    post(&mut world);
    let quote = FeeQuote {
        rate: FeeRate::from_sat_per_kwu(2_000),
        origin: RateOrigin::Ceiling {
            wanted: FeeRate::from_sat_per_kwu(7_000),
        },
    };
    for _ in 0..2 {
        let report = tend(&mut world, &quote).unwrap();
        let reason = report.stuck.unwrap();
        assert!(
            reason.contains("the ceiling of 2000") && reason.contains("7000"),
            "{reason}"
        );
        assert!(in_mempool(&world, report.reveal), "it pays the ceiling and waits");
    }
    assert_eq!(entry(&world).versions.len(), 2);
    assert_eq!(tend(&mut world, &at(2_000)).unwrap().stuck, None, "rates fell");
    tend(&mut world, &quote);
    world.chain.mine(1);
    assert_eq!(tend(&mut world, &quote).unwrap().stuck, None, "in a block");
    let mut world = World::new();
    let reason = post_at(&mut world, &quote).stuck;
    assert!(
        reason.is_some_and(|reason| reason.contains("the ceiling")),
        "from the first on"
    );
}

#[test]
fn who_cannot_pay_more_is_told_so_and_what_was_sent_stays() {
    let mut world = World::new();
    let first = post(&mut world);
    let report = tend(&mut world, &at(100_000_000)).unwrap();
    assert_eq!(report.reveal, first.reveal);
    let reason = report.stuck.unwrap();
    assert!(
        reason.contains("cannot pay 100000000") && reason.contains(&(2 * COIN).to_string()),
        "{reason}"
    );
    assert_eq!(entry(&world).versions.len(), 1);
    assert!(in_mempool(&world, first.reveal));
}

#[test]
fn what_the_node_refuses_is_said_and_the_version_before_stays() {
    let mut world = World::new();
    let first = post(&mut world);
    world.chain.set_min_rate(FeeRate::from_sat_per_kwu(9_000));
    let report = tend(&mut world, &at(2_000)).unwrap();
    assert_eq!(report.reveal, first.reveal);
    let reason = report.stuck.unwrap();
    assert!(reason.contains("mempool min fee not met"), "{reason}");
    // It is written down, and sent as soon as the node takes it.
    world.chain.set_min_rate(FeeRate::default());
    let report = tend(&mut world, &at(2_000)).unwrap();
    assert_eq!(
        (report.reveal, report.stuck),
        (entry(&world).versions[1].reveal(), None)
    );
}

#[test]
fn an_entry_is_read_back_as_it_was_written() {
    let world = raised(&[2_000, 1_200_000]);
    let known = entry(&world);
    let bytes = known.encode();
    assert_eq!(Entry::decode(b"", &bytes), Ok(known));
    let longer = [&bytes[..], &[0]].concat();
    assert!(Entry::decode(b"", &longer).is_err());
    for cut in [1, bytes.len() / 2, bytes.len() - 1] {
        assert!(Entry::decode(b"", &bytes[..cut]).is_err(), "{cut}");
    }
}
