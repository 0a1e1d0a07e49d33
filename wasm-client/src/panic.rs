//! What a person sees when this crate has a bug.

/// Says so in the console; the default would be the one word `unreachable`.
pub(crate) fn explain() {
    std::panic::set_hook(Box::new(|panic| {
        let text = format!(
            "Longhaul has a bug and stopped; reload the page and pick the files again, the uploads \
             go on from where they were. Please report this: {panic}"
        );
        web_sys::console::error_1(&text.into());
    }));
}
