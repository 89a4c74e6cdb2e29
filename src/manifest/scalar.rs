//! Single values with a notation of their own.

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
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct OneOrMany<T>(pub Vec<T>);
