//! The section `tmpfs`.

use std::fmt;

use super::fault::{Fault, shown};
use super::notation::{Notation, notation};
use super::{AbsolutePath, Mode, Size};

/// `"/tmp[:size=64m,mode=1777]"`
#[derive(Clone, Debug, PartialEq)]
pub struct Tmpfs {
    pub target: AbsolutePath,
    pub size: Option<Size>,
    pub mode: Option<Mode>,
}

impl Notation for Tmpfs {
    const WANTED: &'static str = "a path with options, such as `/tmp:size=64m`";

    fn pattern() -> String {
        let option = format!("(size={}|mode=0?[0-7]{{3,4}})", Size::PATTERN);
        format!("^{}(:{option}(,{option})*)?$", AbsolutePath::components(":"))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        let (target, options) = match text.split_once(':') {
            Some((target, options)) => (target, Some(options)),
            None => (text, None),
        };
        let mut tmpfs = Self { target: AbsolutePath::read(target)?, size: None, mode: None };
        for option in options.into_iter().flat_map(|options| options.split(',')) {
            match option.split_once('=') {
                Some((name @ "size", size)) => {
                    tmpfs.size = Some(Size::read(size).map_err(|fault| fault.of_option(name))?);
                }
                Some((name @ "mode", mode)) => {
                    tmpfs.mode = Some(Mode::read(mode).map_err(|fault| fault.of_option(name))?);
                }
                _ => {
                    let text = format!("{} is neither `size=…` nor `mode=…`", shown(option));
                    return Err(Fault::value(text, "unknown option")
                        .help("write, for example, `/tmp:size=64m,mode=1777`"));
                }
            }
        }
        Ok(tmpfs)
    }
}

impl fmt::Display for Tmpfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)?;
        let size = self.size.map(|size| format!("size={size}"));
        let mode = self.mode.map(|mode| format!("mode={mode}"));
        let options: Vec<String> = size.into_iter().chain(mode).collect();
        if options.is_empty() { Ok(()) } else { write!(f, ":{}", options.join(",")) }
    }
}
notation!(Tmpfs);
