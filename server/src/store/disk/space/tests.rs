use super::*;
use crate::store::Owner;
use crate::store::disk::RealDisk;

const BOUNDS: Bounds = Bounds {
    owner_max: Some(100),
    owner_uploads_max: 2,
    guests_max: Some(120),
    total_max: Some(150),
    free_min: 10,
};

fn need(owner: &str, bytes: u64) -> Need {
    Need { owner: owner.to_owned(), bytes, row_bytes: 0, index_bytes: 0 }
}

fn space(rows: &[(&str, u64)]) -> Space {
    Space::of(rows.iter().map(|&(owner, bytes)| need(owner, bytes)), Arc::default())
}

#[test]
fn each_bound_refuses_the_first_byte_too_many() {
    let space = space(&[("a", 60), ("b", 50)]);
    let reserve =
        |owner, bytes, free| space.reserve(need(owner, bytes), BOUNDS, || Ok(free)).map(drop);
    assert!(matches!(
        reserve("a", 41, 1000),
        Err(StoreError::OwnerFull { needed: 41, used: 60, max: 100 })
    ));
    reserve("a", 40, 1000).unwrap();
    assert!(matches!(reserve("c", 41, 1000), Err(StoreError::NoSpace { needed: 41, .. })));
    assert!(matches!(reserve("c", 40, 49), Err(StoreError::NoSpace { .. })));
    reserve("c", 40, 50).unwrap();
}

#[test]
fn rows_count_in_every_bound_until_their_file_is_deleted_and_no_disk_is_asked_for_them() {
    let [guest, other] = [(); 2].map(|()| Owner::new_guest().unwrap().0);
    let of = |owner: &str| Need { row_bytes: 50, index_bytes: 1, ..need(owner, 0) };
    let space = Space::default();
    let begin = |owner: &str| space.reserve(of(owner), BOUNDS, || Ok(1 << 40)).map(Room::keep);
    begin(&guest).unwrap();
    space.give_back_rows(&of(&guest));
    begin(&guest).unwrap();
    let full = begin(&guest);
    assert!(matches!(full, Err(StoreError::OwnerFull { needed: 50, used: 100, max: 100 })));
    assert!(matches!(begin(&other), Err(StoreError::NoSpace { .. })), "more than all guests may");
    begin("a").unwrap();
    assert!(matches!(begin("b"), Err(StoreError::NoSpace { .. })), "more than all may");
    assert_eq!(space.promised_to(&guest), 0, "there is nothing to be lent");
    space.give_back_file(FileId([1; 16]), Need { index_bytes: 0, ..of(&guest) });
    begin(&other).unwrap();
}

#[test]
fn guests_have_one_bound_together_and_what_is_given_back_is_another_guests() {
    let [one, another, third] = [(); 3].map(|()| Owner::new_guest().unwrap().0);
    let space = space(&[(&one, 60), ("b", 20)]);
    let ask = |owner: &str, bytes| space.reserve(need(owner, bytes), BOUNDS, || Ok(1000));
    let room = ask(&another, 60).unwrap();
    assert!(matches!(ask(&third, 1), Err(StoreError::NoSpace { needed: 1, .. })));
    ask("b", 1).map(drop).unwrap();
    drop(room);
    ask(&third, 60).map(drop).unwrap();
}

#[test]
fn so_many_uploads_are_open_for_one_owner_and_files_are_none() {
    let space = space(&[("a", 1), ("a", 1), ("a", 1)]);
    let upload = |owner: &str| Need { index_bytes: 1, ..need(owner, 0) };
    let begin = |owner| space.reserve(upload(owner), BOUNDS, || Ok(1 << 40)).map(Room::keep);
    begin("a").unwrap();
    drop(space.reserve(upload("a"), BOUNDS, || Ok(1 << 40)).unwrap());
    begin("a").unwrap();
    assert!(matches!(begin("a"), Err(StoreError::TooManyUploads { max: 2 })));
    begin("b").unwrap();
    space.give_back_rows(&upload("a"));
    begin("a").unwrap();
    assert!(begin("a").is_err());
    space.give_back(&upload("a"));
    begin("a").unwrap();
    space.give_back_rows(&upload("b"));
    assert!(!lock(&space.promised).owners.contains_key("b"), "an empty file is nothing to count");
}

#[test]
fn a_deleted_file_counts_until_its_last_reader_is_gone() {
    let (file, other) = (FileId([1; 16]), FileId([2; 16]));
    let space = Arc::new(space(&[("a", 60), ("b", 30)]));
    let room = |owner| space.reserve(need(owner, 70), BOUNDS, || Ok(1000)).is_ok();
    let (first, second) = (space.reading(file), space.reading(file));
    space.give_back_file(other, need("b", 30));
    assert!(room("b"), "nobody reads it");
    space.give_back_file(file, need("a", 60));
    drop(first);
    assert!(!room("a"), "the other still reads");
    drop(second);
    assert!(room("a"));
    drop(space.reading(file));
    assert!(space.reserve(need("a", 101), BOUNDS, || Ok(1000)).is_err(), "given back once");
    assert!(lock(&space.promised).read.is_empty());
}

#[test]
fn room_for_a_blob_that_is_not_made_is_not_promised_twice_and_comes_back() {
    let space = Space::default();
    let first = space.reserve(need("a", 60), BOUNDS, || Ok(100)).unwrap();
    assert!(
        space.reserve(need("b", 60), BOUNDS, || Ok(100)).is_err(),
        "the disk does not show it yet"
    );
    first.keep();
    space.reserve(need("b", 60), BOUNDS, || Ok(100)).unwrap();
    assert!(space.reserve(need("a", 50), BOUNDS, || Ok(100)).is_err(), "it goes on counting");
    space.give_back(&need("a", 60));
    assert!(lock(&space.promised).owners.is_empty(), "who has nothing is forgotten");
    space.reserve(need("a", 90), BOUNDS, || Ok(100)).unwrap();
}

#[test]
fn room_for_rows_is_asked_for_and_kept_beside_the_blob() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spare");
    let spare = Arc::new(Spare::open(&RealDisk, &path, 0));
    let space = Space::of([], spare);
    let kept = || path.metadata().unwrap().len();
    let need = Need { index_bytes: 12 << 20, ..need("a", 50) };
    let reserve = |free| space.reserve(need.clone(), BOUNDS, || Ok(free));
    let enough = 50 + 10 + (12 << 20);
    assert!(matches!(reserve(enough - 1), Err(StoreError::NoSpace { needed: 50, .. })));
    assert_eq!(kept(), 0);
    reserve(enough).unwrap().keep();
    assert_eq!(kept(), 12 << 20);
    space.give_back_rows(&need);
    reserve(60).unwrap().keep();
    assert_eq!(kept(), 12 << 20, "what was for others before is there already");
    space.give_back(&need);
    space.fit_spare(0, || Ok(0));
    assert_eq!(kept(), 0);
}

/// The second asks what is free while the first finishes its blob, or tries to: what it hears does not
/// know of that blob.
#[test]
fn of_two_who_ask_for_the_last_room_at_once_one_gets_it() {
    let space = &Space::default();
    let first = space.reserve(need("a", 60), BOUNDS, || Ok(100)).unwrap();
    let (ask, asked) = std::sync::mpsc::channel();
    let (made, is_made) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            asked.recv().unwrap();
            first.keep();
            made.send(()).unwrap();
        });
        let free_before = || {
            ask.send(()).unwrap();
            // Where it need not wait it is over long before.
            let _ = is_made.recv_timeout(std::time::Duration::from_millis(200));
            Ok(100)
        };
        let second = space.reserve(need("b", 60), BOUNDS, free_before);
        assert!(matches!(second, Err(StoreError::NoSpace { needed: 60, .. })));
    });
    assert!(space.reserve(need("b", 60), BOUNDS, || Ok(40)).is_err());
    space.reserve(need("b", 30), BOUNDS, || Ok(40)).unwrap();
}
