//! The disk store, in process, on the real disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation)]

mod store {
    mod at_rest;
    mod chunks;
    mod conformance;
    mod copies;
    mod crash;
    mod ends;
    mod events;
    mod everyone;
    mod faults;
    mod fixture;
    mod growing;
    mod lists;
    mod opening;
    mod partial;
    mod races;
    mod reuse;
    mod rot;
    mod round_trip;
    mod sealing;
    mod sim;
    mod space;
    mod whole;
}
