use super::super::block::{Blocks, PAGE_BYTES};
use super::*;

const LEN: usize = 40 * PAGE_BYTES + 17;

fn some(seed: u8) -> Vec<u8> {
    let pattern = (0..251).map(|byte| byte ^ seed);
    pattern.cycle().take(LEN).collect()
}

/// Both ways of writing meet in one page, in both orders, as at the ends of chunks and where a
/// chunk broke off and was gone on with.
#[test]
fn what_is_written_around_the_page_cache_and_through_it_is_one_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealDisk.open(&dir.path().join("blob"), OpenHow::Create).unwrap();
    file.preallocate(LEN as u64).unwrap();
    let write = |bytes: &[u8], from: usize, to: usize| {
        let mut block = Blocks::default().take(from as u64).unwrap();
        block.take_in(&mut bytes::Bytes::copy_from_slice(&bytes[from..to]));
        file.write_block_at(block.offset(), block.bytes()).unwrap();
    };
    let read = || {
        let mut read = vec![0; LEN];
        file.read_exact_at(0, &mut read).unwrap();
        read
    };
    let (first, second) = (some(0), some(0xff));
    for (from, to) in [(70_001, LEN), (0, 5_000), (5_000, 5_001), (5_001, 70_001)] {
        write(&first, from, to);
    }
    assert!(read() == first);
    // Now the page cache has it all, and is written past.
    for (from, to) in [(8_192, 90_000), (0, 8_192), (90_000, 90_001), (90_001, LEN)] {
        write(&second, from, to);
    }
    assert!(read() == second);
}

fn opened(path: &Path, direct: OnceLock<Option<File>>) -> RealFile {
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
    RealFile { direct, ..RealFile::of(file.unwrap()) }
}

#[test]
fn where_there_is_no_way_around_the_page_cache_bytes_go_through_it() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = some(2);
    let without = opened(&dir.path().join("without"), OnceLock::from(None));
    without.write_block_at(0, &bytes).unwrap();
    assert!(std::fs::read(dir.path().join("without")).unwrap() == bytes);
    // Refused only when it is written to: memory that begins in the middle of a sector is.
    let refusing = opened(&dir.path().join("refusing"), OnceLock::new());
    if let Some(direct) = refusing.direct() {
        refusing.write_direct(direct, 0, &bytes[1..]).unwrap();
        assert!(std::fs::read(dir.path().join("refusing")).unwrap() == bytes[1..]);
    }
}

#[test]
fn why_there_is_no_way_around_the_page_cache_is_logged_once() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let lines = move || Lines(sender.clone());
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(lines).finish();
    let once = Once::new();
    tracing::subscriber::with_default(log, || {
        for _ in 0..3 {
            let folder = File::open(std::env::temp_dir()).unwrap();
            assert!(
                told(open_direct(&folder, OpenOptions::new().write(true)), &once).is_none(),
                "it is no file"
            );
        }
    });
    let text = String::from_utf8(receiver.into_iter().flatten().collect()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("Is a directory"), "{text}");
}

struct Lines(std::sync::mpsc::Sender<Vec<u8>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_file_that_lost_its_name_is_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("blob");
    let file = RealDisk.open(&path, OpenHow::Create).unwrap();
    RealDisk.unlink(&path).unwrap();
    let mut block = Blocks::default().take(0).unwrap();
    block.take_in(&mut bytes::Bytes::from(some(1)));
    file.write_block_at(0, block.bytes()).unwrap();
    assert_eq!(file.size().unwrap(), LEN as u64);
}
