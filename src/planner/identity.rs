//! Who the command is, inside and outside.

use std::path::PathBuf;

use crate::capability::Capability;
use crate::host::Subordinate;
use crate::inputs::Found;
use crate::manifest::{Id, User};
use crate::plan::{Attend, IdKind, IdRange, Init, Namespace, Opening, Origin, Step};
use crate::source::Pointer;

use super::draft::{Draft, asked, default, either, key, step};
use super::foreign;
use super::isolation::Isolation;
use super::lacks;
use super::passwd::{self, Account};

/// The command's ids, and the steps that make it have them.
pub(super) struct Identity {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The account's name and home, where there is one.
    pub(super) account: Option<Account>,
    /// What the parent maps.
    pub(super) attend: Vec<Step<Attend>>,
    /// What init maps by itself.
    pub(super) map: Vec<Step<Init>>,
    /// How init becomes root inside, before it makes anything: a caller whose id is not mapped
    /// is nobody there.
    pub(super) enter: Vec<Step<Init>>,
    /// The first of the outside ids that are nobody's on the host, where they are.
    pub(super) foreign: Option<u32>,
    /// How init takes on its ids.
    pub(super) set: Vec<Step<Init>>,
    /// The group ids that are mapped inside.
    pub(super) gids: Vec<IdRange>,
}

impl Identity {
    /// The command's user as the host knows it.
    pub(super) fn outside(&self) -> u32 {
        let own = self.map.iter().find_map(|step| match &step.action {
            Init::MapSelf { uid, .. } => Some(std::slice::from_ref(uid)),
            _ => None,
        });
        let parents = self.attend.iter().find_map(|step| match &step.action {
            Attend::MapIds { kind: IdKind::Uid, map, .. } => Some(map.as_slice()),
            _ => None,
        });
        let ranges = own.or(parents).unwrap_or_default();
        let holds = |range: &&IdRange| {
            self.uid.checked_sub(range.inside).is_some_and(|above| above < range.count)
        };
        let range = ranges.iter().find(holds);
        range.map_or(self.uid, |range| range.outside.saturating_add(self.uid - range.inside))
    }

    /// The supplementary groups that the command has; none where it keeps the caller's.
    pub(super) fn groups(&self) -> Option<Vec<u32>> {
        self.set.iter().find_map(|step| match &step.action {
            Init::SetIds { groups, .. } => groups.clone(),
            _ => None,
        })
    }
}

/// Chooses ids and their map.
pub(super) fn choose(draft: &mut Draft<'_>, isolation: &Isolation) -> Identity {
    let User { user, group } = &draft.manifest.user;
    let accounts = passwd::accounts(draft);
    let account = account(draft, user, &accounts);
    let uid = match user {
        Id::Number(uid) => *uid,
        Id::Name(_) => account.as_ref().map_or(0, |account| account.uid),
    };
    let gid = match group {
        Some(group) => self::group(draft, group, &key("user")),
        None => account.as_ref().map_or(uid, |account| account.gid),
    };
    let groups: Vec<u32> = (draft.manifest.groups.iter().enumerate())
        .map(|(n, group)| self::group(draft, group, &key("groups").index(n)))
        .collect();
    let mut identity = Identity {
        uid,
        gid,
        account,
        attend: Vec::new(),
        map: Vec::new(),
        enter: Vec::new(),
        foreign: None,
        set: Vec::new(),
        gids: vec![range(gid, draft.host.gid, 1)],
    };
    let user_origin = origin(draft);
    if !isolation.has(Namespace::User) || draft.host.privileged {
        if isolation.has(Namespace::User) {
            direct(draft, &mut identity, &groups, &user_origin);
        }
        if identity.foreign.is_none() {
            for (n, group) in groups.iter().enumerate() {
                let origin = super::draft::at(key("groups").index(n));
                draft.hole(Opening::HostGroup, group.to_string(), &origin);
            }
        }
        set(&mut identity, groups, &user_origin);
    } else if let Some(why) = wide(draft, &groups) {
        subordinate(draft, &mut identity, groups, &why, &user_origin);
    } else {
        own(draft, &mut identity, &user_origin);
    }
    identity
}

/// What asked for the user.
pub(super) fn origin(draft: &Draft<'_>) -> Origin {
    let user = &draft.manifest.user.user;
    either("user", *user != Id::Number(0) && *user != Id::Name("root".into()))
}

fn range(inside: u32, outside: u32, count: u32) -> IdRange {
    IdRange { inside, outside, count }
}

fn account(draft: &mut Draft<'_>, user: &Id, accounts: &[Account]) -> Option<Account> {
    let found = accounts.iter().find(|account| match user {
        Id::Number(uid) => account.uid == *uid,
        Id::Name(name) => account.name == *name,
    });
    // Root is 0 everywhere, even where the root file system is a single static program.
    if let (None, Id::Name(name)) = (found, user)
        && name != "root"
    {
        let names = accounts.iter().map(|account| account.name.as_str());
        unknown(draft, "user", "passwd", name, names, &key("user"));
    }
    found.cloned()
}

/// The number of a group.
fn group(draft: &mut Draft<'_>, group: &Id, place: &Pointer) -> u32 {
    let name = match group {
        Id::Number(gid) => return *gid,
        Id::Name(name) => name,
    };
    let groups = passwd::groups(draft);
    if let Some((_, gid)) = groups.iter().find(|(known, _)| known == name) {
        return *gid;
    }
    unknown(draft, "group", "group", name, groups.iter().map(|(name, _)| name.as_str()), place);
    0
}

fn unknown<'n>(
    draft: &mut Draft<'_>,
    what: &str,
    file: &str,
    name: &str,
    names: impl Iterator<Item = &'n str>,
    place: &Pointer,
) {
    // Long names take long to compare, and a root file system may be anybody's.
    let alike = |known: &&str| known.len().abs_diff(name.len()) <= 2 && known.len() <= 256;
    let near = names
        .filter(alike)
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map_or_else(|| "a".to_owned(), |(_, known)| format!("did you mean `{known}`? A"));
    let path = format!("/etc/{file}");
    let text = match unread(draft, &path) {
        Some(why) => {
            format!("the root file system's {path}, which may know {what} `{name}`, {why}")
        }
        None => format!("the root file system's {path} has no {what} `{name}`"),
    };
    let help = format!("{near} number needs no entry there");
    draft.wrong(
        if what == "user" { "unknown_user" } else { "unknown_group" },
        place,
        text,
        "not known inside",
        help,
    );
}

/// Why a file of accounts was not read, where it is there.
fn unread(draft: &Draft<'_>, path: &str) -> Option<String> {
    match draft.inputs.inside.get(path)? {
        Found::Denied(reason) => Some(format!("can't be read: {reason}")),
        Found::Other(kind) => Some(format!("is no file, but {kind}")),
        Found::Directory => Some("is no file, but a directory".to_owned()),
        Found::Device(..) => Some("is no file, but a device".to_owned()),
        _ => None,
    }
}

/// Capabilities that are worth nothing with a single id.
const OVER_IDS: [Capability; 3] = [Capability::Chown, Capability::Setuid, Capability::Setgid];

/// What asks for more than one id, where something does.
fn wide(draft: &Draft<'_>, groups: &[u32]) -> Option<Origin> {
    if !groups.is_empty() {
        return Some(asked("groups"));
    }
    let listed = |capability| draft.manifest.security.capabilities.contains(capability);
    let any = OVER_IDS.iter().any(listed) && draft.host.subordinate.is_some();
    any.then(|| super::draft::at(key("security").key("capabilities")))
}

/// An ordinary caller's one id, which init maps by itself. Where the caller has groups that can be
/// given up, newgidmap maps its group instead.
fn own(draft: &mut Draft<'_>, identity: &mut Identity, origin: &Origin) {
    let uid = range(identity.uid, draft.host.uid, 1);
    let gid = range(identity.gid, draft.host.gid, 1);
    if let Some(Subordinate { gid: (spare, _), newgidmap, .. }) =
        draft.host.subordinate.clone().filter(|_| draft.host.gives_up_groups)
    {
        let other = if identity.gid == NOBODY { NOBODY - 1 } else { NOBODY };
        identity.gids.push(range(other, spare, 1));
        identity.gids.sort_by_key(|range| range.inside);
        let map = identity.gids.clone();
        let ids = Attend::MapIds { kind: IdKind::Gid, map, helper: Some(newgidmap) };
        identity.attend.push(step(ids, &default("groups")));
        identity.map.push(step(Init::MapSelf { uid, gid: None }, origin));
        return set(identity, Vec::new(), origin);
    }
    identity.map.push(step(Init::MapSelf { uid, gid: Some(gid) }, origin));
    keeps_groups(draft, &default("groups"));
}

/// Stands for no group of anybody's.
const NOBODY: u32 = 65_534;

/// Says which groups of the caller the command keeps. Nobody without privilege can give up a
/// group, since a group may be what denies access: whoever may map more ids may.
fn keeps_groups(draft: &mut Draft<'_>, origin: &Origin) {
    let groups = &draft.host.groups;
    if groups.is_empty() {
        return;
    }
    let list: Vec<_> = groups.iter().map(ToString::to_string).collect();
    draft.hole(Opening::CallerGroups, list.join(", "), origin);
}

/// The caller's id and its subordinate ids, mapped by the helpers.
fn subordinate(
    draft: &mut Draft<'_>,
    identity: &mut Identity,
    groups: Vec<u32>,
    why: &Origin,
    user: &Origin,
) {
    let ends = |(first, count): (u32, u32)| first.checked_add(count).is_some();
    let ids = draft.host.subordinate.clone().filter(|ids| ends(ids.uid) && ends(ids.gid));
    let Some(Subordinate { uid, gid, newuidmap, newgidmap }) = ids else {
        let (missing, help) = lacks::ids(draft.host);
        let text = format!("`{}` needs more ids than the caller's own, but {missing}", why.key);
        return draft.wrong("no_subordinate_ids", &why.key, text, "needs subordinate ids", help);
    };
    let uids = around(identity.uid, draft.host.uid, uid);
    identity.gids = around(identity.gid, draft.host.gid, gid);
    for group in groups.iter().filter(|group| !covered(&identity.gids, **group)) {
        let text =
            format!("group {group} is beyond the caller's subordinate range of {} ids", gid.1);
        draft.wrong("no_subordinate_ids", &why.key, text, "not mapped", "choose a lower id");
    }
    let map = |kind, map: &[IdRange], helper: PathBuf| {
        step(Attend::MapIds { kind, map: map.to_vec(), helper: Some(helper) }, why)
    };
    identity.attend =
        vec![map(IdKind::Uid, &uids, newuidmap), map(IdKind::Gid, &identity.gids, newgidmap)];
    set(identity, groups, user);
}

/// One id that stands for `outside`, in the middle of a subordinate range.
fn around(inside: u32, outside: u32, (first, count): (u32, u32)) -> Vec<IdRange> {
    let below = inside.min(count);
    let mut map = vec![range(inside, outside, 1)];
    if below > 0 {
        map.push(range(0, first, below));
    }
    if count > below {
        map.push(range(inside + 1, first + below, count - below));
    }
    map.sort_by_key(|range| range.inside);
    map
}

fn covered(map: &[IdRange], id: u32) -> bool {
    map.iter().any(|range| range.holds(id))
}

/// A privileged caller's map: what the command needs, each to an id outside that is nobody's,
/// or else to the same id; all ids, where a capability lets it go from one to another.
fn direct(draft: &mut Draft<'_>, identity: &mut Identity, groups: &[u32], user: &Origin) {
    let capabilities = &draft.manifest.security.capabilities;
    let all = OVER_IDS.iter().any(|capability| capabilities.contains(capability));
    let origin =
        if all { super::draft::at(key("security").key("capabilities")) } else { user.clone() };
    let uids = vec![0, identity.uid];
    let gids = [&[0, identity.gid], groups].concat();
    identity.foreign = foreign(draft, &[uids.as_slice(), &gids].concat());
    if all && identity.foreign.is_none() {
        draft.hole(Opening::AllIds, "", &origin);
    }
    let first = identity.foreign.unwrap_or_default();
    let uids = ranges(uids, all, first);
    identity.gids = ranges(gids, all, first);
    let of_groups = if groups.is_empty() || all { origin.clone() } else { asked("groups") };
    let map = |kind, map, origin| step(Attend::MapIds { kind, map, helper: None }, origin);
    identity.attend =
        vec![map(IdKind::Uid, uids, &origin), map(IdKind::Gid, identity.gids.clone(), &of_groups)];
    if identity.foreign.is_some() {
        identity.enter = become_user(0, 0, Vec::new(), &default("userns"));
    }
}

/// Outside ids that are nobody's, for root. Where they can't be had, the plan says why.
fn foreign(draft: &mut Draft<'_>, ids: &[u32]) -> Option<u32> {
    if !foreign::wanted(draft) {
        return None;
    }
    foreign::first(draft, ids)
        .map_err(|why| draft.hole(Opening::HostRoot, why, &default("userns")))
        .ok()
}

/// These ids inside, and all below 65536 with `all`, from `first` on outside.
fn ranges(mut ids: Vec<u32>, all: bool, first: u32) -> Vec<IdRange> {
    ids.sort_unstable();
    ids.dedup();
    if all {
        ids.retain(|id| *id >= foreign::RANGE);
    }
    let each = ids.into_iter().map(|id| range(id, first + id, 1));
    all.then(|| range(0, first, foreign::RANGE)).into_iter().chain(each).collect()
}

/// Takes the ids on, and gives up every group that is not asked for. The kernel forgets the
/// parent-death signal when ids change.
fn set(identity: &mut Identity, groups: Vec<u32>, user: &Origin) {
    identity.set = become_user(identity.uid, identity.gid, groups, user);
}

fn become_user(uid: u32, gid: u32, groups: Vec<u32>, origin: &Origin) -> Vec<Step<Init>> {
    let ids = Init::SetIds { uid, gid, groups: Some(groups) };
    vec![step(ids, origin), step(Init::ParentDeathSignal, &default("init"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_id_stands_in_the_middle_of_the_range() {
        let map = around(1000, 501, (100_000, 65_536));
        assert_eq!(
            map,
            [range(0, 100_000, 1000), range(1000, 501, 1), range(1001, 101_000, 64_536)]
        );
        assert_eq!(around(0, 501, (100_000, 10)), [range(0, 501, 1), range(1, 100_000, 10)]);
        assert_eq!(around(99, 501, (100_000, 10)), [range(0, 100_000, 10), range(99, 501, 1)]);
    }
}
