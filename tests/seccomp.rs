//! Filters decide what their policies say, and what libseccomp says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::cast_possible_truncation, unreachable_pub)]

#[path = "seccomp/machine.rs"]
mod machine;
#[path = "seccomp/oracle.rs"]
mod oracle;

use std::time::{Duration, Instant};

use machine::{ARGUMENTS, numbers, run};
use sixdocker::capability::Capability;
use sixdocker::manifest::{Landlock, Refusal, Seccomp, SeccompBase, Security, SecurityLevel};
use sixdocker::seccomp::calls::{Architecture, CALLS, Call};
use sixdocker::seccomp::policy::{MISSING, Outcome, Policy, REFUSED};
use sixdocker::seccomp::{Filter, draft, filter, program};

const KERNEL: &str = "6.12.0";
const LEVELS: [SecurityLevel; 3] =
    [SecurityLevel::Strict, SecurityLevel::Default, SecurityLevel::Loose];

fn security(level: SecurityLevel) -> Security {
    Security {
        level,
        capabilities: Vec::new(),
        no_new_privileges: true,
        seccomp: Seccomp {
            base: SeccompBase::Level,
            allow: Vec::new(),
            deny: Vec::new(),
            refuse_with: Refusal::Errno,
        },
        landlock: Landlock::Auto,
        masked_paths: None,
        readonly_paths: None,
        nested_namespaces: false,
    }
}

fn from_file(text: &str, capabilities: &[Capability]) -> Policy {
    let mut security = security(SecurityLevel::Default);
    security.capabilities = capabilities.to_vec();
    security.seccomp.base = SeccompBase::File("profile.json".into());
    draft(&security, Some(text), KERNEL, Architecture::X86_64).unwrap().unwrap().policy
}

fn fault_of(text: &str) -> String {
    let mut security = security(SecurityLevel::Default);
    security.seccomp.base = SeccompBase::File("profile.json".into());
    let problems = filter(&security, Some(text), KERNEL).unwrap_err();
    assert_eq!(problems[0].code, "bad_profile");
    problems[0].text.clone()
}

fn ready(security: &Security) -> Filter {
    filter(security, None, KERNEL).unwrap().unwrap()
}

fn outcome(policy: &Policy, name: &str, arguments: [u64; 6]) -> Outcome {
    let number = Call::named(name).unwrap().number(policy.architecture).unwrap();
    policy.outcome(policy.architecture.audit(), number.into(), &arguments)
}

fn policy(security: &Security) -> Policy {
    draft(security, None, KERNEL, Architecture::X86_64).unwrap().unwrap().policy
}

/// The program and the policy agree over every number and every interesting argument.
fn agree(policy: &Policy) {
    let program = program::compile(policy);
    assert!(program.len() <= 4096, "{} instructions", program.len());
    let own = policy.architecture.audit();
    for architecture in [own, 0x4000_0003, 0x4000_0028, 0] {
        for number in numbers() {
            for arguments in ARGUMENTS {
                let wanted = policy.outcome(architecture, number, arguments).returned();
                let got = run(&program, architecture, number, arguments);
                assert_eq!(got, wanted, "{architecture:#x} {number} {arguments:x?}");
            }
        }
    }
}

#[test]
fn every_level_compiles_to_what_it_says() {
    let sets: [&[Capability]; 4] =
        [&[], &[Capability::SysAdmin], &[Capability::NetRaw, Capability::SysTime], Capability::ALL];
    for level in LEVELS {
        for architecture in [Architecture::X86_64, Architecture::Aarch64] {
            for (capabilities, nested) in sets.iter().flat_map(|set| [(set, false), (set, true)]) {
                let mut security = security(level);
                security.capabilities = capabilities.to_vec();
                security.nested_namespaces = nested;
                agree(&draft(&security, None, KERNEL, architecture).unwrap().unwrap().policy);
            }
        }
    }
}

#[test]
fn every_refusal_compiles_to_what_it_says() {
    for refusal in [Refusal::Errno, Refusal::Kill, Refusal::Log] {
        let mut security = security(SecurityLevel::Default);
        security.seccomp.refuse_with = refusal;
        security.seccomp.allow = vec!["listns".into(), "keyctl".into()];
        security.seccomp.deny = vec!["socket".into(), "clone3".into()];
        agree(&policy(&security));
    }
}

/// A profile whose arguments need more instructions than a conditional jump can cross.
#[test]
fn long_jumps_arrive() {
    let rule = |n: u64, call: &Call| {
        let name = call.name;
        format!(
            r#"{{"names":["{name}"],"action":"SCMP_ACT_ALLOW","args":[
                {{"index":{},"value":{},"op":"SCMP_CMP_EQ"}},
                {{"index":{},"value":{},"op":"SCMP_CMP_GT"}}]}}"#,
            n % 3,
            n * 0x1_0000_0001,
            n % 3 + 3,
            n << 30
        )
    };
    let rules: Vec<_> = (1..).zip(CALLS.iter().take(300)).map(|(n, call)| rule(n, call)).collect();
    let text = format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#, rules.join(","));
    let policy = from_file(&text, &[]);
    assert!(program::compile(&policy).len() > 2000);
    agree(&policy);
}

#[test]
fn the_default_refuses_what_docker_refuses() {
    let policy = policy(&security(SecurityLevel::Default));
    let refused = "acct add_key bpf chroot delete_module fsopen init_module io_uring_setup ioperm \
        iopl kcmp kexec_load keyctl mount move_mount open_by_handle_at open_tree perf_event_open \
        pidfd_getfd pivot_root quotactl reboot request_key setns settimeofday swapon syslog \
        umount2 unshare userfaultfd vhangup";
    for name in refused.split_whitespace() {
        assert_eq!(outcome(&policy, name, [0; 6]), REFUSED, "{name}");
    }
    for name in "read execve ptrace seccomp landlock_restrict_self mseal getxattrat".split(' ') {
        assert_eq!(outcome(&policy, name, [0; 6]), Outcome::Allow, "{name}");
    }
    for name in ["clone3", "open_tree_attr", "listns"] {
        assert_eq!(outcome(&policy, name, [0; 6]), MISSING, "{name}");
    }
}

#[test]
fn arguments_are_looked_at() {
    let policy = policy(&security(SecurityLevel::Default));
    let first = |name, value| outcome(&policy, name, [value, 0, 0, 0, 0, 0]);
    assert_eq!(first("clone", 0x11), Outcome::Allow);
    for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000] {
        assert_eq!(first("clone", flag | 0x11), REFUSED, "{flag:#x}");
    }
    for (family, wanted) in [(1, Outcome::Allow), (2, Outcome::Allow), (38, REFUSED), (40, REFUSED)]
    {
        assert_eq!(first("socket", family), wanted, "{family}");
    }
    assert_eq!(first("personality", 0xffff_ffff), Outcome::Allow);
    assert_eq!(first("personality", 0x40_0000), REFUSED);
    for request in [0x5412, 0x541c, 0xffff_ffff_0000_5412, 0x1_0000_541c] {
        assert_eq!(outcome(&policy, "ioctl", [0, request, 0, 0, 0, 0]), REFUSED, "{request:#x}");
    }
    assert_eq!(outcome(&policy, "ioctl", [0, 0x5401, 0, 0, 0, 0]), Outcome::Allow);
}

#[test]
fn other_entry_points_are_shut() {
    let policy = policy(&security(SecurityLevel::Default));
    for number in numbers() {
        assert_eq!(policy.outcome(0x4000_0003, number, &[0; 6]), MISSING, "i386 {number}");
    }
    for number in 0..600 {
        let x32 = 0x4000_0000 | number;
        assert_eq!(policy.outcome(0xc000_003e, x32, &[0; 6]), MISSING, "x32 {number}");
    }
}

#[test]
fn a_capability_opens_its_calls_and_no_others() {
    let plain = policy(&security(SecurityLevel::Default));
    let mut with = security(SecurityLevel::Default);
    with.capabilities = vec![Capability::SysTime];
    let with = policy(&with);
    for call in CALLS.iter().filter(|call| call.number(Architecture::X86_64).is_some()) {
        let opened = ["settimeofday", "clock_settime"].contains(&call.name);
        let same = outcome(&plain, call.name, [0; 6]) == outcome(&with, call.name, [0; 6]);
        assert_eq!(same, !opened, "{}", call.name);
    }
}

#[test]
fn levels_tell_their_difference() {
    assert!(ready(&security(SecurityLevel::Default)).difference.is_empty());
    let strict = ready(&security(SecurityLevel::Strict)).difference;
    assert!(strict.opened.is_empty(), "{strict:?}");
    assert!(strict.shut.contains(&"ptrace") && strict.altered.contains(&"socket"), "{strict:?}");
    let loose = ready(&security(SecurityLevel::Loose)).difference;
    assert!(loose.shut.is_empty(), "{loose:?}");
    assert!(loose.opened.contains(&"io_uring_setup"), "{loose:?}");
}

#[test]
fn an_unknown_call_has_its_place_and_a_suggestion() {
    let mut security = security(SecurityLevel::Default);
    security.seccomp.allow = vec!["keyctl".into(), "perf_event_opne".into()];
    let problems = filter(&security, None, KERNEL).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].code, "unknown_syscall");
    assert_eq!(problems[0].fix.as_deref(), Some("perf_event_open"));
    assert!(format!("{:?}", problems[0].at).contains("/security/seccomp/allow/1"));
}

#[test]
fn faults_of_a_profile_are_told_with_their_line() {
    let action = "{\n\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"syscalls\": [\n{\"names\": [\"read\"], \"action\": \"SCMP_ACT_NOTIFY\"}]}";
    assert!(fault_of(action).contains("line 4"), "{}", fault_of(action));
    assert!(fault_of(action).contains("listener"));
    assert!(fault_of("{").contains("line 1"));
    assert!(fault_of(r#"{"defaultAction": "SCMP_ACT_ALLOW", "sycalls": []}"#).contains("sycalls"));
    let foreign = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_S390X"]}"#;
    assert!(fault_of(foreign).contains("SCMP_ARCH_S390X"));
    let twice = r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW"}, {"names": ["read"], "action": "SCMP_ACT_KILL"}]}"#;
    assert!(fault_of(twice).contains("`read`"));
}

#[test]
fn a_profile_depends_on_capabilities_and_kernel() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "syscalls": [
        {"names": ["mount", "chown32"], "action": "SCMP_ACT_ALLOW", "args": null, "includes": {"caps": ["CAP_SYS_ADMIN"]}},
        {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
        {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "99.0"}},
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38, "excludes": {"caps": ["CAP_SYS_ADMIN"]}}]}"#;
    let plain = from_file(text, &[]);
    let admin = from_file(text, &[Capability::SysAdmin]);
    let both = |name| (outcome(&plain, name, [0; 6]), outcome(&admin, name, [0; 6]));
    assert_eq!(both("mount"), (REFUSED, Outcome::Allow));
    assert_eq!(both("ptrace"), (Outcome::Allow, Outcome::Allow));
    assert_eq!(both("kcmp"), (REFUSED, REFUSED));
    assert_eq!(both("clone3"), (MISSING, REFUSED));
    assert_eq!(both("mseal"), (MISSING, MISSING), "newer than the profile");
}

#[test]
fn the_default_is_short_and_soon_built() {
    let security = security(SecurityLevel::Default);
    let build = |_| {
        let begun = Instant::now();
        assert!(ready(&security).allowed > 300);
        begun.elapsed()
    };
    let fastest = (0..50).map(build).min().unwrap_or(Duration::MAX);
    let length = ready(&security).program.len();
    println!("the default filter: {length} instructions, built in {fastest:?}");
    assert!(length < 300, "{length} instructions");
}
