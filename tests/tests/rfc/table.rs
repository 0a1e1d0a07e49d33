//! A row: what is asked of which file, and what has to come.

/// One request and its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// The clause, and in a word or two what of it.
    pub(crate) clause: &'static str,
    pub(crate) file: File,
    pub(crate) method: &'static str,
    /// Header lines; what stands in braces is filled in by the fixture.
    pub(crate) lines: &'static [&'static str],
    pub(crate) answer: Answer,
    /// Headers that the answer has (`name: value`, with the same braces), has with any value (`name`)
    /// or does not have (`-name`), beside those that every such answer is checked for.
    pub(crate) shows: &'static [&'static str],
}

/// The files there are to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum File {
    /// Of no byte.
    Empty,
    /// Of one byte.
    One,
    /// `0123456789`.
    Ten,
    /// Of a thousand bytes.
    Page,
    /// Of several chunks.
    Many,
    /// One of ten bytes that is made for the row alone.
    Own,
    /// None: an id that was never given out.
    Missing,
    /// None: what is told of a file, in JSON.
    Manifest,
}

/// What has to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 with all of it.
    Whole,
    /// 206 with the bytes from the first to the last.
    Bytes(u64, u64),
    /// 206 with several such, each in a part.
    Parts(&'static [(u64, u64)]),
    /// 304.
    NotModified,
    /// 412.
    Failed,
    /// 416.
    Unsatisfiable,
    /// 204, and it is gone.
    Deleted,
    /// Another status, whose body is not looked at.
    Status(u16),
}

/// A `GET`.
pub(crate) const fn get(
    clause: &'static str,
    file: File,
    lines: &'static [&'static str],
    answer: Answer,
) -> Row {
    Row { clause, file, method: "GET", lines, answer, shows: &[] }
}

impl Row {
    pub(crate) const fn by(self, method: &'static str) -> Self {
        Self { method, ..self }
    }

    pub(crate) const fn showing(self, shows: &'static [&'static str]) -> Self {
        Self { shows, ..self }
    }
}
