#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sixdocker::foreign::read("seccomp", bytes));
