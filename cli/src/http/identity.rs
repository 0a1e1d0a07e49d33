//! Who asks: the user with a token of their own, a guest with the one that the server gave, or nobody yet.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use longhaul_protocol::upload::Failure;
use tokio::sync::OnceCell;

/// Whoever asks, through all requests of a run.
#[derive(Default)]
pub(super) struct Identity {
    token: Mutex<Token>,
    /// Whether the server was asked whom it takes nobody for.
    met: OnceCell<()>,
    when_guest: OnceLock<WhenGuest>,
}

type WhenGuest = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Debug, Default)]
enum Token {
    #[default]
    Nobody,
    Users(String),
    Guests(String),
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("token", &self.token).finish_non_exhaustive()
    }
}

impl Identity {
    pub(super) fn of(users: Option<String>) -> Self {
        let token = Mutex::new(users.map_or(Token::Nobody, Token::Users));
        Self { token, ..Self::default() }
    }

    fn token(&self) -> MutexGuard<'_, Token> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that requests carry.
    pub(super) fn known(&self) -> Option<String> {
        match &*self.token() {
            Token::Nobody => None,
            Token::Users(token) | Token::Guests(token) => Some(token.clone()),
        }
    }

    pub(super) fn users(&self) -> Option<String> {
        match &*self.token() {
            Token::Users(token) => Some(token.clone()),
            Token::Nobody | Token::Guests(_) => None,
        }
    }

    pub(super) fn guests(&self) -> Option<String> {
        match &*self.token() {
            Token::Guests(token) => Some(token.clone()),
            Token::Nobody | Token::Users(_) => None,
        }
    }

    /// From now on this guest asks, unless the user does.
    pub(super) fn becomes(&self, guest: String) {
        let mut token = self.token();
        if matches!(*token, Token::Users(_)) {
            return;
        }
        *token = Token::Guests(guest.clone());
        drop(token);
        if let Some(does) = self.when_guest.get() {
            does(&guest);
        }
    }

    /// What is done with a guest's token as soon as it is there. The first one who says counts.
    pub(super) fn when_guest(&self, does: impl Fn(&str) + Send + Sync + 'static) {
        let _ = self.when_guest.set(Box::new(does));
    }

    /// Once the server has said who that is. Others wait meanwhile, or each would be made a guest of its own; what fails
    /// is asked again by the next.
    pub(super) async fn met(
        &self,
        asked: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        self.met.get_or_try_init(|| asked).await.copied()
    }
}
