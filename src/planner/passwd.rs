//! Accounts and groups: those of the root file system, or the few of a generated /etc.

use crate::manifest::{Id, RootSource};

use super::draft::Draft;

/// One line of passwd(5).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) home: String,
}

/// The accounts that the command will see.
pub(super) fn accounts(draft: &Draft<'_>) -> Vec<Account> {
    match draft.manifest.rootfs.source {
        RootSource::Host => parse(&generated(draft)),
        RootSource::Dir(_) => draft.inputs.passwd.as_deref().map(parse).unwrap_or_default(),
    }
}

/// Name and number of each group that the command will see.
pub(super) fn groups(draft: &Draft<'_>) -> Vec<(String, u32)> {
    let text = match draft.manifest.rootfs.source {
        RootSource::Host => generated_group(draft),
        RootSource::Dir(_) => draft.inputs.group.clone().unwrap_or_default(),
    };
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let (name, gid) = (fields.next()?, fields.nth(1)?);
            Some((name.to_owned(), gid.parse().ok()?))
        })
        .collect()
}

fn parse(text: &str) -> Vec<Account> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
            let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
            Some(Account { name: (*name).into(), uid, gid, home: (*home).into() })
        })
        .collect()
}

/// The passwd file of `rootfs: host`.
pub(super) fn generated(draft: &Draft<'_>) -> String {
    let mut text = String::from(
        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    );
    if let Id::Number(uid) = draft.manifest.user.user
        && uid != 0
        && uid != 65_534
    {
        let gid = match draft.manifest.user.group {
            Some(Id::Number(gid)) => gid,
            _ => uid,
        };
        text.push_str(&format!("user:x:{uid}:{gid}:user:/tmp:/bin/sh\n"));
    }
    text
}

/// The group file of `rootfs: host`.
pub(super) fn generated_group(draft: &Draft<'_>) -> String {
    let mut text = String::from("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
    let gid = match (&draft.manifest.user.group, &draft.manifest.user.user) {
        (Some(Id::Number(gid)), _) | (None, Id::Number(gid)) => *gid,
        _ => 0,
    };
    if ![0, 5, 65_534].contains(&gid) {
        text.push_str(&format!("user:x:{gid}:\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_accounts_are_passed_over() {
        let text = "root:x:0:0:root:/root:/bin/sh\n+::::::\nbad:x:-1:0::/:\nshort:x:1\n\nweb:x:33:33::/srv:/bin/false\n";
        let names: Vec<_> =
            parse(text).into_iter().map(|account| (account.name, account.uid)).collect();
        assert_eq!(names, [("root".to_owned(), 0), ("web".to_owned(), 33)]);
    }
}
