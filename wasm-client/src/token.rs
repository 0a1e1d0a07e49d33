//! The token that requests carry: the page's own, or a guest's that the server gave.
//!
//! What is sent with it and what a refusal means is decided elsewhere; here it is only had, kept and
//! handed out. It is in no event, no log and no record of an upload.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Function, Promise};
use longhaul_protocol::Digest;
use longhaul_protocol::upload::Failure;
use longhaul_protocol::wire::header::{bearer, read_bearer};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use crate::endpoint::Endpoint;
use crate::persist;

/// What a guest's token is kept under; not below what is swept with the records of uploads.
const GUEST_PREFIX: &str = "longhaul-guest:";

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

/// The tokens of one uploader. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Source,
    guest_key: String,
    token: RefCell<Option<String>>,
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
        let guest_key = format!("{GUEST_PREFIX}{}", Digest::of(endpoint.as_str().as_bytes()));
        let token = match &source {
            Source::None => persist::text(&guest_key),
            Source::Fixed(token) => Some(token.clone()),
            Source::Page(_) => None,
        };
        Self(Rc::new(Inner {
            source,
            guest_key,
            token: RefCell::new(token),
            asking: RefCell::default(),
            introducing: RefCell::default(),
            gives_none: Cell::new(false),
        }))
    }

    /// The `Authorization` of the token that is known.
    pub(crate) fn known(&self) -> Option<String> {
        self.0.token.borrow().as_deref().map(bearer)
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
        let mut done = Function::default();
        let promise = Promise::new(&mut |resolve, _| done = resolve);
        self.0.introducing.replace(Some(promise));
        Some(Introduction { tokens: self.clone(), done })
    }

    /// What such a request was answered with.
    pub(crate) fn given(&self, token: Option<String>) {
        match (token, &self.0.source) {
            (Some(token), Source::None) => {
                persist::set_text(&self.0.guest_key, &token);
                self.0.token.replace(Some(token));
            }
            (None, _) if self.known().is_none() => self.0.gives_none.set(true),
            _ => {}
        }
    }

    /// After a refusal: whether there is another token now.
    pub(crate) async fn renew(&self) -> bool {
        let refused = self.0.token.take();
        match &self.0.source {
            Source::None => {
                persist::remove_text(&self.0.guest_key);
                self.0.gives_none.set(false);
                refused.is_some()
            }
            Source::Fixed(_) => {
                self.0.token.replace(refused);
                false
            }
            Source::Page(function) => match self.ask(function).await {
                Ok(()) => true,
                Err(failure) => {
                    web_sys::console::warn_1(&format!("Longhaul: {failure}").into());
                    false
                }
            },
        }
    }

    async fn ask(&self, function: &Function) -> Result<(), Failure> {
        let asking = self.0.asking.borrow().clone();
        let promise = match asking {
            Some(promise) => promise,
            None => {
                let answer = function.call0(&JsValue::UNDEFINED).map_err(|error| none(&error))?;
                let promise = Promise::resolve(&answer);
                self.0.asking.replace(Some(promise.clone()));
                promise
            }
        };
        let answer = JsFuture::from(promise).await;
        self.0.asking.replace(None);
        let token = answer.map_err(|error| none(&error))?.as_string().unwrap_or_default();
        if read_bearer(&bearer(&token)).is_none() {
            return Err(none(&"it is no string that a header can carry".into()));
        }
        self.0.token.replace(Some(token));
        Ok(())
    }
}

impl Drop for Introduction {
    fn drop(&mut self) {
        self.tokens.0.introducing.replace(None);
        // Resolving a promise does not throw.
        drop(self.done.call0(&JsValue::UNDEFINED));
    }
}

fn none(error: &JsValue) -> Failure {
    let why = error.as_string().unwrap_or_else(|| format!("{error:?}"));
    Failure::Local(format!("the page gave no token: {why}"))
}
