//! The codes that `up` and `run` exit with.

use super::wrapped;
use crate::manifest::Signal;

/// All of them, as the manual has them.
pub(super) const ALL: &str = "\
Exit codes of `up` and `run`
  n        the command's own
  128 + n  signal n ended the command, or asked the runner to stop
  124      `timeout` or `limits.cpu_time` was used up
  125      the sandbox could not be set up, or what was asked for is no good
  126      the command is there but can't be executed
  127      the command was not found
  137      `limits.memory` or `limits.output` was reached (or SIGKILL ended it)
`check` exits with 0 or 1, `plan` with 1 where there is none to show, `audit` with 1 above
`--max` and with 2 where there is no score to tell.
";

/// What a code tells, or all codes.
pub(super) fn page(what: &str, width: usize) -> Option<String> {
    if matches!(what, "exit" | "exit_code" | "exit_codes" | "exit code" | "exit codes") {
        return Some(ALL.to_owned());
    }
    let code: u8 = what.parse().ok()?;
    let text = wrapped(&format!("{code}: {}", meaning(code)), width.min(100)).join("\n");
    Some(format!("{text}\n\n{ALL}"))
}

fn meaning(code: u8) -> String {
    match code {
        124 => "its time was used up: `timeout` or `limits.cpu_time`".to_owned(),
        125 => {
            "nothing was run, or its report or output could not be written; the message says why"
                .to_owned()
        }
        126 => "the command is there but can't be executed; the message says why".to_owned(),
        127 => "the command was not found in the sandbox's PATH; the message says where it was \
                looked for"
            .to_owned(),
        137 => {
            "`limits.memory` or `limits.output` was reached, in which case the message says so; \
                or SIGKILL ended it (128 + 9)"
                .to_owned()
        }
        139 => "SIGSEGV ended it (128 + 11); so does abort() in process 1, unless `init: true`"
            .to_owned(),
        129..=192 => {
            let number = code - 128;
            format!("{} ended it (128 + {number})", Signal(number.into()))
        }
        _ => "the command's own code".to_owned(),
    }
}
