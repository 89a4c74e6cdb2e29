//! Has the linker put the functions that every start runs side by side.
//!
//! A page fault on the program's file maps sixteen pages (`benches/README.md`). In the order of
//! the compiler a start touches fifty such windows, in this one twenty. `benches/order` writes
//! the list, as patterns without the hashes that each version of the compiler and of a library
//! gives its names. What matches none is in the same program, in another place.

use std::env;
use std::path::Path;
use std::process::Command;

const ORDER: &str = "src/sys/start.ld";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    println!("cargo::rerun-if-env-changed=SIXDOCKER_MAP");
    let is = |name, value| env::var(name).is_ok_and(|found| found == value);
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let other = ["linker", "fuse-ld", "ld-path"].iter().any(|word| flags.contains(word));
    // Whoever names a linker has that one.
    if !is("PROFILE", "release")
        || !is("CARGO_CFG_TARGET_ARCH", "x86_64")
        || env::var_os("RUSTC_LINKER").is_some()
        || other
    {
        return;
    }
    // Only LLVM's linker takes such a list; it comes with the compiler where that uses it itself.
    let Some(linker) = linker() else { return };
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let order = ["-T".to_owned(), Path::new(&root).join(ORDER).display().to_string()];
    let map =
        env::var("SIXDOCKER_MAP").map(|path| ["--no-demangle".to_owned(), format!("-Map={path}")]);
    let words = order.into_iter().chain(map.into_iter().flatten());
    let linkers = words.flat_map(|word| ["-Xlinker".to_owned(), word]);
    let ours = ["-fuse-ld=lld".to_owned(), format!("-B{linker}")];
    for argument in ours.into_iter().chain(linkers) {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// The directory of the linker that comes with the compiler.
fn linker() -> Option<String> {
    let compiler = env::var("RUSTC").ok()?;
    let asked = Command::new(compiler).args(["--print", "sysroot"]).output().ok()?;
    let root = String::from_utf8(asked.stdout).ok()?;
    let host = env::var("HOST").ok()?;
    let directory = Path::new(root.trim()).join("lib/rustlib").join(host).join("bin/gcc-ld");
    directory.join("ld.lld").exists().then(|| directory.display().to_string())
}
