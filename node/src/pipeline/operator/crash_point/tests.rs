//! Points are what their names say, and a write goes wrong once and as asked.

use tacit_bridge::journal::MemoryJournal;

use super::*;

fn journal(point: &str) -> Arc<dyn Journal> {
    let point = CrashPoint::parse(point).unwrap();
    CrashJournal::around(Arc::new(MemoryJournal::default()), Some(point))
}

#[test]
fn an_unknown_crash_point_is_refused_with_the_remedy() {
    for name in [
        "",
        "after",
        "before-vault",
        "fail-vault-intent-twice",
        "torn-coin-update",
        "sink-vault-update",
    ] {
        let error = CrashPoint::parse(name).unwrap_err().to_string();
        assert!(error.contains("after-vault-planned"), "{name}: {error}");
    }
}

#[test]
fn a_write_that_is_to_fail_does_so_once_and_only_there() {
    let failing = journal("fail-vault-intent");
    failing.put(b"anchor/1", b"a").unwrap();
    failing.put(b"vault/1", b"a").unwrap_err();
    assert_eq!(failing.get(b"vault/1"), Ok(None), "nothing was written");
    failing.put(b"vault/1", b"a").unwrap();
    failing.put(b"vault/2", b"a").unwrap();

    let torn = journal("torn-anchor-update");
    torn.put(b"anchor/1", b"a").unwrap();
    torn.put(b"anchor/1", b"b").unwrap_err();
    assert_eq!(torn.get(b"anchor/1"), Ok(Some(b"b".to_vec())), "it was written");
    torn.put(b"anchor/1", b"c").unwrap();
}
