//! What is queued to be told to others: exactly what happened, also to who comes after a restart.

use longhaul_server::store::Store as _;
use longhaul_server::store::disk::{Config, DiskStore};
use longhaul_server::store::event::{Event, Tells, What};

use super::fixture::{CHUNK, HOUR, Place, Sent, alice, named};

fn telling(place: &Place) -> Config {
    Config { tells: Tells { sealed: true, expired: true }, ..place.config() }
}

async fn waiting(store: &DiskStore) -> Vec<Event> {
    store.events(100, |_| true).await.unwrap().events
}

#[tokio::test]
async fn a_seal_is_queued_with_the_file_that_it_made_once_however_often_it_is_asked_for() {
    let place = Place::new();
    let store = place.open_with(&telling(&place));
    let sent = Sent::new(2 * CHUNK, 1);
    let (upload, file) = sent.upload(&store).await;
    assert_eq!(store.seal(&alice(), upload, sent.root()).await.unwrap().id, file.id);
    let events = waiting(&store).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    let What::Sealed(sealed) = &event.what else { panic!("{event:?}") };
    assert_eq!((event.upload, event.at, event.size), (upload, file.sealed_at, 2 * CHUNK));
    assert_eq!((event.owner.as_str(), &event.meta), ("alice", &file.meta));
    assert_eq!((sealed.file, sealed.root, sealed.sha256), (file.id, file.root, None));
}

#[tokio::test]
async fn an_event_waits_over_a_restart_until_it_is_forgotten() {
    let place = Place::new();
    let store = place.open_with(&telling(&place));
    Sent::new(CHUNK, 1).upload(&store).await;
    let before = waiting(&store).await;
    drop(store);
    let store = place.open();
    assert_eq!(waiting(&store).await, before);
    assert_eq!(store.figures().await.unwrap().events_waiting, 1);
    let key = before[0].key();
    assert!(store.events(100, move |it| it != key).await.unwrap().events.is_empty());
    store.forget_events(vec![key]).await.unwrap();
    store.forget_events(vec![key]).await.unwrap();
    drop(store);
    assert!(waiting(&place.open()).await.is_empty());
}

#[tokio::test]
async fn an_upload_that_expires_is_queued_but_none_that_is_sealed_or_cancelled() {
    let place = Place::new();
    let store = place.open_with(&telling(&place));
    let left = store.create(&alice(), named("left", CHUNK)).await.unwrap().id;
    let cancelled = store.create(&alice(), named("cancelled", CHUNK)).await.unwrap().id;
    store.cancel(&alice(), cancelled).await.unwrap();
    let (sealed, _) = Sent::new(CHUNK, 1).upload(&store).await;
    let now = place.pass(48 * HOUR);
    assert_eq!(store.sweep(now).await.unwrap().uploads, 2, "a sealed one is forgotten too");
    let events = waiting(&store).await;
    let told: Vec<_> =
        events.iter().map(|event| (event.upload, event.what == What::Expired)).collect();
    assert_eq!(told, [(sealed, false), (left, true)]);
    assert_eq!((events[1].at, events[1].meta.name.as_str()), (now, "left"));
}

#[tokio::test]
async fn nothing_is_queued_that_was_not_asked_for() {
    for (tells, count) in [
        (Tells::default(), 0),
        (Tells { sealed: true, expired: false }, 1),
        (Tells { sealed: false, expired: true }, 1),
    ] {
        let place = Place::new();
        let store = place.open_with(&Config { tells, ..place.config() });
        Sent::new(CHUNK, 1).upload(&store).await;
        store.create(&alice(), named("left", CHUNK)).await.unwrap();
        store.sweep(place.pass(48 * HOUR)).await.unwrap();
        assert_eq!(waiting(&store).await.len(), count, "{tells:?}");
    }
}

#[tokio::test]
async fn of_too_many_the_oldest_are_dropped_and_counted() {
    let place = Place::new();
    let store = place.open_with(&Config { events_max: 2, ..telling(&place) });
    let mut sealed = Vec::new();
    for seed in 1..4 {
        sealed.push(Sent::new(CHUNK, seed).upload(&store).await.0);
        place.pass(1000);
    }
    let waiting: Vec<_> = waiting(&store).await.iter().map(|event| event.upload).collect();
    assert_eq!(waiting, sealed[1..]);
    assert_eq!(store.meters().events_dropped.get(), 1);
}
