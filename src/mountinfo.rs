//! /proc/PID/mountinfo (proc_pid_mountinfo(5)), wherever it was read.

/// One line: one mount.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'t> {
    /// Mount and parent ids, device, root, mount point, options, and peer groups.
    mount: &'t str,
    /// File system type, source, and the options of the file system.
    filesystem: &'t str,
}

impl<'t> Line<'t> {
    /// `None` where the line is none of mountinfo. Nothing is copied: there may be ten thousand.
    pub(crate) fn read(line: &'t str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        Some(Self { mount, filesystem })
    }

    /// What of the file system is mounted.
    pub(crate) fn root(self) -> Option<String> {
        self.mount.split(' ').nth(3).map(unescaped)
    }

    /// Where.
    pub(crate) fn point(self) -> Option<String> {
        self.mount.split(' ').nth(4).map(unescaped)
    }

    /// Flags of the mount, and its peer groups.
    pub(crate) fn options(self) -> impl Iterator<Item = &'t str> {
        self.mount.split(' ').skip(5)
    }

    /// The type of the file system.
    pub(crate) fn fstype(self) -> &'t str {
        self.filesystem.split(' ').next().unwrap_or_default()
    }

    /// Options of the file system.
    pub(crate) fn super_options(self) -> Option<&'t str> {
        self.filesystem.split(' ').nth(2)
    }
}

/// Blanks, tabs, line feeds and backslashes stand there as three octal digits.
fn unescaped(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.as_bytes();
    while let Some((&byte, rest)) = bytes.split_first() {
        let octal = rest.get(..3).filter(|digits| digits.iter().all(|d| (b'0'..b'8').contains(d)));
        match octal {
            Some(digits) if byte == b'\\' => {
                out.push(digits.iter().fold(0u8, |all, digit| (all << 3) | (digit - b'0')));
                bytes = rest.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(byte);
                bytes = rest;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_what_is_escaped_in_it() {
        let text = r"36 35 98:0 /a\040b /mnt/\134x\011 rw,noatime shared:2 - ext4 /dev/root rw,errors=continue";
        let line = Line::read(text).unwrap_or_else(|| unreachable!("it has a separator"));
        assert_eq!(line.root().as_deref(), Some("/a b"));
        assert_eq!(line.point().as_deref(), Some("/mnt/\\x\t"));
        assert_eq!(line.options().collect::<Vec<_>>(), ["rw,noatime", "shared:2"]);
        assert_eq!((line.fstype(), line.super_options()), ("ext4", Some("rw,errors=continue")));
        assert_eq!(unescaped(r"\04 \999 \+12 \"), r"\04 \999 \+12 \");
        assert_eq!(unescaped(r"/\303\244"), "/ä");
        assert!(Line::read("no line").is_none());
    }
}
