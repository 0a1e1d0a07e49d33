//! Chunk sets: text that is none is refused, any other is the set that a walk through it finds, and
//! sets behave like a row of 256 lamps.

use longhaul_protocol::plan::CHUNK_COUNT_MAX;
use longhaul_protocol::{ChunkIndex, ChunkSet};

/// Text is parsed; what is no text is steps that change two sets.
pub fn check(bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => check_text(text),
        Err(_) => check_steps(bytes),
    }
}

fn check_text(text: &str) {
    let Ok(set) = text.parse::<ChunkSet>() else {
        assert_eq!(walked(text), None, "refused, and is one: {text}");
        return;
    };
    let runs: Vec<_> = set.runs().map(|run| (run.start, run.end - 1)).collect();
    assert_eq!(Some(runs), walked(text), "{text}");
    let written = set.to_string();
    assert_eq!(written.parse(), Ok(set.clone()), "{text}");
    assert!(written.len() <= text.len(), "{text}");
    let json = serde_json::to_string(&set).expect("a text");
    assert_eq!(serde_json::from_str::<ChunkSet>(&json).expect("its own"), set, "{text}");
}

/// The slow twin: first and last of each run, runs that touch joined.
fn walked(text: &str) -> Option<Vec<(u64, u64)>> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    if text.is_empty() {
        return Some(runs);
    }
    for run in text.split(',') {
        let mut ends = run.split('-');
        let first = number(ends.next()?)?;
        let last = ends.next().map_or(Some(first), number)?;
        let in_order = runs.last().is_none_or(|&(_, before)| first > before);
        if ends.next().is_some() || last < first || last >= CHUNK_COUNT_MAX || !in_order {
            return None;
        }
        match runs.last_mut() {
            Some((_, before)) if *before + 1 == first => *before = last,
            _ => runs.push((first, last)),
        }
    }
    Some(runs)
}

fn number(text: &str) -> Option<u64> {
    let add =
        |sum: u64, digit: char| Some((sum * 10 + u64::from(digit.to_digit(10)?)).min(1 << 40));
    if text.is_empty() { None } else { text.chars().try_fold(0, add) }
}

fn check_steps(bytes: &[u8]) {
    let (mut sets, mut lamps) = ([ChunkSet::new(), ChunkSet::new()], [[false; 256]; 2]);
    for step in bytes.chunks_exact(3) {
        let (which, from, to) = (usize::from(step[0] & 1), step[1], step[2]);
        let (set, lamps) = (&mut sets[which], &mut lamps[which]);
        match step[0] >> 1 & 3 {
            0 => {
                set.insert_run(u64::from(from)..u64::from(to));
                (from..to).for_each(|at| lamps[usize::from(at)] = true);
            }
            1 => {
                let was = std::mem::replace(&mut lamps[usize::from(from)], true);
                assert_eq!(set.insert(ChunkIndex(u64::from(from))), !was);
            }
            2 => {
                let was = std::mem::replace(&mut lamps[usize::from(from)], false);
                assert_eq!(set.remove(ChunkIndex(u64::from(from))), was);
            }
            _ => {
                let absent = (from..to).find(|&at| !lamps[usize::from(at)]);
                let found = set.first_absent(u64::from(from), u64::from(to));
                assert_eq!(found, absent.map(|at| ChunkIndex(u64::from(at))));
            }
        }
    }
    let [a, b] = &sets;
    agree(a, |at| lamps[0][at]);
    agree(&a.without(b), |at| lamps[0][at] && !lamps[1][at]);
    let mut both = a.clone();
    both.union_with(b);
    agree(&both, |at| lamps[0][at] || lamps[1][at]);
}

fn agree(set: &ChunkSet, lit: impl Fn(usize) -> bool) {
    let lit: Vec<_> = (0..256).filter(|&at| lit(at)).map(|at| ChunkIndex(at as u64)).collect();
    assert_eq!(set.iter().collect::<Vec<_>>(), lit);
    assert_eq!(set.count(), lit.len() as u64);
    assert_eq!(set.first(), lit.first().copied());
    assert!(set.runs().zip(set.runs().skip(1)).all(|(run, next)| run.end < next.start), "{set}");
    assert_eq!(set.to_string().parse(), Ok(set.clone()));
}
