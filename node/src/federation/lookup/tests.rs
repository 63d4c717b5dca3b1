//! A name service that hangs costs a deadline and a few threads, no more.

use std::sync::{Arc, Barrier};

use super::*;

fn lookups(most: usize) -> &'static Lookups {
    Box::leak(Box::new(Lookups::new(most)))
}

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(60);

fn here() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 9))
}

#[test]
fn a_name_is_looked_up_and_an_address_in_digits_needs_nobody() {
    assert_eq!(lookups(0).resolve("127.0.0.1:9", SHORT).unwrap(), [here()]);
    let found = lookups(1).resolve("localhost:9", LONG).unwrap();
    assert!(
        found.iter().all(|address| address.ip().is_loopback()),
        "{found:?}"
    );
    assert!(lookups(1).resolve("no port", LONG).is_err());
    let answered = lookups(1).look_up("ada.example:9", LONG, |name| {
        assert_eq!(name, "ada.example:9");
        Ok(vec![here()])
    });
    assert_eq!(answered.unwrap(), [here()]);
}

#[test]
fn a_lookup_that_hangs_ends_at_its_deadline_and_few_may_hang_at_once() {
    let lookups = lookups(2);
    let hung = Arc::new(Barrier::new(3));
    for _ in 0..2 {
        let hung = Arc::clone(&hung);
        let late = lookups.look_up("ada.example:9", SHORT, move |_| {
            hung.wait();
            Ok(vec![here()])
        });
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
    let many = lookups.look_up("boris.example:9", LONG, |_| Ok(vec![here()]));
    let text = many.unwrap_err().to_string();
    assert!(text.contains("2 lookups of names hang"), "{text}");
    // Once they end there is room again.
    hung.wait();
    while lookups.running.load(Ordering::Relaxed) > 0 {
        thread::yield_now();
    }
    let answered = lookups.look_up("boris.example:9", LONG, |_| Ok(vec![here()]));
    assert_eq!(answered.unwrap(), [here()]);
}
