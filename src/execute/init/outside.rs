//! What init is told of the runner, to compare itself with.

use super::Namespaces;
use crate::sys::Program;

/// The runner's own namespaces, and its program. The parent looks them up while init works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    pub(super) namespaces: Namespaces,
    pub(super) program: Option<Program>,
}

impl Outside {
    pub(super) const SIZE: usize = Namespaces::SIZE + Program::SIZE;

    /// This process's.
    #[must_use]
    pub fn own() -> Self {
        Self { namespaces: Namespaces::own(), program: Program::own() }
    }

    /// As it is in a message.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        let program = self.program.into_iter().flat_map(Program::bytes);
        let nothing = std::iter::repeat(0);
        self.namespaces.bytes().chain(program).chain(nothing).take(Self::SIZE)
    }

    /// Read from a message.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (namespaces, program) = bytes.split_at_checked(Namespaces::SIZE).unwrap_or_default();
        Self { namespaces: Namespaces::of(namespaces), program: Program::of(program) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_as_it_was_sent() {
        let own = Outside::own();
        let bytes: Vec<u8> = own.bytes().collect();
        assert_eq!(bytes.len(), Outside::SIZE);
        assert_eq!(Outside::of(&bytes), own);
        assert!(own.program.is_some());
        let unknown = Outside { program: None, ..own };
        assert_eq!(Outside::of(&unknown.bytes().collect::<Vec<_>>()), unknown);
    }
}
