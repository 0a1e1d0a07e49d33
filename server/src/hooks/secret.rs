//! The signature of Standard Webhooks 1.0.0 (standardwebhooks.com), symmetric: `v1,` and the base64 of an HMAC-SHA256
//! over the message's id, the time of the try and the body, with full stops between.
//!
//! Not a scheme of our own, because receivers have libraries for this one, which compare in constant time and look
//! at the time.

use aws_lc_rs::hmac;
use base64ct::{Base64, Encoding as _};

/// What a secret begins with, so that nobody takes it for anything else.
pub(crate) const PREFIX: &str = "whsec_";
/// The shortest and the longest secret that the scheme knows, bytes.
const SECRET_BYTES_MIN: usize = 24;
const SECRET_BYTES_MAX: usize = 64;
/// How many secrets sign at once: the new one and the old while a receiver changes over, and one to spare.
const SECRETS_MAX: usize = 3;

/// Why a file has no secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// A line that is none.
    #[error(
        "a line is not `{PREFIX}` and the base64 of {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes"
    )]
    Malformed,
    /// None, or too many.
    #[error("there are {count} secrets, each on a line; 1 to {SECRETS_MAX} can be used")]
    Count {
        /// How many there are.
        count: usize,
    },
}

/// What messages are signed with, each with all of them. Its `Debug` shows nothing of them.
#[derive(Clone, Debug)]
pub struct Secrets(Vec<hmac::Key>);

impl Secrets {
    /// The secrets of a file, one a line.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn parse(text: &[u8]) -> Result<Self, SecretError> {
        let text = std::str::from_utf8(text).map_err(|_| SecretError::Malformed)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let keys: Vec<_> = lines.map(key).collect::<Option<_>>().ok_or(SecretError::Malformed)?;
        if keys.is_empty() || keys.len() > SECRETS_MAX {
            return Err(SecretError::Count { count: keys.len() });
        }
        Ok(Self(keys))
    }

    /// The value of `webhook-signature`; the time is in seconds since 1970.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let head = format!("{id}.{seconds}.");
        let signatures = self.0.iter().map(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", Base64::encode_string(context.sign().as_ref()))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

fn key(line: &str) -> Option<hmac::Key> {
    let secret = Base64::decode_vec(line.strip_prefix(PREFIX)?).ok()?;
    let fits = (SECRET_BYTES_MIN..=SECRET_BYTES_MAX).contains(&secret.len());
    fits.then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

/// A secret of these random bytes, as files have it.
#[must_use]
pub(crate) fn written(secret: &[u8]) -> String {
    format!("{PREFIX}{}", Base64::encode_string(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the scheme's own libraries are tested with.
    const SECRET: &[u8] = b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn a_message_is_signed_as_the_published_example_is() {
        let secrets = Secrets::parse(SECRET).unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(secrets.sign(ID, 1_614_265_330, body), SIGNATURE);
        assert_ne!(secrets.sign(ID, 1_614_265_331, body), SIGNATURE);
    }

    #[test]
    fn each_secret_signs_so_that_they_can_be_changed() {
        let both = [SECRET, written(&[7; 32]).as_bytes()].concat();
        let signed = Secrets::parse(&both).unwrap().sign(ID, 1, b"");
        let old = Secrets::parse(SECRET).unwrap().sign(ID, 1, b"");
        assert_eq!(signed.split(' ').next(), Some(old.as_str()));
        assert_eq!(signed.split(' ').count(), 2);
    }

    #[test]
    fn what_is_no_secret_is_told() {
        let short = written(&[7; SECRET_BYTES_MIN - 1]);
        let long = written(&[7; SECRET_BYTES_MAX + 1]);
        for wrong in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_%%", &short, &long] {
            let error = Secrets::parse(wrong.as_bytes()).map(drop);
            assert_eq!(error, Err(SecretError::Malformed), "{wrong}");
        }
        assert_eq!(Secrets::parse(b"\n").map(drop), Err(SecretError::Count { count: 0 }));
        let four = SECRET.repeat(SECRETS_MAX + 1);
        assert_eq!(Secrets::parse(&four).map(drop), Err(SecretError::Count { count: 4 }));
    }
}
