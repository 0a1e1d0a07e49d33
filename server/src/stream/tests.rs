use std::sync::atomic::{AtomicU64, Ordering};

use http_body_util::BodyExt;

use super::*;

/// Has every byte at hand.
#[derive(Clone)]
struct Zeroes;

impl FileReader for Zeroes {
    fn at_hand(&self, _offset: u64, len: usize) -> Option<Bytes> {
        Some(vec![0; len].into())
    }

    async fn read_at(&self, _offset: u64, len: usize) -> Result<Bytes, StoreError> {
        Ok(vec![0; len].into())
    }
}

struct Nowhere;

impl Source for Nowhere {
    fn descriptor(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        None
    }
}

/// The same, in a file.
#[derive(Clone)]
struct Filed;

impl FileReader for Filed {
    fn at_hand(&self, offset: u64, len: usize) -> Option<Bytes> {
        Zeroes.at_hand(offset, len)
    }

    fn source(&self) -> Option<Arc<dyn Source>> {
        Some(Arc::new(Nowhere))
    }

    async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
        Zeroes.read_at(offset, len).await
    }
}

#[tokio::test]
async fn what_is_at_hand_is_told_to_the_connection_with_its_place_in_the_file() {
    let (outbox, len) = (Arc::new(Outbox::default()), 64 * 1024);
    let parts = [
        Stretch::Text("head of a part".into()),
        Stretch::File(1000..1000 + len),
        Stretch::File(5..5 + len),
    ];
    let body = FileBody::new(Filed, parts).posting_to(Some(&outbox));
    let mut body = body.begun().await.unwrap();
    let mut places = Vec::new();
    while let Some(frame) = BodyExt::frame(&mut body).await {
        let bytes = frame.unwrap().into_data().unwrap();
        let found = outbox.find(&[std::io::IoSlice::new(&bytes)]);
        places.push(found.map(|found| (found.offset, found.len as u64)));
    }
    assert_eq!(places, [None, Some((1000, len)), Some((5, len))]);
}

#[tokio::test]
async fn of_many_answers_on_a_connection_each_begins_with_little_and_reads_more_as_it_is_taken() {
    let len = 2 * FRAME_BYTES;
    let body = FileBody::new(Zeroes, [Stretch::File(0..len)]).sharing(true);
    let mut body = body.begun().await.unwrap();
    let mut lens = Vec::new();
    while let Some(frame) = BodyExt::frame(&mut body).await {
        lens.push(frame.unwrap().into_data().unwrap().len() as u64 / 1024);
    }
    assert_eq!(lens, [16, 32, 64, 128, 256, 16]);
}

#[tokio::test]
async fn who_looks_at_the_bytes_gets_none_that_are_at_hand() {
    /// A map, and a copy.
    #[derive(Clone)]
    struct Mapped;

    impl FileReader for Mapped {
        fn at_hand(&self, _offset: u64, len: usize) -> Option<Bytes> {
            Some(vec![b'm'; len].into())
        }

        async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes, StoreError> {
            Ok(self.at_hand(offset, len).unwrap())
        }

        async fn read_copied(&self, _offset: u64, len: usize) -> Result<Bytes, StoreError> {
            Ok(vec![b'c'; len].into())
        }
    }

    let body = || FileBody::new(Mapped, [Stretch::File(0..3 * FRAME_BYTES)]);
    let came = body().begun().await.unwrap().collect().await.unwrap().to_bytes();
    assert!(came.iter().all(|byte| *byte == b'c') && came.len() as u64 == 3 * FRAME_BYTES);
    let posting = body().posting_to(Some(&Arc::default())).begun().await.unwrap();
    assert!(posting.collect().await.unwrap().to_bytes().iter().all(|byte| *byte == b'm'));
}

#[tokio::test]
async fn others_have_a_turn_while_a_file_goes_out_as_fast_as_it_can() {
    let turns = Arc::new(AtomicU64::new(0));
    let other = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            tokio::task::yield_now().await;
            other.fetch_add(1, Ordering::Relaxed);
        }
    });
    let len = 16 * TURN_BYTES;
    let body = FileBody::new(Zeroes, [Stretch::File(0..len)]).posting_to(Some(&Arc::default()));
    let body = body.begun().await.unwrap();
    let sent = body.collect().await.unwrap().to_bytes();
    assert_eq!(sent.len() as u64, len);
    assert!(turns.load(Ordering::Relaxed) >= 14, "{turns:?}");
    other.abort();
}
