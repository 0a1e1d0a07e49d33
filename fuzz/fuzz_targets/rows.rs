#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| longhaul_server::store::disk::hold_rows_to_their_word(
    bytes
));
