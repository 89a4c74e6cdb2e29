//! The section `mounts`, and which /proc there is.

use std::path::PathBuf;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fault::{Fault, shown};
use super::files::{FILE_MODE, FileContent, content};
use super::notation::{Notation, ShortOrLong, Written, one_of, short_or_long, text_schema};
use super::scalar::{HostPath, tilde};
use super::{AbsolutePath, Mode, Size};

/// One mount, in the order of the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    pub kind: MountKind,
    pub target: AbsolutePath,
    pub read_only: bool,
    /// A missing source is no error.
    pub optional: bool,
    /// `None`: as the source has it.
    pub exec: Option<bool>,
    pub suid: bool,
    pub dev: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq)]
pub enum MountKind {
    Bind {
        source: PathBuf,
        recursive: bool,
    },
    Tmpfs {
        size: Option<Size>,
        mode: Option<Mode>,
        options: Vec<String>,
    },
    Overlay {
        lower: Vec<PathBuf>,
        upper: Option<PathBuf>,
        work: Option<PathBuf>,
        options: Vec<String>,
    },
    Proc {
        options: Vec<String>,
    },
    Sysfs,
    Cgroup,
    Mqueue,
    File {
        content: FileContent,
        mode: Mode,
    },
}

/// Which /proc the command sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Proc {
    /// Its own, where the host allows it.
    #[default]
    Auto,
    /// Its own, or the run is refused.
    New,
    /// The surrounding one, for nesting in containers that mask /proc.
    Outer,
    /// None.
    None,
}

/// What a mount is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MountType {
    /// A file or directory of the host.
    Bind,
    /// A file system in memory.
    Tmpfs,
    /// Directories laid over one another.
    Overlay,
    /// Processes.
    Proc,
    /// Devices and drivers.
    Sysfs,
    /// Control groups.
    Cgroup,
    /// POSIX message queues.
    Mqueue,
    /// A file with a content that stands here.
    File,
}

/// The long form of a mount.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = keys_by_type)]
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct MountMap {
    /// What is mounted.
    #[serde(rename = "type")]
    #[schemars(example = &"bind")]
    kind: MountType,
    /// The file or directory of the host: of `bind`, and of `file` instead of `content`. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"./src")]
    source: Option<HostPath>,
    /// Where it stands inside.
    #[schemars(example = &"/src")]
    target: AbsolutePath,
    /// Nothing can be written there; a tmpfs and an overlay with `upper` are writable by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", example = false)]
    read_only: Option<bool>,
    /// A missing source is no error.
    #[serde(default)]
    #[schemars(example = true)]
    optional: bool,
    /// What is mounted below the source comes along: of `bind`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", extend("default" = true), example = false)]
    recursive: Option<bool>,
    /// Programs there can be executed; by default as the source has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool", example = false)]
    exec: Option<bool>,
    /// Set-user-id and set-group-id bits have effect.
    #[serde(default)]
    #[schemars(example = true)]
    suid: bool,
    /// Device nodes have effect.
    #[serde(default)]
    #[schemars(example = true)]
    dev: bool,
    /// The most that it may hold: of `tmpfs`; by default 20 % of the machine's memory, 5 % at /run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"64m")]
    size: Option<Size>,
    /// The mode of the directory of a `tmpfs`, by default 0755, or of a `file`, by default 0444.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"1777")]
    mode: Option<Mode>,
    /// What stands in the `file`; by default the content of `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", example = &"nameserver 127.0.0.1\n")]
    content: Option<String>,
    /// The lower directories of an `overlay`, the uppermost first. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<HostPath>", example = &["./base"])]
    lower: Option<Vec<HostPath>>,
    /// The directory that takes the writes to an `overlay`; by default there is none, and no writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"./changes")]
    upper: Option<HostPath>,
    /// An empty directory beside `upper`, for the kernel's own use. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"./work")]
    work: Option<HostPath>,
    /// Options of the file system: of `tmpfs`, `overlay` and `proc`. None by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<String>", example = &["hidepid=2"])]
    options: Option<Vec<String>>,
}

const ALWAYS: [&str; 7] = ["type", "target", "read_only", "optional", "exec", "suid", "dev"];

impl MountType {
    const ALL: [Self; 8] = [
        Self::Bind,
        Self::Tmpfs,
        Self::Overlay,
        Self::Proc,
        Self::Sysfs,
        Self::Cgroup,
        Self::Mqueue,
        Self::File,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Tmpfs => "tmpfs",
            Self::Overlay => "overlay",
            Self::Proc => "proc",
            Self::Sysfs => "sysfs",
            Self::Cgroup => "cgroup",
            Self::Mqueue => "mqueue",
            Self::File => "file",
        }
    }

    /// The keys that it can't be without, besides those of every mount.
    fn needs(self) -> &'static [&'static str] {
        match self {
            Self::Bind => &["source"],
            Self::Overlay => &["lower"],
            _ => &[],
        }
    }

    /// The keys that mean something besides those of every mount.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Bind => &["source", "recursive"],
            Self::Tmpfs => &["size", "mode", "options"],
            Self::Overlay => &["lower", "upper", "work", "options"],
            Self::Proc => &["options"],
            Self::Sysfs | Self::Cgroup | Self::Mqueue => &[],
            Self::File => &["source", "content", "mode"],
        }
    }
}

/// Says which keys a mount of each type needs, and which mean nothing to it.
fn keys_by_type(schema: &mut Schema) {
    let rule = |kind: MountType| {
        let meaningless = KEYS.iter().filter(|key| !kind.keys().contains(key));
        let mut then = json!({"required": kind.needs(), "properties": {}});
        kind.needs().iter().for_each(|key| then["properties"][*key] = json!({}));
        meaningless.for_each(|key| then["properties"][*key] = json!(false));
        match kind {
            MountType::Overlay => {
                then["properties"]["lower"] = json!({"type": "array", "minItems": 1});
                then["dependentRequired"] = json!({"upper": ["work"], "work": ["upper"]});
            }
            MountType::File => then["oneOf"] = one_of("content", "source"),
            _ => {}
        }
        let this = json!({"required": ["type"], "properties": {"type": {"const": kind.word()}}});
        json!({"if": this, "then": then})
    };
    schema.insert("allOf".to_owned(), MountType::ALL.map(rule).into_iter().collect());
}

/// The keys that not every mount takes.
const KEYS: [&str; 9] =
    ["source", "recursive", "size", "mode", "content", "lower", "upper", "work", "options"];

impl MountMap {
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("source", self.source.is_some()),
            ("recursive", self.recursive.is_some()),
            ("size", self.size.is_some()),
            ("mode", self.mode.is_some()),
            ("content", self.content.is_some()),
            ("lower", self.lower.is_some()),
            ("upper", self.upper.is_some()),
            ("work", self.work.is_some()),
            ("options", self.options.is_some()),
        ];
        given.into_iter().filter_map(|(key, given)| given.then_some(key))
    }

    fn mount_kind(&mut self) -> Result<MountKind, Fault> {
        let kind = self.kind;
        if let Some(key) = self.given().find(|key| !kind.keys().contains(key)) {
            return Err(meaningless(kind, key));
        }
        let options = self.options.take().unwrap_or_default();
        Ok(match kind {
            MountType::Bind => {
                let source = self.source.take().ok_or_else(|| missing(kind, "source"))?.0;
                MountKind::Bind { source, recursive: self.recursive.unwrap_or(true) }
            }
            MountType::Tmpfs => MountKind::Tmpfs { size: self.size, mode: self.mode, options },
            MountType::Overlay => self.overlay(options)?,
            MountType::Proc => MountKind::Proc { options },
            MountType::Sysfs => MountKind::Sysfs,
            MountType::Cgroup => MountKind::Cgroup,
            MountType::Mqueue => MountKind::Mqueue,
            MountType::File => {
                let content = content(self.content.take(), self.source.take())?;
                MountKind::File { content, mode: self.mode.unwrap_or(FILE_MODE) }
            }
        })
    }

    fn overlay(&mut self, options: Vec<String>) -> Result<MountKind, Fault> {
        let lower = self.lower.take().ok_or_else(|| missing(self.kind, "lower"))?;
        if lower.is_empty() {
            return Err(Fault::value(
                "an overlay has at least one lower directory",
                "no directory",
            )
            .help("write the directories, the uppermost first")
            .at("lower"));
        }
        if self.upper.is_some() != self.work.is_some() {
            let lacks = if self.upper.is_some() { "work" } else { "upper" };
            return Err(missing(self.kind, lacks).help("`upper` and `work` come together"));
        }
        Ok(MountKind::Overlay {
            lower: lower.into_iter().map(|path| path.0).collect(),
            upper: self.upper.take().map(|path| path.0),
            work: self.work.take().map(|path| path.0),
            options,
        })
    }
}

fn missing(kind: MountType, key: &str) -> Fault {
    let text = format!("a mount of type `{}` needs `{key}`", kind.word());
    Fault::new("missing_key", text, format!("`{key}` is missing"))
}

fn meaningless(kind: MountType, key: &str) -> Fault {
    let text = format!("`{key}` means nothing to a mount of type `{}`", kind.word());
    let (first, others) = ALWAYS.split_at(2);
    let keys: Vec<&str> = first.iter().chain(kind.keys()).chain(others).copied().collect();
    Fault::new("contradiction", text, "without meaning here")
        .help(format!("it takes {}", super::fault::either(&keys).replace(" or ", " and ")))
        .at(key)
}

impl ShortOrLong for Mount {
    const WANTED: &'static str = "`SOURCE:TARGET[:rw]`, or a mapping";
    type Long = MountMap;

    fn short_schema() -> Vec<Schema> {
        let target = AbsolutePath::components(":");
        let pattern = format!("^[^:~][^:]*:{target}(:(ro|rw))?$");
        vec![text_schema(&pattern, Self::WANTED)]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        let mut parts = text.split(':');
        let (source, target) = (parts.next().unwrap_or_default(), parts.next());
        if source.starts_with('~') {
            return Err(tilde(text));
        }
        let Some(target) = target.filter(|_| !source.is_empty()) else {
            return Err(no_target(text));
        };
        let read_only = match (parts.next(), parts.next()) {
            (None | Some("ro"), None) => true,
            (Some("rw"), None) => false,
            (Some(option), _) => return Err(bad_option(text, option)),
            (None, Some(_)) => return Err(no_target(text)),
        };
        let kind = MountKind::Bind { source: PathBuf::from(source), recursive: true };
        Ok(Self::plain(kind, AbsolutePath::read(target)?, read_only))
    }

    fn long(mut long: MountMap) -> Result<Self, Fault> {
        let kind = long.mount_kind()?;
        let read_only = long.read_only.unwrap_or_else(|| kind.read_only());
        let MountMap { target, optional, exec, suid, dev, .. } = long;
        Ok(Self { kind, target, read_only, optional, exec, suid, dev })
    }

    fn written(&self) -> Written<MountMap> {
        if let Some(text) = self.as_short() {
            return Written::Short(text);
        }
        let mut map = self.kind.written(&self.target);
        map.read_only = (self.read_only != self.kind.read_only()).then_some(self.read_only);
        (map.optional, map.exec, map.suid, map.dev) =
            (self.optional, self.exec, self.suid, self.dev);
        Written::Long(map)
    }
}
short_or_long!(Mount);

impl Mount {
    fn plain(kind: MountKind, target: AbsolutePath, read_only: bool) -> Self {
        Self { kind, target, read_only, optional: false, exec: None, suid: false, dev: false }
    }

    fn as_short(&self) -> Option<String> {
        let MountKind::Bind { source, recursive: true } = &self.kind else { return None };
        let short = format!(
            "{}:{}{}",
            source.display(),
            self.target,
            if self.read_only { "" } else { ":rw" }
        );
        (Self::short(&short).as_ref() == Ok(self)).then_some(short)
    }
}

impl MountKind {
    /// What `read_only` is without a word.
    fn read_only(&self) -> bool {
        !matches!(self, Self::Tmpfs { .. } | Self::Overlay { upper: Some(_), .. })
    }

    fn written(&self, target: &AbsolutePath) -> MountMap {
        let mut map = MountMap::empty(target.clone());
        match self.clone() {
            Self::Bind { source, recursive } => {
                map.source = Some(HostPath(source));
                map.recursive = (!recursive).then_some(false);
            }
            Self::Tmpfs { size, mode, options } => {
                map.kind = MountType::Tmpfs;
                (map.size, map.mode, map.options) = (size, mode, some(options));
            }
            Self::Overlay { lower, upper, work, options } => {
                map.kind = MountType::Overlay;
                map.lower = Some(lower.into_iter().map(HostPath).collect());
                (map.upper, map.work, map.options) =
                    (upper.map(HostPath), work.map(HostPath), some(options));
            }
            Self::Proc { options } => (map.kind, map.options) = (MountType::Proc, some(options)),
            Self::Sysfs => map.kind = MountType::Sysfs,
            Self::Cgroup => map.kind = MountType::Cgroup,
            Self::Mqueue => map.kind = MountType::Mqueue,
            Self::File { content, mode } => {
                (map.kind, map.mode) = (MountType::File, Some(mode));
                match content {
                    FileContent::Text(text) => map.content = Some(text),
                    FileContent::Source(path) => map.source = Some(HostPath(path)),
                }
            }
        }
        map
    }
}

impl MountMap {
    fn empty(target: AbsolutePath) -> Self {
        Self {
            kind: MountType::Bind,
            source: None,
            target,
            read_only: None,
            optional: false,
            recursive: None,
            exec: None,
            suid: false,
            dev: false,
            size: None,
            mode: None,
            content: None,
            lower: None,
            upper: None,
            work: None,
            options: None,
        }
    }
}

/// A list that says something.
fn some(list: Vec<String>) -> Option<Vec<String>> {
    (!list.is_empty()).then_some(list)
}

fn no_target(text: &str) -> Fault {
    Fault::value(format!("{} is not `SOURCE:TARGET`", shown(text)), "no target")
        .help("write where it comes from and where it stands inside, such as `./src:/src`")
}

fn bad_option(text: &str, option: &str) -> Fault {
    Fault::value(
        format!("{} has the option {}, which is neither `ro` nor `rw`", shown(text), shown(option)),
        "unknown option",
    )
    .help("write `ro` (the default) or `rw`; the long form takes the others")
}
