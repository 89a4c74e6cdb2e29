//! File modes.

use std::fmt;

use crate::manifest::fault::{Fault, shown};
use crate::manifest::notation::{Notation, notation};

/// A file mode as octal text: `"0644"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

notation!(Mode);

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
