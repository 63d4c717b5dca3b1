//! The client keeps its contract on a real node, and refuses nodes it cannot work with.

use bitcoin::{Amount, BlockHash, OutPoint, ScriptBuf};
use tacit_bridge::client::conformance::{TestChain, check_all};
use tacit_bridge::client::{Auth, BitcoinClient, ClientError, RpcOptions, connect_checked};
use tacit_bridge::regtest::{Bitcoind, BitcoindOptions, Faucet};
use tacit_protocol::Network;

struct RealChain(Faucet);

impl TestChain for RealChain {
    fn mine(&self, count: u32) -> Vec<BlockHash> {
        self.0.mine(count).unwrap()
    }

    fn pay(&self, script: &ScriptBuf, amount: Amount) -> OutPoint {
        self.0.pay(script, amount).unwrap()
    }

    fn replace_tip(&self) {
        self.0.reorganise(1).unwrap();
    }
}

#[test]
fn bitcoin_client_of_bitcoin_core_conforms() {
    let node = Bitcoind::start().unwrap();
    let chain = RealChain(Faucet::funded(node.client(), 20).unwrap());
    check_all(node.client().as_ref(), &chain);
}

#[test]
fn bitcoin_client_refuses_wrong_networks_credentials_and_dead_nodes() {
    let mut node = Bitcoind::start().unwrap();
    let connect = |auth, network| connect_checked(&node.url(), auth, network, RpcOptions::default());
    assert!(connect(node.auth(), Network::Regtest).is_ok());
    let wrong = connect(node.auth(), Network::Mainnet).unwrap_err();
    assert!(matches!(wrong, ClientError::WrongNetwork { .. }), "{wrong}");
    let stranger = Auth::UserPassword {
        user: "a".to_owned(),
        password: "b".to_owned(),
    };
    let refused = connect(stranger, Network::Regtest).unwrap_err();
    assert!(matches!(refused, ClientError::Unauthorised { .. }), "{refused}");

    let (url, client) = (node.url(), node.client());
    node.kill();
    let elsewhere = Auth::UserPassword {
        user: "a".to_owned(),
        password: "b".to_owned(),
    };
    let dead = connect_checked(&url, elsewhere, Network::Regtest, RpcOptions::default());
    assert!(matches!(dead, Err(ClientError::Unreachable { .. })));
    assert!(
        client.chain_info().unwrap_err().is_transient(),
        "it may come back"
    );
    node.start_again().unwrap();
    assert_eq!(node.client().chain_info().unwrap().height, 0);
}

#[test]
fn bitcoin_client_refuses_a_pruned_node() {
    let args = vec!["-prune=550".to_owned()];
    let node = Bitcoind::start_with(BitcoindOptions {
        args,
        ..Default::default()
    })
    .unwrap();
    let refused = connect_checked(&node.url(), node.auth(), Network::Regtest, RpcOptions::default());
    assert_eq!(refused.err(), Some(ClientError::Pruned));
}

#[test]
fn a_restarted_node_keeps_its_chain_and_two_nodes_agree() {
    let mut first = Bitcoind::start().unwrap();
    let second = Bitcoind::start().unwrap();
    let faucet = Faucet::new(first.client());
    faucet.mine(3).unwrap();
    first.restart().unwrap();
    assert_eq!(first.client().chain_info().unwrap().height, 3);
    second.connect(&first).unwrap();
    second.wait_for_common_tip(&first).unwrap();

    // Apart, the second one finds the longer chain; together again, the first one gives way.
    second.set_connected(false).unwrap();
    let mut faucet = faucet;
    faucet.set_client(first.client());
    let lost = faucet.mine(1).unwrap()[0];
    Faucet::new(second.client()).mine(2).unwrap();
    second.set_connected(true).unwrap();
    second.connect(&first).unwrap();
    second.wait_for_common_tip(&first).unwrap();
    let header = first.client().header(&lost).unwrap().unwrap();
    assert_eq!(header.confirmations, -1, "the shorter branch is not active");
}
