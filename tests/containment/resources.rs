//! Programs that take all there is: while they run the machine is usable, and their end is clean.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::probe::{Who, callers, compiled};
use crate::support::{
    NoLitter, Session, Temp, as_user, busybox_root, busybox_root_of_user, is_emulated, run,
    sixdocker,
};

/// Longer than a loaded machine needs to end a few thousand processes.
const BOUND: Duration = Duration::from_mins(1);

struct Bomb {
    temp: Temp,
    litter: NoLitter,
    who: Who,
}

impl Bomb {
    /// None where there is no compiler, which is said.
    fn new(who: Who) -> Option<Self> {
        compiled()?;
        Some(Self { temp: Temp::new(), litter: NoLitter::new(), who })
    }

    /// The runner with this bomb in its sandbox.
    fn command(&self, what: &str, more: &str) -> Command {
        let bombs = compiled().unwrap().join("bombs");
        let text = format!(
            "name: {}\ncommand: [/bombs, {what}, {}]\nstop_grace_period: 100ms\nmounts: [{{type: bind, source: {}, target: /bombs, exec: true}}]\n{more}\n",
            self.litter.mark(),
            self.litter.mark(),
            bombs.display()
        );
        let root = || match self.who {
            Who::Root => busybox_root(),
            Who::User => busybox_root_of_user(),
        };
        let text = if more.contains("ROOT") {
            text.replace("ROOT", &root().display().to_string())
        } else {
            text
        };
        let file = self.temp.write("box.yaml", text);
        let mut command = match self.who {
            Who::Root => sixdocker(),
            Who::User => as_user(),
        };
        command.arg("up").arg(file);
        command
    }

    /// Lets it go off, looks at the machine, asks it to end, and looks whether all is gone. What
    /// it could get is returned.
    #[track_caller]
    fn goes_off(&self, what: &str, more: &str) -> (u64, String) {
        let session = Session::start(&mut self.command(what, more));
        session.expect("\n");
        machine_is_usable();
        session.signal(Signal::SIGTERM);
        let begun = Instant::now();
        let (code, stdout, stderr) = session.finish();
        assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
        assert_eq!(code, 143, "{stdout} {stderr}");
        self.litter.check();
        let (count, reason) = stdout.trim().split_once(": ").unwrap();
        (count.parse().unwrap(), reason.to_owned())
    }
}

/// Somebody else gets a process, and a word from it.
#[track_caller]
fn machine_is_usable() {
    let ran = run(Command::new("/bin/sh").args(["-c", "echo word | cat"])).expect(0);
    assert_eq!(ran.stdout, "word\n");
}

/// These further lines, or under emulation the first alone.
fn lines<const N: usize>(all: [&'static str; N]) -> impl Iterator<Item = &'static str> {
    all.into_iter().take(if is_emulated() { 1 } else { N })
}

#[track_caller]
fn each(what: &str, more: &str, enough: impl Fn(u64, &str) -> bool) {
    for who in callers() {
        let Some(bomb) = Bomb::new(*who) else { return };
        let (count, reason) = bomb.goes_off(what, more);
        assert!(enough(count, &reason), "{who:?}: {count} {what}, then {reason}");
    }
}

#[test]
fn a_fork_bomb_gets_no_more_than_the_default() {
    each("processes", "", |count, reason| {
        (100..=4096).contains(&count) && reason.contains("Resource temporarily unavailable")
    });
}

#[test]
fn threads_count_as_processes() {
    each("threads", "", |count, _| (100..=4096).contains(&count));
}

#[test]
fn zombies_are_gone_at_the_end() {
    for more in lines(["", "init: true"]) {
        each("zombies", more, |count, _| count == 3000);
    }
}

#[test]
fn orphans_are_gone_at_the_end() {
    for more in lines(["init: true", ""]) {
        each("orphans", more, |count, _| count == 1500);
    }
}

#[test]
fn stopped_trees_that_ignore_every_signal_are_ended() {
    for more in lines(["", "init: true"]) {
        each("stopped", more, |count, _| count == 100);
        each("deaf", more, |_, _| true);
    }
}

#[test]
fn a_tmpfs_holds_what_it_may() {
    let full = |count, reason: &str| (1..=256).contains(&count) && reason.contains("No space left");
    each("fill, /tmp", "tmpfs: ['/tmp:size=16m']", full);
    each("fill, /dev/shm", "shm_size: 16m", full);
    // A layer belongs to whoever the root file system belongs to.
    each("fill, /var", "rootfs: {path: ROOT, size: 16m}", full);
}

#[test]
fn a_file_system_in_memory_counts_against_the_limit_of_memory() {
    for who in callers().iter().filter(|who| **who == Who::Root) {
        let Some(bomb) = Bomb::new(*who) else { return };
        let ran = run(&mut bomb.command("fill, /tmp", "limits: {memory: 32m}"));
        ran.expect(137).says("memory limit of 32 MiB");
        bomb.litter.check();
        let ran = run(&mut bomb.command("inodes, /tmp", "limits: {memory: 32m}"));
        ran.expect(137).says("memory limit of 32 MiB");
        bomb.litter.check();
    }
}

/// On cgroup v1 nothing counts it by default.
#[test]
fn what_lies_in_sockets_counts_against_the_limit_of_memory() {
    for who in callers().iter().filter(|who| **who == Who::Root) {
        let Some(bomb) = Bomb::new(*who) else { return };
        let more = "timeout: 3s\nlimits: {memory: 32m}";
        let ran = run(&mut bomb.command("sockets", more));
        // Killed for want of memory, or let have little more (each socket may have some) and ended
        // by the clock.
        let held = ran.stdout.split_once(':').map(|(held, _)| held.parse::<u32>().unwrap());
        assert!([124, 137].contains(&ran.code()) && held.is_none_or(|held| held < 100), "{ran:?}");
        bomb.litter.check();
    }
}

/// Nobody reads what is written into a pipe, and the runner ends all the same.
#[test]
fn a_flood_that_nobody_reads_holds_nobody_up() {
    for (who, more) in callers().iter().flat_map(|who| lines(FLOODS).map(move |more| (who, more))) {
        let Some(bomb) = Bomb::new(*who) else { return };
        let (out, error) = (pipe(), pipe());
        let mut command = bomb.command("flood", &format!("timeout: 300ms\n{more}"));
        command.stdout(out.1).stderr(error.1);
        let mut child = command.spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > BOUND {
                child.kill().unwrap();
                panic!("{who:?}, {more}: it does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.code(), Some(124), "{who:?}, {more}");
        bomb.litter.check();
        drop((out.0, error.0));
    }
}

const FLOODS: [&str; 4] = ["", "tty: true", "init: true\ntty: true", "limits: {output: 1g}"];

fn pipe() -> (File, File) {
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    (read.into(), write.into())
}
