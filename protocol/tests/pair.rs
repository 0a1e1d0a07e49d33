//! A sender and a receiver joined in memory, under virtual time, over a network that loses,
//! duplicates, reorders, damages and stalls, with a receiver that restarts and forgets what it had
//! not synced. Every run is a seed and can be run again by it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say so by failing"
)]
#![allow(
    clippy::indexing_slicing,
    clippy::result_large_err,
    reason = "brevity; nothing is served by it"
)]

mod pair {
    pub mod chance;
    pub mod receiver;
    pub mod scene;
    pub mod world;
}

use longhaul_protocol::Digest;
use longhaul_protocol::plan::CHUNK_LEN_MIN;
use pair::chance::Faults;
use pair::scene::Scene;
use pair::world::World;

const SEEDS: u64 = 400;

fn run(scene: impl Fn(u64) -> Scene) {
    for seed in 0..SEEDS {
        World::new(seed, scene(seed)).run_to_the_end();
    }
}

#[test]
fn a_file_arrives_over_a_clean_network_with_each_chunk_sent_once() {
    for chunks in [0, 1, 2, 9, 40] {
        let world = World::new(1, Scene { chunks, ..Scene::default() }).run_to_the_end();
        assert_eq!(world.bodies_sent(), chunks);
        assert_eq!(world.receiver.bodies_wasted, 0);
    }
}

#[test]
fn a_file_arrives_whatever_the_network_loses_doubles_or_reorders() {
    run(|seed| Scene { chunks: seed % 30, faults: Faults::lossy(), ..Scene::default() });
}

#[test]
fn a_file_arrives_though_the_receiver_restarts_and_forgets_what_was_pending() {
    run(|seed| Scene { chunks: 10 + seed % 20, faults: Faults::restarts(), ..Scene::default() });
}

#[test]
fn a_file_arrives_though_requests_vanish_without_an_answer() {
    run(|seed| Scene { chunks: seed % 12, faults: Faults::black_holes(), ..Scene::default() });
}

#[test]
fn a_file_arrives_though_bytes_are_damaged_on_the_way() {
    run(|seed| Scene { chunks: 1 + seed % 12, faults: Faults::damaging(), ..Scene::default() });
}

#[test]
fn a_file_arrives_though_all_of_this_happens_and_the_user_pauses_and_reloads() {
    run(|seed| Scene {
        chunks: seed % 25,
        faults: Faults::everything(),
        verifies: seed % 2 == 0,
        elsewhere: seed % 3 == 0,
        pauses: true,
        reloads: true,
        ..Scene::default()
    });
}

#[test]
fn a_small_file_goes_in_one_request_over_a_clean_network() {
    let scene = Scene { small: true, ..Scene::default() };
    assert_eq!(World::new(1, scene).run_to_the_end().bodies_sent(), 1);
}

#[test]
fn a_small_file_is_stored_once_whatever_happens_to_its_request() {
    run(|seed| Scene {
        small: true,
        faults: Faults::everything(),
        pauses: true,
        chunk_len_of_receiver: (seed % 3 == 0).then_some(CHUNK_LEN_MIN),
        cancel_at: (seed % 7 == 0).then_some(seed % 100),
        ..Scene::default()
    });
}

#[test]
fn what_another_device_began_is_gone_on_with() {
    let scene = Scene { chunks: 30, held_before: 0.5, elsewhere: true, ..Scene::default() };
    let world = World::new(3, scene).run_to_the_end();
    assert!(world.bodies_sent() < 30, "{}", world.bodies_sent());
    assert_eq!(world.receiver.uploads.len(), 1);
}

#[test]
fn what_another_device_began_of_another_file_is_left_to_it() {
    let scene =
        Scene { chunks: 30, held_before: 0.5, changed: 1.0, elsewhere: true, ..Scene::default() };
    let world = World::new(3, scene).run_to_the_end();
    assert_eq!((world.bodies_sent(), world.receiver.uploads.len()), (30, 2));
    let theirs = world.receiver.uploads.values().find(|open| open.file.is_none()).unwrap();
    assert!(theirs.held.values().all(|digest| *digest == Digest::of(b"what the file was once")));
}

#[test]
fn what_another_device_began_of_a_file_that_only_begins_alike_is_left_to_it() {
    let once = Digest::of(b"what the file was once");
    let others = |world: &World| {
        let held = world.receiver.uploads.values().flat_map(|open| open.held.values());
        held.filter(|digest| **digest == once).count()
    };
    for seed in 0..50 {
        let scene = Scene {
            chunks: 30,
            held_before: 0.5,
            changed: 0.2,
            elsewhere: true,
            ..Scene::default()
        };
        let world = World::new(seed, scene);
        let before = others(&world);
        assert_eq!(others(&world.run_to_the_end()), before, "seed {seed}");
    }
}

#[test]
fn what_another_device_began_is_gone_on_with_whatever_happens() {
    run(|seed| Scene {
        chunks: seed % 25,
        held_before: 0.4,
        changed: if seed % 4 == 0 { 0.3 } else { 0.0 },
        elsewhere: true,
        faults: Faults::everything(),
        ..Scene::default()
    });
}

#[test]
fn what_another_sender_takes_over_is_not_taken_back_at_once_and_the_file_arrives() {
    run(|seed| Scene {
        chunks: 1 + seed % 20,
        taken_over: 0.3,
        faults: if seed % 2 == 0 { Faults::everything() } else { Faults::default() },
        reloads: seed.is_multiple_of(3),
        ..Scene::default()
    });
}

#[test]
fn a_known_file_is_taken_over_without_sending_a_chunk() {
    let scene = Scene { chunks: 30, known: 1.0, ..Scene::default() };
    let world = World::new(3, scene).run_to_the_end();
    assert_eq!(world.bodies_sent(), 0);
}

#[test]
fn a_partly_known_file_arrives_whole_even_if_some_copies_fail() {
    run(|seed| Scene {
        chunks: seed % 25,
        known: 0.6,
        fills_fail: 0.2,
        faults: Faults::lossy(),
        ..Scene::default()
    });
}

#[test]
fn a_file_that_changed_since_it_was_begun_never_mixes_with_what_was_held() {
    run(|seed| Scene {
        chunks: 1 + seed % 25,
        held_before: 0.7,
        changed: 0.3,
        faults: Faults::lossy(),
        ..Scene::default()
    });
}

#[test]
fn what_is_held_from_before_is_compared_and_not_sent() {
    let scene = Scene { chunks: 30, held_before: 0.5, ..Scene::default() };
    let world = World::new(5, scene).run_to_the_end();
    assert!(world.bodies_sent() < 30);
    assert_eq!(world.receiver.bodies_wasted, 0);
}

#[test]
fn the_receivers_chunk_size_binds() {
    let scene = Scene { chunks: 13, chunk_len_of_receiver: Some(1 << 19), ..Scene::default() };
    let world = World::new(7, scene).run_to_the_end();
    assert_eq!(world.bodies_sent(), 26);
}

#[test]
fn a_cancel_ends_both_sides_whenever_it_comes() {
    run(|seed| Scene {
        chunks: 20,
        cancel_at: Some(seed * 7),
        faults: Faults::lossy(),
        ..Scene::default()
    });
}

#[test]
fn an_upload_that_the_receiver_lost_is_begun_anew() {
    run(|seed| Scene { chunks: 1 + seed % 20, vanish_at: Some(seed * 11), ..Scene::default() });
}

#[test]
fn a_chunk_that_broke_off_goes_on_where_it_was() {
    let went_on = |seed| {
        let scene = Scene { chunks: 20, faults: Faults::lossy(), ..Scene::default() };
        World::new(seed, scene).run_to_the_end().bodies_that_went_on()
    };
    assert!((0..20).map(went_on).sum::<u64>() > 20);
}

#[test]
fn a_file_that_another_owner_has_is_proved_and_not_sent() {
    let scene = Scene { chunks: 30, of_others: 1.0, ..Scene::default() };
    let world = World::new(3, scene).run_to_the_end();
    assert_eq!(world.bodies_sent(), 0);
}

#[test]
fn a_file_arrives_whatever_is_proved_wrong_and_whatever_the_network_does_meanwhile() {
    run(|seed| Scene {
        chunks: 1 + seed % 25,
        of_others: 0.6,
        proofs_wrong: 0.3,
        known: 0.2,
        fills_fail: 0.2,
        faults: Faults::everything(),
        reloads: seed.is_multiple_of(3),
        ..Scene::default()
    });
}

#[test]
fn what_is_proved_and_all_the_same_not_given_is_sent() {
    let scene = Scene { chunks: 30, of_others: 1.0, fills_fail: 1.0, ..Scene::default() };
    let world = World::new(3, scene).run_to_the_end();
    assert_eq!(world.bodies_sent(), 30);
}

#[test]
fn after_some_wrong_proofs_chunks_are_simply_sent() {
    let scene = Scene { chunks: 30, of_others: 1.0, proofs_wrong: 1.0, ..Scene::default() };
    let world = World::new(3, scene).run_to_the_end();
    assert_eq!(world.bodies_sent(), 30);
}

#[test]
fn every_file_arrives_whatever_happens_together() {
    run(|seed| Scene {
        chunks: seed % 25,
        faults: Faults::everything(),
        verifies: seed % 2 == 0,
        elsewhere: seed % 3 == 0,
        chunk_len_of_receiver: (seed % 5 != 0).then_some(CHUNK_LEN_MIN * (8 << (seed % 4))),
        pauses: seed % 4 < 2,
        reloads: seed % 7 == 0,
        taken_over: if seed % 11 == 0 { 0.3 } else { 0.0 },
        vanish_at: (seed % 13 == 0).then_some(seed * 11),
        ..Scene::default()
    });
}

/// What the others leave out: files that are begun before their first chunk is read.
#[test]
fn long_files_arrive_whatever_happens() {
    for seed in 0..60 {
        let scene = Scene {
            chunks: 129 + seed,
            faults: Faults::everything(),
            elsewhere: true,
            chunk_len_of_receiver: Some(8 << 20),
            pauses: seed % 2 == 0,
            taken_over: if seed % 3 == 0 { 0.2 } else { 0.0 },
            ..Scene::default()
        };
        World::new(seed, scene).run_to_the_end();
    }
}
