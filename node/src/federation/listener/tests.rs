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
    let connect = || TcpStream::connect(setting.listener.address()).unwrap();
    let _idle: Vec<TcpStream> = (0..MOST_CONNECTIONS - 2).map(|_| connect()).collect();
    let mut garbage = connect();
    garbage.write_all(&[0xff; 4_096]).unwrap();
    // However it ends, it is hung up on.
    let _ = garbage.read_to_end(&mut Vec::new());
    let answer = setting
        .ask_as(&setting.friend, [3; 32], &Request::Status)
        .unwrap();
    assert_eq!(answer, Answer::NotYet);
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
