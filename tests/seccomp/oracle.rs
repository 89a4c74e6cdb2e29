//! The same profile, by libseccomp.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::machine::{ARGUMENTS, run};
use sixdocker::seccomp::calls::{Architecture, CALLS, Call};
use sixdocker::seccomp::program;

/// A rule for a call: an errno or -1, and (argument, operator, a, b).
type Rule = (&'static str, i32, Vec<(u8, &'static str, u64, u64)>);

fn rules() -> Vec<Rule> {
    let whole = |(n, call): (usize, &Call)| (n % 5 != 0).then_some((call.name, -1, Vec::new()));
    let mut rules: Vec<Rule> = CALLS.iter().enumerate().skip(60).filter_map(whole).collect();
    let operators = ["NE", "LT", "LE", "EQ", "GE", "GT"];
    let values = [0, 1, 38, 0x5412, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0028, u64::MAX];
    let cases = operators.iter().flat_map(|op| values.map(|value| (*op, value)));
    for (n, (op, value)) in cases.enumerate() {
        rules.push((
            CALLS[n].name,
            if n % 3 == 0 { 38 } else { -1 },
            vec![(n as u8 % 6, op, value, 0)],
        ));
    }
    let masked = |mask, value| vec![(1, "MASKED_EQ", mask, value), (0, "GT", 0, 0)];
    rules.push((CALLS[50].name, -1, masked(0x7e02_0000, 0)));
    rules.push((CALLS[51].name, -1, masked(0xffff_ffff, 0x5412)));
    rules.push((CALLS[52].name, 13, masked(0xffff_0000_0000, 0x1_0000_0000)));
    rules
}

fn json(rules: &[Rule]) -> String {
    let rule = |(name, errno, arguments): &Rule| {
        let argument = |(index, op, a, b): &(u8, &str, u64, u64)| {
            format!(r#"{{"index":{index},"value":{a},"valueTwo":{b},"op":"SCMP_CMP_{op}"}}"#)
        };
        let arguments: Vec<_> = arguments.iter().map(argument).collect();
        let action = match errno {
            -1 => r#""action":"SCMP_ACT_ALLOW""#.to_owned(),
            errno => format!(r#""action":"SCMP_ACT_ERRNO","errnoRet":{errno}"#),
        };
        format!(r#"{{"names":["{name}"],{action},"args":[{}]}}"#, arguments.join(","))
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    format!(r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{}]}}"#, rules.join(","))
}

fn lines(rules: &[Rule]) -> String {
    let mut text = "default 1\n".to_owned();
    for (name, errno, arguments) in rules {
        text += &format!("rule {name} {errno}");
        for (index, op, a, b) in arguments {
            text += &format!(" {index} {op} {a} {b}");
        }
        text.push('\n');
    }
    text
}

/// libseccomp's program, and the names that it does not know; `None` where there is no
/// libseccomp to ask, which in CI is a failure.
fn libseccomp(rules: &[Rule]) -> Option<(Vec<(u16, u8, u8, u32)>, Vec<String>)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seccomp/oracle.c");
    let binary = Path::new(env!("CARGO_TARGET_TMPDIR")).join("seccomp-oracle");
    let built = Command::new("cc").arg(source).arg("-o").arg(&binary).arg("-lseccomp").status();
    if !built.is_ok_and(|status| status.success()) {
        assert!(std::env::var_os("CI").is_none(), "the oracle needs cc and libseccomp-dev");
        eprintln!("SKIPPED: cc and libseccomp-dev are not here, nobody compares with libseccomp");
        return None;
    }
    let mut command = Command::new(binary);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines(rules).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let word = |at: &[u8]| u16::from_le_bytes([at[0], at[1]]);
    let instruction =
        |at: &[u8]| (word(at), at[2], at[3], u32::from_le_bytes([at[4], at[5], at[6], at[7]]));
    let program = output.stdout.chunks_exact(8).map(instruction).collect();
    Some((program, told.lines().map(str::to_owned).collect()))
}

#[test]
fn libseccomp_decides_the_same() {
    let rules = rules();
    let Some((theirs, unknown)) = libseccomp(&rules) else { return };
    let policy = super::from_file(&json(&rules), &[]);
    let ours = program::compile(&policy);
    let audit = Architecture::NATIVE.audit();
    let mut compared = 0;
    for call in CALLS.iter().filter(|call| !unknown.iter().any(|name| name == call.name)) {
        let Some(number) = call.number(Architecture::NATIVE) else { continue };
        if usize::from(number) >= policy.verdicts.len() {
            continue;
        }
        for arguments in ARGUMENTS {
            let number = number.into();
            let (own, other) =
                (run(&ours, audit, number, arguments), run(&theirs, audit, number, arguments));
            assert_eq!(own, other, "{} {arguments:x?}", call.name);
            compared += 1;
        }
    }
    println!(
        "{compared} verdicts equal to libseccomp's; {} names are newer than it",
        unknown.len()
    );
    println!("{} instructions, libseccomp {}", ours.len(), theirs.len());
    assert!(compared > 5000);
}
