//! Init alone, under plans made by hand: no planner, and no parent but this test.
//!
//! It has a main of its own, since a process with one thread is what init is cloned from, and an
//! allocator that ends init when it allocates between the clone and exec.
#![allow(unsafe_code, reason = "an allocator is unsafe by nature")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::exit, reason = "a test")]

#[path = "init/plans.rs"]
mod plans;
#[path = "init/stage.rs"]
mod stage;

#[path = "init/covers.rs"]
mod covers;
#[path = "init/hostile.rs"]
mod hostile;
#[path = "init/ordinary.rs"]
mod ordinary;
#[path = "init/refusals.rs"]
mod refusals;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the process that allocates when it may not.
struct Watched;

static FORBIDDEN: AtomicBool = AtomicBool::new(false);

/// The code of a process that allocated.
const ALLOCATED: i32 = 99;

// SAFETY: it is the system's allocator, or the end of the process.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if FORBIDDEN.load(Ordering::Relaxed) {
            sixdocker::sys::quit(ALLOCATED);
        }
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watched = Watched;

type Case = (&'static str, fn());

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let cases = [ordinary::CASES, covers::CASES, hostile::CASES, refusals::CASES].concat();
    let mut failed = 0;
    for (name, case) in cases {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let ended = std::panic::catch_unwind(case);
        println!("test {name} ... {}", if ended.is_ok() { "ok" } else { "FAILED" });
        failed += i32::from(ended.is_err());
    }
    std::process::exit(failed.min(1));
}
