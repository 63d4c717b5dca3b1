//! Adapters are found and picked, and unfit ones refused by what they lack.

use super::*;

#[test]
fn software_adapter_is_found_and_usable() {
    let found = adapters();
    let software = found.iter().find(|a| a.kind == Kind::Software);
    let software = software.expect("software Vulkan is installed");
    assert_eq!(software.refusal, None);
    assert!(software.to_string().contains(&software.name));
}

#[test]
fn adapter_that_is_not_there_is_named_with_those_that_are() {
    let wanted = Selection::Named("no such card".to_owned());
    let Err(GpuError::NoSuchAdapter { wanted, offered }) = pick(&wanted) else {
        panic!("there is no such card");
    };
    assert!(wanted.contains("no such card"));
    assert_eq!(offered.split("; ").count(), adapters().len());
}

#[test]
fn adapter_that_is_too_small_is_refused_by_the_limit() {
    let enough = Limits {
        max_immediate_size: 128,
        max_storage_buffer_binding_size: 1 << 24,
        max_buffer_size: 1 << 24,
        ..Limits::default()
    };
    assert_eq!(refusal("card", NEEDED_FEATURES, &enough), None);
    let small = Limits {
        max_storage_buffer_binding_size: 1 << 20,
        ..enough.clone()
    };
    let refused = refusal("card", NEEDED_FEATURES, &small);
    let expected = GpuError::TooSmall {
        adapter: "card".to_owned(),
        limit: "maxStorageBufferBindingSize",
        needed: 1 << 24,
        offered: 1 << 20,
    };
    assert_eq!(refused, Some(expected));
    let refused = refusal("card", Features::empty(), &enough);
    assert!(matches!(refused, Some(GpuError::MissingFeature { .. })));
}

#[test]
fn hardware_comes_before_software() {
    assert!(Kind::Discrete < Kind::Integrated && Kind::Integrated < Kind::Software);
    let found = adapters();
    let usable: Vec<_> = found
        .iter()
        .filter(|a| a.refusal.is_none())
        .map(|a| a.kind)
        .collect();
    assert!(usable.is_sorted());
}
