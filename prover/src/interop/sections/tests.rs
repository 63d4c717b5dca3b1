//! The container, beyond what the tests of `.zkey` cover.

use super::*;

static FORMAT: Format = Format::new(*b"test", 3, &["one", "two"]);

fn sample() -> Vec<u8> {
    let mut out = Vec::new();
    FORMAT.begin(&mut out).expect("memory");
    for (number, body) in [(2, &b"second"[..]), (1, b"\x05\0\0\0")] {
        let section = FORMAT.section(number);
        section.begin(&mut out, body.len() as u64).expect("memory");
        out.extend_from_slice(body);
    }
    out
}

#[test]
fn sections_are_found_in_any_order() {
    let bytes = sample();
    let sections = Sections::parse(&FORMAT, &bytes).expect("a sound file");
    let mut one = sections.reader(FORMAT.section(1));
    assert_eq!(one.u32().expect("four bytes"), 5);
    one.expect_left(0).expect("nothing more");
    let mut two = sections.reader(FORMAT.section(2));
    assert_eq!(two.bytes(6).expect("six bytes"), b"second");
    assert!(
        matches!(two.u8(), Err(InteropError::Truncated { place: Place::Section(s), needed: 1, found: 0, .. }) if s == FORMAT.section(2))
    );
}

#[test]
fn a_length_beyond_all_memory_is_a_truncated_file() {
    let mut bytes = sample();
    bytes[16..24].fill(0xff);
    let refused = Sections::parse(&FORMAT, &bytes).expect_err("too long");
    assert!(
        matches!(refused, InteropError::Truncated { needed: u64::MAX, .. }),
        "{refused}"
    );
}

#[test]
fn a_number_of_sections_beyond_the_file_is_a_truncated_file() {
    let mut bytes = sample();
    bytes[8..12].fill(0xff);
    let refused = Sections::parse(&FORMAT, &bytes).expect_err("too many");
    assert!(
        matches!(
            refused,
            InteropError::Truncated {
                place: Place::SectionHeader(3),
                ..
            }
        ),
        "{refused}"
    );
}
