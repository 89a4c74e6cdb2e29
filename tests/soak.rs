//! Thousands of sandboxes leave nothing, and nothing grows.
//!
//! A hundred one after another and twenty at once, as root and as a user; more on demand:
//! `SOAK=10000,500 cargo test --test soak -- --nocapture --test-threads 1`, which prints the
//! figures. `cargo test --test soak -- --ignored --nocapture` does so on cgroup v2, in a virtual
//! machine; as many as above take `VM_SECONDS=3000` there, and `cargo test --release`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "soak/soaking.rs"]
mod soaking;
mod support;

use std::sync::Mutex;

use soaking::{Count, soak};
use support::{
    Machine, as_user, busybox_root, busybox_root_of_user, is_root, need_root, sixdocker,
};

/// One at a time: the figures are the machine's.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn nothing_grows_as_root() {
    let _turn = TURN.lock();
    let root = busybox_root().display().to_string();
    let limits = if is_root() { "limits: {memory: 64m, pids: 20}\n" } else { "" };
    soak("root", &sixdocker, &root, limits, Count::asked(100, 20));
}

#[test]
fn nothing_grows_as_a_user() {
    if !need_root() {
        return;
    }
    let _turn = TURN.lock();
    let root = busybox_root_of_user().display().to_string();
    soak("user", &as_user, &root, "", Count::asked(100, 20));
}

/// This very program is what runs there.
#[test]
#[ignore = "it takes minutes"]
fn nothing_grows_in_a_machine() {
    let Some(machine) = Machine::new("6.12") else { return };
    let Count { serial, at_once } = Count::asked(500, 100);
    let printed = machine.run(&format!(
        "export SOAK={serial},{at_once}; exec /checks --nocapture --test-threads=1 nothing_grows_as"
    ));
    println!("{printed}");
    assert_eq!(printed.trim_end().lines().last(), Some("code 0"));
}
