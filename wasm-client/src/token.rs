//! The token that requests carry: the page's own, or a guest's that the server gave.
//!
//! A guest is the same in all uploaders of a page, as his files are in one list; a page's own token
//! is its uploader's. Requests know which token they carried, because one that is refused late must
//! not cost the fresh one.
//!
//! What is sent with it and what a refusal means is decided elsewhere; here it is only had, kept and
//! handed out. It is in no event, no log and no record of an upload.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use gloo_timers::callback::Timeout;
use js_sys::{Array, Function, Object, Promise};
use litemap::LiteMap;
use longhaul_protocol::upload::{Failure, RENEW_TIMEOUT, Ticket};
use longhaul_protocol::wire::header::{bearer, read_bearer};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::endpoint::Endpoint;
use crate::log::{self, Level};
use crate::persist::{self, Guest};
use crate::promise::resolvable;
use crate::thrown;

thread_local! {
    static GUESTS: RefCell<LiteMap<String, Weak<Inner>>> = const { RefCell::new(LiteMap::new()) };
}

/// Where a page has its tokens from.
#[derive(Clone, Debug, Default)]
pub(crate) enum Source {
    /// Nowhere: who uploads is whoever may, or a guest.
    #[default]
    None,
    /// One token, for as long as it is valid.
    Fixed(String),
    /// A function of the page's, which returns one or a promise of one.
    Page(Function),
}

/// The tokens of an uploader, one after the other. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    /// What a guest's token is remembered by.
    guest: Guest,
    token: RefCell<Option<String>>,
    /// How often it changed.
    generation: Cell<u32>,
    /// What a guest was refused with; another tab may have remembered a better one since.
    refused: RefCell<Option<String>>,
    /// What the page was asked and has not answered yet: one question for all who wait.
    asking: RefCell<Option<Promise>>,
    /// A first request without a token is under way; others wait, or each would be a guest of his own.
    introducing: RefCell<Option<Promise>>,
    /// Whether a request without a token was answered without one: this server gives none.
    gives_none: Cell<bool>,
}

/// Lasts while a first request is under way. Dropping it lets the others go on.
pub(crate) struct Introduction {
    tokens: Tokens,
    done: Function,
}

impl Tokens {
    /// Tokens of this source; a guest's as it was kept.
    pub(crate) fn new(source: Source, endpoint: &Endpoint) -> Self {
        match source {
            Source::None => Self::of_guest(endpoint),
            source => Self::fresh(source, endpoint),
        }
    }

    fn of_guest(endpoint: &Endpoint) -> Self {
        GUESTS.with_borrow_mut(|guests| {
            let there = guests.get(endpoint.as_str()).and_then(Weak::upgrade);
            there.map(Self).unwrap_or_else(|| {
                let fresh = Self::fresh(Source::None, endpoint);
                guests.insert(endpoint.as_str().to_owned(), Rc::downgrade(&fresh.0));
                fresh
            })
        })
    }

    fn fresh(source: Source, endpoint: &Endpoint) -> Self {
        let token = match &source {
            Source::Fixed(token) => Some(trimmed(token)),
            Source::None | Source::Page(_) => None,
        };
        Self(Rc::new(Inner {
            source,
            guest: Guest::of(endpoint),
            token: RefCell::new(token),
            generation: Cell::new(0),
            refused: RefCell::default(),
            asking: RefCell::default(),
            introducing: RefCell::default(),
            gives_none: Cell::new(false),
        }))
    }

    /// The `Authorization` of the token that is known.
    fn known(&self) -> Option<String> {
        if self.0.token.borrow().is_none() {
            self.remember();
        }
        self.0.token.borrow().as_deref().map(bearer)
    }

    /// A guest's token is also what another tab was given.
    fn remember(&self) {
        let is_guest = matches!(self.0.source, Source::None) && !self.0.gives_none.get();
        let kept = is_guest.then(|| persist::load_guest(&self.0.guest)).flatten();
        if kept.is_some() && kept != *self.0.refused.borrow() {
            self.change(kept);
        }
    }

    /// The same token again is no change: several may wait for one answer of the page's.
    fn change(&self, token: Option<String>) {
        if self.0.token.replace(token.clone()) != token {
            self.0.generation.set(self.0.generation.get() + 1);
        }
    }

    /// The `Authorization` to send, after asking the page where it has not been asked yet.
    pub(crate) async fn authorization(&self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(known) = self.known() {
                return Ok(Some(known));
            }
            if let Source::Page(function) = &self.0.source {
                self.ask(function).await?;
                continue;
            }
            let introducing = self.0.introducing.borrow().clone();
            match introducing {
                // Only ever resolved.
                Some(promise) => drop(JsFuture::from(promise).await),
                None => return Ok(None),
            }
        }
    }

    /// A request that may be answered with a guest's token goes out without one.
    pub(crate) fn introduce(&self) -> Option<Introduction> {
        if self.0.gives_none.get() || self.known().is_some() {
            return None;
        }
        let (promise, done) = resolvable();
        self.0.introducing.replace(Some(promise));
        Some(Introduction { tokens: self.clone(), done })
    }

    /// What such a request was answered with.
    pub(crate) fn given(&self, token: Option<String>) {
        match (token, &self.0.source) {
            (Some(token), Source::None) => {
                persist::save_guest(&self.0.guest, &token);
                self.change(Some(token));
            }
            (None, _) if self.known().is_none() => self.0.gives_none.set(true),
            _ => {}
        }
    }

    /// After the token of that generation was refused: whether there is another one now. A guest
    /// becomes another guest; what was his is out of reach.
    async fn renew(&self, generation: u32) -> bool {
        if generation != self.0.generation.get() {
            return true;
        }
        match &self.0.source {
            Source::None => self.be_another_guest(),
            Source::Fixed(_) => false,
            Source::Page(function) => match self.ask(function).await {
                Ok(()) => generation != self.0.generation.get(),
                Err(failure) => {
                    log::say(Level::Warn, failure);
                    false
                }
            },
        }
    }

    /// A person tries again: who has not answered yet may answer a new question.
    pub(crate) fn ask_again(&self) {
        self.0.asking.replace(None);
    }

    fn be_another_guest(&self) -> bool {
        let Some(refused) = self.0.token.borrow().clone() else { return false };
        self.0.refused.replace(Some(refused));
        self.0.gives_none.set(false);
        self.change(None);
        true
    }

    async fn ask(&self, function: &Function) -> Result<(), Failure> {
        let asking = self.0.asking.borrow().clone();
        let promise = match asking {
            Some(promise) => promise,
            None => {
                let answer = function.call0(&JsValue::UNDEFINED).map_err(|error| none(&error))?;
                let promise = in_time(&Promise::resolve(&answer));
                self.0.asking.replace(Some(promise.clone()));
                promise
            }
        };
        let answer = JsFuture::from(promise.clone()).await;
        self.0.asking.borrow_mut().take_if(|asking| is_same(asking, &promise));
        let token = answer.map_err(|error| none(&error))?.as_string().unwrap_or_default();
        let token = trimmed(&token);
        if read_bearer(&bearer(&token)).is_none() {
            return Err(none(&"it is no string that a header can carry".into()));
        }
        self.change(Some(token));
        Ok(())
    }
}

/// The tokens as the requests of one upload carry them. Clones share what they remember.
#[derive(Clone, Debug)]
pub(crate) struct Bearer {
    tokens: Tokens,
    /// From which ticket on which generation was carried.
    carried: Rc<RefCell<Vec<(Ticket, u32)>>>,
}

const NO_ANSWER: &str = "its function did not answer within five minutes";

/// How many changes of the token an upload remembers: a refusal comes late by one or two.
const CARRIED_MAX: usize = 8;

impl Bearer {
    /// An upload that has sent nothing.
    pub(crate) fn new(tokens: Tokens) -> Self {
        Self { tokens, carried: Rc::default() }
    }

    /// The tokens.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The `Authorization` that is known, for the request of this ticket.
    pub(crate) fn known(&self, ticket: Ticket) -> Option<String> {
        let known = self.tokens.known();
        self.carries(ticket);
        known
    }

    /// The `Authorization` for the request of this ticket, after asking the page if need be.
    pub(crate) async fn authorization(&self, ticket: Ticket) -> Result<Option<String>, Failure> {
        let authorization = self.tokens.authorization().await;
        self.carries(ticket);
        authorization
    }

    /// After the request of this ticket was refused: whether there is another token now.
    pub(crate) async fn renew(&self, refused: Ticket) -> bool {
        let generation = self.carried_by(refused);
        self.tokens.renew(generation).await
    }

    fn carries(&self, ticket: Ticket) {
        let generation = self.tokens.0.generation.get();
        let mut carried = self.carried.borrow_mut();
        if carried.last().is_none_or(|(_, last)| *last != generation) {
            carried.push((ticket, generation));
            let excess = carried.len().saturating_sub(CARRIED_MAX);
            carried.drain(..excess);
        }
    }

    fn carried_by(&self, ticket: Ticket) -> u32 {
        let carried = self.carried.borrow();
        let since = carried.iter().rev().find(|(first, _)| *first <= ticket);
        since.or(carried.first()).map_or(0, |(_, generation)| *generation)
    }
}

impl Drop for Introduction {
    fn drop(&mut self) {
        self.tokens.0.introducing.replace(None);
        // Resolving a promise does not throw.
        drop(self.done.call0(&JsValue::UNDEFINED));
    }
}

/// A page's function may never answer; then the next request asks it anew.
fn in_time(promise: &Promise) -> Promise {
    let ms = u32::try_from(RENEW_TIMEOUT.0).unwrap_or(u32::MAX);
    let late = Promise::new(&mut |_, reject| {
        let reject = move || drop(reject.call1(&JsValue::UNDEFINED, &NO_ANSWER.into()));
        Timeout::new(ms, reject).forget();
    });
    Promise::race(&Array::of2(promise, &late))
}

/// A token has a line end behind it where it was read from a file or from what a program said.
fn trimmed(token: &str) -> String {
    token.trim_ascii().to_owned()
}

fn is_same(one: &Promise, other: &Promise) -> bool {
    Object::is(one, other)
}

fn none(error: &JsValue) -> Failure {
    Failure::Local(format!("the page gave no token: {}", thrown::words(error)))
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
