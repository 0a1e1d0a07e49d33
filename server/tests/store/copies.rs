//! Bytes that the file system copies from one file to another.

use std::path::Path;
use std::sync::Arc;

use longhaul_server::store::disk::RealDisk;
use longhaul_server::store::disk::medium::{Disk as _, DiskFile, OpenHow};

const LEN: u64 = 16 << 20;

fn two_files(dir: &Path) -> (Arc<dyn DiskFile>, Arc<dyn DiskFile>) {
    let file = |name: &str| RealDisk.open(&dir.join(name), OpenHow::Create).unwrap();
    let (from, to) = (file("from"), file("to"));
    let bytes: Vec<u8> = (0..LEN).map(|at| (at / 251 + at % 251).to_le_bytes()[0]).collect();
    from.write_all_at(0, &bytes).unwrap();
    to.preallocate(LEN).unwrap();
    (from, to)
}

fn bytes_of(file: &dyn DiskFile, at: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    file.read_exact_at(at, &mut bytes).unwrap();
    bytes
}

#[test]
fn what_the_file_system_says_that_it_copied_is_there_and_nothing_beside_it_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = two_files(dir.path());
    for (at, start, len) in [(4096, 8192, 65_536), (1001, 200_007, 300_003), (0, 0, 0)] {
        if to.copy_from(&*from, at, start, len) {
            assert_eq!(bytes_of(&*to, start, len), bytes_of(&*from, at, len));
        }
    }
    assert!(bytes_of(&*to, 500_010, LEN - 500_010).iter().all(|&byte| byte == 0));
}

#[test]
#[ignore = "wants LONGHAUL_SHARING_DIR, a folder on XFS or Btrfs that nobody else writes to"]
fn a_copy_takes_no_room_where_the_file_system_shares() {
    let dir = std::env::var_os("LONGHAUL_SHARING_DIR").expect("LONGHAUL_SHARING_DIR");
    let dir = tempfile::tempdir_in(dir).unwrap();
    let (from, to) = two_files(dir.path());
    to.sync_data().unwrap();
    from.sync_data().unwrap();
    let free = RealDisk.free_bytes(dir.path()).unwrap();
    assert!(to.copy_from(&*from, 0, 0, LEN));
    to.sync_data().unwrap();
    let gained = RealDisk.free_bytes(dir.path()).unwrap() - free;
    assert!(gained > LEN / 2, "what was reserved for the copy is free again: {gained}");
    assert_eq!(bytes_of(&*to, 0, LEN), bytes_of(&*from, 0, LEN));
}

#[test]
fn a_source_that_ends_too_soon_is_not_copied() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = two_files(dir.path());
    from.set_len(LEN / 2).unwrap();
    assert!(!to.copy_from(&*from, 0, 0, LEN));
}
