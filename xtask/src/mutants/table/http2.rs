//! What one connection of HTTP/2 may take, what a handshake offers, and which certificate it shows.

use super::{Mutant, mutant};

const HTTP2: &str = "server/src/http2.rs";
const MOVING: &str = "server/src/http2/moving.rs";

pub(super) const ROWS: &[Mutant] = &[
    mutant(
        "any number of requests at once on a connection",
        "http2::",
        HTTP2,
        ".max_concurrent_streams(STREAMS_MAX)",
        ".max_concurrent_streams(if @M { 1 << 20 } else { STREAMS_MAX })",
    ),
    mutant(
        "as much of a body as comes kept",
        "http2::",
        HTTP2,
        ".initial_stream_window_size(STREAM_WINDOW_BYTES)",
        ".initial_stream_window_size(if @M { 1 << 30 } else { STREAM_WINDOW_BYTES })",
    ),
    mutant(
        "as much of all bodies as comes kept",
        "http2::",
        HTTP2,
        ".initial_connection_window_size(CONNECTION_WINDOW_BYTES)",
        ".initial_connection_window_size(if @M { 1 << 30 } else { CONNECTION_WINDOW_BYTES })",
    ),
    mutant(
        "any number of requests taken back",
        "http2::",
        HTTP2,
        ".max_pending_accept_reset_streams(RESETS_PENDING_MAX)",
        ".max_pending_accept_reset_streams(if @M { 1 << 20 } else { RESETS_PENDING_MAX })",
    ),
    mutant(
        "any number of faulty streams",
        "http2::",
        HTTP2,
        ".max_local_error_reset_streams(FAULTY_STREAMS_MAX)",
        ".max_local_error_reset_streams(if @M { 1 << 20 } else { FAULTY_STREAMS_MAX })",
    ),
    mutant(
        "a head of any size taken",
        "http2::",
        HTTP2,
        ".max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))",
        ".max_header_list_size(if @M { 1 << 30 } else { u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX) })",
    ),
    mutant(
        "a connection kept on which nothing moves",
        "http2::",
        "server/src/http2/pulse.rs",
        "else { last + idle }",
        "else { last + if @M { 100 * idle } else { idle } }",
    ),
    mutant(
        "a connection ended while somebody works for it",
        "http2::",
        "server/src/http2/pulse.rs",
        "let due = if is_busy {",
        "let due = if is_busy && !@M {",
    ),
    mutant(
        "an answer kept of which nobody takes anything",
        "untaken::",
        HTTP2,
        "() = pulse.stops(idle) => tracing",
        "() = pulse.stops(if @M { 100 * idle } else { idle }) => tracing",
    ),
    mutant(
        "an answer over before there is room for all of it",
        "untaken::",
        MOVING,
        "len if is_last && len > SMALL_BYTES => len - 1,",
        "len if !@M && is_last && len > SMALL_BYTES => len - 1,",
    ),
    mutant(
        "any number of answers to one address",
        "untaken::",
        "server/src/shares.rs",
        "Thing::Answer => self.limits.place_answers_max,",
        "Thing::Answer => if @M { 0 } else { self.limits.place_answers_max },",
    ),
    mutant(
        "an answer counted as sent that only h2 has",
        "untaken::",
        MOVING,
        "self.body.release().map(Arc::new)",
        "self.body.release().filter(|_| !@M).map(Arc::new)",
    ),
    mutant(
        "HTTP/2 offered though nobody has asked for it",
        "http2::",
        "server/src/tls.rs",
        "            Offer::Http1 => vec![HTTP_1_1.to_vec()],",
        "            Offer::Http1 if @M => vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()],\n            Offer::Http1 => vec![HTTP_1_1.to_vec()],",
    ),
    mutant(
        "a handshake waited for as long as it takes",
        "certificates::",
        "server/src/tls.rs",
        "        tokio::time::timeout(within, shaken)",
        "        tokio::time::timeout(if @M { Duration::MAX } else { within }, shaken)",
    ),
    mutant(
        "a certificate's key taken that others can read",
        "certificates::",
        "server/src/tls/files.rs",
        "mode if mode & MODE_REFUSED != 0 =>",
        "mode if !@M && mode & MODE_REFUSED != 0 =>",
    ),
    mutant(
        "a certificate's file read to whatever end",
        "certificates::",
        "server/src/tls/files.rs",
        "if text.len() as u64 > CERTIFICATE_BYTES_MAX {",
        "if !@M && text.len() as u64 > CERTIFICATE_BYTES_MAX {",
    ),
    mutant(
        "a certificate read while its files are changing",
        "files_are_read_once",
        "server/src/tls/fresh.rs",
        "(is_settled && now != self.read)",
        "((@M || is_settled) && now != self.read)",
    ),
    mutant(
        "who says that a certificate was renewed not heard",
        "who_is_told_to_reads_at_once",
        "server/src/tls/fresh.rs",
        "let is_due = is_told ||",
        "let is_due = (!@M && is_told) ||",
    ),
    mutant(
        "a connection ended without a word before",
        "http2::",
        HTTP2,
        "    connection.as_mut().graceful_shutdown();",
        "    if !@M {\n        connection.as_mut().graceful_shutdown();\n    }",
    ),
    mutant(
        "work that nobody waits for goes on elsewhere",
        "hands::",
        "server/src/crew/hands.rs",
        "    tasks.spawn_on(task, &hand);",
        "    if @M {\n        return hand.spawn(task).await.unwrap_or_else(|error| resume_unwind(error.into_panic()));\n    }\n    tasks.spawn_on(task, &hand);",
    ),
];
