//! Paths: inside the sandbox, and of the host.

use std::fmt;
use std::path::PathBuf;

use super::OneOrMany;
use crate::manifest::fault::{Fault, shown};
use crate::manifest::notation::{Notation, Through, notation};

/// A path inside the sandbox: absolute, without `..`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AbsolutePath(pub String);

/// A path of the host: relative ones begin at the manifest's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPath(pub(crate) PathBuf);

notation!(AbsolutePath, HostPath);

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let path = |text| AbsolutePath::read(text).ok().map(|path| path.0);
        assert_eq!(path("//a/./b/"), Some("/a/b".to_owned()));
        assert_eq!(path("/..a"), Some("/..a".to_owned()));
        assert_eq!(path("/a/../b"), None);
        assert_eq!(path("a"), None);
    }
}
