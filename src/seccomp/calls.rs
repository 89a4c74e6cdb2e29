//! The system calls that there are: their numbers, and from which level on each is let through.
//!
//! The policy is that of docker's default profile (moby/profiles, seccomp/default_linux.go at
//! 02e898b137ae, which knows the calls of Linux 6.13), with the two ioctls refused that type
//! into somebody's terminal. The numbers are those of Linux 6.19.

use crate::capability::Capability as C;

/// A machine's own way to call the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    X86_64,
    Aarch64,
}

impl Architecture {
    /// The one that this program is compiled for.
    pub const NATIVE: Self =
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 };

    /// AUDIT_ARCH_*, as the kernel tells it to a filter.
    #[must_use]
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }
}

/// The least strict level that still refuses nothing of a call, from the strictest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Least {
    /// Every level lets it through.
    Strict,
    Default,
    Loose,
    /// No level does, only what is listed after it.
    Never,
    /// It depends on the arguments.
    Arguments,
}

/// A system call.
#[derive(Debug)]
pub struct Call {
    pub name: &'static str,
    /// On x86-64 and on aarch64.
    numbers: [Option<u16>; 2],
    pub least: Least,
    /// Capabilities any of which opens it at every level, and [`NESTED`].
    pub openers: u64,
}

impl Call {
    /// Its number, where this architecture has it.
    #[must_use]
    pub const fn number(&self, architecture: Architecture) -> Option<u16> {
        self.numbers[architecture as usize]
    }

    /// The call of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        CALLS.iter().find(|call| call.name == name)
    }
}

/// Opened by `nested_namespaces`: what a sandbox within the sandbox needs.
pub const NESTED: u64 = 1 << 63;
/// The highest number that docker's profile knows. What is newer does not exist for programs
/// inside, so that they fall back to what they did before there was such a call.
pub const NEWEST: u16 = 466;

const BPF: u64 = C::Bpf.bit();
const DAC_READ_SEARCH: u64 = C::DacReadSearch.bit();
const PERFMON: u64 = C::Perfmon.bit();
const SYSLOG: u64 = C::Syslog.bit();
const SYS_ADMIN: u64 = C::SysAdmin.bit();
const SYS_BOOT: u64 = C::SysBoot.bit();
const SYS_CHROOT: u64 = C::SysChroot.bit();
const SYS_MODULE: u64 = C::SysModule.bit();
const SYS_NICE: u64 = C::SysNice.bit();
const SYS_PACCT: u64 = C::SysPacct.bit();
const SYS_PTRACE: u64 = C::SysPtrace.bit();
const SYS_RAWIO: u64 = C::SysRawio.bit();
const SYS_TIME: u64 = C::SysTime.bit();
const SYS_TTY_CONFIG: u64 = C::SysTtyConfig.bit();

/// The bits together.
const fn any_of(mut bits: &[u64]) -> u64 {
    let mut all = 0;
    while let [first, rest @ ..] = bits {
        all |= *first;
        bits = rest;
    }
    all
}

macro_rules! number {
    (-) => {
        None
    };
    ($number:literal) => {
        Some($number)
    };
}

/// One line a call: its number on x86-64 and on aarch64, its name, from which level on, openers.
macro_rules! calls {
    ($($x86:tt $arm:tt $name:ident: $least:ident $($opener:ident)*;)*) => {
        /// All of them, in the order of their numbers on x86-64.
        pub static CALLS: &[Call] = &[$(Call {
            name: stringify!($name),
            numbers: [number!($x86), number!($arm)],
            least: Least::$least,
            openers: any_of(&[$($opener),*]),
        }),*];
    };
}

mod table;
pub use table::CALLS;
