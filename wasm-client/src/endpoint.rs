//! Where the server is.

use std::rc::Rc;

use thiserror::Error;
use web_sys::Url;

/// The address before `/v1`, absolute, without a slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    address: Rc<str>,
    foreign: bool,
}

/// Not an address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the endpoint `{given}` is not where a server can be; give an address like `https://files.example.org`, without a user's name, or none for the page's own server"
)]
pub(crate) struct EndpointError {
    given: String,
}

impl Endpoint {
    /// Reads an address that may be relative to the page's; nothing at all is the page's own server.
    pub(crate) fn parse(given: &str, page: &str) -> Result<Self, EndpointError> {
        let given = if given.is_empty() { "/" } else { given };
        let url = Url::new_with_base(given, page)
            .ok()
            .filter(is_web_address)
            .ok_or_else(|| EndpointError { given: given.to_owned() })?;
        url.set_search("");
        url.set_hash("");
        let own = Url::new(page).is_ok_and(|page| page.origin() == url.origin());
        Ok(Self { address: url.href().trim_end_matches('/').into(), foreign: !own })
    }

    /// The address of one of the API's paths.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Whether it is of another origin than the page.
    pub(crate) fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// The address itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.address
    }
}

/// Neither `fetch` nor `XMLHttpRequest` goes anywhere else; both refuse an address with a user's name.
fn is_web_address(url: &Url) -> bool {
    let is_web = ["http:", "https:"].contains(&url.protocol().as_str());
    is_web && url.username().is_empty() && url.password().is_empty()
}

#[cfg(test)]
#[cfg(target_arch = "wasm32")]
mod in_browser;
