//! What one side says arrives at the other, whole and unchanged, or a typed error does.

use std::io::Cursor;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use snow::Error as NoiseError;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};

use super::*;
use crate::testing::rng;

mod limits;

type Met<S> = Result<Channel<S>, ChannelError>;

const CONTEXT: [u8; 32] = [7; 32];
/// Bytes of a message's first frame.
const HEAD: usize = 2 + HEADER + TAG;

fn asker() -> Identity {
    Identity::generate(&mut rng(1))
}

fn answerer() -> Identity {
    Identity::generate(&mut rng(2))
}

/// A stream that records what is written to it, and changes it on the way.
#[derive(Debug)]
struct Tap {
    inner: UnixStream,
    written: Vec<u8>,
    /// The byte here, exclusive-or this.
    flip: Option<(usize, u8)>,
    /// Nothing from here on.
    cut: Option<usize>,
    read: usize,
}

impl Tap {
    fn new(inner: UnixStream) -> Self {
        Self {
            inner,
            written: Vec::new(),
            flip: None,
            cut: None,
            read: 0,
        }
    }

    fn pair() -> (Self, Self) {
        let (a, b) = UnixStream::pair().unwrap();
        // A test that waits for what does not come fails.
        for stream in [&a, &b] {
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        }
        (Self::new(a), Self::new(b))
    }
}

impl Read for Tap {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.read += read;
        Ok(read)
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let begin = self.written.len();
        self.written.extend_from_slice(bytes);
        let mut changed = bytes.to_vec();
        if let Some((at, mask)) = self.flip
            && let Some(byte) = at.checked_sub(begin).and_then(|at| changed.get_mut(at))
        {
            *byte ^= mask;
        }
        if let Some(cut) = self.cut.filter(|cut| begin + bytes.len() >= *cut) {
            changed.truncate(cut.saturating_sub(begin));
            self.inner.write_all(&changed)?;
            self.inner.shutdown(Shutdown::Write)?;
        } else {
            self.inner.write_all(&changed)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream of which all that will come is there: single bytes, with interruptions between them.
struct Recorded {
    input: Cursor<Vec<u8>>,
    output: Vec<u8>,
    interrupted: bool,
}

impl Recorded {
    fn new(input: &[u8]) -> Self {
        Self {
            input: Cursor::new(input.to_vec()),
            output: Vec::new(),
            interrupted: false,
        }
    }
}

impl Read for Recorded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(ErrorKind::Interrupted.into());
        }
        let most = bytes.len().min(1);
        self.input.read(&mut bytes[..most])
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn meet(a: Tap, b: Tap) -> (Met<Tap>, Met<Tap>) {
    let peer = answerer().public();
    thread::scope(|scope| {
        let asking = scope.spawn(move || Channel::connect(a, &asker(), &peer, &CONTEXT));
        let known = asker().public();
        let answering = Channel::accept(b, &answerer(), |key| *key == known, &CONTEXT);
        (asking.join().unwrap(), answering)
    })
}

fn pair() -> (Channel<Tap>, Channel<Tap>) {
    let (a, b) = Tap::pair();
    let (a, b) = meet(a, b);
    (a.unwrap(), b.unwrap())
}

/// The first message of a handshake with the answerer.
fn first_message() -> Vec<u8> {
    let mut stream = Recorded::new(&[]);
    let refused = Channel::connect(&mut stream, &asker(), &answerer().public(), &CONTEXT);
    assert!(matches!(refused, Err(ChannelError::Refused)));
    assert_eq!(stream.output.len(), FIRST);
    stream.output
}

/// What the answerer makes of a first message, and what it sent.
fn accept(message: &[u8], context: &[u8; 32], known: bool) -> (Result<(), ChannelError>, Vec<u8>) {
    let mut stream = Recorded::new(message);
    let met = Channel::accept(&mut stream, &answerer(), |_| known, context).map(drop);
    (met, stream.output)
}

#[test]
fn messages_of_all_sizes_arrive_both_ways() {
    let (mut a, mut b) = pair();
    assert_eq!((a.peer(), b.peer()), (&answerer().public(), &asker().public()));
    let sizes = [0, 1, CONTENT - 1, CONTENT, CONTENT + 1, 2 * CONTENT, 1 << 20];
    assert_eq!(CONTENT, 65_519);
    let echo = thread::spawn(move || {
        for size in sizes {
            let mut message = b.receive(size).unwrap();
            message.reverse();
            b.send(&message).unwrap();
        }
    });
    for size in sizes {
        let mut message: Vec<u8> = (0..size).map(|i| u8::try_from(i % 251).unwrap()).collect();
        a.send(&message).unwrap();
        message.reverse();
        assert!(a.receive(size).unwrap() == message, "{size} bytes");
    }
    echo.join().unwrap();
    assert!(matches!(a.receive(10), Err(ChannelError::Closed)));
    assert!(matches!(a.receive(10), Err(ChannelError::Broken)));
    assert!(matches!(a.send(b"hello"), Err(ChannelError::Broken)));
}

#[test]
fn frames_are_those_of_the_specification() {
    let (mut a, mut b) = pair();
    assert_eq!((FIRST, SECOND), (96, 48));
    assert_eq!((a.stream().written.len(), b.stream().written.len()), (96, 48));
    for size in [0, 1, CONTENT + 1] {
        let begin = a.stream().written.len();
        let receiving = thread::scope(|scope| {
            let receiving = scope.spawn(|| b.receive(size).map(|message| message.len()));
            a.send(&vec![1; size]).unwrap();
            receiving.join().unwrap()
        });
        assert_eq!(receiving.unwrap(), size);
        let mut rest = &a.stream().written[begin..];
        let mut sizes = Vec::new();
        while let Some((length, frames)) = rest.split_first_chunk::<2>() {
            let length = usize::from(u16::from_le_bytes(*length));
            sizes.push(length);
            rest = &frames[length..];
        }
        let expected: &[usize] = match size {
            0 => &[20],
            1 => &[20, 17],
            _ => &[20, 65_535, 17],
        };
        assert_eq!(sizes, expected);
    }
}

#[test]
fn whoever_has_another_key_than_expected_is_refused() {
    let (a, b) = Tap::pair();
    let other = Identity::generate(&mut rng(3));
    thread::scope(|scope| {
        let asking = scope.spawn(|| Channel::connect(a, &asker(), &other.public(), &CONTEXT));
        let answering = Channel::accept(b, &answerer(), |_| true, &CONTEXT);
        assert!(matches!(answering, Err(ChannelError::Handshake)));
        assert!(matches!(asking.join().unwrap(), Err(ChannelError::Refused)));
    });
}

#[test]
fn a_stranger_gets_no_answer() {
    let (met, sent) = accept(&first_message(), &CONTEXT, false);
    assert!(matches!(met, Err(ChannelError::UnknownPeer(key)) if key == asker().public()));
    assert_eq!(sent, b"");
    let (met, sent) = accept(&first_message(), &CONTEXT, true);
    assert!(met.is_ok());
    assert_eq!(sent.len(), SECOND);
}

#[test]
fn members_of_another_federation_get_no_answer() {
    let mut other = CONTEXT;
    other[31] ^= 1;
    let (met, sent) = accept(&first_message(), &other, true);
    assert!(matches!(met, Err(ChannelError::Handshake)));
    assert_eq!(sent, b"");
}

/// X25519 with a static key of order one, for which anybody knows the shared secret.
#[derive(Default)]
struct LowOrder {
    ephemeral: Option<Identity>,
    public: [u8; 32],
}

impl Dh for LowOrder {
    fn name(&self) -> &'static str {
        "25519"
    }
    fn pub_len(&self) -> usize {
        32
    }
    fn priv_len(&self) -> usize {
        32
    }
    fn set(&mut self, _: &[u8]) {}
    fn generate(&mut self, _: &mut dyn Random) -> Result<(), NoiseError> {
        let ephemeral = Identity::generate(&mut rng(9));
        self.public = *ephemeral.public().as_bytes();
        self.ephemeral = Some(ephemeral);
        Ok(())
    }
    fn pubkey(&self) -> &[u8] {
        &self.public
    }
    fn privkey(&self) -> &[u8] {
        &[]
    }
    fn dh(&self, key: &[u8], out: &mut [u8]) -> Result<(), NoiseError> {
        let shared = self.ephemeral.as_ref().map_or([0; 32], |ephemeral| {
            let point = curve25519_dalek::MontgomeryPoint(key[..32].try_into().unwrap());
            point.mul_clamped(*ephemeral.secret()).to_bytes()
        });
        out[..32].copy_from_slice(&shared);
        Ok(())
    }
}

impl CryptoResolver for LowOrder {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }
    fn resolve_dh(&self, _: &DHChoice) -> Option<Box<dyn Dh>> {
        Some(Box::new(Self::default()))
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

#[test]
fn a_key_that_anybody_has_the_secret_of_is_nobodys() {
    let prologue = [&PROLOGUE[..], &CONTEXT].concat();
    let peer = answerer().public();
    let builder = Builder::with_resolver(PATTERN.parse().unwrap(), Box::new(LowOrder::default()));
    let builder = builder.prologue(&prologue).unwrap();
    let builder = builder.remote_public_key(peer.as_bytes()).unwrap();
    let mut handshake = builder
        .local_private_key(&[0; 32])
        .unwrap()
        .build_initiator()
        .unwrap();
    let mut message = Vec::new();
    say::<FIRST>(&mut handshake, &mut message).unwrap();
    // The handshake itself has nothing against it.
    let mut stream = Cursor::new(message.clone());
    let mut begun = begin(&answerer(), None, &CONTEXT);
    assert!(hear::<FIRST>(&mut begun, &mut stream).is_ok());
    assert_eq!(begun.get_remote_static(), Some(&[0; 32][..]));
    let (met, sent) = accept(&message, &CONTEXT, true);
    assert!(matches!(met, Err(ChannelError::Handshake)));
    assert_eq!(sent, b"");
}

#[test]
fn no_flipped_bit_passes_a_handshake() {
    let message = first_message();
    for at in 0..FIRST {
        for mask in [1, 0x80] {
            let mut message = message.clone();
            message[at] ^= mask;
            let (met, sent) = accept(&message, &CONTEXT, true);
            assert!(matches!(met, Err(ChannelError::Handshake)), "byte {at}: {met:?}");
            assert_eq!(sent, b"");
        }
    }
    for at in 0..SECOND {
        for mask in [1, 0x80] {
            let (a, mut b) = Tap::pair();
            b.flip = Some((at, mask));
            let (a, b) = meet(a, b);
            assert!(matches!(a, Err(ChannelError::Handshake)), "byte {at}: {a:?}");
            assert!(matches!(b.unwrap().receive(10), Err(ChannelError::Closed)));
        }
    }
}

#[test]
fn no_flipped_bit_passes_a_message() {
    for at in 0..HEAD + 2 + 5 + TAG {
        let (mut a, b) = Tap::pair();
        a.flip = Some((FIRST + at, 1 << (at % 8)));
        let (a, b) = meet(a, b);
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        a.send(b"hello").unwrap();
        let error = b.receive(10).unwrap_err();
        if [0, 1, HEAD, HEAD + 1].contains(&at) {
            assert!(
                matches!(error, ChannelError::Malformed { .. }),
                "byte {at}: {error}"
            );
        } else {
            assert!(matches!(error, ChannelError::Tampered), "byte {at}: {error}");
        }
        assert!(matches!(b.receive(10), Err(ChannelError::Broken)));
    }
}

#[test]
fn a_handshake_that_is_cut_off_anywhere_fails() {
    let message = first_message();
    for length in 0..FIRST {
        let (met, sent) = accept(&message[..length], &CONTEXT, true);
        match length {
            0 => assert!(matches!(met, Err(ChannelError::Closed)), "{met:?}"),
            _ => assert!(
                matches!(met, Err(ChannelError::CutOff)),
                "{length} bytes: {met:?}"
            ),
        }
        assert_eq!(sent, b"");
    }
    for length in 0..SECOND {
        let mut stream = Recorded::new(&[9; SECOND][..length]);
        let met = Channel::connect(&mut stream, &asker(), &answerer().public(), &CONTEXT);
        match length {
            0 => assert!(matches!(met, Err(ChannelError::Refused))),
            _ => assert!(matches!(met, Err(ChannelError::CutOff)), "{length} bytes"),
        }
    }
}

#[test]
fn a_message_that_is_cut_off_anywhere_is_not_taken() {
    let small = (0..HEAD + 2 + 5 + TAG).map(|cut| (5, cut));
    let second = HEAD + 2 + CONTENT + TAG;
    let large = [
        HEAD + 2 + 7,
        second - 1,
        second,
        second + 1,
        second + 2,
        second + 18,
    ];
    for (size, cut) in small.chain(large.map(|cut| (CONTENT + 1, cut))) {
        let (mut a, b) = Tap::pair();
        a.cut = Some(FIRST + cut);
        let (a, b) = meet(a, b);
        let (mut a, mut b) = (a.unwrap(), b.unwrap());
        let error = thread::scope(|scope| {
            let receiving = scope.spawn(|| b.receive(1 << 20).unwrap_err());
            let _ = a.send(&vec![1; size]);
            receiving.join().unwrap()
        });
        match cut {
            0 => assert!(matches!(error, ChannelError::Closed), "{error}"),
            _ => assert!(
                matches!(error, ChannelError::CutOff),
                "cut at {cut} of {size}: {error}"
            ),
        }
    }
}

#[test]
fn frames_that_are_repeated_left_out_or_sent_back_are_refused() {
    let sent = |channel: &Channel<Tap>, from: usize| channel.stream().written[from..].to_vec();
    let (mut a, mut b) = pair();
    a.send(b"pay once").unwrap();
    assert_eq!(b.receive(10).unwrap(), b"pay once");
    let message = sent(&a, FIRST);
    a.stream.inner.write_all(&message).unwrap();
    assert!(matches!(b.receive(10), Err(ChannelError::Tampered)));

    let (mut a, mut b) = pair();
    let mut lost = Vec::new();
    a.seal(&0u32.to_le_bytes(), &mut lost);
    a.send(b"second").unwrap();
    assert!(matches!(b.receive(10), Err(ChannelError::Tampered)));

    let (mut a, mut b) = pair();
    a.send(b"mirror").unwrap();
    let message = sent(&a, FIRST);
    b.stream.inner.write_all(&message).unwrap();
    assert!(matches!(a.receive(10), Err(ChannelError::Tampered)));
}

#[test]
fn who_repeats_a_recorded_connection_gets_an_answer_to_the_handshake_and_no_more() {
    let (mut a, mut b) = pair();
    a.send(b"pay").unwrap();
    assert_eq!(b.receive(10).unwrap(), b"pay");
    let mut stream = Recorded::new(&a.stream().written);
    let mut again = Channel::accept(&mut stream, &answerer(), |_| true, &CONTEXT).unwrap();
    assert!(matches!(again.send(b"hello"), Err(ChannelError::TooEarly)));
    assert!(matches!(again.receive(10), Err(ChannelError::Tampered)));
    assert!(matches!(again.send(b"hello"), Err(ChannelError::Broken)));
    assert_eq!(stream.output.len(), SECOND);
}
