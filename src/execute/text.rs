//! Text made without allocating: init writes numbers into names and maps.

use std::fmt;
use std::path::Path;

const ROOM: usize = 256;

/// A short text.
pub(super) struct Text {
    bytes: [u8; ROOM],
    length: usize,
}

impl Text {
    pub(super) fn empty() -> Self {
        Self { bytes: [0; ROOM], length: 0 }
    }

    /// What `format_args!` says. What does not fit is left out, so that what is made of it is
    /// refused by the kernel.
    pub(super) fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut text = Self::empty();
        _ = fmt::write(&mut text, arguments);
        text
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap_or_default()
    }

    pub(super) fn path(&self) -> &Path {
        Path::new(self.as_str())
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_fits() {
        assert_eq!(Text::of(format_args!("{} {}", 12, "x")).as_str(), "12 x");
        let long = "y".repeat(ROOM);
        assert_eq!(Text::of(format_args!("ab{long}")).as_str(), "ab");
    }
}
