//! The profiles that are built in: `default`, `strict` and `loose`.

use super::calls::{Architecture, CALLS, Call, Least, NESTED, NEWEST};
use super::policy::{Clause, Condition, DONE, MISSING, Outcome, Policy, REFUSED, Test, Verdict};
use crate::capability::Capability;
use crate::manifest::SecurityLevel;

/// What opens calls that the level shuts: bits of capabilities, and [`NESTED`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Openers(u64);

impl Openers {
    /// These capabilities, and whether namespaces may be made inside.
    #[must_use]
    pub fn new(capabilities: &[Capability], nested: bool) -> Self {
        let bits = capabilities.iter().fold(0, |bits, capability| bits | capability.bit());
        Self(if nested { bits | NESTED } else { bits })
    }

    const fn any(self, of: u64) -> bool {
        self.0 & of != 0
    }
}

/// The policy of a level.
#[must_use]
pub fn policy(level: SecurityLevel, openers: Openers, architecture: Architecture) -> Policy {
    let highest = CALLS.iter().filter_map(|call| call.number(architecture)).max().unwrap_or(0);
    let mut verdicts = Vec::new();
    verdicts.resize_with(usize::from(highest) + 1, || Verdict::always(MISSING));
    for call in CALLS {
        let slot =
            call.number(architecture).and_then(|number| verdicts.get_mut(usize::from(number)));
        if let Some(slot) = slot {
            *slot = verdict(call, level, openers);
        }
    }
    Policy { architecture, verdicts, beyond: MISSING, foreign: MISSING }
}

fn verdict(call: &Call, level: SecurityLevel, openers: Openers) -> Verdict {
    let least = match level {
        SecurityLevel::Strict => Least::Strict,
        SecurityLevel::Default => Least::Default,
        SecurityLevel::Loose => Least::Loose,
    };
    if call.least == Least::Arguments {
        return by_arguments(call.name, level, openers);
    }
    if call.least <= least || openers.any(call.openers) {
        return Verdict::always(Outcome::Allow);
    }
    Verdict::always(refusal(call))
}

/// What a call gets that is refused. The C library goes on with `clone` where there is no
/// `clone3`, whose flags lie in memory, where no filter sees them; databases go on without
/// `io_setup`, of which one process may take all that the machine has (fs.aio-max-nr).
fn refusal(call: &Call) -> Outcome {
    let newer = call.number(Architecture::NATIVE).is_some_and(|number| number > NEWEST);
    if newer || ["clone3", "io_setup"].contains(&call.name) { MISSING } else { REFUSED }
}

fn by_arguments(name: &str, level: SecurityLevel, openers: Openers) -> Verdict {
    match name {
        "clone" => clone(openers),
        "socket" | "socketpair" => socket(level),
        "personality" => personality(level),
        "prctl" => prctl(level),
        "fcntl" => fcntl(level),
        _ => ioctl(level),
    }
}

/// CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. (NEWTIME is none of
/// clone's: the bit belongs to the exit signal.)
const NAMESPACES: u64 = 0x7e02_0000;

fn clone(openers: Openers) -> Verdict {
    if openers.any(NESTED | Capability::SysAdmin.bit()) {
        return Verdict::always(Outcome::Allow);
    }
    let plain = Condition::new(0, Test::Masked { mask: NAMESPACES, value: 0 });
    allow_only(vec![plain])
}

/// Families that the kernel has, without AF_ALG (its cryptography, CVE-2026-31431) and
/// AF_VSOCK (the hypervisor's other guests).
const FAMILIES: &[(u32, u32)] =
    &[(0, 11), (13, 18), (21, 22), (24, 24), (26, 33), (35, 36), (39, 39), (41, 45)];
/// AF_UNIX, AF_INET, AF_INET6.
const FEW_FAMILIES: &[(u32, u32)] = &[(1, 2), (10, 10)];
const MOST_FAMILIES: &[(u32, u32)] = &[(0, 37), (39, 39), (41, 63)];

fn socket(level: SecurityLevel) -> Verdict {
    let families = match level {
        SecurityLevel::Strict => FEW_FAMILIES,
        SecurityLevel::Default => FAMILIES,
        SecurityLevel::Loose => MOST_FAMILIES,
    };
    let number =
        |argument, value| Condition::new(argument, Test::Masked { mask: u32::MAX.into(), value });
    let among = vec![Condition::new(0, Test::Among(families))];
    let between = vec![number(0, AF_NETLINK), number(2, NETLINK_USERSOCK)];
    let clause = |conditions, outcome| Clause { conditions, outcome };
    let clauses = vec![clause(between, REFUSED), clause(among, Outcome::Allow)];
    Verdict { clauses, otherwise: REFUSED }
}

/// Messages from program to program, which no control group counts: gigabytes of them lie beside
/// a limit of memory.
const AF_NETLINK: u64 = 16;
const NETLINK_USERSOCK: u64 = 2;

/// Plain Linux, PER_LINUX32 and UNAME26, and the question what it is.
const PERSONALITIES: &[(u32, u32)] =
    &[(0, 0), (8, 8), (0x2_0000, 0x2_0000), (0x2_0008, 0x2_0008), (u32::MAX, u32::MAX)];
const FEW_PERSONALITIES: &[(u32, u32)] = &[(0, 0), (u32::MAX, u32::MAX)];

fn personality(level: SecurityLevel) -> Verdict {
    match level {
        SecurityLevel::Strict => {
            allow_only(vec![Condition::new(0, Test::Among(FEW_PERSONALITIES))])
        }
        SecurityLevel::Default => allow_only(vec![Condition::new(0, Test::Among(PERSONALITIES))]),
        SecurityLevel::Loose => Verdict::always(Outcome::Allow),
    }
}

const PR_SET_PDEATHSIG: u64 = 1;
const SIGKILL: u64 = 9;

/// The signal that ties PID 1 to the runner is its own to give up, and no other than SIGKILL
/// reaches it (pid_namespaces(7)): a command without one would outlive a runner that is killed.
/// Programs ask for others, to end with their parents, and give up where they are refused: they
/// are told that it was done.
fn prctl(level: SecurityLevel) -> Verdict {
    if level == SecurityLevel::Loose {
        return Verdict::always(Outcome::Allow);
    }
    let option = Test::Masked { mask: u32::MAX.into(), value: PR_SET_PDEATHSIG };
    let other = Condition { negated: true, ..Condition::new(1, Test::Equal(SIGKILL)) };
    let clause = Clause { conditions: vec![Condition::new(0, option), other], outcome: DONE };
    Verdict { clauses: vec![clause], otherwise: Outcome::Allow }
}

/// Whoever opens a file that has a lease waits for up to 45 s (fs.lease-break-time), also outside.
const F_SETLEASE: u64 = 1024;

fn fcntl(level: SecurityLevel) -> Verdict {
    let command = Test::Masked { mask: u32::MAX.into(), value: F_SETLEASE };
    let shut = Clause { conditions: vec![Condition::new(1, command)], outcome: REFUSED };
    let clauses = if level == SecurityLevel::Loose { Vec::new() } else { vec![shut] };
    Verdict { clauses, otherwise: Outcome::Allow }
}

/// They type into a terminal. The kernel looks at the lower half of the argument alone
/// (CVE-2017-5226, CVE-2023-28100).
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;
/// Loads a line discipline.
const TIOCSETD: u64 = 0x5423;
/// Nobody else may open the terminal, when the command is long gone (ioctl_tty(2)).
const TIOCEXCL: u64 = 0x540c;
/// With TCOOFF and TCIOFF it stops the terminal: whoever writes there waits for ever.
const TCXONC: u64 = 0x540a;
const TCOOFF: u64 = 0;
const TCIOFF: u64 = 2;

fn ioctl(level: SecurityLevel) -> Verdict {
    let shut: &[u64] = match level {
        SecurityLevel::Strict => &[TIOCSTI, TIOCLINUX, TIOCEXCL, TIOCSETD],
        SecurityLevel::Default => &[TIOCSTI, TIOCLINUX, TIOCEXCL],
        SecurityLevel::Loose => &[TIOCSTI, TIOCLINUX],
    };
    let request = |value| Condition::new(1, Test::Masked { mask: u32::MAX.into(), value });
    let refused = |conditions| Clause { conditions, outcome: REFUSED };
    let mut clauses: Vec<_> = shut.iter().map(|&value| refused(vec![request(value)])).collect();
    if level != SecurityLevel::Loose {
        let stops = [TCOOFF, TCIOFF].map(|stop| Condition::new(2, Test::Equal(stop)));
        clauses.extend(stops.map(|stop| refused(vec![request(TCXONC), stop])));
    }
    Verdict { clauses, otherwise: Outcome::Allow }
}

fn allow_only(conditions: Vec<Condition>) -> Verdict {
    let clause = Clause { conditions, outcome: Outcome::Allow };
    Verdict { clauses: vec![clause], otherwise: REFUSED }
}
