//! Known members are answered over the network; nobody else is, and nobody hangs up on the others.

use std::io::{Read, Write};
use std::net::TcpStream;

use rand::rngs::OsRng;

use super::*;
use crate::federation::peer::{CallError, ask};

/// Knows one identity; answers that it is not ready.
struct NotReady(IdentityKey);

impl Answers for NotReady {
    fn knows(&self, identity: &IdentityKey) -> bool {
        *identity == self.0
    }

    fn longest(&self, _: &IdentityKey) -> usize {
        Request::LONGEST
    }

    fn answer(&self, from: &IdentityKey, request: Request) -> Answer {
        assert_eq!(*from, self.0);
        match &request {
            Request::Status => Answer::NotYet,
            Request::Commit { .. } | Request::Sign { .. } | Request::Keygen { .. } => {
                Answer::refused(18, false, &format!("{request:?}"))
            }
        }
    }
}

struct Setting {
    listener: Listener,
    own: Arc<Identity>,
    friend: Identity,
}

fn setting() -> Setting {
    let (own, friend) = (
        Arc::new(Identity::generate(&mut OsRng)),
        Identity::generate(&mut OsRng),
    );
    let answers = Arc::new(NotReady(friend.public()));
    let listener = Listener::start("127.0.0.1:0", Arc::clone(&own), [3; 32], answers).unwrap();
    Setting {
        listener,
        own,
        friend,
    }
}

impl Setting {
    fn ask_as(&self, who: &Identity, context: [u8; 32], request: &Request) -> Result<Answer, CallError> {
        let address = self.listener.address().to_string();
        ask(
            &address,
            &self.own.public(),
            who,
            &context,
            request,
            Duration::from_secs(5),
        )
    }
}

#[test]
fn a_known_member_is_answered_over_the_network() {
    let setting = setting();
    let answer = setting
        .ask_as(&setting.friend, [3; 32], &Request::Status)
        .unwrap();
    assert_eq!(answer, Answer::NotYet);
    let long = Request::Sign {
        proposal: vec![1; 60_000],
        packages: vec![vec![2; 16_000]; 40],
    };
    let answer = setting.ask_as(&setting.friend, [3; 32], &long).unwrap();
    assert!(matches!(answer, Answer::Refused { code: 18, reason, .. } if reason.contains("40 packages")));
}

#[test]
fn strangers_and_other_federations_are_not_answered() {
    let setting = setting();
    let stranger = Identity::generate(&mut OsRng);
    assert!(matches!(
        setting.ask_as(&stranger, [3; 32], &Request::Status),
        Err(CallError::Channel(_))
    ));
    assert!(matches!(
        setting.ask_as(&setting.friend, [4; 32], &Request::Status),
        Err(CallError::Channel(_))
    ));
    let address = setting.listener.address().to_string();
    let somebody_else = ask(
        &address,
        &stranger.public(),
        &setting.friend,
        &[3; 32],
        &Request::Status,
        Duration::from_secs(5),
    );
    assert!(
        matches!(somebody_else, Err(CallError::Channel(_))),
        "the listener is not whom we meant"
    );
}

#[test]
fn garbage_and_idle_connections_do_not_keep_others_from_being_answered() {
    let setting = setting();
    let address = setting.listener.address();
    let from = |last: u8| {
        let local = SocketAddr::from(([127, 0, 0, last], 0));
        connect_from(local, address)
    };
    // Far more than there are places, from addresses of which each has its own.
    let mut idle = Vec::new();
    for last in 2..2 + 8 {
        idle.extend((0..MOST_STRANGERS_OF_ADDRESS).map(|_| from(last)));
    }
    assert!(idle.len() > MOST_STRANGERS);
    let mut garbage = from(100);
    garbage.write_all(&[0xff; 4_096]).unwrap();
    // However it ends, it is hung up on.
    let _ = garbage.read_to_end(&mut Vec::new());
    let answer = setting
        .ask_as(&setting.friend, [3; 32], &Request::Status)
        .unwrap();
    assert_eq!(answer, Answer::NotYet);
}

#[test]
fn one_identity_has_a_few_connections_at_once() {
    let setting = setting();
    let open = || {
        let stream = TcpStream::connect(setting.listener.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut channel = Channel::connect(stream, &setting.friend, &setting.own.public(), &[3; 32]).unwrap();
        channel.send(&Request::Status.encode()).unwrap();
        let answered = channel.receive(Answer::LONGEST).is_ok();
        (channel, answered)
    };
    let mut channels: Vec<_> = (0..MOST_OF_IDENTITY).map(|_| open()).collect();
    assert!(channels.iter().all(|(_, answered)| *answered));
    assert!(!open().1, "no more at once");
    channels.pop();
    // The place is free once the listener has noticed.
    assert!((0..200).any(|_| {
        thread::sleep(Duration::from_millis(10));
        open().1
    }));
}

/// A connection from this address of the loopback network.
fn connect_from(local: SocketAddr, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(local).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime.block_on(socket.connect(to)).unwrap();
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn a_listener_that_is_dropped_frees_its_address() {
    let Setting {
        listener,
        own,
        friend,
    } = setting();
    let address = listener.address().to_string();
    let taken = Listener::start(
        &address,
        Arc::clone(&own),
        [3; 32],
        Arc::new(NotReady(friend.public())),
    );
    let error = format!("{:#}", taken.err().expect("the address is in use"));
    assert!(error.contains(&address), "{error}");
    drop(listener);
    let gone = ask(
        &address,
        &own.public(),
        &friend,
        &[3; 32],
        &Request::Status,
        Duration::from_secs(5),
    );
    assert!(matches!(gone, Err(CallError::Unreachable { .. })));
}
