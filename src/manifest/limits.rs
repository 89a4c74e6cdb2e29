//! The `limits` and `cgroup` sections.

use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::fault::{Fault, shown, unknown_word};
use super::notation::{
    MOST_ITEMS, Notation, Ranged, ShortOrLong, Through, Written, few, keyed, notation,
    short_or_long, through, up_to, words,
};
use super::{AbsolutePath, Duration, Size};

/// What the command, with all its children, may use.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most memory; beyond it the command is killed, and the report says so. Unlimited by default.
    #[schemars(example = &"100m", example = &"2g")]
    pub memory: Option<Size>,
    /// Above this much memory the command is slowed down and its memory reclaimed; by default never.
    #[schemars(example = &"80m")]
    pub memory_high: Option<Size>,
    /// This much memory is kept from being reclaimed while others have more; by default none.
    #[schemars(example = &"20m")]
    pub memory_low: Option<Size>,
    /// The most swap, besides `memory`; by default none where `memory` is set, else unlimited.
    #[schemars(example = &"0", example = &"100m")]
    pub swap: Option<Size>,
    /// Processors, as in `1.5`: so much processor time a second. All of them by default.
    #[serde(deserialize_with = "through::<_, Cpus, _>")]
    #[schemars(with = "Cpus", example = 1.5)]
    pub cpus: Option<f64>,
    /// The share of the processors when others want them too; by default 100, as everybody has.
    #[serde(deserialize_with = "through::<_, Ranged<1, 10_000>, _>")]
    #[schemars(with = "Ranged<1, 10_000>", example = 50)]
    pub cpu_weight: Option<u32>,
    /// The processors it may run on; by default the caller's.
    #[schemars(example = &"0-1", example = &"0,2")]
    pub cpuset: Option<CpuSet>,
    /// The memory nodes it may use; by default the caller's.
    #[schemars(example = &"0")]
    pub cpuset_mems: Option<CpuSet>,
    /// The most processes and threads; by default 4096.
    #[serde(deserialize_with = "through::<_, Ranged<1, 4_194_304>, _>")]
    #[schemars(with = "Ranged<1, 4_194_304>", example = 64)]
    pub pids: Option<u32>,
    /// The share of the disks when others want them too; by default 100, as everybody has.
    #[serde(deserialize_with = "through::<_, Ranged<1, 10_000>, _>")]
    #[schemars(with = "Ranged<1, 10_000>", example = 50)]
    pub io_weight: Option<u32>,
    /// Limits for block devices.
    #[serde(deserialize_with = "few")]
    #[schemars(length(max = MOST_ITEMS), example = serde_json::json!([{"device": "/dev/sda", "rbps": "10m"}]))]
    pub io: Vec<Io>,
    /// The most memory in huge pages, by page size.
    #[serde(deserialize_with = "hugetlb")]
    #[schemars(schema_with = "keyed::<PageSize, Size>", example = serde_json::json!({"2MB": "64m"}))]
    pub hugetlb: BTreeMap<String, Size>,
    /// The most processor time in all; then the run ends as `cpu_time`. Unlimited by default.
    #[schemars(example = &"30s")]
    pub cpu_time: Option<Duration>,
    /// The most bytes of stdout and stderr together; then the run ends as `output`. Unlimited by default.
    #[schemars(example = &"10m")]
    pub output: Option<Size>,
    /// When memory runs out, the whole sandbox is killed and not one process of it.
    #[schemars(with = "bool", extend("default" = true), example = false)]
    pub oom_group: Option<bool>,
    /// Files of cgroup v2 written as they are, for what has no word here.
    #[serde(deserialize_with = "raw_files")]
    #[schemars(schema_with = "keyed::<CgroupFile, CgroupValue>", example = serde_json::json!({"memory.zswap.max": "0"}))]
    pub cgroup: BTreeMap<String, String>,
}

impl Limits {
    /// Whether these limits need a group with this controller, by its name in cgroup v1.
    #[must_use]
    pub fn need(&self, controller: &str) -> bool {
        // A new limit does not compile before it has its place here.
        #[rustfmt::skip]
        let Self {
            memory, memory_high, memory_low, swap, cpus, cpu_weight, cpu_time, cpuset, cpuset_mems,
            pids, io_weight, io, hugetlb, cgroup, oom_group: _, output: _,
        } = self;
        !cgroup.is_empty()
            || match controller {
                "memory" => [memory, memory_high, memory_low, swap].iter().any(|it| it.is_some()),
                "cpu" => cpus.is_some() || cpu_weight.is_some(),
                "cpuacct" => cpu_time.is_some() || cpus.is_some(),
                "cpuset" => cpuset.is_some() || cpuset_mems.is_some(),
                "pids" => pids.is_some(),
                "blkio" => io_weight.is_some() || !io.is_empty(),
                "hugetlb" => !hugetlb.is_empty(),
                _ => false,
            }
    }
}

/// A list of processors or memory nodes, as in `0-1,3`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSet(pub String);

/// Operations a second.
type Rate = Ranged<1, { i64::MAX }>;

/// Limits for one block device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Io {
    /// The device node, or `MAJ:MIN`.
    #[serde(deserialize_with = "through::<_, BlockDevice, _>")]
    #[schemars(with = "BlockDevice", example = &"/dev/sda", example = &"8:0")]
    pub device: String,
    /// Bytes read a second; unlimited by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10m")]
    pub rbps: Option<Size>,
    /// Bytes written a second; unlimited by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"10m")]
    pub wbps: Option<Size>,
    /// Reads a second; unlimited by default.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "through::<_, Rate, _>"
    )]
    #[schemars(with = "Rate", example = 100)]
    pub riops: Option<u64>,
    /// Writes a second; unlimited by default.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "through::<_, Rate, _>"
    )]
    #[schemars(with = "Rate", example = 100)]
    pub wiops: Option<u64>,
}

/// `cgroup: auto | systemd | fs | none | {manager, parent}`
#[derive(Clone, Debug, PartialEq)]
pub struct Cgroup {
    pub manager: CgroupManager,
    pub parent: Option<AbsolutePath>,
}

/// Who makes the control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CgroupManager {
    /// A delegated group that we are in, else systemd, else the cgroup file system.
    #[default]
    Auto,
    /// A transient scope of systemd.
    Systemd,
    /// A directory of the cgroup file system.
    Fs,
    /// No control group is made; limits that need one are refused.
    None,
}

/// The long form of `cgroup`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CgroupMap {
    /// Who makes the control group.
    #[serde(default)]
    #[schemars(example = &"fs")]
    manager: CgroupManager,
    /// The group that it is made in, from the root of the cgroup file system; by default chosen by `manager`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/ci.slice")]
    parent: Option<AbsolutePath>,
}

const MANAGERS: &[(&str, &str, CgroupManager)] = &[
    (
        "auto",
        "A delegated group that we are in, else systemd, else the cgroup file system.",
        CgroupManager::Auto,
    ),
    ("systemd", "A transient scope of systemd.", CgroupManager::Systemd),
    ("fs", "A directory of the cgroup file system.", CgroupManager::Fs),
    ("none", "No control group is made; limits that need one are refused.", CgroupManager::None),
];

impl ShortOrLong for Cgroup {
    const WANTED: &'static str = "a word or a mapping";
    type Long = CgroupMap;

    fn short_schema() -> Vec<Schema> {
        let known: Vec<_> = MANAGERS.iter().map(|(word, meaning, _)| (*word, *meaning)).collect();
        vec![words(&known)]
    }

    fn short(text: &str) -> Result<Self, Fault> {
        match MANAGERS.iter().find(|(word, ..)| *word == text) {
            Some((.., manager)) => Ok(Self { manager: *manager, parent: None }),
            None => {
                let known: Vec<_> = MANAGERS.iter().map(|(word, ..)| *word).collect();
                Err(unknown_word(text, &known))
            }
        }
    }

    fn long(long: CgroupMap) -> Result<Self, Fault> {
        Ok(Self { manager: long.manager, parent: long.parent })
    }

    fn written(&self) -> Written<CgroupMap> {
        match (&self.parent, MANAGERS.iter().find(|(.., manager)| *manager == self.manager)) {
            (None, Some((word, ..))) => Written::Short((*word).to_owned()),
            _ => Written::Long(CgroupMap { manager: self.manager, parent: self.parent.clone() }),
        }
    }
}
short_or_long!(Cgroup);

/// Processors as a number, or as a text that holds one.
struct Cpus(f64);

/// The highest number of a processor that Linux can have.
const MOST_CPU: u64 = 8191;
const MOST_CPUS: f64 = 8192.0;
const LEAST_CPUS: f64 = 0.01;

impl Cpus {
    fn new(number: f64) -> Result<Self, Fault> {
        if (LEAST_CPUS..=MOST_CPUS).contains(&number) {
            return Ok(Self(number));
        }
        Err(Fault::value(
            format!("{number} is not between {LEAST_CPUS} and {MOST_CPUS}"),
            "out of range",
        )
        .help("write a number of processors, such as `0.5` or `2`"))
    }
}

impl<'de> Deserialize<'de> for Cpus {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Cpus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cpus".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        json_schema!({"type": "number", "minimum": LEAST_CPUS, "maximum": MOST_CPUS})
    }
}

impl Through<Option<f64>> for Cpus {
    fn through(self) -> Option<f64> {
        Some(self.0)
    }
}

impl Notation for CpuSet {
    const WANTED: &'static str = "a list such as `\"0-1,3\"`";
    const INTEGERS: Option<(u64, u64)> = Some((0, MOST_CPU));

    fn pattern() -> String {
        format!("^{0}(-{0})?(,{0}(-{0})?)*$", up_to(MOST_CPU))
    }

    fn read(text: &str) -> Result<Self, Fault> {
        if text.split(',').all(is_range) {
            return Ok(Self(text.to_owned()));
        }
        Err(Fault::value(format!("{} is not a list of numbers", shown(text)), "not a list")
            .help("write numbers and ranges with commas between them, such as `\"0-1,3\"`"))
    }
}
notation!(CpuSet);

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_range(text: &str) -> bool {
    let number = |text: &str| {
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|n| digits && *n <= MOST_CPU)
    };
    match text.split_once('-') {
        Some((from, to)) => {
            matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to)
        }
        None => number(text).is_some(),
    }
}

/// Defines a text that is kept as it is when `fits` says so.
macro_rules! plain_text {
    (key $name:ident, $wanted:literal, $pattern:expr, $fits:expr, $help:literal) => {
        $crate::manifest::limits::plain_text!(
            @ $name, true, $wanted, $pattern, None, $fits, $help
        );
    };
    ($name:ident, $wanted:literal, $pattern:expr, $integers:expr, $fits:expr, $help:literal) => {
        $crate::manifest::limits::plain_text!(
            @ $name, false, $wanted, $pattern, $integers, $fits, $help
        );
    };
    (
        @ $name:ident, $key:literal, $wanted:literal, $pattern:expr, $integers:expr, $fits:expr,
        $help:literal
    ) => {
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) struct $name(pub(crate) String);

        impl $crate::manifest::notation::Notation for $name {
            const WANTED: &'static str = $wanted;
            const INTEGERS: Option<(u64, u64)> = $integers;
            const KEY: bool = $key;

            fn pattern() -> String {
                $pattern.to_owned()
            }

            fn read(text: &str) -> Result<Self, $crate::manifest::fault::Fault> {
                let fits: fn(&str) -> bool = $fits;
                if fits(text) {
                    return Ok(Self(text.to_owned()));
                }
                let shown = $crate::manifest::fault::shown(text);
                let fault = $crate::manifest::fault::Fault::value(
                    format!("{shown} is not {}", $wanted),
                    "not possible here",
                );
                Err(fault.help($help))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $crate::manifest::notation::Through<String> for $name {
            fn through(self) -> String {
                self.0
            }
        }

        $crate::manifest::notation::notation!($name);
    };
}
pub(crate) use plain_text;

plain_text!(
    key PageSize,
    "the size of a huge page",
    "^[0-9]+[KMG]B$",
    |text| {
        let digits = text
            .strip_suffix(['K', 'M', 'G'])
            .or_else(|| text.strip_suffix('B')?.strip_suffix(['K', 'M', 'G']));
        text.ends_with('B')
            && digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
    },
    "write it as the kernel does, such as `2MB` or `1GB`"
);
plain_text!(
    BlockDevice,
    "a block device",
    "^(/dev/[^.]+|[0-9]+:[0-9]+)$",
    None,
    |text| {
        let node =
            text.strip_prefix("/dev/").is_some_and(|name| !name.is_empty() && !name.contains('.'));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        node || text.split_once(':').is_some_and(|(major, minor)| digits(major) && digits(minor))
    },
    "write the path of its node, such as `/dev/sda`, or its numbers, such as `\"8:0\"`"
);
plain_text!(
    key CgroupFile,
    "the name of a file of cgroup v2",
    r"^[a-z]+\.[A-Za-z0-9_.]+$",
    |text| {
        let rest = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        text.split_once('.').is_some_and(|(controller, file)| {
            !controller.is_empty()
                && controller.bytes().all(|b| b.is_ascii_lowercase())
                && !file.is_empty()
                && file.chars().all(rest)
        })
    },
    "write controller and file, such as `memory.zswap.max`"
);
plain_text!(
    CgroupValue,
    "a value",
    "",
    Some((0, i64::MAX as u64)),
    |_| true,
    "write a text or a number"
);

fn hugetlb<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Size>, D::Error> {
    let sizes: BTreeMap<PageSize, Size> = few(from)?;
    Ok(sizes.into_iter().map(|(page, size)| (page.0, size)).collect())
}

fn raw_files<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let files: BTreeMap<CgroupFile, CgroupValue> = few(from)?;
    Ok(files.into_iter().map(|(file, value)| (file.0, value.0)).collect())
}
