//! Nobody makes a side take more than it wants, wait for what cannot come, or fall over.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Frames with these contents, as the channel would send them.
fn frames(channel: &mut Channel<Tap>, contents: &[&[u8]]) {
    let mut frames = Vec::new();
    for content in contents {
        channel.seal(content, &mut frames);
    }
    channel.stream.inner.write_all(&frames).unwrap();
}

#[test]
fn a_message_beyond_the_limit_is_refused_by_its_length() {
    for (length, limit) in [(11, 10), (1, 0), (u32::MAX, 1 << 20)] {
        let (mut a, mut b) = pair();
        frames(&mut a, &[&length.to_le_bytes(), b"what nobody reads"]);
        let before = b.stream().read;
        let error = b.receive(limit).unwrap_err();
        let found = usize::try_from(length).unwrap();
        assert!(
            matches!(error, ChannelError::TooLong { length, limit: l } if length == found && l == limit),
            "{error}"
        );
        assert_eq!(b.stream().read - before, HEAD);
        assert!(matches!(b.receive(1 << 20), Err(ChannelError::Broken)));
    }
    let (mut a, mut b) = pair();
    a.send(b"ten bytes!").unwrap();
    assert_eq!(b.receive(10).unwrap(), b"ten bytes!");
}

#[test]
fn memory_grows_with_what_arrives() {
    let length = 10 * CONTENT + 5;
    let mut message = Vec::new();
    while message.len() < length {
        let next = (length - message.len()).min(CONTENT);
        make_room(&mut message, next, length);
        let most = (2 * message.len()).max(CONTENT).min(length);
        assert!(message.capacity() <= most, "{} of {most}", message.capacity());
        message.resize(message.len() + next, 0);
    }
    assert_eq!(message.capacity(), length);
    // Whoever announces a message and sends none of it.
    let (mut a, mut b) = pair();
    frames(&mut a, &[&u32::MAX.to_le_bytes()]);
    drop(a);
    assert!(matches!(b.receive(usize::MAX), Err(ChannelError::CutOff)));
}

#[test]
fn a_frame_of_another_size_than_its_only_one_is_refused() {
    let five = 5u32.to_le_bytes();
    let zero = 0u32.to_le_bytes();
    let cases: [(&[&[u8]], usize, usize); 8] = [
        (&[b""], 16, 20),
        (&[b"abc"], 19, 20),
        (&[b"abcde"], 21, 20),
        (&[&five, b""], 16, 21),
        (&[&five, b"hell", b"o"], 20, 21),
        (&[&five, b"hello "], 22, 21),
        (&[&[&five[..], b"hello"].concat()], 25, 20),
        (&[&zero, b""], 16, 20),
    ];
    for (i, (contents, found, expected)) in cases.into_iter().enumerate() {
        let (mut a, mut b) = pair();
        frames(&mut a, contents);
        let mut received = b.receive(100);
        if i == 7 {
            // An empty message is over with its length; what follows is the next one.
            assert_eq!(received.unwrap(), b"");
            received = b.receive(100);
        }
        let error = received.unwrap_err();
        let right =
            matches!(error, ChannelError::Malformed { found: f, expected: e } if f == found && e == expected);
        assert!(right, "case {i}: {error}");
    }
    for size in [0, 1, 15, 65_535u16] {
        let (a, mut b) = pair();
        let mut stream = &a.stream().inner;
        stream.write_all(&size.to_le_bytes()).unwrap();
        assert!(
            matches!(b.receive(100), Err(ChannelError::Malformed { .. })),
            "{size}"
        );
    }
}

#[test]
fn silence_between_messages_leaves_the_channel_usable_and_within_one_it_does_not() {
    let (mut a, mut b) = pair();
    let patience = |channel: &Channel<Tap>, on| channel.stream().inner.set_nonblocking(on).unwrap();
    let silent = |error: &ChannelError| matches!(error, ChannelError::Io(error) if error.kind() == ErrorKind::WouldBlock);
    patience(&b, true);
    assert!(silent(&b.receive(10).unwrap_err()));
    a.send(b"late").unwrap();
    assert_eq!(b.receive(10).unwrap(), b"late");
    a.stream.inner.write_all(&[20]).unwrap();
    assert!(silent(&b.receive(10).unwrap_err()));
    assert!(matches!(b.receive(10), Err(ChannelError::Broken)));
}

/// A stream on which nothing goes any more.
struct Dead;

impl Read for Dead {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::ConnectionReset.into())
    }
}

impl Write for Dead {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_that_fails_ends_the_channel() {
    let dead = || {
        let (a, _) = pair();
        Channel {
            stream: Dead,
            noise: a.noise,
            peer: a.peer,
            confirmed: true,
            broken: false,
        }
    };
    let mut channel = dead();
    assert!(matches!(channel.send(b"hello"), Err(ChannelError::Io(_))));
    assert!(matches!(channel.send(b"hello"), Err(ChannelError::Broken)));
    let mut channel = dead();
    assert!(matches!(channel.receive(10), Err(ChannelError::Io(_))));
    assert!(matches!(channel.receive(10), Err(ChannelError::Broken)));
    let peer = answerer().public();
    let met = Channel::connect(Dead, &asker(), &peer, &CONTEXT);
    assert!(matches!(met, Err(ChannelError::Io(_))));
    let met = Channel::accept(Dead, &answerer(), |_| true, &CONTEXT);
    assert!(matches!(met, Err(ChannelError::Io(_))));
}

#[test]
fn the_side_that_accepted_speaks_second() {
    let (mut a, mut b) = pair();
    assert!(matches!(b.send(b"hello"), Err(ChannelError::TooEarly)));
    a.send(b"a question").unwrap();
    assert_eq!(b.receive(10).unwrap(), b"a question");
    b.send(b"an answer").unwrap();
    assert_eq!(a.receive(10).unwrap(), b"an answer");
}

#[test]
fn a_channel_prints_its_peer_and_nothing_else() {
    let (a, _) = pair();
    assert_eq!(format!("{a:?}"), format!("Channel({})", answerer().public()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_from_strangers_gets_no_answer(bytes in vec(any::<u8>(), 0..300)) {
        let (met, sent) = accept(&bytes, &CONTEXT, true);
        let expected = match bytes.len() {
            0 => matches!(met, Err(ChannelError::Closed)),
            1..FIRST => matches!(met, Err(ChannelError::CutOff)),
            _ => matches!(met, Err(ChannelError::Handshake)),
        };
        prop_assert!(expected, "{:?}", met);
        prop_assert_eq!(sent, b"");
        let mut stream = Recorded::new(&bytes);
        prop_assert!(Channel::connect(&mut stream, &asker(), &answerer().public(), &CONTEXT).is_err());
    }

    #[test]
    fn noise_on_a_connection_is_no_message(bytes in vec(any::<u8>(), 1..300), honest: bool) {
        let (a, mut b) = pair();
        let mut stream = &a.stream().inner;
        // Often enough with a size that fits.
        let size: &[u8] = if honest { &[20, 0] } else { &[] };
        stream.write_all(&[size, &bytes].concat()).unwrap();
        drop(a);
        let error = b.receive(1 << 20).unwrap_err();
        let expected =
            matches!(error, ChannelError::Tampered | ChannelError::CutOff | ChannelError::Malformed { .. });
        prop_assert!(expected, "{:?}", error);
    }
}
