//! What each limit is called and how it is written, in both versions of the interface.
//!
//! A limit is a value: the same word of the manifest, said in cgroup v1 and in cgroup v2, or
//! the reason why one of them can't say it. Where its group stands, `groups` decides.

use crate::inputs::Found;
use crate::manifest::{Degradable, Io, Size};
use crate::plan::{Opening, Origin};
use crate::source::Pointer;

use super::draft::{Draft, key};

/// A resource controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) v1: &'static str,
    pub(super) v2: &'static str,
    pub(super) loss: Degradable,
}

const fn controller(v1: &'static str, v2: &'static str, loss: Degradable) -> Controller {
    Controller { v1, v2, loss }
}

pub(super) const MEMORY: Controller = controller("memory", "memory", Degradable::Memory);
pub(super) const CPU: Controller = controller("cpu", "cpu", Degradable::Cpu);
pub(super) const CPUSET: Controller = controller("cpuset", "cpuset", Degradable::Cpuset);
pub(super) const PIDS: Controller = controller("pids", "pids", Degradable::Pids);
pub(super) const IO: Controller = controller("blkio", "io", Degradable::Io);
pub(super) const HUGETLB: Controller = controller("hugetlb", "hugetlb", Degradable::Hugetlb);

/// The files to write, in this order, or why that can't be said in this version.
pub(super) type Way = Result<Vec<(String, String)>, &'static str>;

/// One limit.
pub(super) struct Limit {
    pub(super) key: Pointer,
    /// The manifest is silent: a default of ours.
    pub(super) default: bool,
    pub(super) controller: Controller,
    pub(super) v1: Way,
    pub(super) v2: Way,
}

#[allow(clippy::unnecessary_wraps, reason = "a way may not be there")]
fn file(name: &str, value: impl std::fmt::Display) -> Way {
    Ok(vec![(name.to_owned(), value.to_string())])
}

/// Every limit that the manifest sets.
pub(super) fn limits(draft: &mut Draft<'_>) -> Vec<Limit> {
    favoured(draft);
    let mut all = memory(draft);
    all.extend(cpu(draft));
    all.extend(pids(draft));
    all.extend(io(draft));
    all.extend(hugetlb(draft));
    all
}

/// What gives the command more than its neighbours have.
fn favoured(draft: &mut Draft<'_>) {
    let limits = &draft.manifest.limits;
    let above = |weight: Option<u32>| weight.is_some_and(|weight| weight > 100);
    for (word, more) in [
        ("memory_low", limits.memory_low.is_some()),
        ("cpu_weight", above(limits.cpu_weight)),
        ("io_weight", above(limits.io_weight)),
    ] {
        if more {
            let place = key("limits").key(word);
            let about = format!("`{place}`");
            draft.hole(Opening::Favoured, about, &Origin { key: place, default: false });
        }
    }
}

fn limit(word: &str, controller: Controller, v1: Way, v2: Way) -> Limit {
    Limit { key: key("limits").key(word), default: false, controller, v1, v2 }
}

fn memory(draft: &Draft<'_>) -> Vec<Limit> {
    let limits = &draft.manifest.limits;
    let mut all = Vec::new();
    if let Some(Size(max)) = limits.memory {
        let (v1, v2) = (file("memory.limit_in_bytes", max), file("memory.max", max));
        all.push(limit("memory", MEMORY, v1, v2));
        // On v2 they count as all memory does; on v1 nothing counts them before this is set, and
        // nobody but the host's own net.ipv4.tcp_mem limits them.
        let sockets = file("memory.kmem.tcp.limit_in_bytes", max);
        all.push(Limit { default: true, ..limit("memory", MEMORY, sockets, Ok(Vec::new())) });
    }
    if let Some(swap) = swap(draft) {
        all.push(swap);
    }
    if let Some(Size(high)) = limits.memory_high {
        let v1 = Err("cgroup v1 knows no limit that slows down instead of killing");
        all.push(limit("memory_high", MEMORY, v1, file("memory.high", high)));
    }
    if let Some(Size(low)) = limits.memory_low {
        let v1 = Err("cgroup v1 can't protect memory: its soft limit takes from the group instead");
        all.push(limit("memory_low", MEMORY, v1, file("memory.low", low)));
    }
    if limits.memory.is_some() && limits.oom_group.unwrap_or(true) {
        // On v1 the runner sees the kill and ends the rest.
        let v2 = file("memory.oom.group", 1);
        all.push(Limit {
            default: limits.oom_group.is_none(),
            ..limit("oom_group", MEMORY, Ok(Vec::new()), v2)
        });
    }
    all
}

/// Swap is none once memory is limited; a machine that has none needs no word about it.
fn swap(draft: &Draft<'_>) -> Option<Limit> {
    let limits = &draft.manifest.limits;
    let default = limits.swap.is_none();
    if default && (limits.memory.is_none() || !draft.host.swap) {
        return None;
    }
    let swap = limits.swap.map_or(0, |size| size.0);
    let v1 = match limits.memory {
        Some(Size(memory)) => file("memory.memsw.limit_in_bytes", memory.saturating_add(swap)),
        None => Err("cgroup v1 limits memory and swap together only: set `limits.memory`, too"),
    };
    Some(Limit { default, ..limit("swap", MEMORY, v1, file("memory.swap.max", swap)) })
}

/// The kernel's period for `cpus`, in microseconds.
const PERIOD: u32 = 100_000;

fn cpu(draft: &Draft<'_>) -> Vec<Limit> {
    let limits = &draft.manifest.limits;
    let mut all = Vec::new();
    if let Some(cpus) = limits.cpus {
        let quota = quota(cpus);
        let v1 = vec![
            ("cpu.cfs_period_us".to_owned(), PERIOD.to_string()),
            ("cpu.cfs_quota_us".to_owned(), quota.to_string()),
        ];
        all.push(limit("cpus", CPU, Ok(v1), file("cpu.max", format!("{quota} {PERIOD}"))));
    }
    if let Some(weight) = limits.cpu_weight {
        all.push(limit(
            "cpu_weight",
            CPU,
            file("cpu.shares", shares(weight)),
            file("cpu.weight", weight),
        ));
    }
    for (word, value) in [("cpus", &limits.cpuset), ("mems", &limits.cpuset_mems)] {
        if let Some(value) = value {
            let name = format!("cpuset.{word}");
            let word = if word == "cpus" { "cpuset" } else { "cpuset_mems" };
            all.push(limit(word, CPUSET, file(&name, &value.0), file(&name, &value.0)));
        }
    }
    all
}

/// Microseconds of each period; the kernel takes no less than a thousand.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn quota(cpus: f64) -> u64 {
    ((cpus * f64::from(PERIOD)).round() as u64).max(1000)
}

/// A weight as shares of cgroup v1: the default of the one is that of the other, as in systemd,
/// so that a sandbox stands to its neighbours alike in both.
pub(super) fn shares(weight: u32) -> u32 {
    weight * 1024 / 100
}

fn pids(draft: &mut Draft<'_>) -> Vec<Limit> {
    match draft.manifest.limits.pids {
        Some(max) => {
            vec![limit("pids", PIDS, file("pids.max", max), file("pids.max", max))]
        }
        None => Vec::new(),
    }
}

/// How many processes a sandbox of root's may have where the manifest is silent.
pub(super) const DEFAULT_PIDS: u32 = 4096;

/// The default limit of processes: a resource limit does it for everyone but root.
pub(super) fn default_pids() -> Limit {
    let way = || file("pids.max", DEFAULT_PIDS);
    Limit { default: true, ..limit("pids", PIDS, way(), way()) }
}

fn io(draft: &mut Draft<'_>) -> Vec<Limit> {
    let manifest = draft.manifest;
    let mut all = Vec::new();
    if let Some(weight) = manifest.limits.io_weight {
        // BFQ, the only scheduler that has weights in cgroup v1, takes 1 to 1000.
        let v1 = file("blkio.bfq.weight", weight.clamp(1, 1000));
        let v1 = if weight > 1000 { Err("cgroup v1 takes weights up to 1000") } else { v1 };
        all.push(limit("io_weight", IO, v1, file("io.weight", format!("default {weight}"))));
    }
    for (n, io) in manifest.limits.io.iter().enumerate() {
        let place = key("limits").key("io").index(n);
        if let Some(device) = device(draft, io, &place.key("device")) {
            let (v1, v2) = (throttle(io, &device), io_max(io, &device));
            all.push(Limit { key: place, default: false, controller: IO, v1, v2 });
        }
    }
    all
}

fn rates(io: &Io) -> [(&'static str, &'static str, Option<u64>); 4] {
    [
        ("rbps", "read_bps", io.rbps.map(|size| size.0)),
        ("wbps", "write_bps", io.wbps.map(|size| size.0)),
        ("riops", "read_iops", io.riops),
        ("wiops", "write_iops", io.wiops),
    ]
}

fn io_max(io: &Io, device: &str) -> Way {
    let set =
        rates(io).into_iter().filter_map(|(word, _, rate)| Some(format!(" {word}={}", rate?)));
    file("io.max", format!("{device}{}", set.collect::<String>()))
}

#[allow(clippy::unnecessary_wraps, reason = "a way may not be there")]
fn throttle(io: &Io, device: &str) -> Way {
    let line = |(_, word, rate): (_, &str, Option<u64>)| {
        Some((format!("blkio.throttle.{word}_device"), format!("{device} {}", rate?)))
    };
    Ok(rates(io).into_iter().filter_map(line).collect())
}

/// `MAJ:MIN` of a block device that can be limited: a whole disk.
fn device(draft: &mut Draft<'_>, io: &Io, place: &Pointer) -> Option<String> {
    let number = if io.device.starts_with('/') {
        match draft.inputs.paths.get(std::path::Path::new(&io.device)) {
            Some(Found::Device('b', major, minor)) => format!("{major}:{minor}"),
            found => {
                if let Some(Found::Denied(why)) = found {
                    draft.denied(std::path::Path::new(&io.device), why, place);
                    return None;
                }
                let text = match found {
                    None | Some(Found::Missing) => format!("there is nothing at {}", io.device),
                    _ => format!("{} is not a block device", io.device),
                };
                let help = "`lsblk` lists the block devices";
                draft.wrong("bad_device", place, text, "not a block device", help);
                return None;
            }
        }
    } else {
        io.device.clone()
    };
    if let Some(disk) = draft.inputs.disks.get(&number) {
        let text = format!("{} is a partition, and the kernel limits whole disks only", io.device);
        draft.wrong(
            "bad_device",
            place,
            text,
            "a partition",
            format!("write \"{disk}\", its disk"),
        );
        return None;
    }
    Some(number)
}

fn hugetlb(draft: &Draft<'_>) -> Vec<Limit> {
    let sizes = &draft.manifest.limits.hugetlb;
    sizes
        .iter()
        .map(|(page, Size(max))| Limit {
            key: key("limits").key("hugetlb").key(page),
            default: false,
            controller: HUGETLB,
            v1: file(&format!("hugetlb.{page}.limit_in_bytes"), max),
            v2: file(&format!("hugetlb.{page}.max"), max),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_become_shares_in_proportion() {
        for (weight, expected) in [(1, 10), (50, 512), (100, 1024), (10_000, 102_400)] {
            assert_eq!(shares(weight), expected);
        }
    }

    #[test]
    fn a_quota_is_never_below_what_the_kernel_takes() {
        assert_eq!(quota(1.5), 150_000);
        assert_eq!(quota(0.000_01), 1000);
        assert_eq!(quota(0.015), 1500);
    }
}
