//! Lengths of time.

use std::fmt;

use crate::manifest::fault::{Fault, shown};
use crate::manifest::notation::{Notation, notation};

/// A length of time: `90s`, `1m30s`, `500ms`; a bare integer is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

notation!(Duration);

impl Notation for Duration {
    const WANTED: &'static str = "a duration such as `1m30s`";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_SECONDS));

    fn pattern() -> String {
        let part = |unit: &str| {
            let most = TIMES.iter().find(|(name, ..)| *name == unit).map_or(0, |time| time.2);
            format!("0*[0-9]{{1,{most}}}{unit}")
        };
        let [h, m, s, ms] = ["h", "m", "s", "ms"].map(part);
        let bare = s.trim_end_matches('s');
        format!("^({bare}|{h}({m})?({s})?({ms})?|{m}({s})?({ms})?|{s}({ms})?|{ms})$")
    }

    fn number(number: u64) -> Result<Self, Fault> {
        Ok(Self(std::time::Duration::from_secs(number)))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        match milliseconds(text) {
            Some(Some(millis)) => Ok(Self(std::time::Duration::from_millis(millis))),
            Some(None) => {
                Err(Fault::value(format!("{} is more than ten years", shown(text)), "too long")
                    .help("leave it out to have no limit"))
            }
            None => Err(not_a_duration(text)),
        }
    }
}

const MOST_SECONDS: u64 = 999_999_999;
/// A unit, its milliseconds, and as many digits before it as are enough for ten years.
const TIMES: [(&str, u64, usize); 4] =
    [("h", 3_600_000, 5), ("m", 60_000, 7), ("s", 1000, 9), ("ms", 1, 12)];

/// Hours, minutes, seconds, milliseconds, each at most once and in this order; nothing inside:
/// they have too many digits.
fn milliseconds(text: &str) -> Option<Option<u64>> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return amount(text, 1000, 9);
    }
    let (mut rest, mut total, mut next) = (text, Some(0), 0);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let (unit, after) =
            after.split_at(after.bytes().take_while(u8::is_ascii_alphabetic).count());
        let at = TIMES.iter().position(|(name, ..)| *name == unit)?;
        if at < next {
            return None;
        }
        let part = amount(number, TIMES[at].1, TIMES[at].2)?;
        total = total.zip(part).map(|(total, part)| total + part);
        (rest, next) = (after, at + 1);
    }
    Some(total)
}

/// Digits times their worth, unless there are too many of them.
fn amount(digits: &str, worth: u64, most: usize) -> Option<Option<u64>> {
    let short = digits.trim_start_matches('0').len() <= most;
    let number = if short { digits.parse::<u64>().ok() } else { None };
    (!digits.is_empty()).then(|| number.map(|number| number * worth))
}

fn not_a_duration(text: &str) -> Fault {
    let fault = Fault::value(format!("{} is not a duration", shown(text)), "not a duration");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim());
    let unit = match unit {
        "sec" | "secs" | "second" | "seconds" => "s",
        "min" | "mins" | "minute" | "minutes" => "m",
        "hour" | "hours" | "hr" | "hrs" => "h",
        "msec" | "millis" | "milliseconds" => "ms",
        _ => {
            return fault.help(
                "write hours, minutes, seconds, milliseconds in this order, such as `1m30s`",
            );
        }
    };
    if number.is_empty() {
        return fault.help("write a number before the unit, such as `90s`");
    }
    fault.help(format!("write `{number}{unit}`")).fix(format!("{number}{unit}"))
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, worth, _) in TIMES {
            if rest >= worth {
                write!(f, "{}{unit}", rest / worth)?;
                rest %= worth;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let millis = |text| Duration::read(text).ok().map(|time| time.0.as_millis());
        assert_eq!(millis("1m30s"), Some(90_000));
        assert_eq!(millis("500ms"), Some(500));
        assert_eq!(millis("7"), Some(7000));
        for bad in ["", "5s1m", "1.5s", "s", "5 minutes", "1s1s"] {
            assert_eq!(millis(bad), None, "{bad}");
        }
        assert_eq!(Duration::read("1h5ms").map(|time| time.to_string()), Ok("1h5ms".to_owned()));
    }
}
