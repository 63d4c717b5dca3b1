//! Somebody is overdue after so many batches, or so many blocks.

use super::*;

#[test]
fn whoever_is_passed_by_is_overdue_after_three_batches_or_a_day_of_blocks() {
    let waiting = |batches| Overdue {
        kind: "deposit",
        what: String::new(),
        amount: 1,
        since: 1_000,
        batches,
    };
    for (batches, height, late) in [
        (0, 1_000, false),
        (0, 1_143, false),
        (0, 1_144, true),
        (2, 1_010, false),
        (3, 1_010, true),
    ] {
        assert_eq!(
            waiting(batches).is_late(height),
            late,
            "{batches} batches at {height}"
        );
    }
}
