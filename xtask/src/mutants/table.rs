//! The mutants: what is made wrong, and where.

mod access;
mod durability;
mod http2;
mod operations;
mod reuse;
mod rot;
mod sender;
mod serving;
mod strangers;
mod told;

/// All of them, by what they are about.
pub(super) fn all() -> impl Iterator<Item = &'static Mutant> {
    let about = [
        durability::ROWS,
        reuse::ROWS,
        rot::ROWS,
        serving::ROWS,
        told::ROWS,
        sender::ROWS,
        strangers::ROWS,
        access::ROWS,
        http2::ROWS,
        operations::ROWS,
    ];
    about.into_iter().flatten()
}

/// One way to be wrong; rows of one name are one mutant, wrong in several places.
#[derive(Debug)]
pub(super) struct Mutant {
    pub(super) name: &'static str,
    /// The tests that are asked first, before all others: a part of their names.
    pub(super) noticed_by: &'static str,
    /// From the root of the workspace.
    pub(super) file: &'static str,
    /// Stands in the file once.
    right: &'static str,
    /// What stands there instead; `@M` asks whether the mutant is alive.
    wrong: &'static str,
}

impl Mutant {
    /// The file's text with the mutant in it; `None` if it has no place there any more.
    pub(super) fn apply(&self, text: &str, question: &str) -> Option<String> {
        let is_there_once = text.matches(self.right).count() == 1;
        is_there_once.then(|| text.replace(self.right, &self.wrong.replace("@M", question)))
    }
}

const fn mutant(
    name: &'static str,
    noticed_by: &'static str,
    file: &'static str,
    right: &'static str,
    wrong: &'static str,
) -> Mutant {
    Mutant { name, noticed_by, file, right, wrong }
}
