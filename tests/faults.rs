//! Whatever call of `up` fails, and wherever one of its processes is killed: it is told, nothing
//! is left behind, and no command runs with less than was asked.
//!
//! A first run of each plan tells which calls the runner, init and the helpers make. Then each of
//! them fails, in a run of its own, with each error that its manual page knows; and in a further
//! run its process is killed there. `FAULTS=all` strikes at all of them, `FAULTS=N` at about N;
//! without it a few hundred are chosen, always the same ones. `FAULTS_ONLY=default` takes one plan.
#![cfg(target_arch = "x86_64")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "faults/cases.rs"]
mod cases;
#[path = "faults/errnos.rs"]
mod errnos;
#[path = "faults/judge.rs"]
mod judge;
#[path = "faults/scene.rs"]
mod scene;
mod support;
#[path = "faults/tracer.rs"]
mod tracer;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cases::{CASES, Case, Place};
use judge::{Class, judge};
use support::{need, need_root};
use tracer::{Seen, Strike};

/// How many are chosen where nothing else is said.
const FEW: usize = 400;

/// One strike.
struct Fault<'c> {
    case: &'c Case,
    known: &'c Known,
    seen: &'c Seen,
    strike: Strike,
}

/// What an untouched run showed.
struct Known {
    calls: Vec<Seen>,
    scene: Vec<String>,
}

#[test]
fn no_fault_and_no_kill_leaves_anything_or_lets_a_command_run_with_less() {
    if !need_root() || !need("setpriv") || !need("newuidmap") || !need("unshare") {
        return;
    }
    let only = std::env::var("FAULTS_ONLY").ok();
    let chosen = CASES.iter().filter(|case| only.as_ref().is_none_or(|only| case.name == only));
    let known: Vec<(&Case, Known)> = chosen.map(|case| (case, know(case))).collect();
    let faults: Vec<Fault> = known.iter().flat_map(|(case, known)| all(case, known)).collect();
    let chosen = choose(&faults);
    let (bad, table) = strike(&chosen);
    print(&known, faults.len(), &table);
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    // What happens when depends on the moment, but most is always the same.
    let missed: usize =
        table.iter().filter(|(key, _)| key.1 == Class::NotReached).map(|it| it.1).sum();
    assert!(missed * 20 < chosen.len(), "{missed} calls were not made");
}

/// Runs it untouched.
fn know(case: &Case) -> Known {
    let place = Place::new();
    // A first time, since some things are made once.
    place.once(case);
    let done = place.run(case, None);
    assert_eq!(done.traced.end, Some(Ok(0)), "{}: {}", case.name, done.stderr);
    assert_eq!(done.left, Vec::<String>::new(), "{}", case.name);
    place.litter.check();
    let scene = done.traced.scene.expect("the command was not seen");
    Known { calls: done.traced.calls, scene }
}

/// Every fault of a plan.
fn all<'c>(case: &'c Case, known: &'c Known) -> Vec<Fault<'c>> {
    let strikes = |seen: &'c Seen| {
        let errors = errnos::of(seen.point.name, &seen.about).iter();
        let errors = errors.map(|errno| Strike::Error(*errno));
        let kill = [Strike::Kill];
        errors.chain(kill).map(move |strike| Fault { case, known, seen, strike })
    };
    known.calls.iter().flat_map(strikes).collect()
}

fn choose<'f, 'c>(faults: &'f [Fault<'c>]) -> Vec<&'f Fault<'c>> {
    let count = match std::env::var("FAULTS") {
        Ok(all) if all == "all" => faults.len(),
        Ok(number) => number.parse().expect("FAULTS is a number or `all`"),
        Err(_) => FEW,
    };
    let step = (faults.len() / count.max(1)).max(1);
    let chosen = |(n, fault): &(usize, &Fault)| n % step == 0 || once_bad(fault);
    faults.iter().enumerate().filter(chosen).map(|(_, fault)| fault).collect()
}

/// Kinds of faults that once ended badly: a line that failed was no end of the run, and 0; the
/// standard library's `output` panics.
fn once_bad(fault: &Fault) -> bool {
    let name = fault.seen.point.name;
    match fault.case.name {
        "bare" => ["poll", "recvfrom", "recvmsg", "sendmsg"].contains(&name),
        "default" => ["recvmsg", "sendmsg", "wait4"].contains(&name),
        "range, user" => ["ioctl", "poll"].contains(&name) && fault.seen.point.role == "r",
        _ => false,
    }
}

type Table = BTreeMap<(&'static str, Class), usize>;

/// Strikes, with as many workers as there are processors. FAULTS_LOG names a file for how each
/// one ended.
fn strike(faults: &[&Fault]) -> (Vec<String>, Table) {
    let log = std::env::var_os("FAULTS_LOG").map(|path| File::create(path).unwrap());
    let (next, all) = (AtomicUsize::new(0), Mutex::new((Vec::new(), Table::new())));
    let work = || {
        let place = Place::new();
        while let Some(fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (class, line) = judge(&place, fault);
            let mut all = all.lock().unwrap();
            log.iter().for_each(|mut log| writeln!(log, "{line}").unwrap());
            if class == Class::Bad {
                all.0.push(line);
            }
            *all.1.entry((kind(fault), class)).or_default() += 1;
        }
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        (0..workers).map(|_| scope.spawn(work)).for_each(drop);
    });
    all.into_inner().unwrap()
}

fn kind(fault: &Fault) -> &'static str {
    match (fault.strike, fault.seen.point.role.as_str()) {
        (Strike::Error(_), _) if fault.seen.foreign => "error before main or in a helper",
        (Strike::Error(_), "r") => "error in the runner",
        (Strike::Error(_), _) => "error in init",
        (Strike::Kill, "r") => "SIGKILL of the runner",
        (Strike::Kill, role) if role.starts_with("r.0") => "SIGKILL of init",
        (Strike::Kill, _) => "SIGKILL of a helper",
    }
}

fn print(known: &[(&Case, Known)], of: usize, table: &Table) {
    for (case, known) in known {
        let ours = known.calls.iter().filter(|seen| !seen.foreign).count();
        println!("{:16} {:5} calls, {ours} of them our own", case.name, known.calls.len());
    }
    let struck: usize = table.values().sum();
    println!("{struck} of {of} faults injected");
    for ((kind, class), count) in table {
        println!("{count:7}  {kind}: {}", class.words());
    }
}
