//! A request to sign an epoch has one encoding, and is never taken for a proposal.

use tacit_bridge::proposal::Proposal;
use tacit_protocol::testing;

use super::*;
use crate::federation::testing::paying;

fn succession(voice: Voice) -> Succession {
    let epoch = Epoch {
        number: 1,
        keys: VaultKeys::without_leaves(testing::x_only(7)),
    };
    Succession { voice, epoch }
}

#[test]
fn a_request_to_sign_an_epoch_has_one_encoding() {
    for (voice, second) in [(Voice::Incumbent, 0), (Voice::Successor, 1)] {
        let request = succession(voice);
        let bytes = request.encode();
        assert_eq!(bytes[..2], [100, second]);
        assert_eq!(bytes[2..], request.epoch.encode());
        assert_eq!(Succession::decode(&bytes), Ok(request));
        for end in 0..bytes.len() {
            assert!(Succession::decode(&bytes[..end]).is_err(), "cut off at {end}");
        }
        assert!(Succession::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    let mut bytes = succession(Voice::Incumbent).encode();
    bytes[1] = 2;
    assert_eq!(Succession::decode(&bytes), Err(DecodeError::Unknown("voice")));
    bytes[0] = 2;
    assert!(Succession::decode(&bytes).is_err());
}

#[test]
fn a_request_to_sign_an_epoch_is_no_proposal_and_a_proposal_none() {
    let bytes = succession(Voice::Successor).encode();
    assert!(Succession::begins(&bytes) && Proposal::decode(&bytes).is_err());
    let proposal = paying(testing::x_only(7), &[]).proposal.encode();
    assert!(!Succession::begins(&proposal) && Succession::decode(&proposal).is_err());
    assert!(!Succession::begins(&[]));
}
