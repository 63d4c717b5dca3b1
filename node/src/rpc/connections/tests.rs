//! Places: how many in all, how many for one address.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn one_address_gets_its_part_of_the_places_and_no_more() {
    let places = Places::new(Limits { all: 5, each: 2 });
    let (greedy, other) = (ip("192.0.2.1"), ip("192.0.2.2"));
    let mut held = vec![places.take(greedy).unwrap(), places.take(greedy).unwrap()];
    assert!(places.take(greedy).is_none());
    assert!(places.take(ip("::ffff:192.0.2.1")).is_none(), "the same address");
    held.push(places.take(other).expect("others are not kept out"));
    drop(held.remove(0));
    held.push(places.take(greedy).expect("a place was given back"));
    drop(held);
    assert!(
        places.taken.lock().unwrap().is_empty(),
        "nothing is kept of who left"
    );
}

#[test]
fn an_ipv6_network_counts_as_one_address() {
    let places = Places::new(Limits { all: 5, each: 1 });
    let _held = places.take(ip("2001:db8:0:1::1")).unwrap();
    assert!(places.take(ip("2001:db8:0:1:ffff::2")).is_none());
    assert!(places.take(ip("2001:db8:0:2::1")).is_some());
}

#[test]
fn the_places_in_all_are_the_limit_for_everybody() {
    let places = Places::new(Limits { all: 2, each: 2 });
    let _held = [
        places.take(ip("192.0.2.1")).unwrap(),
        places.take(ip("192.0.2.2")).unwrap(),
    ];
    assert!(places.take(ip("192.0.2.3")).is_none());
}
