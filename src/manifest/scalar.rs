//! Single values with a notation of their own.

use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::fault::{Fault, Meant, shown};
use super::notation::{MOST_ITEMS, Notation, Through, notation, too_many, up_to};

/// A number of bytes: an integer, or `100m`, `1GiB`, `1.5g` (1024-based).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A length of time: `90s`, `1m30s`, `500ms`; a bare integer is seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// `[a-z0-9][a-z0-9_.-]*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub String);

/// A host name: letters, digits, `-`, `.`; at most 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hostname(pub String);

/// A path inside the sandbox: absolute, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbsolutePath(pub String);

/// A file mode as octal text: `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

/// A user or group: a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Id {
    Number(u32),
    Name(String),
}

/// `name | uid[:gid]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub user: Id,
    pub group: Option<Id>,
}

/// A signal by name (`SIGTERM` or `TERM`) or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(pub i32);

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMany<T>(pub Vec<T>);

/// A path of the host: relative ones begin at the manifest's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPath(pub(crate) PathBuf);

notation!(Size, Duration, Name, Hostname, AbsolutePath, Mode, Id, User, Signal, HostPath);

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
    let fault = Fault::value(
        format!("{} is not a size: the unit {} is not known", shown(text), shown(unit)),
        "unknown unit",
    );
    let meant = unit.chars().next().map(|c| c.to_ascii_lowercase());
    let known = UNITS.iter().find(|(letter, ..)| Some(*letter) == meant);
    let words = ["megs", "meg", "mega", "megabytes", "mbytes", "kilobytes", "gigs", "gigabytes"];
    match known {
        Some((letter, ..))
            if words.contains(&&*unit.to_ascii_lowercase()) || scale(unit).is_some() =>
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

impl Notation for Name {
    const WANTED: &'static str = "a name";

    fn pattern() -> String {
        "^[a-z0-9][a-z0-9_.-]{0,62}$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let all = text.chars().all(|c| fits(c) || matches!(c, '_' | '.' | '-'));
        if all && text.starts_with(fits) && text.len() <= 63 {
            return Ok(Self(text.to_owned()));
        }
        Err(Fault::value(format!("{} can't be a name", shown(text)), "not a name").help(
            "write at most 63 lower-case letters, digits, `_`, `.`, `-`, beginning with a letter or digit",
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Notation for Hostname {
    const WANTED: &'static str = "a host name";

    fn pattern() -> String {
        "^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let fits = |c: char| c.is_ascii_alphanumeric();
        let all = text.chars().all(|c| fits(c) || matches!(c, '.' | '-'));
        if all && text.starts_with(fits) && text.ends_with(fits) && text.len() <= 64 {
            return Ok(Self(text.to_owned()));
        }
        let label = match text.len() {
            length @ 65.. => format!("{length} bytes long, and 64 is the most"),
            _ => "not a host name".to_owned(),
        };
        Err(Fault::value(format!("{} can't be a host name", shown(text)), label).help(
            "write at most 64 letters, digits, `.`, `-`, beginning and ending with a letter or digit",
        ))
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AbsolutePath {
    /// Components that are not `..`, none of whose characters is among `besides`.
    pub(crate) fn components(besides: &str) -> String {
        format!(r"(/(\.?|\.?[^/.{besides}][^/{besides}]*|\.\.[^/{besides}]+))+")
    }
}

impl Notation for AbsolutePath {
    const WANTED: &'static str = "an absolute path";

    fn pattern() -> String {
        format!("^{}$", Self::components(""))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if !text.starts_with('/') {
            return Err(not_absolute(text));
        }
        if text.split('/').any(|part| part == "..") {
            let text = format!("{} goes up by `..`", shown(text));
            return Err(Fault::value(text, "holds `..`").help("write the path that is meant"));
        }
        let parts: Vec<&str> = text.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        Ok(Self(format!("/{}", parts.join("/"))))
    }
}

fn not_absolute(text: &str) -> Fault {
    let fault =
        Fault::value(format!("{} is not an absolute path", shown(text)), "must begin with `/`");
    if text.starts_with('~') {
        return fault
            .help("`~` is not expanded: write the path inside the sandbox, such as `/root`");
    }
    let path = text.trim_start_matches("./");
    if path.is_empty() || path.starts_with("..") {
        return fault.help("paths inside the sandbox begin at its root, such as `/work`");
    }
    fault.help(format!("paths inside the sandbox begin at its root: write `/{path}`"))
}

impl fmt::Display for AbsolutePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Notation for Mode {
    const WANTED: &'static str = "a quoted file mode such as `\"0644\"`";

    fn pattern() -> String {
        "^0?[0-7]{3,4}$".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let octal = text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let short = matches!(text.len(), 3 | 4) || text.len() == 5 && text.starts_with('0');
        let mode = u32::from_str_radix(text, 8).ok().filter(|_| octal && short);
        mode.map(Self).ok_or_else(|| {
            Fault::value(format!("{} is not a file mode", shown(text)), "not a file mode")
                .help("write three or four octal digits in quotes, such as `\"0644\"`")
        })
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

/// The largest id; the one above means "none" to the kernel.
const MOST_ID: u64 = u32::MAX as u64 - 1;

/// What a user or group is written as.
fn id() -> String {
    format!(r"({}|[A-Za-z_][A-Za-z0-9_.-]*\$?)", up_to(MOST_ID))
}

impl Notation for Id {
    const WANTED: &'static str = "a name or number";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_ID));

    fn pattern() -> String {
        format!("^{}$", id())
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let number = text.parse().ok().filter(|id| u64::from(*id) <= MOST_ID);
            return number.map(Self::Number).ok_or_else(|| {
                Fault::value(
                    format!("{} is no id: the largest is {MOST_ID}", shown(text)),
                    "too large",
                )
            });
        }
        let body = text.strip_suffix('$').unwrap_or(text);
        let all = body.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
        if all && body.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Ok(Self::Name(text.to_owned()));
        }
        Err(Fault::value(
            format!("{} is neither a name nor an id", shown(text)),
            "not a user or group",
        )
        .help("write a name or number, such as `nobody` or `1000`"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(id) => write!(f, "{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Notation for User {
    const WANTED: &'static str = "a user such as `nobody`, `1000` or `1000:1000`";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_ID));

    fn pattern() -> String {
        format!("^{0}(:{0})?$", id())
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if group == Some("") {
            return Err(Fault::value("nothing stands after the colon", "no group")
                .help(format!("write a group, or no colon: `{user}`"))
                .fix(format!("\"{user}\"")));
        }
        Ok(Self { user: Id::read(user)?, group: group.map(Id::read).transpose()? })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{}:{group}", self.user),
            None => self.user.fmt(f),
        }
    }
}

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

impl Notation for HostPath {
    const WANTED: &'static str = "a path of the host";

    fn pattern() -> String {
        "^[^~]".to_owned()
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if text.is_empty() {
            return Err(
                Fault::value("the path is empty", "empty").help("write a path, such as `./work`")
            );
        }
        if text.starts_with('~') {
            return Err(tilde(text));
        }
        Ok(Self(PathBuf::from(text)))
    }
}

/// A path that a shell would have expanded.
pub(crate) fn tilde(text: &str) -> Fault {
    let fault =
        Fault::value(format!("`~` is not expanded in {}", shown(text)), "`~` stays as it is");
    match text.strip_prefix('~') {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            fault.help(format!("write `${{HOME}}{rest}`, or a path relative to this file"))
        }
        _ => fault.help("write the whole path, or one relative to this file"),
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Through<PathBuf> for HostPath {
    fn through(self) -> PathBuf {
        self.0
    }
}

impl Through<Option<PathBuf>> for HostPath {
    fn through(self) -> Option<PathBuf> {
        Some(self.0)
    }
}

impl Through<Vec<PathBuf>> for Vec<HostPath> {
    fn through(self) -> Vec<PathBuf> {
        self.into_iter().map(|path| path.0).collect()
    }
}

impl Through<OneOrMany<PathBuf>> for OneOrMany<HostPath> {
    fn through(self) -> OneOrMany<PathBuf> {
        OneOrMany(self.0.into_iter().map(|path| path.0).collect())
    }
}

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Notation + Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OneOrManyVisitor<T>(std::marker::PhantomData<T>);

        impl<'de, T: Notation + Deserialize<'de>> de::Visitor<'de> for OneOrManyVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                write!(f, "{}, or a list of such", T::WANTED)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::read(text).map(|one| OneOrMany(vec![one])).map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(
                self,
                mut items: A,
            ) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(item) = items.next_element()? {
                    many.push(item);
                }
                if many.len() > MOST_ITEMS {
                    return Err(de::Error::custom(too_many()));
                }
                Ok(OneOrMany(many))
            }
        }

        from.deserialize_any(OneOrManyVisitor(std::marker::PhantomData))
    }
}

impl<T: Serialize> Serialize for OneOrMany<T> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(to),
            many => to.collect_seq(many),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({"anyOf": [one, {"type": "array", "items": one, "maxItems": MOST_ITEMS}]})
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

    #[test]
    fn paths() {
        let path = |text| AbsolutePath::read(text).ok().map(|path| path.0);
        assert_eq!(path("//a/./b/"), Some("/a/b".to_owned()));
        assert_eq!(path("/..a"), Some("/..a".to_owned()));
        assert_eq!(path("/a/../b"), None);
        assert_eq!(path("a"), None);
    }

    #[test]
    fn signals() {
        assert_eq!(Signal::read("TERM"), Ok(Signal(15)));
        assert_eq!(Signal::read("SIGRTMIN+3"), Ok(Signal(37)));
        assert_eq!(Signal(37).to_string(), "SIGRTMIN+3");
        assert_eq!(Signal::read("SIGTREM").unwrap_err().fix.as_deref(), Some("SIGTERM"));
    }
}
