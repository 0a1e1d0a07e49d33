//! What is told, for a person to read: a line for each row, columns below each other.

use longhaul_protocol::Millis;

use super::said::{Ask, FileLine, Said, State, UploadLine};
use crate::store::disk::{Damage, Holder, Wrong};

/// What stands above the rows; `None` where there are no columns.
#[must_use]
pub fn head(ask: &Ask) -> Option<String> {
    let uploads = columns(["ID", "OWNER", "SIZE", "RECEIVED", "STATE", "AGE", "LEFT", "NAME"]);
    match ask {
        Ask::Uploads { .. } => Some(uploads),
        Ask::Files { .. } => Some(columns(["ID", "OWNER", "SIZE", "", "STATE", "AGE", "", "NAME"])),
        Ask::Cancel { .. } | Ask::Delete { .. } | Ask::Sweep { .. } | Ask::Verify { .. } => None,
    }
}

/// What is told, in lines; empty for what is shown otherwise, or not at all.
#[must_use]
pub fn lines(said: &Said, now: Millis) -> String {
    match said {
        Said::Upload(upload) => upload_row(upload, now),
        Said::File(file) => file_row(file, now),
        Said::Unread { id, detail } => format!("{id}  cannot be read: {}", plain(detail)),
        Said::Damage(damage) => damage_lines(damage),
        Said::Swept { uploads, blobs, freed_bytes, is_dry } => {
            let (removed, freed) =
                if *is_dry { ("would be removed", "would be freed") } else { ("removed", "freed") };
            format!(
                "{uploads} expired uploads {removed}; {blobs} blobs, {} of the disk {freed}",
                size(*freed_bytes)
            )
        }
        Said::Verified { blobs, chunks, bytes, damaged } => {
            let found = match damaged {
                0 => "all of them are what they were".to_owned(),
                damaged => format!("{damaged} of them are DAMAGED"),
            };
            format!("{chunks} chunks in {blobs} blobs, {}: {found}", size(*bytes))
        }
        Said::Progress { .. } | Said::Failed { .. } | Said::End => String::new(),
    }
}

fn upload_row(upload: &UploadLine, now: Millis) -> String {
    let percent = upload.received_bytes.saturating_mul(100).checked_div(upload.size).unwrap_or(100);
    let left = upload.expires_at.0.saturating_sub(now.0);
    columns([
        &upload.id.to_string(),
        &plain(&upload.owner),
        &size(upload.size),
        &format!("{} {percent:>3} %", size(upload.received_bytes)),
        state(upload.state),
        &span(now.0.saturating_sub(upload.created_at.0)),
        &if left == 0 { "-".to_owned() } else { span(left) },
        &plain(upload.meta.relative_path.as_deref().unwrap_or(&upload.meta.name)),
    ])
}

fn file_row(file: &FileLine, now: Millis) -> String {
    columns([
        &file.id.to_string(),
        &plain(&file.owner),
        &size(file.size),
        "",
        state(file.state),
        &span(now.0.saturating_sub(file.sealed_at.0)),
        "",
        &plain(file.meta.relative_path.as_deref().unwrap_or(&file.meta.name)),
    ])
}

/// The last is as long as it is; an empty one that no row of the kind has takes no room.
fn columns([id, owner, size, received, state, age, left, name]: [&str; 8]) -> String {
    let received = if received.is_empty() { String::new() } else { format!("{received:>16}  ") };
    let left = if left.is_empty() { String::new() } else { format!("{left:>6}  ") };
    format!("{id:<32}  {owner:<16}  {size:>9}  {received}{state:<8}  {age:>6}  {left}{name}")
}

fn state(state: State) -> &'static str {
    match state {
        State::Empty => "empty",
        State::Idle => "idle",
        State::Active => "active",
        State::Complete => "complete",
        State::Expired => "expired",
        State::Sealed => "sealed",
        State::Rotten => "ROTTEN",
        State::Removed => "removed",
    }
}

/// A line for each file or upload that has lost something.
fn damage_lines(damage: &Damage) -> String {
    let what = match damage.what {
        Wrong::Rotten => "has ROTTEN",
        Wrong::Missing => "is GONE, its blob is missing",
        Wrong::CutOff => "is GONE, its blob ends before",
        Wrong::Unreadable => "CANNOT BE READ",
        Wrong::Unknown => "has no digest any more, the index lost it",
        Wrong::Damaged => "cannot be looked at, its row in the index is DAMAGED",
    };
    let which = match damage.chunks {
        0 => "all of it".to_owned(),
        1 => format!("chunk {} ({} bytes from {})", damage.chunk, damage.bytes, damage.offset),
        more => format!(
            "{more} chunks from {} on ({} bytes from {})",
            damage.chunk, damage.bytes, damage.offset
        ),
    };
    let detail = damage.detail.as_ref().map(|detail| format!(": {}", plain(detail)));
    let detail = detail.unwrap_or_default();
    let line = |whose: String| format!("{whose} {which} {what}, blob {}{detail}", damage.blob);
    if damage.holders.is_empty() {
        return line("nobody's:".to_owned());
    }
    damage.holders.iter().map(|it| line(holder(it))).collect::<Vec<_>>().join("\n")
}

fn holder(holder: &Holder) -> String {
    let of = |what: &str, id: String| {
        format!("{what} {id} of {}, {:?}:", plain(&holder.owner), plain(&holder.name))
    };
    match (holder.file, holder.upload) {
        (Some(file), _) => of("file", file.to_string()),
        (_, Some(upload)) => of("upload", upload.to_string()),
        _ => of("something", String::new()),
    }
}

/// A size in three digits or four.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut units = UNITS.into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if tenths < 10_240 {
            break;
        }
        (tenths, unit) = (tenths / 1024, larger);
    }
    if tenths < 1000 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// A time in its largest unit.
#[must_use]
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A text from outside, without what a terminal would obey or show in another order.
#[must_use]
pub fn plain(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = |c: char| if c.is_control() || turns(c) { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_protocol::wire::FileMeta;
    use longhaul_protocol::wire::ids::UploadId;

    #[test]
    fn a_size_is_told_in_few_digits() {
        let told = [0, 1023, 1024, 1536, 102_400, 1 << 20, (1 << 20) - 1, 8 << 40, u64::MAX];
        let told = told.map(size);
        let expected = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 KiB",
            "100 KiB",
            "1.0 MiB",
            "1023 KiB",
            "8.0 TiB",
            "16383 PiB",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_time_is_told_in_one_unit() {
        let seconds = [0, 59, 60, 3599, 3600, 172_799, 172_800, 86_400 * 400];
        let told = seconds.map(|seconds| span(seconds * 1000));
        assert_eq!(told, ["0 s", "59 s", "1 min", "59 min", "1 h", "47 h", "2 d", "400 d"]);
    }

    #[test]
    fn what_a_sender_calls_a_file_does_nothing_to_the_terminal_of_who_lists_it() {
        let name = "a\u{1b}[2Jb\n\u{202e}c".to_owned();
        let upload = UploadLine {
            id: UploadId([7; 16]),
            owner: "alice".to_owned(),
            meta: FileMeta { name, ..FileMeta::default() },
            size: 1 << 20,
            received_bytes: 1 << 19,
            state: State::Idle,
            created_at: Millis(0),
            last_activity: Millis(0),
            expires_at: Millis(7_200_000),
        };
        let row = lines(&Said::Upload(upload), Millis(3_600_000));
        assert!(!row.contains(['\u{1b}', '\n', '\u{202e}']), "{row:?}");
        let cells: Vec<_> =
            row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let id = "07".repeat(16);
        let half = "512 KiB  50 %".split("  ").collect::<Vec<_>>();
        let expected = [
            &id,
            "alice",
            "1.0 MiB",
            half[0],
            half[1],
            "idle",
            "1 h",
            "1 h",
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c",
        ];
        assert_eq!(cells, expected, "{row}");
    }
}
