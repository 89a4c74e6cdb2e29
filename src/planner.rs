//! From what is asked to what is done.
//!
//! The order of the steps is decided here and nowhere else; the rooms below say which steps a
//! part of the manifest needs. All of it is pure: the machine is asked by `probe` and `inputs`.

mod command;
mod dev;
mod draft;
mod env_file;
mod exposure;
mod files;
mod foreign;
mod groups;
mod identity;
mod isolation;
pub(crate) mod lacks;
mod limits;
mod mounts;
mod passwd;
mod proc;
mod rlimits;
mod root;
mod security;
mod streams;
mod sysctls;

use crate::diagnostic::Problem;
use crate::host::Host;
use crate::inputs::Inputs;
use crate::manifest::Manifest;
use crate::plan::{CloneInit, Init, Plan, Step, Supervise, Verify};
use crate::source::Pointer;
use draft::{Draft, default, step};

pub use command::PATH;
#[cfg(any(test, fuzzing))]
pub(crate) use env_file::endure as endure_env_file;
pub(crate) use groups::controllers;
#[cfg(any(test, fuzzing))]
pub(crate) use groups::endure as endure_cpus;

/// Draws the plan of a manifest for a host, or says everything that keeps it from being drawn.
pub fn plan(manifest: &Manifest, host: &Host, inputs: &Inputs) -> Result<Plan, Vec<Problem>> {
    let mut draft = Draft::new(manifest, host, inputs);
    for what in host.unseen.iter().chain(&inputs.unseen) {
        draft.wrong(
            "look_failed",
            &Pointer::root(),
            format!("this could not be looked at, and no plan is drawn without it: {what}"),
            "",
            "try again, or free what the machine has run out of",
        );
    }
    let plan = draw(&mut draft);
    draft.finish(plan)
}

fn draw(draft: &mut Draft<'_>) -> Plan {
    let manifest = draft.manifest;
    let isolation = isolation::choose(draft);
    let mut identity = identity::choose(draft, &isolation);
    let mut groups = groups::choose(draft, &isolation);
    let mut security = security::choose(draft);
    let streams = streams::choose(draft, &identity, security.landlock());
    let network = isolation::network(draft);
    draft.may_degrade();

    let mut init: Vec<_> = [
        vec![
            step(Init::ParentDeathSignal, &default("init")),
            step(Init::NewSession, &default("init")),
        ],
        // What needs no id comes first: meanwhile the parent maps them.
        isolation::names(draft, &isolation),
        vec![step(Init::PrivateMounts, &default("mounts"))],
        std::mem::take(&mut identity.map),
        std::mem::take(&mut groups.join),
        std::mem::take(&mut identity.enter),
        isolation::late(&isolation, &groups),
        rlimits::oom_score(draft),
        vec![step(Init::Undumpable, &default("security"))],
        security::own(draft),
        sysctls::steps(draft, &isolation),
        file_systems(draft, &isolation, &identity, &streams),
        vec![step(Init::PivotRoot, &root::origin(draft))],
        rlimits::nice(draft),
        vec![rlimits::umask(draft)],
        std::mem::take(&mut identity.set),
        vec![command::working_dir(draft)],
        std::mem::take(&mut security.init),
    ]
    .into_iter()
    .flatten()
    .collect();

    let mapped = match identity.foreign {
        Some(_) => foreign::map(draft, &mut init),
        None => Vec::new(),
    };
    let limits = rlimits::steps(draft, &groups, &identity);
    let attend = std::mem::take(&mut identity.attend);
    let namespaces = isolation.at_clone(&groups);
    let spawn = isolation::spawn(draft, &isolation);
    let verify = Verify {
        uid: identity.uid,
        gid: identity.gid,
        groups: identity.groups(),
        capabilities: manifest.security.capabilities.clone(),
        no_new_privileges: manifest.security.no_new_privileges,
        seccomp: security.filtered,
        namespaces: isolation.own(),
    };
    Plan {
        name: draft.name.clone(),
        labels: manifest.labels.clone(),
        prepare: root::lock(draft)
            .into_iter()
            .chain(network)
            .chain(groups.prepare)
            .chain(streams.open.clone())
            .collect(),
        clone: step(CloneInit { namespaces, into_cgroup: groups.into }, &isolation::origin(draft)),
        attend: attend.into_iter().chain(mapped).chain(rlimits::raise(draft)).collect(),
        init,
        command: command::steps(spawn.as_ref(), &streams, limits, security.command, verify),
        spawn,
        exec: command::exec(draft, &identity, &streams),
        supervise: Supervise {
            terminal: streams.terminal,
            accounts: groups.accounts,
            ..supervise(draft)
        },
        degraded: Vec::new(),
        holes: Vec::new(),
    }
}

fn file_systems(
    draft: &mut Draft<'_>,
    isolation: &isolation::Isolation,
    identity: &identity::Identity,
    streams: &streams::Streams,
) -> Vec<Step<Init>> {
    let mut root = root::choose(draft, identity);
    let mut steps = std::mem::take(&mut root.steps);
    steps.extend(proc::mount(draft, &mut root, isolation));
    steps.extend(dev::steps(draft, &mut root, isolation, identity));
    steps.extend(mounts::tmpfs(draft, &mut root, isolation));
    steps.extend(files::etc(draft, &mut root));
    steps.extend(mounts::steps(draft, &mut root, isolation));
    steps.extend(mounts::devices(draft, &mut root));
    steps.extend(files::steps(draft, &mut root));
    // Masks come after the mounts, so that no mount of the manifest's lies above one unseen.
    steps.extend(proc::masks(draft, isolation, identity));
    steps.extend(root::seal(&root, draft));
    if let Some(scratch) = files::scratch(&steps) {
        steps.insert(0, scratch);
    }
    if streams.terminal {
        steps.push(step(Init::OpenTerminal, &streams::origin(draft)));
    }
    steps
}

fn supervise(draft: &mut Draft<'_>) -> Supervise {
    let manifest = draft.manifest;
    let limits = &manifest.limits;
    Supervise {
        timeout: manifest.timeout.map(|timeout| timeout.0),
        cpu_time: limits.cpu_time.map(|time| time.0),
        output: limits.output.map(|size| size.0),
        stop_signal: manifest.stop_signal.0,
        grace: manifest.stop_grace_period.0,
        oom_group: limits.oom_group.unwrap_or(true),
        memory_limit: limits.memory.map(|size| size.0),
        report: streams::report(draft),
        ..Supervise::default()
    }
}
