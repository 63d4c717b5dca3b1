//! Dripping bytes does not stretch a deadline.

use std::net::TcpListener;
use std::thread;

use super::*;

#[test]
fn who_sends_one_byte_at_a_time_is_late_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let dripping = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        // Ends when the other side hangs up.
        while stream.write_all(&[1]).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let stream = listener.accept().unwrap().0;
    let mut timed = Timed::new(stream, Duration::from_millis(200)).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let late = timed.read_exact(&mut bytes).unwrap_err();
    assert!(
        matches!(late.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock),
        "{late}"
    );
    assert_eq!(timed.write(&[1]).unwrap_err().kind(), io::ErrorKind::TimedOut);
    timed.within(Duration::from_secs(5));
    timed.read_exact(&mut bytes[..1]).unwrap();
    drop(timed);
    dripping.join().unwrap();
}
