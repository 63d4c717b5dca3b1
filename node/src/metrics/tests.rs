//! Every figure is explained, served, and says what the node says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;
use crate::rpc::tests::fake;

fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn every_figure_is_served_with_its_explanation_and_the_nodes_value() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    serve(address).unwrap();
    read(&fake::Fake::default());
    signed();
    refused(14);
    refused(14);
    let text = scrape(address);
    for (name, explanation) in GAUGES.into_iter().chain(COUNTERS) {
        assert!(
            text.contains(&format!("# HELP {name} {explanation}")),
            "{name}: {text}"
        );
        let served = text.lines().any(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
        });
        assert!(served, "{name} has no value: {text}");
    }
    let status = fake::status();
    for line in [
        format!("tacit_bitcoin_height {}", status.bitcoin_height),
        "tacit_anchor_state{state=\"stuck\"} 1".to_owned(),
        "tacit_anchor_state{state=\"idle\"} 0".to_owned(),
        "tacit_epoch 2".to_owned(),
        "tacit_epoch_state{state=\"unsigned\"} 1".to_owned(),
        "tacit_vault_state{state=\"unsigned\"} 1".to_owned(),
        "tacit_vault_state{state=\"idle\"} 0".to_owned(),
        "tacit_withdrawals_waiting_sat 5000".to_owned(),
        "tacit_rounds_signed_total 7".to_owned(),
        "tacit_signer_state{signer=\"bob\",state=\"paused\"} 1".to_owned(),
        "tacit_signer_excluded_total{signer=\"bob\"} 2".to_owned(),
        "tacit_signatures_total 1".to_owned(),
        "tacit_refusals_total{code=\"14\"} 2".to_owned(),
    ] {
        assert!(text.lines().any(|served| served == line), "{line}: {text}");
    }
    assert!(serve(address).is_err(), "figures are served once");
}
