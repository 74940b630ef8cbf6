//! The embedded store.

mod common;

use common::Sessions;

conformance_suite!((Sessions::memory(), ()));

#[test]
fn instances_share_nothing() {
    let (mut one, mut other) = (Sessions::memory(), Sessions::memory());
    let token = one.token("app", "ann", "{}");
    assert!(other.ok(common::get("app", &token)).is_null());
    assert_eq!(other.ok(common::kill_all("app", "ann")), false);
    assert_eq!(one.ok(common::kill("app", &token)), true);
}
