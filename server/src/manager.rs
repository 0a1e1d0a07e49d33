//! What a service manager is told that has asked for it: systemd with `Type=notify`.

use sd_notify::NotifyState;

/// Who comes now is served.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// It was told to stop, by the manager or somebody else.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Nothing happens where nobody has asked.
fn tell(state: NotifyState<'_>) {
    let told = state.to_string();
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager (NOTIFY_SOCKET) is not told {told}");
    }
}
