//! Tests of the fold over blocks: anchors, the vault, undoing.
