//! Where a server is, and which file of it is meant.

use std::str::FromStr;

use http::Uri;
use longhaul_protocol::wire::ids::FileId;
use longhaul_protocol::wire::link;
use longhaul_protocol::wire::path;
use thiserror::Error;
use url::Url;

/// A server: its scheme, its name, and the path that a proxy may put before the API's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Without a slash at its end.
    base: String,
}

/// A file of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The server.
    pub endpoint: Endpoint,
    /// The file.
    pub file: FileId,
    /// The query of a link to it, if that is what it was found by.
    pub link: Option<String>,
}

/// Why a text names no server, or no file of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Not an `http:` or `https:` URL.
    #[error("an address begins with `https://` or `http://`, such as `https://files.example.org`")]
    NotHttp,
    /// A user or a password in it.
    #[error("an address has no user and no password in it; put a token into LONGHAUL_TOKEN")]
    Credentials,
    /// A query or a fragment in it.
    #[error("the address of a server has no `?` and no `#`")]
    Query,
    /// The query of a file's address is not a link's.
    #[error(
        "what is behind the `?` makes no link: a link has `expires` and `signature`, and has to stand in quotes, because of its `&`; the address of a file has no `?`"
    )]
    NoLink,
    /// No file's address.
    #[error(
        "a file's address ends in `/v1/files/` and 32 hexadecimal digits, as `longhaul send` prints it"
    )]
    NoFile,
}

impl FromStr for Endpoint {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|_| UrlError::NotHttp)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(UrlError::NotHttp);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(UrlError::Query);
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        // The address of the API itself is as good.
        let base = base.strip_suffix("/v1").map_or(base.clone(), str::to_owned);
        Ok(Self { base })
    }
}

impl FromStr for Remote {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (address, link) = link::split(text);
        let Endpoint { base } = address.parse().map_err(|error| match error {
            UrlError::Query => UrlError::NoLink,
            other => other,
        })?;
        let (base, id) = base.rsplit_once('/').ok_or(UrlError::NoFile)?;
        let base = base.strip_suffix(path::FILES).ok_or(UrlError::NoFile)?;
        let file = id.parse().map_err(|_| UrlError::NoFile)?;
        Ok(Self { endpoint: base.parse()?, file, link: link.map(str::to_owned) })
    }
}

impl Remote {
    /// What its link calls it, if it is one that says so.
    #[must_use]
    pub fn link_name(&self) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.link.as_ref()?.as_bytes());
        let name = pairs.into_iter().find(|(key, _)| key == "name")?.1;
        Some(name.into_owned())
    }
}

impl Endpoint {
    /// Where a path of the API is there.
    ///
    /// # Errors
    /// Never for the paths of the API; the parser's signature has one.
    pub fn at(&self, path: &str) -> Result<Uri, http::uri::InvalidUri> {
        format!("{}{path}", self.base).parse()
    }

    /// The address of a file there, as people write it.
    #[must_use]
    pub fn file(&self, file: FileId) -> String {
        format!("{}{}", self.base, path::file(file))
    }

    /// Whether what goes there is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// As people write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_lie_below_a_path() {
        for (text, base) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://Example.org/", "https://example.org"),
            ("https://example.org/longhaul/", "https://example.org/longhaul"),
            ("https://example.org/longhaul/v1", "https://example.org/longhaul"),
            ("http://[::1]:80/", "http://[::1]"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.as_str(), base, "{text}");
            assert_eq!(
                endpoint.at(path::UPLOADS).unwrap().to_string(),
                format!("{base}/v1/uploads")
            );
        }
    }

    #[test]
    fn what_is_no_address_of_a_server_says_why() {
        for (text, why) in [
            ("example.org", UrlError::NotHttp),
            ("ftp://example.org", UrlError::NotHttp),
            ("http://", UrlError::NotHttp),
            ("", UrlError::NotHttp),
            ("http://me:secret@example.org", UrlError::Credentials),
            ("http://example.org/?x=1", UrlError::Query),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_files_address_is_what_send_prints() {
        let endpoint: Endpoint = "https://example.org/up".parse().unwrap();
        let file = FileId([9; 16]);
        let remote = Remote { endpoint: endpoint.clone(), file, link: None };
        assert_eq!(endpoint.file(file).parse(), Ok(remote.clone()));
        let link = Some("expires=1&signature=x".to_owned());
        let address = format!("{}?expires=1&signature=x", endpoint.file(file));
        assert_eq!(address.parse(), Ok(Remote { link, ..remote }));
        let other = format!("{}?expires=1", endpoint.file(file));
        assert_eq!(other.parse::<Remote>(), Err(UrlError::NoLink));
        for other in
            ["https://example.org", "https://example.org/v1/files/xyz", "https://e.org/f/1"]
        {
            assert_eq!(other.parse::<Remote>(), Err(UrlError::NoFile), "{other}");
        }
    }
}
