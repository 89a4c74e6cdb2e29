//! What the runner itself holds a sandbox to: time, processor time, and memory where the
//! kernel kills one process but the manifest wants the end of all.

use std::num::NonZero;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::cgroup;
use crate::plan::{CgroupVersion, Group, Supervise};
use crate::sys;

/// Between a memory group's cry and the kernel's kill little time passes; then we look rarely.
const SOON: Duration = Duration::from_millis(2);
const RARELY: Duration = Duration::from_millis(250);

/// A limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Timeout,
    CpuTime,
    Memory,
}

/// The limits of one run, and when to look at them next.
#[derive(Debug)]
pub(super) struct Limits<'p> {
    watch: &'p Supervise,
    timeout: Option<Instant>,
    cpu: Option<Instant>,
    /// The time that was used could not be read.
    pub(super) blind: bool,
    memory: Option<Memory<'p>>,
}

#[derive(Debug)]
struct Memory<'p> {
    group: &'p Group,
    /// Can be read when the group runs out of memory; where the kernel has no such thing, we
    /// look from time to time.
    event: Option<OwnedFd>,
    next: Option<Instant>,
    looks: u32,
}

impl<'p> Limits<'p> {
    /// `memory` can be read when the memory group is out of memory.
    pub(super) fn new(watch: &'p Supervise, memory: Option<OwnedFd>, now: Instant) -> Self {
        Self {
            watch,
            timeout: watch.timeout.and_then(|timeout| now.checked_add(timeout)),
            // Let go where nothing counts it.
            cpu: watch.cpu_time.and(watch.accounts.cpu.as_ref()).map(|_| now),
            blind: false,
            memory: Memory::new(watch, memory, now),
        }
    }

    /// When to look again at the latest.
    pub(super) fn next(&self) -> Option<Instant> {
        let memory = self.memory.as_ref().and_then(|memory| memory.next);
        [self.timeout, self.cpu, memory].into_iter().flatten().min()
    }

    /// When the time is up.
    pub(super) fn timeout(&self) -> Option<Instant> {
        self.timeout
    }

    /// What can be read when memory runs out.
    pub(super) fn event(&self) -> Option<BorrowedFd<'_>> {
        Some(self.memory.as_ref()?.event.as_ref()?.as_fd())
    }

    /// It can be read.
    pub(super) fn cried(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.cried();
        }
    }

    /// The limit that is reached now, if one is.
    pub(super) fn reached(&mut self, now: Instant) -> Option<Reached> {
        if self.memory.as_mut().is_some_and(|memory| memory.reached(now)) {
            Some(Reached::Memory)
        } else if self.cpu_reached(now) {
            Some(Reached::CpuTime)
        } else {
            self.timeout.filter(|timeout| *timeout <= now).map(|_| Reached::Timeout)
        }
    }

    /// The run ended for want of memory: the kernel killed somebody for that, and it was the command
    /// (`killed`), or all are to end together.
    pub(super) fn starved(&self, killed: bool) -> bool {
        let together = self.memory.as_ref().is_some_and(Memory::may_have_run_out);
        let kills = || cgroup::oom_kills(self.watch.accounts.memory.as_ref()?);
        (killed || together) && kills().is_some_and(|kills| kills > 0)
    }

    fn cpu_reached(&mut self, now: Instant) -> bool {
        let (Some(limit), Some(next)) = (self.watch.cpu_time, self.cpu) else { return false };
        if next > now {
            return false;
        }
        let used = cgroup::cpu_used(&self.watch.accounts);
        self.blind |= used.is_none();
        let left = limit.saturating_sub(used.unwrap_or_default());
        // With all processors busy, this is how long it lasts.
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let last = left / u32::try_from(processors).unwrap_or(1);
        self.cpu = Some(now + last.clamp(Duration::from_millis(5), Duration::from_secs(1)));
        left.is_zero()
    }
}

impl<'p> Memory<'p> {
    /// In cgroup v2 the kernel itself kills the whole group (memory.oom.group).
    fn new(watch: &'p Supervise, event: Option<OwnedFd>, now: Instant) -> Option<Self> {
        let group = watch.accounts.memory.as_ref()?;
        let ours = watch.oom_group && watch.memory_limit.is_some();
        if !ours || group.version == CgroupVersion::V2 {
            return None;
        }
        let next = event.is_none().then(|| now + RARELY);
        Some(Self { group, event, next, looks: 0 })
    }

    fn cried(&mut self) {
        self.hear();
        self.next = Some(Instant::now());
        self.looks = 0;
    }

    /// Whether it has cried.
    fn hear(&self) -> bool {
        let event = self.event.as_ref();
        event.is_some_and(|event| sys::read(event.as_fd(), &mut [0; 8]).is_ok())
    }

    /// The command may have ended before anyone heard the cry.
    fn may_have_run_out(&self) -> bool {
        self.hear() || self.next.is_some()
    }

    fn reached(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.looks += 1;
        self.next = Some(now + if self.looks < 100 { SOON } else { RARELY });
        cgroup::oom_kills(self.group).is_some_and(|kills| kills > 0)
    }
}
