//! Numbers of bytes.

use std::fmt;

use crate::manifest::fault::{Fault, shown};
use crate::manifest::notation::{Notation, notation};

/// A number of bytes: an integer, or `100m`, `1GiB`, `1.5g` (1024-based).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

notation!(Size);

/// The largest number of bytes that the kernel can count.
const MOST_BYTES: u64 = i64::MAX as u64;
/// A unit, its power of two, and as many digits before it as can't come to too much.
type Unit = (char, u32, usize);
const UNITS: [Unit; 6] =
    [('k', 10, 15), ('m', 20, 12), ('g', 30, 9), ('t', 40, 6), ('p', 50, 3), ('e', 60, 1)];
const BYTE_DIGITS: usize = 18;

impl Size {
    /// As many digits before each unit as can't come to more than the kernel counts.
    pub(crate) const PATTERN: &str = r"0*([0-9]{1,18}[bB]?|([0-9]{1,15}(\.[0-9]+)?[kK]|[0-9]{1,12}(\.[0-9]+)?[mM]|[0-9]{1,9}(\.[0-9]+)?[gG]|[0-9]{1,6}(\.[0-9]+)?[tT]|[0-9]{1,3}(\.[0-9]+)?[pP]|[0-7](\.[0-9]+)?[eE])([iI]?[bB])?)";
}

impl Notation for Size {
    const WANTED: &'static str = "a size such as `100m`";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_BYTES));

    fn pattern() -> String {
        format!("^{}$", Self::PATTERN)
    }

    fn number(number: u64) -> Result<Self, Fault> {
        Ok(Self(number))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, unit) = text.split_at(digits);
        let Some((shift, most)) = scale(unit) else { return Err(bad_unit(text, number, unit)) };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !(digits(whole) && digits(fraction)) || number.contains('.') && shift == 0 {
            return Err(not_a_size(text));
        }
        let short = whole.trim_start_matches('0').len() <= most;
        let size = scaled(whole, fraction, shift).filter(|_| short);
        size.map(Self).ok_or_else(|| {
            Fault::value(format!("{} is more than the kernel can count", shown(text)), "too large")
                .help("leave the limit out to have none")
        })
    }
}

/// The power of two of a unit, and how many digits may stand before it.
fn scale(unit: &str) -> Option<(u32, usize)> {
    let unit = unit.to_ascii_lowercase();
    if unit.is_empty() || unit == "b" {
        return Some((0, BYTE_DIGITS));
    }
    let (prefix, rest) = unit.split_at_checked(1)?;
    let (_, shift, digits) = UNITS.iter().find(|(letter, ..)| prefix.starts_with(*letter))?;
    matches!(rest, "" | "b" | "ib").then_some((*shift, *digits))
}

/// `whole.fraction` × 2^`shift`, if the kernel can count it.
fn scaled(whole: &str, fraction: &str, shift: u32) -> Option<u64> {
    let whole = whole.parse::<u128>().ok()?.checked_mul(1 << shift)?;
    let fraction = fraction.get(..15).unwrap_or(fraction);
    let parts = fraction.parse::<u128>().ok()? << shift;
    let total = whole.checked_add(parts / 10_u128.pow(u32::try_from(fraction.len()).ok()?))?;
    u64::try_from(total).ok().filter(|bytes| *bytes <= MOST_BYTES)
}

fn not_a_size(text: &str) -> Fault {
    Fault::value(format!("{} is not a size", shown(text)), "not a size").help(
        "write bytes as an integer, or a number with k, m, g or t, such as `100m` or `1.5GiB`",
    )
}

fn bad_unit(text: &str, number: &str, unit: &str) -> Fault {
    let unit = unit.trim();
    if number.is_empty() || unit.is_empty() {
        return not_a_size(text);
    }
    let fault = match scale(unit) {
        Some(_) => Fault::value(format!("{} holds a blank", shown(text)), "not a size"),
        None => Fault::value(
            format!("{} is not a size: the unit {} is not known", shown(text), shown(unit)),
            "unknown unit",
        ),
    };
    let meant = unit.chars().next().map(|c| c.to_ascii_lowercase());
    let known = UNITS.iter().find(|(letter, ..)| Some(*letter) == meant);
    let words = ["megs", "meg", "mega", "megabytes", "mbytes", "kilobytes", "gigs", "gigabytes"];
    match known {
        Some((letter, ..))
            if words.contains(&&*unit.to_ascii_lowercase())
                || scale(unit).is_some()
                || matches!(unit.as_bytes(), [_, b'i']) =>
        {
            fault.help(format!("write `{number}{letter}`")).fix(format!("{number}{letter}"))
        }
        _ => fault.help("the units are k, m, g and t (1024-based), as in `100m`"),
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |unit: &&Unit| self.0 > 0 && self.0.trailing_zeros() >= unit.1;
        match UNITS.iter().rev().find(fits) {
            Some((letter, shift, _)) => write!(f, "{}{letter}", self.0 >> shift),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |text| Size::read(text).ok().map(|size| size.0);
        assert_eq!(size("100m"), Some(100 << 20));
        assert_eq!(size("1GiB"), Some(1 << 30));
        assert_eq!(size("1.5g"), Some(3 << 29));
        assert_eq!(size("12"), Some(12));
        for bad in ["", "m", "1.5", "1.g", "-1m", "99999999999t", "100 m", "1x", "1mm"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        assert_eq!(Size(100 << 20).to_string(), "100m");
        assert_eq!(Size(0).to_string(), "0");
    }
}
