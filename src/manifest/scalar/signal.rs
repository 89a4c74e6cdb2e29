//! Signals.

use std::fmt;

use crate::manifest::fault::{Fault, Meant, shown};
use crate::manifest::notation::{Notation, notation};

/// A signal by name (`SIGTERM` or `TERM`) or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(pub i32);

notation!(Signal);

/// Signals by number, from 1.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
const REALTIME: i32 = 34;

impl Signal {
    /// The name with `SIG`, or the number of a signal that has none.
    #[must_use]
    pub fn name(self) -> String {
        let index = usize::try_from(self.0 - 1).ok();
        match index.and_then(|index| SIGNALS.get(index)) {
            Some(name) => format!("SIG{name}"),
            None if self.0 == REALTIME => "SIGRTMIN".to_owned(),
            None if self.0 > REALTIME => format!("SIGRTMIN+{}", self.0 - REALTIME),
            None => self.0.to_string(),
        }
    }

    fn named(name: &str) -> Option<i32> {
        if let Some(index) = SIGNALS.iter().position(|known| *known == name) {
            return i32::try_from(index + 1).ok();
        }
        match name.strip_prefix("RTMIN")? {
            "" => Some(REALTIME),
            plus => {
                let digits =
                    plus.strip_prefix('+').filter(|d| d.bytes().all(|b| b.is_ascii_digit()))?;
                let above = digits
                    .parse::<i32>()
                    .ok()
                    .filter(|n| *n <= 30 && !(digits.len() > 1 && digits.starts_with('0')));
                above.map(|above| REALTIME + above)
            }
        }
    }
}

impl Notation for Signal {
    const WANTED: &'static str = "a signal such as `SIGTERM`";
    const INTEGERS: Option<(u64, u64)> = Some((1, 64));

    fn pattern() -> String {
        let names = SIGNALS.join("|");
        format!(r"^((SIG)?({names}|RTMIN(\+([0-9]|[12][0-9]|30))?)|[1-9]|[1-5][0-9]|6[0-4])$")
    }

    fn number(number: u64) -> Result<Self, Fault> {
        i32::try_from(number).map(Self).map_err(|_| Fault::value("not a signal", "not a signal"))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let number = text.parse::<i32>().ok();
        let digits = !text.starts_with(['0', '+']);
        if let Some(number) = number.filter(|number| digits && (1..=64).contains(number)) {
            return Ok(Self(number));
        }
        let name = text.strip_prefix("SIG").unwrap_or(text);
        Self::named(name).map(Self).ok_or_else(|| unknown_signal(text))
    }
}

fn unknown_signal(text: &str) -> Fault {
    let fault = Fault::value(format!("{} is not a signal", shown(text)), "not a signal");
    let upper = text.to_ascii_uppercase();
    let names: Vec<String> = SIGNALS.iter().map(|name| format!("SIG{name}")).collect();
    let word = format!("SIG{}", upper.strip_prefix("SIG").unwrap_or(&upper));
    let meant = Meant::among(&word, names.iter().map(String::as_str));
    let fault = match meant.only().filter(|_| meant.certain) {
        Some(name) => fault.fix(name),
        None => fault,
    };
    let other = || "write a name from signal(7), such as `SIGTERM`".to_owned();
    fault.help(meant.question().unwrap_or_else(other))
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals() {
        assert_eq!(Signal::read("TERM"), Ok(Signal(15)));
        assert_eq!(Signal::read("SIGRTMIN+3"), Ok(Signal(37)));
        assert_eq!(Signal(37).to_string(), "SIGRTMIN+3");
        assert_eq!(Signal::read("SIGTREM").unwrap_err().fix.as_deref(), Some("SIGTERM"));
    }
}
