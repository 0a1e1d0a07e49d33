//! The pages of a listing: where each starts, and what fits in one.

use serde::Serialize;

use super::Id;
use crate::store::Result;

/// How much JSON the rows of a page of a listing have before it ends, bytes; the last may be beyond it. Each reader of
/// one has all of it in memory for as long as he takes, and a thousand rows with all of their metadata are 16 MB.
const LIST_BYTES_MAX: usize = 256 * 1024;

/// Where a page of a listing starts: after this key. On the wire 48 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store::disk) struct Cursor {
    order: u64,
    id: Id,
}

impl Cursor {
    /// `None` is no cursor that this store gave out.
    pub(in crate::store::disk) fn parse(text: &str) -> Option<Self> {
        let (order, id) = text.split_at_checked(16)?;
        let digits = order.bytes().all(|byte| byte.is_ascii_hexdigit());
        let order = digits.then(|| u64::from_str_radix(order, 16).ok()).flatten()?;
        let id: longhaul_protocol::wire::ids::FileId = id.parse().ok()?;
        Some(Self { order, id: id.0 })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{}", self.order, longhaul_protocol::wire::ids::FileId(self.id))
    }
}

/// What a page of a listing may have, and where the next one starts.
#[derive(Debug)]
pub(in crate::store::disk) struct Spots {
    cursors: Vec<Cursor>,
    next: Option<Cursor>,
}

impl Spots {
    /// Its rows, of which `read` may have none for an id, until their JSON has [`LIST_BYTES_MAX`]; the next page goes on
    /// after the last of them.
    pub(in crate::store::disk) fn rows<T>(
        self,
        mut read: impl FnMut(Id) -> Result<Option<T>>,
        bytes: impl Fn(&T) -> usize,
    ) -> Result<(Vec<T>, Option<Cursor>)> {
        let (mut rows, mut told, last) = (Vec::new(), 0_usize, self.cursors.last().copied());
        for cursor in self.cursors {
            let Some(row) = read(cursor.id)? else { continue };
            told = told.saturating_add(bytes(&row));
            rows.push(row);
            if told >= LIST_BYTES_MAX && Some(cursor) != last {
                return Ok((rows, Some(cursor)));
            }
        }
        Ok((rows, self.next))
    }
}

/// How long something is as JSON, bytes.
pub(in crate::store::disk) fn json_bytes(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}

/// A page of an owner's listing, by ids; it has no more rows than `limit`.
pub(super) fn page_of_ids(
    table: &impl redb::ReadableTable<(&'static str, u64, Id), ()>,
    owner: &str,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Spots> {
    let from = after.map_or((owner, 0, [0; 16]), |cursor| (owner, cursor.order, cursor.id));
    let mut rows = table.range(from..=(owner, u64::MAX, [u8::MAX; 16]))?;
    let mut cursors = Vec::new();
    while let Some(row) = rows.next().transpose()? {
        let (_, order, id) = row.0.value();
        let cursor = Cursor { order, id };
        if after == Some(cursor) {
            continue;
        }
        if cursors.len() == limit {
            let next = cursors.last().copied();
            return Ok(Spots { cursors, next });
        }
        cursors.push(cursor);
    }
    Ok(Spots { cursors, next: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_nothing_else_is_one() {
        let cursor = Cursor { order: 77, id: [0xab; 16] };
        assert_eq!(Cursor::parse(&cursor.to_string()), Some(cursor));
        for text in
            ["", "zz", "+00000000000004d00000000000000000000000000000000", "é".repeat(24).as_str()]
        {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
