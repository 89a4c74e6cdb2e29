//! The section `devices`.

use std::fmt;

use super::AbsolutePath;
use super::fault::{Fault, shown};
use super::notation::{Notation, notation};

/// `"/dev/kvm[:DST][:rwm]"`
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    pub source: AbsolutePath,
    pub target: AbsolutePath,
    pub read: bool,
    pub write: bool,
}

impl Notation for Device {
    const WANTED: &'static str = "a device such as `/dev/kvm`";

    fn pattern() -> String {
        let path = AbsolutePath::components(":");
        format!("^{path}(:{path})?(:[rwm]+)?$")
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let mut parts: Vec<&str> = text.split(':').collect();
        let access = match parts.as_slice() {
            [_, last] | [_, _, last] if !last.starts_with('/') || parts.len() == 3 => parts.pop(),
            _ => None,
        };
        let allowed = access.unwrap_or("rw");
        if allowed.is_empty() || !allowed.chars().all(|c| matches!(c, 'r' | 'w' | 'm')) {
            return Err(Fault::value(
                format!(
                    "{} ends in {}, which is not made of `r`, `w`, `m`",
                    shown(text),
                    shown(allowed)
                ),
                "not an access",
            )
            .help("write, for example, `/dev/kvm` or `/dev/kvm:/dev/kvm:rw`"));
        }
        let paths = parts.into_iter().map(AbsolutePath::read).collect::<Result<Vec<_>, _>>()?;
        let (source, target) = match paths.as_slice() {
            [source] => (source, source),
            [source, target] => (source, target),
            _ => {
                return Err(Fault::value(
                    format!("{} has too many parts", shown(text)),
                    "too many parts",
                )
                .help("write `DEVICE[:TARGET][:rw]`"));
            }
        };
        let (read, write) = (allowed.contains('r'), allowed.contains('w'));
        Ok(Self { source: source.clone(), target: target.clone(), read, write })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)?;
        if self.source != self.target {
            write!(f, ":{}", self.target)?;
        }
        match (self.read, self.write) {
            (true, true) => Ok(()),
            (true, false) => f.write_str(":r"),
            (false, true) => f.write_str(":w"),
            (false, false) => f.write_str(":m"),
        }
    }
}
notation!(Device);
